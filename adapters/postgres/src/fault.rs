//! What went wrong between here and the server, and what that means: did the statement happen?
//!
//! The server's own answer counts first, by its SQLSTATE (PostgreSQL's documentation, appendix A). Without an answer a
//! reading changed nothing, and a change may have happened.

use std::error::Error as _;
use std::time::Duration;

use selfheal_contract::Failure;
use tokio_postgres::error::{DbError, SqlState};

use crate::query_text::cut;

/// How much of a text of the server's is shown.
const MESSAGE_CHARS_MAX: usize = 300;

/// What was under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nothing that could change anything.
    Reading,
    /// A statement with an effect, sent.
    Changing,
}

/// What went wrong.
#[derive(Debug)]
pub(crate) enum Fault {
    /// Every connection that this process may have is in use.
    Busy(Duration),
    /// There was no connection in time.
    ConnectTimeout(Duration),
    /// There was no connection.
    Connect(tokio_postgres::Error),
    /// There was no answer in time.
    StatementTimeout(Duration),
    /// The statement failed, or the connection was lost over it.
    Statement(tokio_postgres::Error),
}

impl Fault {
    /// Whether the connection was lost before any answer came.
    pub(crate) fn is_lost(&self) -> bool {
        matches!(self, Self::Statement(error) if error.as_db_error().is_none_or(ends_session))
    }

    /// What it means, with a text for the operator. `server` names the target.
    pub(crate) fn failure(&self, server: &str, phase: Phase) -> Failure {
        let say = |text: String| format!("PostgreSQL {server}: {text}");
        match self {
            Self::Busy(waited) => Failure::transient(say(format!(
                "all of selfheal's own connections have been busy for {}; see which of its statements hang",
                seconds(*waited)
            ))),
            Self::ConnectTimeout(waited) => Failure::transient(say(format!(
                "no connection within {}; check that the server runs and that its address can be reached",
                seconds(*waited)
            ))),
            Self::Connect(error) => match error.as_db_error() {
                Some(answer) => connect_refused(answer, &say),
                None => Failure::transient(say(format!("cannot be reached: {}", chain(error)))),
            },
            Self::StatementTimeout(waited) => {
                unanswered(phase, say(format!("no answer within {}", seconds(*waited))))
            }
            Self::Statement(error) => match error.as_db_error() {
                Some(answer) => answered(answer, phase, &say),
                None => unanswered(phase, say(format!("the connection was lost: {}", chain(error)))),
            },
        }
    }
}

fn unanswered(phase: Phase, text: String) -> Failure {
    match phase {
        Phase::Reading => Failure::transient(text),
        Phase::Changing => {
            Failure::indeterminate(format!("{text}; the statement had been sent and may have happened"))
        }
    }
}

fn connect_refused(answer: &DbError, say: &dyn Fn(String) -> String) -> Failure {
    let message = cut(answer.message(), MESSAGE_CHARS_MAX);
    let code = answer.code();
    if *code == SqlState::TOO_MANY_CONNECTIONS {
        return Failure::transient(say(format!(
            "{message}; so that selfheal can still connect when all is full, let it connect before that, or grant its \
             role pg_use_reserved_connections (PostgreSQL 16 and later, with reserved_connections set)"
        )));
    }
    if class(code) == "57" || class(code) == "53" {
        return Failure::transient(say(format!("{message}; it starts, stops or lacks resources")));
    }
    Failure::refused(say(format!("{message}; check user, password, database and pg_hba.conf")))
}

fn answered(answer: &DbError, phase: Phase, say: &dyn Fn(String) -> String) -> Failure {
    let hint = answer.hint().map(|hint| format!(" ({})", cut(hint, MESSAGE_CHARS_MAX))).unwrap_or_default();
    let text = say(format!("{}{hint}", cut(answer.message(), MESSAGE_CHARS_MAX)));
    let code = answer.code();
    if ends_session(answer) || *code == SqlState::QUERY_CANCELED {
        return unanswered(phase, text);
    }
    match class(code) {
        // Lock not available, serialization, resources: rolled back, and may go better later.
        "55" | "40" | "53" => Failure::transient(text),
        // Errors inside the server, where nothing is certain.
        "58" | "XX" => unanswered(phase, text),
        _ => Failure::refused(text),
    }
}

/// Whether the server closes the connection with this answer.
fn ends_session(answer: &DbError) -> bool {
    let code = answer.code();
    [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::CANNOT_CONNECT_NOW].contains(code)
        || class(code) == "08"
        || code.code() == "57P05"
}

fn class(code: &SqlState) -> &str {
    code.code().get(..2).unwrap_or_default()
}

/// An error with its causes, which is where the driver keeps what happened.
fn chain(error: &tokio_postgres::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

fn seconds(duration: Duration) -> String {
    selfheal_core::span::Span::from(duration).to_string()
}
