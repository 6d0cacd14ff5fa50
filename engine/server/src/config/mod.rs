//! From the text of a configuration file to checked values: YAML with positions, values from environment and
//! files put in, and faults shown like a compiler's. What the values mean is for each section's owner.

pub mod interpolate;
pub mod render;
pub mod yaml;
