//! The sessions of a server, and the one rule which of them may be touched.
//!
//! A session is named by its process number **and** its start, since numbers are used again; a query by the session
//! and its own start. Times are microseconds since 1970 by the server's clock, exactly as it keeps them.

use selfheal_contract::{Change, Failure, Permission};
use selfheal_core::span::Span;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::pool::Parameter;
use crate::query_text::{cut, shown};
use crate::server::{Server, column};

/// The most sessions that one action touches, whatever it is asked.
pub(crate) const TOUCHED_MAX: u32 = 1000;
/// The most items that a preview or a reading lists.
pub(crate) const LISTED_MAX: usize = 50;
/// Shorter than this, being idle or running is normal work.
const SHORTEST: Span = Span::from_secs(1);

/// All client sessions, with `$1` the protected users. `is_protected`: no action may touch it. `may_signal`: selfheal's
/// role has the right to. A session whose role is gone has no row here, and is left alone.
pub(crate) const SESSIONS: &str = "
    SELECT a.pid,
           (extract(epoch FROM a.backend_start) * 1000000)::int8 AS started,
           coalesce((extract(epoch FROM a.query_start) * 1000000)::int8, 0) AS query_started,
           a.usename::text AS usename,
           a.datname::text AS datname,
           a.application_name::text AS application,
           a.state::text AS state,
           a.query::text AS query,
           greatest(extract(epoch FROM clock_timestamp() - a.state_change), 0)::float8 AS state_seconds,
           greatest(extract(epoch FROM clock_timestamp() - a.query_start), 0)::float8 AS query_seconds,
           (r.rolsuper OR r.rolreplication OR a.usename::text = ANY ($1)
             OR a.pid = pg_backend_pid() OR a.application_name = 'selfheal') AS is_protected,
           pg_has_role(a.usesysid, 'USAGE') OR pg_has_role('pg_signal_backend', 'USAGE') AS may_signal
    FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid
    WHERE a.backend_type = 'client backend'";

/// Whether selfheal's role sees what others do; without, the server says nothing rather than no.
const SEES: &str = "SELECT current_user::text AS role, pg_has_role('pg_read_all_stats', 'USAGE') AS sees";

/// A session that an action means, as it is kept in the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Named {
    /// The server's process number.
    pub pid: i32,
    /// When the session began, in microseconds since 1970.
    pub started: i64,
    /// When its query began, in microseconds since 1970; for idle sessions, the last one.
    pub query_started: i64,
    /// Who.
    pub user: String,
}

/// A session as it was found.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) named: Named,
    pub(crate) application: String,
    pub(crate) database: String,
    pub(crate) state: String,
    pub(crate) query: String,
    /// How long it has been in this state, or has run its query.
    pub(crate) seconds: f64,
    pub(crate) is_protected: bool,
    pub(crate) may_signal: bool,
}

impl Found {
    /// Reads a row of [`SESSIONS`]; `seconds` is the column of interest.
    pub(crate) fn read(row: &Row, seconds: &str) -> Result<Self, Failure> {
        let text = |name| column::<Option<String>>(row, name).map(Option::unwrap_or_default);
        let user = text("usename")?;
        Ok(Self {
            named: Named {
                pid: column(row, "pid")?,
                started: column(row, "started")?,
                query_started: column(row, "query_started")?,
                user,
            },
            application: cut(&text("application")?, 64),
            database: text("datname")?,
            state: text("state")?,
            query: shown(&text("query")?),
            seconds: column::<Option<f64>>(row, seconds)?.unwrap_or_default(),
            is_protected: column(row, "is_protected")?,
            may_signal: column(row, "may_signal")?,
        })
    }

    /// The session in a preview: `connection 812 of app to shop (worker)`.
    pub(crate) fn change(&self, from: impl Into<Value>) -> Change {
        let application =
            if self.application.is_empty() { String::new() } else { format!(" ({})", self.application) };
        let Named { pid, user, .. } = &self.named;
        let what = format!("connection {pid} of {user} to {}{application}", self.database);
        Change { what, from: from.into(), to: Value::Null }
    }
}

