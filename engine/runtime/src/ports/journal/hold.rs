//! Holds: who looks at what at this moment, so that any number of processes can share one journal.
//!
//! Whoever takes an issue holds it for a lease by the journal's clock, and in an epoch of its own: the fencing token. A
//! process that was frozen for longer than its lease finds the issue in a later epoch, and can write nothing about it.

use std::time::Duration;

use selfheal_core::issue::IssueId;

/// How long an issue is held without [`Journal::keep`](super::Journal::keep) or [`Write::Hold`](super::Write::Hold).
pub const HOLD: Duration = Duration::from_secs(20);
/// How long a notification is held by the process that received it or took it; then any other may expand it.
pub const RECEIPT_HOLD: Duration = Duration::from_secs(30);

/// The right to look at an issue and to act for it, until somebody else takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tenure {
    /// The issue.
    pub issue: IssueId,
    /// How often the issue has been taken, this time included.
    pub epoch: i64,
}

impl Tenure {
    /// The first one of an issue, which is that of whoever opens it, if its sighting says so.
    pub fn first(issue: IssueId) -> Self {
        Self { issue, epoch: 1 }
    }
}

/// What processes that share a journal say to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// A look was called for, or a setting was changed.
    Call,
    /// A record was added.
    Record,
}
