//! `pg::index_exists`: whether queries over some columns have an index to use.

use async_trait::async_trait;
use selfheal_contract::{AboutProbe, Failure, FieldSpec, Probe, Reading};
use serde_json::json;

use super::field;
use crate::indexes;
use crate::names::TableName;
use crate::servers::Servers;
use crate::tables;

selfheal_contract::parameters! {
    /// What `pg::index_exists` is given.
    pub struct IndexExistsParameters {
        /// Name of the target.
        pub database: String,
        /// The table as `schema.table`, or `table` in the schema `public`; as it is stored, without quotes.
        pub table: String,
        /// The columns, 1 to 8, in their order; as they are stored, without quotes.
        pub columns: Vec<String>,
    }
}

/// See [`AboutProbe::doc`].
pub(crate) struct IndexExists(pub(crate) Servers);

const FIELDS: &[FieldSpec] = &[
    field(
        "exists",
        "whether the table has a usable B-tree index that begins with these columns in this order",
    ),
    field("name", "the name of that index, null when there is none"),
    field(
        "invalid",
        "how many of the table's indexes are unusable, as a build that was cut short leaves them",
    ),
];

#[async_trait]
impl Probe for IndexExists {
    type Parameters = IndexExistsParameters;

    fn about(&self) -> AboutProbe {
        AboutProbe {
            name: "index_exists",
            doc: "Looks for an index that create_index_concurrently would make superfluous.",
            fields: FIELDS,
            main_field: "exists",
            permissions: Vec::new(),
        }
    }

    fn check(&self, params: &Self::Parameters) -> Result<(), Failure> {
        self.0.find(&params.database)?;
        TableName::read(&params.table)?;
        indexes::checked_columns(&params.columns)
    }

    async fn read(&self, params: &Self::Parameters) -> Result<Reading, Failure> {
        let server = self.0.find(&params.database)?;
        indexes::checked_columns(&params.columns)?;
        let table = tables::find(server, &TableName::read(&params.table)?).await?;
        let all = indexes::list(server, &table).await?;
        let serving = indexes::serving(&all, &params.columns);
        Ok(Reading::Known(json!({
            "exists": serving.is_some(),
            "name": serving.map(|index| &index.name),
            "invalid": all.iter().filter(|index| !index.is_valid).count(),
        })))
    }
}