/// Makes sure that selfheal's role sees the sessions of others.
///
/// # Errors
/// `Refused`, with what to grant.
pub(crate) async fn must_see(server: &Server) -> Result<(), Failure> {
    let row = server.read_one(SEES, &[]).await?;
    if column(&row, "sees")? {
        return Ok(());
    }
    let role: String = column(&row, "role")?;
    Err(Failure::refused(format!(
        "PostgreSQL {}: the role {role} does not see what other sessions do; run as a superuser: GRANT pg_monitor TO {}",
        server.name,
        crate::names::quoted(&role)
    )))
}

/// Makes sure that selfheal's role may end what was found.
///
/// # Errors
/// `Refused`, with what to grant.
pub(crate) fn must_signal(server: &Server, found: &[Found]) -> Result<(), Failure> {
    match found.iter().filter(|session| !session.may_signal).count() {
        0 => Ok(()),
        count => Err(Failure::refused(format!(
            "PostgreSQL {}: selfheal's role may not signal {count} of the {} sessions; run as a superuser: GRANT \
             pg_signal_backend TO its role",
            server.name,
            found.len()
        ))),
    }
}

/// Checks the least duration that an action or probe takes.
///
/// # Errors
/// `Refused` when it is so short that normal work would be meant.
pub(crate) fn long_enough(parameter: &str, span: Span) -> Result<(), Failure> {
    if span >= SHORTEST {
        return Ok(());
    }
    Err(Failure::refused(format!(
        "{parameter} is {span}, but must be at least {SHORTEST}: less is normal work"
    )))
}

/// Checks how many sessions an action may touch, and gives the bound.
///
/// # Errors
/// `Refused` when it is 0 or too many.
pub(crate) fn bound(limit: Option<u32>) -> Result<i64, Failure> {
    match limit.unwrap_or(TOUCHED_MAX) {
        limit @ 1..=TOUCHED_MAX => Ok(i64::from(limit)),
        limit => Err(Failure::refused(format!("limit is {limit}, but must be between 1 and {TOUCHED_MAX}"))),
    }
}

/// How many sessions each user has, most first: `app 70, batch 3`.
pub(crate) fn by_user(found: &[Found]) -> String {
    let mut users: Vec<(&str, usize)> = Vec::new();
    for session in found {
        match users.iter_mut().find(|(user, _)| *user == session.named.user) {
            Some((_, count)) => *count += 1,
            None => users.push((&session.named.user, 1)),
        }
    }
    users.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let parts: Vec<String> = users.iter().take(10).map(|(user, count)| format!("{user} {count}")).collect();
    parts.join(", ")
}

/// The rights that reading sessions needs, and those that ending them needs as well.
pub(crate) fn permissions(ends: bool) -> Vec<Permission> {
    let sees = Permission { right: "pg_monitor".into(), purpose: "see what the sessions of other users do" };
    let signals =
        Permission { right: "pg_signal_backend".into(), purpose: "end sessions and queries of other users" };
    if ends { vec![sees, signals] } else { vec![sees] }
}

/// The sessions that a statement means, as arrays to bind: numbers and two kinds of start.
pub(crate) struct Arrays {
    pids: Vec<i32>,
    started: Vec<i64>,
    query_started: Vec<i64>,
}

impl Arrays {
    pub(crate) fn of(sessions: &[Named]) -> Self {
        Self {
            pids: sessions.iter().map(|session| session.pid).collect(),
            started: sessions.iter().map(|session| session.started).collect(),
            query_started: sessions.iter().map(|session| session.query_started).collect(),
        }
    }

    /// Bound as `unnest($n::int4[], $n+1::int8[], $n+2::int8[])`.
    pub(crate) fn parameters(&self) -> [Parameter<'_>; 3] {
        [
            (&self.pids, Type::INT4_ARRAY),
            (&self.started, Type::INT8_ARRAY),
            (&self.query_started, Type::INT8_ARRAY),
        ]
    }
}

/// What happened to the sessions of an action, for the record.
pub(crate) fn facts(found: &[Named]) -> Value {
    let listed: Vec<Value> =
        found.iter().take(LISTED_MAX).map(|one| json!({ "pid": one.pid, "user": one.user })).collect();
    json!({ "count": found.len(), "sessions": listed })
}
