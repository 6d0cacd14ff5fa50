//! `redis::list_length`: how long a queue is.

use std::sync::Arc;

use async_trait::async_trait;
use selfheal_contract::{AboutProbe, Failure, FieldSpec, Reading};
use serde_json::json;

use super::right;
use crate::list::{self, Found};
use crate::targets::{self, Targets};
use crate::text::{plain, quoted};

selfheal_contract::parameters! {
    /// Which list.
    pub struct Parameters {
        /// The target's name in the configuration.
        pub target: String,
        /// The list's key.
        pub key: String,
    }
}

pub(super) struct Probe(pub(super) Arc<Targets>);

#[async_trait]
impl selfheal_contract::Probe for Probe {
    type Parameters = Parameters;

    fn about(&self) -> AboutProbe {
        AboutProbe {
            name: "list_length",
            doc: "How long a list is, such as a queue of Celery or Sidekiq. A key that is not there has the length 0, as Redis \
                removes a list with its last entry. Inconclusive when the key holds something else than a list.",
            fields: &[FieldSpec { name: "length", doc: "Entries of the list, from 0." }],
            main_field: "length",
            permissions: vec![right("+type +llen %R~<key>", "to read the length")],
        }
    }

    fn check(&self, params: &Parameters) -> Result<(), Failure> {
        self.0.find(&params.target)?;
        targets::key(&params.key)
    }

    async fn read(&self, params: &Parameters) -> Result<Reading, Failure> {
        targets::key(&params.key)?;
        Ok(match list::look(self.0.find(&params.target)?, &params.key).await? {
            Found::List(length) => Reading::Known(json!({ "length": length })),
            Found::Other(kind) => Reading::Inconclusive(format!(
                "the key {} holds no list but a {}",
                quoted(&params.key),
                plain(&kind)
            )),
        })
    }
}
