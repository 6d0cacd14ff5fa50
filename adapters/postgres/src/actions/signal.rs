//! Ending sessions and queries: find them, name them, and end exactly those, if they still are what they were.
//!
//! The statement that ends them repeats every condition, so that a session that went back to work, or a process
//! number that another session has got meanwhile, is left alone. What remains is the moment between the server's look
//! at a session and its signal to it, within one statement.

use selfheal_contract::{Applied, Effect, Failure};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::pool::Parameter;
use crate::server::{Server, column};
use crate::sessions::{Arrays, Found, Named, SESSIONS, facts, must_see};

/// Which sessions an action is about, and what it does to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// Ends sessions that are idle.
    Idle,
    /// Ends sessions that are idle, also within an open transaction.
    IdleOrInTransaction,
    /// Ends queries that are running.
    Running,
}

impl Selection {
    /// Over [`SESSIONS`] as `s`, with `$2` the least seconds.
    fn condition(self) -> &'static str {
        match self {
            Self::Idle => "NOT s.is_protected AND s.state = 'idle' AND s.state_seconds >= $2",
            Self::IdleOrInTransaction => {
                "NOT s.is_protected AND s.state IN ('idle', 'idle in transaction', 'idle in transaction (aborted)')
                   AND s.state_seconds >= $2"
            }
            Self::Running => "NOT s.is_protected AND s.state = 'active' AND s.query_seconds >= $2",
        }
    }

    /// The column that says for how long.
    fn seconds(self) -> &'static str {
        match self {
            Self::Idle | Self::IdleOrInTransaction => "state_seconds",
            Self::Running => "query_seconds",
        }
    }

    /// Whether a row of [`SESSIONS`] is the one named `w`.
    fn same(self) -> &'static str {
        match self {
            Self::Idle | Self::IdleOrInTransaction => "w.pid = s.pid AND w.started = s.started",
            Self::Running => {
                "w.pid = s.pid AND w.started = s.started AND w.query_started = s.query_started AND s.state = 'active'"
            }
        }
    }

    fn function(self) -> &'static str {
        match self {
            Self::Idle | Self::IdleOrInTransaction => "pg_terminate_backend",
            Self::Running => "pg_cancel_backend",
        }
    }
}

/// Finds what the action would touch, the longest first, at most `limit`.
///
/// # Errors
/// `Refused` when selfheal's role does not see other sessions.
pub(crate) async fn find(
    server: &Server,
    selection: Selection,
    seconds: f64,
    limit: i64,
) -> Result<Vec<Found>, Failure> {
    must_see(server).await?;
    let (condition, order) = (selection.condition(), selection.seconds());
    let sql =
        format!("SELECT s.* FROM ({SESSIONS}) s WHERE {condition} ORDER BY s.{order} DESC, s.pid LIMIT $3");
    let parameters: [Parameter<'_>; 3] =
        [(&server.protected_users, Type::TEXT_ARRAY), (&seconds, Type::FLOAT8), (&limit, Type::INT8)];
    let rows = server.read(&sql, &parameters).await?;
    rows.iter().map(|row| Found::read(row, order)).collect()
}

/// Ends what is named, where it still fulfils the condition; gives what was ended.
///
/// # Errors
/// `Indeterminate` when the answer was lost.
pub(crate) async fn send(
    server: &Server,
    selection: Selection,
    seconds: f64,
    wanted: &[Named],
) -> Result<Vec<Named>, Failure> {
    let (condition, same, function) = (selection.condition(), selection.same(), selection.function());
    let sql = format!(
        "SELECT s.pid, s.started, s.query_started, s.usename, {function}(s.pid) AS sent
         FROM ({SESSIONS}) s JOIN unnest($3, $4, $5) w (pid, started, query_started) ON {same}
         WHERE s.may_signal AND {condition}"
    );
    let arrays = Arrays::of(wanted);
    let rows = server.change(&sql, &parameters(server, &seconds, &arrays)).await?;
    let sent = rows.iter().map(|row| Ok(column::<bool>(row, "sent")?.then_some(named(row)?)));
    sent.filter_map(Result::transpose).collect()
}

/// What is left of what was named.
pub(crate) struct Remaining {
    /// As many are there, in whatever state.
    pub(crate) there: i64,
    /// As many are there and fulfil the condition.
    pub(crate) due: i64,
}

/// Looks what is left of what was named.
pub(crate) async fn remaining(
    server: &Server,
    selection: Selection,
    seconds: f64,
    wanted: &[Named],
) -> Result<Remaining, Failure> {
    let (condition, same) = (selection.condition(), selection.same());
    let sql = format!(
        "SELECT count(*) AS there, count(*) FILTER (WHERE {condition}) AS due
         FROM ({SESSIONS}) s JOIN unnest($3, $4, $5) w (pid, started, query_started) ON {same}"
    );
    let arrays = Arrays::of(wanted);
    let row = server.read_one(&sql, &parameters(server, &seconds, &arrays)).await?;
    Ok(Remaining { there: column(&row, "there")?, due: column(&row, "due")? })
}

fn parameters<'a>(server: &'a Server, seconds: &'a f64, arrays: &'a Arrays) -> Vec<Parameter<'a>> {
    let [pids, started, query_started] = arrays.parameters();
    vec![(&server.protected_users, Type::TEXT_ARRAY), (seconds, Type::FLOAT8), pids, started, query_started]
}

fn named(row: &Row) -> Result<Named, Failure> {
    Ok(Named {
        pid: column(row, "pid")?,
        started: column(row, "started")?,
        query_started: column(row, "query_started")?,
        user: column(row, "usename")?,
    })
}

/// What an application that ended `sent` of `wanted` says, once what was ended is gone.
///
/// # Errors
/// `Indeterminate` when it could not be seen whether they ended.
pub(crate) async fn report(
    server: &Server,
    selection: Selection,
    seconds: f64,
    wanted: &[Named],
    sent: &[Named],
    nouns: &str,
) -> Result<Applied, Failure> {
    // Signals are answered a moment after they are sent.
    let gone =
        server.settles(|| async { Ok(remaining(server, selection, seconds, sent).await?.there == 0) }).await;
    let gone = gone.map_err(|failure| {
        Failure::indeterminate(format!("{failure}; {} {nouns} had been told to end", sent.len()))
    })?;
    let mut summary = format!("ended {} of {} {nouns}", sent.len(), wanted.len());
    if sent.len() < wanted.len() {
        summary.push_str("; the others had gone, or gone back to work");
    }
    if !gone {
        summary.push_str("; some are still ending");
    }
    Ok(Applied { summary, facts: facts(sent), ..Applied::default() })
}

/// What the target shows of an application that may have happened.
///
/// Applying again is safe whenever something is still due: each of the named is met at most as what it was.
pub(crate) async fn effect(
    server: &Server,
    selection: Selection,
    seconds: f64,
    wanted: &[Named],
    nouns: &str,
) -> Result<Effect, Failure> {
    if wanted.is_empty() {
        return Ok(Effect::Untouched);
    }
    let left = remaining(server, selection, seconds, wanted).await?;
    if left.due > 0 {
        return Ok(Effect::Untouched);
    }
    let summary =
        format!("none of the {} {nouns} is due any more; still there: {}", wanted.len(), left.there);
    Ok(Effect::Done(Applied::new(summary)))
}
