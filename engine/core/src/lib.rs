//! The pure domain of selfheal: what an alert, a rule, a plan, a verdict and an outcome are, and what
//! follows from them. Nothing here waits, reads a clock, the environment or the network; time and
//! randomness come in as arguments, so the same input gives the same output for ever.

pub mod alert;
pub mod audit;
pub mod condition;
pub mod guard;
pub mod hash;
pub mod health;
pub mod index;
pub mod issue;
pub mod labels;
pub mod matcher;
pub mod moment;
pub mod notification;
pub mod plan;
pub mod policy;
pub mod remediation;
pub mod rule;
pub mod sighting;
pub mod span;
pub mod success;
