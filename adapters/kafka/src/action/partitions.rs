//! `kafka::partitions`: a topic's partitions, to an absolute number.

use std::sync::Arc;

use async_trait::async_trait;
use rdkafka::admin::NewPartitions;
use rdkafka::error::RDKafkaErrorCode;
use selfheal_contract::{
    About, Applied, Assessment, BlastRadius, Change, Effect, Failure, IntentId, Preview, Reversal, Undone,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::cluster::Cluster;
use crate::clusters::Clusters;
use crate::fault::{self, Purpose};
use crate::names;
use crate::probe::right;
use crate::text::{count, quoted};
use crate::topic_configs;

/// The most partitions that a topic can be given.
const PARTITIONS_MAX: u32 = 10_000;

selfheal_contract::parameters! {
    /// Which topic, and how many partitions it is to have.
    pub struct Parameters {
        /// The topic.
        pub topic: String,
        /// How many partitions it is to have, 1 to 10000; not fewer than it has.
        pub count: u32,
        /// The cluster's name in the configuration; the only one when left out.
        pub cluster: Option<String>,
    }
}

/// How many there were.
#[derive(Serialize, Deserialize)]
pub(super) struct Prior {
    count: u32,
}

pub(super) struct Action(pub(super) Arc<Clusters>);

impl Action {
    fn check(&self, params: &Parameters) -> Result<&Cluster, Failure> {
        let cluster = self.0.find(params.cluster.as_deref())?;
        names::topic(&params.topic)?;
        if !(1..=PARTITIONS_MAX).contains(&params.count) {
            return Err(Failure::refused(format!(
                "a topic cannot be given {}; expected 1 to {PARTITIONS_MAX}",
                count(params.count.into(), "partition")
            )));
        }
        Ok(cluster)
    }

    /// The cluster, and how many partitions there are now: not more than wanted.
    async fn current(&self, params: &Parameters) -> Result<(&Cluster, u32), Failure> {
        let cluster = self.check(params)?;
        let current = topic_configs::shape(cluster, &params.topic).await?.partitions;
        if current > params.count {
            return Err(Failure::refused(format!(
                "the topic {} has {} already, and their number can never be lowered to {}",
                quoted(&params.topic),
                count(current.into(), "partition"),
                params.count
            )));
        }
        Ok((cluster, current))
    }
}

fn has(params: &Parameters, current: u32) -> String {
    format!("the topic {} has {}", quoted(&params.topic), count(current.into(), "partition"))
}

#[async_trait]
impl selfheal_contract::Action for Action {
    type Parameters = Parameters;
    type Prior = Prior;

    fn about(&self) -> About {
        About {
            name: "partitions",
            doc: "Raises the number of a topic's partitions, so that more consumers can share the work. It always needs approval: the \
                number can never be lowered again, and records of one key that come later may go to another partition than \
                those before, so that their order is lost for a while. Refused when the topic has more already.",
            reversal: Reversal::Irreversible,
            permissions: vec![
                right("DESCRIBE on the topic", "to know how many there are"),
                right("ALTER on the topic", "to add partitions"),
            ],
        }
    }

    fn assess(&self, params: &Parameters) -> Result<Assessment, Failure> {
        let cluster = self.check(params)?;
        Ok(Assessment {
            target: format!("kafka/{}/topic/{}", cluster.name(), params.topic),
            blast_radius: BlastRadius::Service,
            reversal: Reversal::Irreversible,
            replicas: None,
            forbidden: None,
            approval: Some(
                "the number of partitions can never be lowered again, and keys may move to other partitions"
                    .to_owned(),
            ),
        })
    }

    async fn preview(&self, params: &Parameters) -> Result<Preview, Failure> {
        let (_, current) = self.current(params).await?;
        if current == params.count {
            return Ok(Preview { summary: format!("{} already", has(params, current)), changes: Vec::new() });
        }
        Ok(Preview {
            summary: format!(
                "raises the partitions of the topic {} from {current} to {}",
                quoted(&params.topic),
                params.count
            ),
            changes: vec![Change {
                what: format!("partitions of {}", params.topic),
                from: json!(current),
                to: json!(params.count),
            }],
        })
    }

    async fn capture(&self, params: &Parameters) -> Result<Prior, Failure> {
        self.current(params).await.map(|(_, count)| Prior { count })
    }

    async fn apply(&self, params: &Parameters, prior: &Prior, _: &IntentId) -> Result<Applied, Failure> {
        let (cluster, current) = self.current(params).await?;
        if current == params.count {
            return Ok(Applied::new(format!("{} already", has(params, current))));
        }
        if current != prior.count {
            return Err(Failure::refused(format!(
                "somebody else changed the partitions of the topic {} from {} to {current} meanwhile; plan again",
                quoted(&params.topic),
                prior.count
            )));
        }
        let (admin, options) = cluster.admin()?;
        let heard = || admin.inner().context().last();
        let wanted = NewPartitions::new(&params.topic, params.count as usize);
        let results = admin.create_partitions(&[wanted], &options).await;
        let results = results.map_err(|error| cluster.fault(Purpose::Change, &error, heard().as_deref()))?;
        match results.into_iter().next() {
            // Another hand was quicker, or the metadata was old: what counts is how many there are.
            Some(Err((_, RDKafkaErrorCode::InvalidPartitions)))
                if topic_configs::shape(cluster, &params.topic).await?.partitions == params.count => {}
            Some(Err((_, code))) => {
                return Err(fault::of_code(cluster, Purpose::Change, code, heard().as_deref()));
            }
            _ => {}
        }
        Ok(Applied {
            summary: format!(
                "raised the partitions of the topic {} from {current} to {}",
                quoted(&params.topic),
                params.count
            ),
            facts: json!({ "from": current, "to": params.count }),
            ..Applied::default()
        })
    }

    async fn effect(&self, params: &Parameters, prior: &Prior, _: &IntentId) -> Result<Effect, Failure> {
        let cluster = self.check(params)?;
        let current = topic_configs::shape(cluster, &params.topic).await?.partitions;
        Ok(if current == params.count {
            Effect::Done(Applied::new(has(params, current)))
        } else if current == prior.count {
            Effect::Untouched
        } else {
            Effect::Unclear(format!(
                "{}, neither what it had ({}) nor what it was to have ({})",
                has(params, current),
                prior.count,
                params.count
            ))
        })
    }

    async fn undo(&self, params: &Parameters, _: &Prior, _: &IntentId) -> Result<Undone, Failure> {
        self.check(params).map(|_| Undone::Irreversible)
    }
}
