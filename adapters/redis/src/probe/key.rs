//! `redis::key`: what a key holds and when it goes.

use std::sync::Arc;

use async_trait::async_trait;
use redis::pipe;
use selfheal_contract::{AboutProbe, Failure, FieldSpec, Reading};
use serde_json::{Value, json};

use super::right;
use crate::targets::{self, Targets};

selfheal_contract::parameters! {
    /// Which key.
    pub struct Parameters {
        /// The target's name in the configuration.
        pub target: String,
        /// The key.
        pub key: String,
    }
}

pub(super) struct Probe(pub(super) Arc<Targets>);

#[async_trait]
impl selfheal_contract::Probe for Probe {
    type Parameters = Parameters;

    fn about(&self) -> AboutProbe {
        AboutProbe {
            name: "key",
            doc: "What a key holds, how much memory it takes (estimated from samples by Redis), and when it expires. The \
                contents are never read.",
            fields: &[
                FieldSpec { name: "exists", doc: "Whether the key is there." },
                FieldSpec {
                    name: "type",
                    doc: "string, list, set, zset, hash, stream; none when it is not there.",
                },
                FieldSpec {
                    name: "memory_bytes",
                    doc: "Memory that it takes, in bytes; 0 when it is not there.",
                },
                FieldSpec {
                    name: "ttl_seconds",
                    doc: "Until it expires, in seconds; null when it does not expire or is not there.",
                },
            ],
            main_field: "memory_bytes",
            permissions: vec![right("+type +pttl +memory|usage %R~<key>", "to look at the key")],
        }
    }

    fn check(&self, params: &Parameters) -> Result<(), Failure> {
        self.0.find(&params.target)?;
        targets::key(&params.key)
    }

    async fn read(&self, params: &Parameters) -> Result<Reading, Failure> {
        targets::key(&params.key)?;
        let mut question = pipe();
        question.cmd("TYPE").arg(&params.key).cmd("PTTL").arg(&params.key);
        question.cmd("MEMORY").arg("USAGE").arg(&params.key);
        let (kind, ttl_ms, memory): (String, i64, Option<i64>) =
            self.0.find(&params.target)?.read(&question).await?;
        let ttl = if ttl_ms < 0 { Value::Null } else { json!(ttl_ms as f64 / 1000.0) };
        Ok(Reading::Known(json!({
            "exists": kind != "none",
            "type": kind,
            "memory_bytes": memory.unwrap_or_default().max(0),
            "ttl_seconds": ttl,
        })))
    }
}
