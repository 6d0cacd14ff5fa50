//! `kafka::topic`: how a topic is.

use std::sync::Arc;

use async_trait::async_trait;
use selfheal_contract::{AboutProbe, Failure, FieldSpec, Reading};
use serde_json::{Map, Value, json};

use super::right;
use crate::clusters::Clusters;
use crate::names;
use crate::text::quoted;
use crate::topic_configs;

/// Keys that one reading can be asked for.
const KEYS_MAX: usize = 20;

selfheal_contract::parameters! {
    /// Which topic, and what of its configuration.
    pub struct Parameters {
        /// The topic.
        pub topic: String,
        /// Keys of its configuration to read too, such as ["retention.ms"]; at most 20.
        pub configs: Option<Vec<String>>,
        /// The cluster's name in the configuration; the only one when left out.
        pub cluster: Option<String>,
    }
}

pub(super) struct Probe(pub(super) Arc<Clusters>);

#[async_trait]
impl selfheal_contract::Probe for Probe {
    type Parameters = Parameters;

    fn about(&self) -> AboutProbe {
        AboutProbe {
            name: "topic",
            doc: "How many partitions a topic has, how they are replicated, and the configuration in force under the keys \
                that are asked for. Refused for a topic that is not there.",
            fields: &[
                FieldSpec { name: "partitions", doc: "Partitions, from 1." },
                FieldSpec { name: "replication", doc: "Copies of the partition that has the fewest." },
                FieldSpec { name: "under_replicated", doc: "Partitions of which not every copy is in sync." },
                FieldSpec { name: "leaderless", doc: "Partitions that no broker serves." },
                FieldSpec {
                    name: "configs",
                    doc: "A list of key, value (text; null when secret or unknown to the cluster) and own: whether it is set \
                        at the topic itself rather than a default. Empty when no key is asked for.",
                },
            ],
            main_field: "under_replicated",
            permissions: vec![
                right("DESCRIBE on the topic", "to read its metadata"),
                right("DESCRIBE_CONFIGS on the topic", "to read its configuration"),
            ],
        }
    }

    fn check(&self, params: &Parameters) -> Result<(), Failure> {
        self.0.find(params.cluster.as_deref())?;
        names::topic(&params.topic)?;
        let keys = params.configs.as_deref().unwrap_or_default();
        if keys.len() > KEYS_MAX {
            return Err(Failure::refused(format!(
                "{} keys of {} are asked for; expected at most {KEYS_MAX}",
                keys.len(),
                quoted(&params.topic)
            )));
        }
        keys.iter().try_for_each(|key| names::key(key))
    }

    async fn read(&self, params: &Parameters) -> Result<Reading, Failure> {
        self.check(params)?;
        let cluster = self.0.find(params.cluster.as_deref())?;
        let keys = params.configs.as_deref().unwrap_or_default();
        let shape = topic_configs::shape(cluster, &params.topic).await?;
        let configs =
            if keys.is_empty() { None } else { Some(topic_configs::read(cluster, &params.topic).await?) };
        let entry = |key: &String| {
            let found = configs.as_ref().and_then(|configs| configs.get(key));
            let mut entry = Map::new();
            entry.insert("key".to_owned(), key.as_str().into());
            entry.insert(
                "value".to_owned(),
                found.and_then(|entry| entry.value.clone()).map_or(Value::Null, Value::from),
            );
            entry.insert("own".to_owned(), found.is_some_and(|entry| entry.own).into());
            Value::from(entry)
        };
        Ok(Reading::Known(json!({
            "partitions": shape.partitions,
            "replication": shape.replication,
            "under_replicated": shape.under_replicated,
            "leaderless": shape.leaderless,
            "configs": keys.iter().map(entry).collect::<Vec<_>>(),
        })))
    }
}
