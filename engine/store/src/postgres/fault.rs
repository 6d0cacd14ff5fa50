//! What PostgreSQL's failures mean: a conflict of one request, a refusal of one request, or a server that cannot be
//! written at the moment. The server's own answer counts first, by its SQLSTATE (PostgreSQL's documentation, appendix A).

use std::error::Error as _;
use std::time::Duration;

use selfheal_runtime::ports::{JournalFault, JournalFaultKind};
use tokio_postgres::Error;
use tokio_postgres::error::{DbError, SqlState};

/// How much of a text of the server's is shown.
const MESSAGE_CHARS_MAX: usize = 300;

/// Why a request could not be carried out.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// A precondition of the request does not hold, of this kind.
    Refused(JournalFault),
    /// A value has no form in a column, or does not read back from one.
    Value(String),
    /// There was no answer in time; whether the statement happened is not known.
    Timeout(Duration),
    /// There was no connection.
    Connect(String),
    /// There can be no connection with these settings.
    Settings(String),
    /// The server refused the statement, or the connection was lost over it.
    Server(Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Server(error)
    }
}

/// Whom a trouble concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// The request alone: its neighbours in the transaction can go on.
    Request,
    /// The whole transaction: nothing of it was written, and the same may succeed when it is tried again.
    Transaction,
    /// The connection is gone, and with it what had not been committed.
    Connection,
}

impl Trouble {
    /// A precondition that does not hold.
    pub(super) fn conflict(what: impl Into<String>) -> Self {
        Self::Refused(JournalFault { kind: JournalFaultKind::Conflict, what: what.into() })
    }

    /// Whom it concerns.
    pub(super) fn reach(&self) -> Reach {
        match self {
            Self::Refused(_) | Self::Value(_) => Reach::Request,
            Self::Timeout(_) | Self::Connect(_) | Self::Settings(_) => Reach::Connection,
            Self::Server(error) => match error.as_db_error() {
                None if error.is_closed()
                    || error.source().is_some_and(|source| source.is::<std::io::Error>()) =>
                {
                    Reach::Connection
                }
                // The driver could not turn a value into its wire form, or back.
                None => Reach::Request,
                Some(answer) if ends_session(answer) => Reach::Connection,
                Some(answer) => match class(answer.code()) {
                    // Data, constraints, limits of the program.
                    "22" | "23" | "54" => Reach::Request,
                    _ => Reach::Transaction,
                },
            },
        }
    }

    /// Whether the server does not let selfheal in: neither the same credentials nor the same database help later.
    pub(super) fn is_refusal(&self) -> bool {
        let Self::Server(error) = self else { return false };
        error.as_db_error().is_some_and(|answer| matches!(class(answer.code()), "28" | "3D"))
    }

    /// The fault that the request is answered with.
    pub(crate) fn fault(&self) -> JournalFault {
        let unavailable = |what: String| JournalFault { kind: JournalFaultKind::Unavailable, what };
        match self {
            Self::Refused(fault) => fault.clone(),
            Self::Value(what) => unavailable(what.clone()),
            Self::Timeout(limit) => unavailable(format!(
                "PostgreSQL has not answered within {limit:?}; see whether the server is overloaded or cannot be reached"
            )),
            Self::Connect(what) | Self::Settings(what) => unavailable(what.clone()),
            Self::Server(error) => match error.as_db_error() {
                Some(answer) if *answer.code() == SqlState::UNIQUE_VIOLATION => {
                    JournalFault { kind: JournalFaultKind::Conflict, what: said(answer) }
                }
                Some(answer) => {
                    unavailable(format!("PostgreSQL says: {}{}", said(answer), advice(answer.code())))
                }
                None => unavailable(format!("PostgreSQL: {}", chain(error))),
            },
        }
    }
}

fn advice(code: &SqlState) -> &'static str {
    match code.code() {
        "53100" => "; free space on the server's disk, it then goes on by itself",
        "25006" => "; this is a standby: give the address of the primary, or both (postgres://a,b/name)",
        "28000" | "28P01" => "; check user and password in journal.url, and the server's pg_hba.conf",
        "3D000" => "; create the database, or check its name in journal.url",
        "42501" => {
            "; `selfheal migrate --help` says what to grant to selfheal's role, and which role changes the schema"
        }
        "42P01" | "42703" => "; run `selfheal migrate`",
        _ => "",
    }
}

fn said(answer: &DbError) -> String {
    answer.message().chars().take(MESSAGE_CHARS_MAX).collect()
}

/// Whether the server closes the connection with this answer.
fn ends_session(answer: &DbError) -> bool {
    let code = answer.code();
    [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::CANNOT_CONNECT_NOW].contains(code)
        || class(code) == "08"
        || matches!(code.code(), "57P05" | "25P03" | "25P04")
}

fn class(code: &SqlState) -> &str {
    code.code().get(..2).unwrap_or_default()
}

/// An error with its causes, which is where the driver keeps what happened.
pub(super) fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
