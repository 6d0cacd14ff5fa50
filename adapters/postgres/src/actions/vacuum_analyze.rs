//! `pg::vacuum_analyze`: clears a table of dead rows and renews its statistics.

use async_trait::async_trait;
use selfheal_contract::{
    About, Action, Applied, Assessment, BlastRadius, Change, Effect, Failure, IntentId, Permission, Preview,
    Reversal, Undone,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::NAME;
use crate::names::TableName;
use crate::server::{Locks, Server};
use crate::servers::Servers;
use crate::tables::{self, Counts, Table};

selfheal_contract::parameters! {
    /// What `pg::vacuum_analyze` is given.
    pub struct VacuumAnalyzeParameters {
        /// Name of the target.
        pub database: String,
        /// The table as `schema.table`, or `table` in the schema `public`; as it is stored, without quotes.
        pub table: String,
    }
}

/// When the table was tended last, before the intent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tended {
    /// The table's object identifier, so that a table that replaced it is not taken for it.
    pub table_oid: u32,
    /// Its last VACUUM, in microseconds since 1970.
    pub last_vacuum: Option<i64>,
    /// Its last ANALYZE, in microseconds since 1970.
    pub last_analyze: Option<i64>,
}

impl Tended {
    /// Whether both were done after this. A statistics reset makes them unknown, which is not after.
    fn is_before(&self, now: &Counts) -> bool {
        now.last_vacuum > self.last_vacuum && now.last_analyze > self.last_analyze
    }
}

/// See [`About::doc`].
pub(crate) struct VacuumAnalyze(pub(crate) Servers);

impl VacuumAnalyze {
    async fn table(&self, params: &VacuumAnalyzeParameters) -> Result<(&Server, Table), Failure> {
        let server = self.0.find(&params.database)?;
        let table = tables::find(server, &TableName::read(&params.table)?).await?;
        table.must_maintain()?;
        Ok((server, table))
    }
}

#[async_trait]
impl Action for VacuumAnalyze {
    type Parameters = VacuumAnalyzeParameters;
    type Prior = Tended;

    fn about(&self) -> About {
        About {
            name: "vacuum_analyze",
            doc: "Runs VACUUM (ANALYZE) on one table: frees the room of dead rows for new ones and renews the \
                  planner's statistics. Reads and writes go on meanwhile; never VACUUM FULL. Waits for the table's \
                  lock no longer than statement_timeout and runs no longer than maintenance_timeout. There is \
                  nothing to undo.",
            reversal: Reversal::Irreversible,
            permissions: vec![Permission {
                right: "membership in the role that owns the table, or MAINTAIN on it (PostgreSQL 17)".into(),
                purpose: "vacuum it",
            }],
        }
    }

    fn assess(&self, params: &Self::Parameters) -> Result<Assessment, Failure> {
        let server = self.0.find(&params.database)?;
        let table = TableName::read(&params.table)?;
        Ok(Assessment {
            target: format!("{NAME}/{}/{table}", server.name),
            blast_radius: BlastRadius::Object,
            reversal: Reversal::Irreversible,
            replicas: None,
            approval: None,
            forbidden: None,
        })
    }

    async fn preview(&self, params: &Self::Parameters) -> Result<Preview, Failure> {
        let (server, table) = self.table(params).await?;
        let counts = tables::counts(server, table.oid).await?;
        let ago = counts.vacuumed_seconds.map_or(Value::Null, |seconds| json!(seconds.round()));
        Ok(Preview {
            summary: format!(
                "would vacuum and analyze {}: {} dead rows of {}",
                table.name,
                counts.dead,
                counts.dead + counts.live
            ),
            changes: vec![
                Change { what: "dead rows".to_owned(), from: json!(counts.dead), to: json!(0) },
                Change { what: "seconds since the last vacuum".to_owned(), from: ago, to: json!(0) },
            ],
        })
    }

    async fn capture(&self, params: &Self::Parameters) -> Result<Self::Prior, Failure> {
        let (server, table) = self.table(params).await?;
        let counts = tables::counts(server, table.oid).await?;
        Ok(Tended {
            table_oid: table.oid,
            last_vacuum: counts.last_vacuum,
            last_analyze: counts.last_analyze,
        })
    }

    async fn apply(
        &self,
        params: &Self::Parameters,
        prior: &Self::Prior,
        _intent: &IntentId,
    ) -> Result<Applied, Failure> {
        let (server, table) = self.table(params).await?;
        table.must_be(prior.table_oid)?;
        if prior.is_before(&tables::counts(server, table.oid).await?) {
            return Ok(Applied::new(format!("{} has been vacuumed and analyzed already", table.name)));
        }
        server.maintain(&format!("VACUUM (ANALYZE) {}", table.quoted), Locks::Short).await?;
        // Servers before version 15 count a moment later.
        let shows =
            server.settles(|| async { Ok(prior.is_before(&tables::counts(server, table.oid).await?)) }).await;
        match shows {
            Ok(true) => Ok(Applied::new(format!("vacuumed and analyzed {}", table.name))),
            Ok(false) => Err(Failure::indeterminate(format!(
                "VACUUM of {} ended without an error, but the statistics do not show it; is track_counts on?",
                table.name
            ))),
            Err(failure) => {
                Err(Failure::indeterminate(format!("{failure}; {} was vacuumed before", table.name)))
            }
        }
    }

    async fn effect(
        &self,
        params: &Self::Parameters,
        prior: &Self::Prior,
        _intent: &IntentId,
    ) -> Result<Effect, Failure> {
        let (server, table) = self.table(params).await?;
        if table.must_be(prior.table_oid).is_err() {
            return Ok(Effect::Unclear(format!("{} was replaced by another table", table.name)));
        }
        // Vacuuming twice does no harm, so that untouched is a safe answer even while it is running.
        Ok(match prior.is_before(&tables::counts(server, table.oid).await?) {
            true => Effect::Done(Applied::new(format!("{} has been vacuumed and analyzed", table.name))),
            false => Effect::Untouched,
        })
    }

    async fn undo(
        &self,
        _params: &Self::Parameters,
        _prior: &Self::Prior,
        _intent: &IntentId,
    ) -> Result<Undone, Failure> {
        Ok(Undone::Irreversible)
    }
}
