//! What can go wrong with the journal.

/// What went wrong with the journal. The kind is the metric's label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JournalFaultKind {
    /// A precondition did not hold: somebody else moved first.
    Conflict,
    /// It cannot be written at the moment (disk full, connection lost). Nothing was changed.
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
