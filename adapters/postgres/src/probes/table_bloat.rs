//! `pg::table_bloat`: how much of a table is dead rows.

use async_trait::async_trait;
use selfheal_contract::{AboutProbe, Failure, FieldSpec, Probe, Reading};
use serde_json::json;

use super::field;
use crate::names::TableName;
use crate::servers::Servers;
use crate::tables;

selfheal_contract::parameters! {
    /// What `pg::table_bloat` is given.
    pub struct TableBloatParameters {
        /// Name of the target.
        pub database: String,
        /// The table as `schema.table`, or `table` in the schema `public`; as it is stored, without quotes.
        pub table: String,
    }
}

/// See [`AboutProbe::doc`].
pub(crate) struct TableBloat(pub(crate) Servers);

const FIELDS: &[FieldSpec] = &[
    field("dead_share", "dead rows divided by all rows, from 0 to 1; 0 for an empty table"),
    field("dead_tuples", "dead rows, as the server counts them"),
    field("live_tuples", "rows in use, as the server counts them"),
    field("last_vacuum_seconds", "seconds since the last vacuum by anybody, null when there was none"),
];

#[async_trait]
impl Probe for TableBloat {
    type Parameters = TableBloatParameters;

    fn about(&self) -> AboutProbe {
        AboutProbe {
            name: "table_bloat",
            doc: "Reads the server's count of dead and live rows of one table. Inconclusive when the counts were reset, \
                  as after a crash, and the table is not empty.",
            fields: FIELDS,
            main_field: "dead_share",
            permissions: Vec::new(),
        }
    }

    fn check(&self, params: &Self::Parameters) -> Result<(), Failure> {
        self.0.find(&params.database)?;
        TableName::read(&params.table).map(drop)
    }

    async fn read(&self, params: &Self::Parameters) -> Result<Reading, Failure> {
        let server = self.0.find(&params.database)?;
        let table = tables::find(server, &TableName::read(&params.table)?).await?;
        let counts = tables::counts(server, table.oid).await?;
        let all = counts.dead + counts.live;
        if all == 0 && table.rows_estimate > 0.0 {
            let text = format!("the counts of {} were reset; ANALYZE renews them", table.name);
            return Ok(Reading::Inconclusive(text));
        }
        Ok(Reading::Known(json!({
            "dead_share": if all == 0 { 0.0 } else { counts.dead as f64 / all as f64 },
            "dead_tuples": counts.dead,
            "live_tuples": counts.live,
            "last_vacuum_seconds": counts.vacuumed_seconds.map(|seconds| seconds.max(0.0)),
        })))
    }
}
