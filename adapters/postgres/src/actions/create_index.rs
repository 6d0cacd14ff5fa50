//! `pg::create_index_concurrently`: an index for slow queries, built while everybody goes on writing.

use async_trait::async_trait;
use selfheal_contract::{
    About, Action, Applied, Assessment, BlastRadius, Change, Effect, Failure, IntentId, Permission, Preview,
    Reversal, Undone,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_postgres::types::Type;

use super::index_build::{build, drop_index};
use crate::NAME;
use crate::indexes::{self, Index, Own};
use crate::names::{TableName, checked, quoted};
use crate::server::{Locks, Server, column};
use crate::servers::Servers;
use crate::tables::{self, Table};

selfheal_contract::parameters! {
    /// What `pg::create_index_concurrently` is given.
    pub struct CreateIndexParameters {
        /// Name of the target.
        pub database: String,
        /// The table as `schema.table`, or `table` in the schema `public`; as it is stored, without quotes.
        pub table: String,
        /// The columns, 1 to 8, in the order of the index; as they are stored, without quotes.
        pub columns: Vec<String>,
        /// The index's name; made from table and columns if left out.
        pub name: Option<String>,
    }
}

/// What the intent is about, checked before it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Wanted {
    /// The table's object identifier, so that a table that replaced it is not taken for it.
    pub table_oid: u32,
    /// The name that the index gets; it was free.
    pub index_name: String,
}

/// See [`About::doc`].
pub(crate) struct CreateIndexConcurrently(pub(crate) Servers);

impl CreateIndexParameters {
    fn index_name(&self, table: &TableName) -> Result<String, Failure> {
        match &self.name {
            Some(name) => checked("index", name),
            None => Ok(indexes::default_name(&table.table, &self.columns)),
        }
    }

    /// The statement, for people as for the server.
    fn statement(&self, index_name: &str, table: &Table) -> String {
        let columns: Vec<String> = self.columns.iter().map(|name| quoted(name)).collect();
        format!(
            "CREATE INDEX CONCURRENTLY {} ON {} ({})",
            quoted(index_name),
            table.quoted,
            columns.join(", ")
        )
    }
}

/// Which of `$2` are no columns of the table `$1`, and whether the name `$3` is taken in its schema.
const CHECK: &str = "
    SELECT ARRAY(SELECT w.name FROM unnest($2::text[]) w (name)
                 WHERE NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = w.name
                                   AND a.attnum > 0 AND NOT a.attisdropped)) AS missing,
           EXISTS (SELECT FROM pg_class o WHERE o.relnamespace = c.relnamespace AND o.relname = $3::text) AS is_taken
    FROM pg_class c WHERE c.oid = $1";

impl CreateIndexConcurrently {
    /// The server and the table, if the index can be made there at all.
    async fn check(&self, params: &CreateIndexParameters) -> Result<(&Server, Table, String), Failure> {
        let server = self.0.find(&params.database)?;
        indexes::checked_columns(&params.columns)?;
        let table = tables::find(server, &TableName::read(&params.table)?).await?;
        table.must_index()?;
        let name = params.index_name(&table.name)?;
        let row = server
            .read_one(
                CHECK,
                &[(&table.oid, Type::OID), (&params.columns, Type::TEXT_ARRAY), (&name, Type::TEXT)],
            )
            .await?;
        let missing: Vec<String> = column(&row, "missing")?;
        if !missing.is_empty() {
            return Err(Failure::refused(format!("{} has no columns {missing:?}", table.name)));
        }
        if let Some(index) = indexes::serving(&indexes::list(server, &table).await?, &params.columns) {
            let text = format!("{} has such an index already: {}", table.name, index.name);
            return Err(Failure::refused(text));
        }
        if column(&row, "is_taken")? {
            let schema = &table.name.schema;
            return Err(Failure::refused(format!(
                "the name {name:?} is taken in {schema}; give another as name"
            )));
        }
        Ok((server, table, name))
    }

    /// The table of an intent, or nothing when it is gone or another one has its name.
    async fn table_of(
        &self,
        params: &CreateIndexParameters,
        prior: &Wanted,
    ) -> Result<(&Server, Option<Table>), Failure> {
        let server = self.0.find(&params.database)?;
        let table = tables::look_up(server, &TableName::read(&params.table)?).await?;
        Ok((server, table.filter(|table| table.oid == prior.table_oid)))
    }
}

#[async_trait]
impl Action for CreateIndexConcurrently {
    type Parameters = CreateIndexParameters;
    type Prior = Wanted;

    fn about(&self) -> About {
        About {
            name: "create_index_concurrently",
            doc: "Builds a B-tree index on columns of a table with CREATE INDEX CONCURRENTLY: reads and writes go on \
                  meanwhile, at the price of a longer build, at most maintenance_timeout. Always needs approval, since \
                  it changes the schema. Refused when the table has an index that begins with these columns. What a \
                  failed build leaves behind is removed. The undo drops the index that this step made, known by its \
                  comment, and never another.",
            reversal: Reversal::Restores,
            permissions: vec![Permission {
                right: "membership in the role that owns the table, CREATE on its schema".into(),
                purpose: "make and drop an index on it",
            }],
        }
    }

