//! `kafka::topic_config`: one key of a topic's configuration, set absolutely.

use std::sync::Arc;

use async_trait::async_trait;
use selfheal_contract::{
    About, Applied, Assessment, BlastRadius, Change, Effect, Failure, IntentId, Preview, Reversal, Undone,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::clusters::Clusters;
use crate::names;
use crate::probe::right;
use crate::text::quoted;
use crate::topic_configs::{self, Configs};

/// Keys by which records may be deleted for good, whatever is set back afterwards.
const DELETING: &[&str] = &[
    "cleanup.policy",
    "delete.retention.ms",
    "local.retention.bytes",
    "local.retention.ms",
    "max.compaction.lag.ms",
    "retention.bytes",
    "retention.ms",
];

selfheal_contract::parameters! {
    /// Which key of which topic, and its value.
    pub struct Parameters {
        /// The topic.
        pub topic: String,
        /// The key, one of adapters.kafka.settable.
        pub key: String,
        /// Its new value as text, as Kafka writes it: "604800000", "compact".
        pub value: String,
        /// The cluster's name in the configuration; the only one when left out.
        pub cluster: Option<String>,
    }
}

/// What was set at the topic itself; none when a default was in force.
#[derive(Serialize, Deserialize)]
pub(super) struct Prior {
    own: Option<String>,
}

pub(super) struct Action(pub(super) Arc<Clusters>);

impl Action {
    fn check(&self, params: &Parameters) -> Result<&Cluster, Failure> {
        let cluster = self.0.find(params.cluster.as_deref())?;
        names::topic(&params.topic)?;
        self.0.settable(&params.key)?;
        names::value(&params.value)?;
        Ok(cluster)
    }

    async fn current(&self, params: &Parameters) -> Result<(&Cluster, Configs), Failure> {
        let cluster = self.check(params)?;
        let configs = topic_configs::read(cluster, &params.topic).await?;
        if configs.get(&params.key).is_none() {
            return Err(Failure::refused(format!(
                "{cluster} knows no configuration {} of the topic {}",
                params.key,
                quoted(&params.topic)
            )));
        }
        Ok((cluster, configs))
    }
}

/// `retention.ms of the topic "orders"`.
fn what(params: &Parameters) -> String {
    format!("{} of the topic {}", params.key, quoted(&params.topic))
}

/// A value that is set at the topic itself, or that none is.
fn told(own: Option<&str>) -> String {
    own.map_or_else(|| "the default".to_owned(), quoted)
}

#[async_trait]
impl selfheal_contract::Action for Action {
    type Parameters = Parameters;
    type Prior = Prior;

    fn about(&self) -> About {
        About {
            name: "topic_config",
            doc: "Sets one key of a topic's configuration, one of those that the operator lists in `settable`. Keys by which \
                records may be deleted (retention.ms, cleanup.policy and their like) need approval. Other keys stay as they \
                are; should somebody else change one in the same moment, this is told. The undo sets the value that the topic had, \
                or takes it away when a default was in force before, unless somebody else has set another one meanwhile. Records that were \
                deleted in the meantime do not come back.",
            reversal: Reversal::Restores,
            permissions: vec![
                right("DESCRIBE_CONFIGS on the topic", "to know the configuration in force"),
                right("ALTER_CONFIGS on the topic", "to set the configuration"),
            ],
        }
    }

    fn assess(&self, params: &Parameters) -> Result<Assessment, Failure> {
        let cluster = self.check(params)?;
        let deletes = DELETING.contains(&params.key.as_str());
        Ok(Assessment {
            target: format!("kafka/{}/topic/{}/{}", cluster.name(), params.topic, params.key),
            blast_radius: BlastRadius::Service,
            reversal: Reversal::Restores,
            replicas: None,
            approval: deletes.then(|| format!("{} decides which records are deleted for good", params.key)),
            forbidden: None,
        })
    }

    async fn preview(&self, params: &Parameters) -> Result<Preview, Failure> {
        let (_, configs) = self.current(params).await?;
        let own = configs.own(&params.key);
        if own == Some(&params.value) {
            let summary = format!("{} is {} already", what(params), quoted(&params.value));
            return Ok(Preview { summary, changes: Vec::new() });
        }
        let inherited =
            configs.get(&params.key).filter(|_| own.is_none()).and_then(|entry| entry.value.as_deref());
        let inherited = inherited.map(|value| format!(" ({})", quoted(value))).unwrap_or_default();
        Ok(Preview {
            summary: format!(
                "sets {} from {}{inherited} to {}",
                what(params),
                told(own),
                quoted(&params.value)
            ),
            changes: vec![Change {
                what: format!("{} {}", params.topic, params.key),
                from: own.map_or(Value::Null, Value::from),
                to: params.value.as_str().into(),
            }],
        })
    }

    async fn capture(&self, params: &Parameters) -> Result<Prior, Failure> {
        let (_, configs) = self.current(params).await?;
        Ok(Prior { own: configs.own(&params.key).map(str::to_owned) })
    }

    async fn apply(&self, params: &Parameters, prior: &Prior, _: &IntentId) -> Result<Applied, Failure> {
        let (cluster, configs) = self.current(params).await?;
        let own = configs.own(&params.key);
        if own == Some(&params.value) {
            return Ok(Applied::new(format!("{} is {} already", what(params), quoted(&params.value))));
        }
        if own != prior.own.as_deref() {
            return Err(Failure::refused(format!(
                "somebody else set {} to {} meanwhile (it was {}); plan again",
                what(params),
                told(own),
                told(prior.own.as_deref())
            )));
        }
        topic_configs::write(cluster, &params.topic, &configs, &params.key, Some(&params.value)).await?;
        Ok(Applied {
            summary: format!("set {} from {} to {}", what(params), told(own), quoted(&params.value)),
            facts: json!({ "from": own, "to": params.value }),
            ..Applied::default()
        })
    }

    async fn effect(&self, params: &Parameters, prior: &Prior, _: &IntentId) -> Result<Effect, Failure> {
        let (_, configs) = self.current(params).await?;
        let own = configs.own(&params.key);
        Ok(if own == Some(&params.value) {
            Effect::Done(Applied::new(format!("{} is {}", what(params), quoted(&params.value))))
        } else if own == prior.own.as_deref() {
            Effect::Untouched
        } else {
            Effect::Unclear(format!(
                "{} is {}, neither what it was ({}) nor what it was to become ({})",
                what(params),
                told(own),
                told(prior.own.as_deref()),
                quoted(&params.value)
            ))
        })
    }

    async fn undo(&self, params: &Parameters, prior: &Prior, _: &IntentId) -> Result<Undone, Failure> {
        let (cluster, configs) = self.current(params).await?;
        let own = configs.own(&params.key);
        let before = prior.own.as_deref();
        if own == before {
            return Ok(Undone::Nothing(format!("{} is {}, as before", what(params), told(own))));
        }
        if own != Some(&params.value) {
            return Ok(Undone::Nothing(format!(
                "somebody else has set {} to {} since; it is left so",
                what(params),
                told(own)
            )));
        }
        topic_configs::write(cluster, &params.topic, &configs, &params.key, before).await?;
        Ok(Undone::Reversed(format!("set {} back from {} to {}", what(params), told(own), told(before))))
    }
}
