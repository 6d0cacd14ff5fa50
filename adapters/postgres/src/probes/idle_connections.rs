//! `pg::idle_connections`: what `pg::terminate_idle` would end.

use async_trait::async_trait;
use selfheal_contract::{AboutProbe, Failure, FieldSpec, Probe, Reading};
use selfheal_core::span::Span;
use serde_json::{Map, Value, json};
use tokio_postgres::types::Type;

use super::field;
use crate::server::column;
use crate::servers::Servers;
use crate::sessions::{LISTED_MAX, SESSIONS, long_enough, must_see, permissions};

selfheal_contract::parameters! {
    /// What `pg::idle_connections` is given.
    pub struct IdleConnectionsParameters {
        /// Name of the target.
        pub database: String,
        /// How long a connection must have been idle to count, at least 1s.
        pub idle_for: Span,
    }
}

/// See [`AboutProbe::doc`].
pub(crate) struct IdleConnections(pub(crate) Servers);

const FIELDS: &[FieldSpec] = &[
    field("count", "connections that have been idle as long, outside of a transaction, and may be ended"),
    field("protected", "connections that have been idle as long and are never ended"),
    field(
        "longest_seconds",
        "how long the longest idle of those that may be ended has been idle; 0 when there is none",
    ),
    field("users", "the counts by user, of the 50 users with most"),
];

/// Rows by user; those of users whose sessions are all protected count as 0.
const READ: &str = "
    SELECT s.usename AS usename,
           count(*) FILTER (WHERE NOT s.is_protected AND s.state = 'idle') AS due,
           count(*) FILTER (WHERE s.is_protected AND s.state = 'idle') AS protected,
           count(*) FILTER (WHERE s.state IS NULL OR s.state = 'disabled') AS unknown,
           coalesce(max(s.state_seconds) FILTER (WHERE NOT s.is_protected AND s.state = 'idle'), 0)::float8 AS longest
    FROM ({sessions}) s
    WHERE s.state_seconds >= $2 OR s.state IS NULL OR s.state = 'disabled'
    GROUP BY s.usename ORDER BY 2 DESC, 1";

#[async_trait]
impl Probe for IdleConnections {
    type Parameters = IdleConnectionsParameters;

    fn about(&self) -> AboutProbe {
        AboutProbe {
            name: "idle_connections",
            doc: "Counts the connections of the whole server that terminate_idle with the same duration would end. \
                  Inconclusive where track_activities is off.",
            fields: FIELDS,
            main_field: "count",
            permissions: permissions(false),
        }
    }

    fn check(&self, params: &Self::Parameters) -> Result<(), Failure> {
        self.0.find(&params.database)?;
        long_enough("idle_for", params.idle_for)
    }

    async fn read(&self, params: &Self::Parameters) -> Result<Reading, Failure> {
        let server = self.0.find(&params.database)?;
        must_see(server).await?;
        let seconds = params.idle_for.duration().as_secs_f64();
        let sql = READ.replace("{sessions}", SESSIONS);
        let rows = server
            .read(&sql, &[(&server.protected_users, Type::TEXT_ARRAY), (&seconds, Type::FLOAT8)])
            .await?;
        let (mut count, mut protected, mut unknown, mut longest) = (0, 0, 0, 0.0_f64);
        let mut users = Map::new();
        for row in &rows {
            let due: i64 = column(row, "due")?;
            count += due;
            protected += column::<i64>(row, "protected")?;
            unknown += column::<i64>(row, "unknown")?;
            longest = longest.max(column(row, "longest")?);
            if due > 0 && users.len() < LISTED_MAX {
                users.insert(column(row, "usename")?, json!(due));
            }
        }
        if unknown > 0 {
            let text = format!(
                "the server does not tell the state of {unknown} connections; set track_activities = on"
            );
            return Ok(Reading::Inconclusive(text));
        }
        Ok(Reading::Known(json!({
            "count": count,
            "protected": protected,
            "longest_seconds": longest,
            "users": Value::Object(users),
        })))
    }
}
