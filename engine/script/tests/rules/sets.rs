//! Generations of rules.