    fn assess(&self, params: &Self::Parameters) -> Result<Assessment, Failure> {
        let server = self.0.find(&params.database)?;
        let table = TableName::read(&params.table)?;
        indexes::checked_columns(&params.columns)?;
        params.index_name(&table)?;
        Ok(Assessment {
            target: format!("{NAME}/{}/{table}", server.name),
            blast_radius: BlastRadius::Object,
            reversal: Reversal::Restores,
            replicas: None,
            approval: Some(format!("it changes the schema of {table} in {}", server.name)),
            forbidden: None,
        })
    }

    async fn preview(&self, params: &Self::Parameters) -> Result<Preview, Failure> {
        let (_, table, name) = self.check(params).await?;
        let mebibytes = table.bytes_estimate / (1024 * 1024);
        let rows = table.rows_estimate.max(0.0);
        Ok(Preview {
            summary: format!(
                "would build an index on {}: about {rows} rows, {mebibytes} MiB to read twice",
                table.name
            ),
            changes: vec![Change {
                what: format!("index {name}"),
                from: Value::Null,
                to: json!(params.statement(&name, &table)),
            }],
        })
    }

    async fn capture(&self, params: &Self::Parameters) -> Result<Self::Prior, Failure> {
        let (_, table, index_name) = self.check(params).await?;
        Ok(Wanted { table_oid: table.oid, index_name })
    }

    async fn apply(
        &self,
        params: &Self::Parameters,
        prior: &Self::Prior,
        intent: &IntentId,
    ) -> Result<Applied, Failure> {
        let server = self.0.find(&params.database)?;
        let table = tables::find(server, &TableName::read(&params.table)?).await?;
        table.must_be(prior.table_oid)?;
        let own = indexes::own(server, &table, intent).await?;
        if let Some(index) = own.finished {
            return Ok(Applied::new(format!("{} has the index {} already", table.name, index.name)));
        }
        if let Some(pid) = own.builder {
            let text = format!(
                "process {pid} is building the index on {} already; it is left to finish",
                table.name
            );
            return Err(Failure::transient(text));
        }
        let built = match own.building {
            Some(index) if index.is_valid => index,
            rest => {
                if let Some(rest) = rest {
                    drop_index(server, &rest).await?;
                }
                let statement = params.statement(&indexes::building_name(intent), &table);
                build(server, &table, intent, &statement).await?
            }
        };
        let name = &prior.index_name;
        let final_name = format!("{}.{}", quoted(&table.name.schema), quoted(name));
        // The marker is made of letters, digits and spaces only. Both statements are one transaction.
        let finish = format!(
            "ALTER INDEX {} RENAME TO {}; COMMENT ON INDEX {final_name} IS '{}'",
            built.quoted,
            quoted(name),
            indexes::marker(intent)
        );
        server.maintain(&finish, Locks::Short).await.map_err(|failure| {
            Failure::indeterminate(format!(
                "{failure}; the index is built, but is still named {}",
                built.name
            ))
        })?;
        Ok(Applied {
            summary: format!("built the index {name} on {}", table.name),
            facts: json!({ "index": name, "statement": params.statement(name, &table) }),
            ..Applied::default()
        })
    }

    async fn effect(
        &self,
        params: &Self::Parameters,
        prior: &Self::Prior,
        intent: &IntentId,
    ) -> Result<Effect, Failure> {
        let (server, table) = self.table_of(params, prior).await?;
        let Some(table) = table else {
            return Ok(Effect::Unclear(format!("the table {} is gone or was replaced", params.table)));
        };
        Ok(match indexes::own(server, &table, intent).await? {
            Own { finished: Some(index), .. } if index.is_valid => {
                Effect::Done(Applied::new(format!("{} has the index {}", table.name, index.name)))
            }
            Own { finished: Some(index), .. } => {
                Effect::Unclear(format!("the index {} on {} has become invalid", index.name, table.name))
            }
            // How it ends is soon known; whoever asks, asks again.
            Own { builder: Some(pid), .. } => {
                return Err(Failure::transient(format!(
                    "process {pid} is still building the index on {}",
                    table.name
                )));
            }
            // An unfinished index is taken up, or replaced, when the step is applied again.
            Own { .. } => Effect::Untouched,
        })
    }

    async fn undo(
        &self,
        params: &Self::Parameters,
        prior: &Self::Prior,
        intent: &IntentId,
    ) -> Result<Undone, Failure> {
        let (server, table) = self.table_of(params, prior).await?;
        let Some(table) = table else {
            return Ok(Undone::Nothing(format!(
                "the table {} is gone or was replaced, its index with it",
                params.table
            )));
        };
        let mut own = indexes::own(server, &table, intent).await?;
        if let Some(pid) = own.builder {
            server.change("SELECT pg_cancel_backend($1)", &[(&pid, Type::INT4)]).await?;
            let stopped = server
                .settles(|| async { Ok(indexes::own(server, &table, intent).await?.builder.is_none()) })
                .await?;
            if !stopped {
                return Err(Failure::transient(format!(
                    "process {pid} was told to stop building and has not yet"
                )));
            }
            own = indexes::own(server, &table, intent).await?;
        }
        let ours: Vec<Index> = own.finished.into_iter().chain(own.building).collect();
        for index in &ours {
            drop_index(server, index).await?;
        }
        Ok(match ours.first() {
            Some(index) => Undone::Reversed(format!("dropped the index {} of {}", index.name, table.name)),
            None => Undone::Nothing(format!("{} has no index of this step", table.name)),
        })
    }
}
