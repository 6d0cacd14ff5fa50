//! `kafka::lag`: how far a consumer group lags behind.
//!
//! Three questions, however many partitions there are: the metadata, then the committed offsets and, at the same time where the
//! topic is named, the end offsets (one request to each broker, for all partitions that it leads). Where nothing is committed,
//! a fourth asks for the first offsets that are left.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::{Offset, TopicPartitionList};
use selfheal_contract::{AboutProbe, Failure, FieldSpec, Reading};

use super::right;
use crate::client::Client;
use crate::cluster::Cluster;
use crate::clusters::Clusters;
use crate::lag::{Place, Position, reading};
use crate::names;
use crate::text::quoted;

/// Partitions that one reading takes in. A cluster with more is asked topic by topic.
const PARTITIONS_MAX: usize = 20_000;

selfheal_contract::parameters! {
    /// Which group, and over which topic.
    pub struct Parameters {
        /// The consumer group.
        pub group: String,
        /// Only this topic; otherwise every topic of which the group has committed an offset.
        pub topic: Option<String>,
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
            name: "lag",
            doc: "How many records a consumer group has not yet done with: for each partition the end offset less the \
                committed offset. The group is not joined, and its members notice nothing. A partition without a committed \
                offset counts from its first record that is left; `uncommitted` says how many there are, so that \
                a group that has never committed (or whose name is wrong) can be told from one that lags. Without a \
                topic, only the topics of which the group has committed something count, and inconclusive when there is \
                none. Refused for a topic that is not there.",
            fields: &[
                FieldSpec { name: "total", doc: "Records behind, over all partitions, from 0." },
                FieldSpec { name: "max", doc: "Records behind in the partition that is worst off, from 0." },
                FieldSpec {
                    name: "partitions",
                    doc: "Partitions that were looked at: more consumers than that have nothing to do.",
                },
                FieldSpec {
                    name: "uncommitted",
                    doc: "Those of them of which the group has committed nothing.",
                },
                FieldSpec {
                    name: "by_topic",
                    doc: "A list of topic and lag, by the topic's name; at most 200.",
                },
                FieldSpec {
                    name: "by_partition",
                    doc: "A list of topic, partition, lag, end and committed (null without), the worst first; at most 200.",
                },
            ],
            main_field: "total",
            permissions: vec![
                right("DESCRIBE on the topics", "to read metadata and end offsets"),
                right("DESCRIBE on the group", "to read its committed offsets"),
            ],
        }
    }

    fn check(&self, params: &Parameters) -> Result<(), Failure> {
        self.0.find(params.cluster.as_deref())?;
        names::group(&params.group)?;
        params.topic.as_deref().map_or(Ok(()), names::topic)
    }

    async fn read(&self, params: &Parameters) -> Result<Reading, Failure> {
        self.check(params)?;
        let cluster = self.0.find(params.cluster.as_deref())?;
        match &params.topic {
            Some(topic) => {
                let places = partitions(cluster, Some(topic)).await?;
                let (committed, ends) = tokio::try_join!(
                    committed(cluster, &params.group, &places),
                    offsets(cluster, &places, Offset::End)
                )?;
                positions(cluster, places, &committed, &ends).await
            }
            None => {
                let all = partitions(cluster, None).await?;
                let committed = committed(cluster, &params.group, &all).await?;
                let topics: std::collections::HashSet<&String> =
                    committed.keys().map(|(topic, _)| topic).collect();
                let places: Vec<Place> =
                    all.iter().filter(|(topic, _)| topics.contains(topic)).cloned().collect();
                if places.is_empty() {
                    return Ok(Reading::Inconclusive(format!(
                        "{cluster} knows no committed offset of the group {}; check its name, or name the topic",
                        quoted(&params.group)
                    )));
                }
                let ends = offsets(cluster, &places, Offset::End).await?;
                positions(cluster, places, &committed, &ends).await
            }
        }
    }
}

type Offsets = HashMap<Place, i64>;

async fn positions(
    cluster: &Cluster,
    places: Vec<Place>,
    committed: &Offsets,
    ends: &Offsets,
) -> Result<Reading, Failure> {
    let uncommitted: Vec<Place> =
        places.iter().filter(|place| !committed.contains_key(*place)).cloned().collect();
    let lows = offsets(cluster, &uncommitted, Offset::Beginning).await?;
    let positions: Option<Vec<Position>> = places
        .into_iter()
        .map(|place| {
            let end = *ends.get(&place)?;
            let (committed, low) = (committed.get(&place).copied(), lows.get(&place).copied());
            Some(Position { end, committed, low, place })
        })
        .collect();
    // A sum over some of the partitions would look like recovery.
    positions.map(|positions| Reading::Known(reading(positions))).ok_or_else(|| {
        Failure::transient(format!(
            "{cluster} does not tell the end offsets of all partitions; some have no leader"
        ))
    })
}

/// The partitions of a topic, or of all topics.
async fn partitions(cluster: &Cluster, topic: Option<&str>) -> Result<Vec<Place>, Failure> {
    let asked = topic.map(str::to_owned);
    let found = cluster
        .ask(move |client, within| {
            let metadata = client.fetch_metadata(asked.as_deref(), within)?;
            let mut places = Vec::new();
            for topic in metadata.topics() {
                match topic.error() {
                    None => {}
                    Some(error) if asked.is_some() => return Err(KafkaError::MetadataFetch(error.into())),
                    // Of all topics, those that selfheal may not see are left out.
                    Some(_) => continue,
                }
                places.extend(
                    topic.partitions().iter().map(|partition| (topic.name().to_owned(), partition.id())),
                );
            }
            Ok(places)
        })
        .await?;
    match (found.len(), topic) {
        (0, Some(topic)) => Err(Failure::refused(format!("{cluster} has no topic {}", quoted(topic)))),
        (count, _) if count > PARTITIONS_MAX => Err(Failure::refused(format!(
            "{cluster} has {count} partitions, more than {PARTITIONS_MAX}; name the topic"
        ))),
        _ => Ok(found),
    }
}

/// The offsets that the group has committed; partitions without one are left out.
async fn committed(cluster: &Cluster, group: &str, places: &[Place]) -> Result<Offsets, Failure> {
    let list = list(places, Offset::Invalid);
    let ask = move |client: &Client, within: Duration| settle(client.committed_offsets(list?, within)?);
    if places.is_empty() {
        return Ok(Offsets::new());
    }
    cluster.ask_of_group(group, ask).await
}

/// The first or last offsets of partitions: one request to each broker. (The library names the request after times,
/// because a time can be asked for too; the two ends have numbers of their own there.)
async fn offsets(cluster: &Cluster, places: &[Place], which: Offset) -> Result<Offsets, Failure> {
    let list = list(places, which);
    if places.is_empty() {
        return Ok(Offsets::new());
    }
    cluster.ask(move |client, within| settle(client.offsets_for_times(list?, within)?)).await
}

fn list(places: &[Place], offset: Offset) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::with_capacity(places.len());
    for (topic, partition) in places {
        list.add_partition_offset(topic, *partition, offset)?;
    }
    Ok(list)
}

/// The offsets of an answer. One that is an error makes all an error: nothing is summed up without it.
fn settle(list: TopicPartitionList) -> KafkaResult<Offsets> {
    let mut offsets = Offsets::with_capacity(list.count());
    for element in list.elements() {
        element.error()?;
        if let Offset::Offset(offset) = element.offset() {
            offsets.insert((element.topic().to_owned(), element.partition()), offset);
        }
    }
    Ok(offsets)
}
