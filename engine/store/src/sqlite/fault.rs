//! What SQLite's failures mean: a conflict of one request, a refusal of one request, a disk that cannot be written at
//! the moment, or a commit of which nobody can say whether it is on disk.

use rusqlite::{ErrorCode, ffi};
use selfheal_runtime::ports::{JournalFault, JournalFaultKind};

/// Why a request could not be carried out.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// A precondition of the request does not hold.
    #[error("{0}")]
    Conflict(String),
    /// The issue is in another epoch.
    #[error("{0}")]
    Fenced(String),
    /// SQLite, or the way of a value into it, failed.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
}

/// Whom a trouble concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// The request alone: its neighbours in the transaction can go on.
    Request,
    /// The whole transaction: nothing of it was written, and later ones may succeed.
    Transaction,
    /// Everything: it is not known what is on disk.
    Journal,
}

impl Trouble {
    /// Whom it concerns when it comes from a statement within a transaction.
    pub(super) fn reach(&self) -> Reach {
        match self {
            Self::Conflict(_) | Self::Fenced(_) => Reach::Request,
            Self::Sqlite(rusqlite::Error::SqliteFailure(error, _)) => match error.code {
                _ if is_sync(error.extended_code) => Reach::Journal,
                ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch => {
                    Reach::Request
                }
                _ => Reach::Transaction,
            },
            // A value that has no place in a column, or does not read back from one.
            Self::Sqlite(_) => Reach::Request,
        }
    }

    /// The fault that the request is answered with.
    pub(super) fn fault(self) -> JournalFault {
        match self {
            Self::Conflict(what) => JournalFault { kind: JournalFaultKind::Conflict, what },
            Self::Fenced(what) => JournalFault { kind: JournalFaultKind::Fenced, what },
            Self::Sqlite(error) => unavailable(&error),
        }
    }
}

/// Whether a failed `COMMIT` leaves it open what is on disk.
///
/// The commit record is the last thing that is written, so a write that failed for want of space, or one that was never
/// begun, has committed nothing. Every other failure may have come after it.
pub(super) fn commit_is_unknown(error: &rusqlite::Error) -> bool {
    let Some(error) = error.sqlite_error() else { return true };
    let nothing_written = matches!(
        error.code,
        ErrorCode::DiskFull
            | ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::ReadOnly
            | ErrorCode::CannotOpen
            | ErrorCode::ConstraintViolation
    ) || error.extended_code == ffi::SQLITE_IOERR_WRITE;
    !nothing_written
}

fn is_sync(extended_code: i32) -> bool {
    matches!(extended_code, ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC)
}

/// The fault for what cannot be read or written at the moment.
pub(super) fn unavailable(error: &rusqlite::Error) -> JournalFault {
    let advice = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "; free space where the journal is, it then goes on by itself",
        Some(ErrorCode::ReadOnly) => "; make the journal's file and folder writable",
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => "; restore the journal from a backup",
        _ => "",
    };
    JournalFault { kind: JournalFaultKind::Unavailable, what: format!("{error}{advice}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(code: i32) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
    }

    #[test]
    fn each_failure_reaches_as_far_as_it_must() {
        let cases = [
            (ffi::SQLITE_CONSTRAINT_UNIQUE, Reach::Request),
            (ffi::SQLITE_TOOBIG, Reach::Request),
            (ffi::SQLITE_FULL, Reach::Transaction),
            (ffi::SQLITE_IOERR_WRITE, Reach::Transaction),
            (ffi::SQLITE_BUSY, Reach::Transaction),
            (ffi::SQLITE_READONLY, Reach::Transaction),
            (ffi::SQLITE_CORRUPT, Reach::Transaction),
            (ffi::SQLITE_IOERR_FSYNC, Reach::Journal),
            (ffi::SQLITE_IOERR_DIR_FSYNC, Reach::Journal),
        ];
        for (code, reach) in cases {
            assert_eq!(Trouble::from(failure(code)).reach(), reach, "{code}");
        }
        assert_eq!(Trouble::Conflict(String::new()).reach(), Reach::Request);
        assert_eq!(Trouble::from(rusqlite::Error::InvalidQuery).reach(), Reach::Request);
    }

    #[test]
    fn a_commit_is_unknown_unless_nothing_can_have_been_written() {
        for code in [ffi::SQLITE_FULL, ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_BUSY, ffi::SQLITE_READONLY] {
            assert!(!commit_is_unknown(&failure(code)), "{code}");
        }
        for code in
            [ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_SHMMAP, ffi::SQLITE_CORRUPT, ffi::SQLITE_INTERNAL]
        {
            assert!(commit_is_unknown(&failure(code)), "{code}");
        }
    }
}
