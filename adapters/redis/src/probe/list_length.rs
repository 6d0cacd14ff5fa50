//! `redis::list_length`: how long a queue is.

use std::sync::Arc;

use async_trait::async_trait;
use redis::{Value, pipe};
use selfheal_contract::{AboutProbe, Failure, FieldSpec, Reading};
use serde_json::json;

use super::right;
use crate::targets::{self, Targets};
use crate::text::quoted;

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
            permissions: vec![right("+eval +type +llen %R~<key>", "to read the length")],
        }
    }

    fn check(&self, params: &Parameters) -> Result<(), Failure> {
        self.0.find(&params.target)?;
        targets::key(&params.key)
    }

    async fn read(&self, params: &Parameters) -> Result<Reading, Failure> {
        targets::key(&params.key)?;
        let server = self.0.find(&params.target)?;
        // In one transaction, and no LLEN of another type, which would be an error and so no answer about the type.
        let question = "local kind = redis.call('TYPE', KEYS[1]).ok \
            if kind == 'list' then return {kind, redis.call('LLEN', KEYS[1])} end \
            return {kind, 0}";
        let mut script = pipe();
        script.cmd("EVAL").arg(question).arg(1).arg(&params.key);
        let ((kind, length),): ((String, Value),) = server.read(&script).await?;
        Ok(match (kind.as_str(), length) {
            ("list" | "none", Value::Int(length)) if length >= 0 => {
                Reading::Known(json!({ "length": length }))
            }
            (kind, _) => {
                Reading::Inconclusive(format!("the key {} holds no list but a {kind}", quoted(&params.key)))
            }
        })
    }
}
