//! How an action or a probe can fail, and what may be done about it.

use serde::{Deserialize, Serialize};

/// What a failure means for the next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The adapter or the target said no; nothing happened, and trying again will not help.
    Refused,
    /// Nothing happened; trying again may help.
    Transient,
    /// It may have happened. Look at the target; never repeat it blindly.
    Indeterminate,
}

/// A failure, with a text that an operator reads: what was expected, what came, what to do.
#[derive(Clone, Debug, PartialEq, thiserror::Error, Serialize, Deserialize)]
#[error("{what}")]
pub struct Failure {
    /// What it means.
    pub kind: FailureKind,
    /// What happened.
    pub what: String,
}

impl Failure {
    /// A refusal: nothing happened and will not.
    pub fn refused(what: impl Into<String>) -> Self {
        Self { kind: FailureKind::Refused, what: what.into() }
    }

    /// A passing fault: nothing happened.
    pub fn transient(what: impl Into<String>) -> Self {
        Self { kind: FailureKind::Transient, what: what.into() }
    }

    /// It may have happened.
    pub fn indeterminate(what: impl Into<String>) -> Self {
        Self { kind: FailureKind::Indeterminate, what: what.into() }
    }
}
