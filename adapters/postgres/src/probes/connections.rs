//! `pg::connections`: how much of what the server allows is used up, and by what.

use async_trait::async_trait;
use selfheal_contract::{AboutProbe, Failure, FieldSpec, Probe, Reading};
use serde_json::json;

use super::field;
use crate::server::column;
use crate::servers::Servers;
use crate::sessions::{must_see, permissions};

selfheal_contract::parameters! {
    /// What `pg::connections` is given.
    pub struct ConnectionsParameters {
        /// Name of the target.
        pub database: String,
    }
}

/// See [`AboutProbe::doc`].
pub(crate) struct Connections(pub(crate) Servers);

const FIELDS: &[FieldSpec] = &[
    field("share", "total divided by max, from 0 to 1; at 1 the next application is turned away"),
    field("total", "client connections to the server, selfheal's own included"),
    field("max", "connections that applications can have: max_connections without those reserved"),
    field("idle", "connections without a transaction that wait for their client"),
    field("active", "connections that run a statement"),
    field(
        "idle_in_transaction",
        "connections with an open transaction that wait for their client, failed ones included",
    ),
    field("unknown", "connections whose state the server does not tell, for want of track_activities"),
    field(
        "oldest_idle_seconds",
        "how long the longest idle connection has been idle, in seconds; 0 when none is",
    ),
];

/// Replication, background workers and parallel workers have places of their own and do not count. The second reserve
/// came with version 16.
const READ: &str = "
    SELECT count(*) AS total,
           current_setting('max_connections')::int8
             - current_setting('superuser_reserved_connections')::int8
             - coalesce(nullif(current_setting('reserved_connections', true), '')::int8, 0) AS max,
           count(*) FILTER (WHERE state = 'idle') AS idle,
           count(*) FILTER (WHERE state IN ('active', 'fastpath function call')) AS active,
           count(*) FILTER (WHERE state IN ('idle in transaction', 'idle in transaction (aborted)')) AS in_transaction,
           count(*) FILTER (WHERE state IS NULL OR state = 'disabled') AS unknown,
           coalesce(max(extract(epoch FROM clock_timestamp() - state_change)) FILTER (WHERE state = 'idle'), 0)::float8
             AS oldest_idle_seconds
    FROM pg_stat_activity WHERE backend_type = 'client backend'";

#[async_trait]
impl Probe for Connections {
    type Parameters = ConnectionsParameters;

    fn about(&self) -> AboutProbe {
        AboutProbe {
            name: "connections",
            doc: "Counts the connections of the whole server against what it allows.",
            fields: FIELDS,
            main_field: "share",
            permissions: permissions(false),
        }
    }

    fn check(&self, params: &Self::Parameters) -> Result<(), Failure> {
        self.0.find(&params.database).map(drop)
    }

    async fn read(&self, params: &Self::Parameters) -> Result<Reading, Failure> {
        let server = self.0.find(&params.database)?;
        must_see(server).await?;
        let row = server.read_one(READ, &[]).await?;
        let number = |name| column::<i64>(&row, name);
        let (total, max) = (number("total")?, number("max")?);
        if max <= 0 {
            let text =
                "all connections are reserved for superusers: max_connections is no more than the reserves";
            return Ok(Reading::Inconclusive(text.to_owned()));
        }
        Ok(Reading::Known(json!({
            // Superusers may use the reserve, so that there can be more than the maximum for the others.
            "share": (total as f64 / max as f64).min(1.0),
            "total": total,
            "max": max,
            "idle": number("idle")?,
            "active": number("active")?,
            "idle_in_transaction": number("in_transaction")?,
            "unknown": number("unknown")?,
            "oldest_idle_seconds": column::<f64>(&row, "oldest_idle_seconds")?.max(0.0),
        })))
    }
}
