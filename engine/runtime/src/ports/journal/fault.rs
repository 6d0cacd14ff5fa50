//! What can go wrong with the journal.

/// What went wrong with the journal. The kind is the metric's label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JournalFaultKind {
    /// A precondition did not hold: somebody else moved first.
    Conflict,
    /// The issue is not held any more: somebody else has taken it, and may be at work on it. Nothing was changed.
    Fenced,
    /// It cannot be written at the moment (disk full, connection lost). Nothing was changed, unless the text says that this
    /// is not known; what was changed all the same is found by reading it again.
    Unavailable,
    /// It cannot be known whether the write is on disk (a failed fsync). The process must end.
    Broken,
}

/// A journal fault.
#[derive(Clone, Debug, thiserror::Error)]
#[error("journal: {what}")]
pub struct JournalFault {
    /// What it means.
    pub kind: JournalFaultKind,
    /// What happened.
    pub what: String,
}
