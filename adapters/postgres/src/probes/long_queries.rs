//! `pg::long_queries`: statements that have been running for some time.

use async_trait::async_trait;
use selfheal_contract::{AboutProbe, Failure, FieldSpec, Probe, Reading};
use selfheal_core::span::Span;
use serde_json::json;
use tokio_postgres::types::Type;

use super::field;
use crate::pool::APPLICATION_NAME;
use crate::server::column;
use crate::servers::Servers;
use crate::sessions::{Found, LISTED_MAX, SESSIONS, long_enough, must_see, permissions};

selfheal_contract::parameters! {
    /// What `pg::long_queries` is given.
    pub struct LongQueriesParameters {
        /// Name of the target.
        pub database: String,
        /// How long a statement must have been running to count, at least 1s.
        pub longer_than: Span,
    }
}

/// See [`AboutProbe::doc`].
pub(crate) struct LongQueries(pub(crate) Servers);

const FIELDS: &[FieldSpec] = &[
    field(
        "longest_seconds",
        "how long the longest of them has been running, in seconds; 0 when there is none",
    ),
    field("count", "statements that have been running as long, selfheal's own not counted"),
    field("cancellable", "those among them that cancel_query may cancel"),
    field(
        "queries",
        "the 50 longest: pid, backend_start (microseconds since 1970), seconds, user, database, application, \
         cancellable, query (without its values, at most 200 characters)",
    ),
];

const READ: &str = "
    SELECT s.*,
           count(*) FILTER (WHERE s.state = 'active') OVER () AS total,
           count(*) FILTER (WHERE s.state = 'active' AND NOT s.is_protected) OVER () AS cancellable,
           count(*) FILTER (WHERE s.state IS DISTINCT FROM 'active') OVER () AS unknown
    FROM ({sessions}) s
    WHERE s.application <> $3
      AND (s.state = 'active' AND s.query_seconds >= $2 OR s.state IS NULL OR s.state = 'disabled')
    ORDER BY s.query_seconds DESC NULLS LAST, s.pid LIMIT $4";

#[async_trait]
impl Probe for LongQueries {
    type Parameters = LongQueriesParameters;

    fn about(&self) -> AboutProbe {
        AboutProbe {
            name: "long_queries",
            doc: "Lists the statements of the whole server that have been running for some time, also those that \
                  cancel_query would leave alone. Inconclusive where track_activities is off.",
            fields: FIELDS,
            main_field: "longest_seconds",
            permissions: permissions(false),
        }
    }

    fn check(&self, params: &Self::Parameters) -> Result<(), Failure> {
        self.0.find(&params.database)?;
        long_enough("longer_than", params.longer_than)
    }

    async fn read(&self, params: &Self::Parameters) -> Result<Reading, Failure> {
        let server = self.0.find(&params.database)?;
        must_see(server).await?;
        let seconds = params.longer_than.duration().as_secs_f64();
        let listed_max = i64::try_from(LISTED_MAX).expect("a small constant");
        let sql = READ.replace("{sessions}", SESSIONS);
        let rows = server
            .read(
                &sql,
                &[
                    (&server.protected_users, Type::TEXT_ARRAY),
                    (&seconds, Type::FLOAT8),
                    (&APPLICATION_NAME, Type::TEXT),
                    (&listed_max, Type::INT8),
                ],
            )
            .await?;
        let total = |name| rows.first().map_or(Ok(0), |row| column::<i64>(row, name));
        let unknown = total("unknown")?;
        if unknown > 0 {
            let text = format!(
                "the server does not tell the state of {unknown} connections; set track_activities = on"
            );
            return Ok(Reading::Inconclusive(text));
        }
        let found: Vec<Found> =
            rows.iter().map(|row| Found::read(row, "query_seconds")).collect::<Result<_, _>>()?;
        let queries: Vec<_> = found
            .iter()
            .map(|one| {
                json!({
                    "pid": one.named.pid,
                    "backend_start": one.named.started,
                    "seconds": one.seconds,
                    "user": one.named.user,
                    "database": one.database,
                    "application": one.application,
                    "cancellable": !one.is_protected,
                    "query": one.query,
                })
            })
            .collect();
        Ok(Reading::Known(json!({
            "longest_seconds": found.first().map_or(0.0, |one| one.seconds),
            "count": total("total")?,
            "cancellable": total("cancellable")?,
            "queries": queries,
        })))
    }
}
