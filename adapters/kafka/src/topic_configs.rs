//! A topic's shape and configuration at the cluster: read whole, and one key of it set.
//!
//! The client library can replace the configuration of a topic, not change one key of it. So the whole is read, sent back
//! with the one key changed, and read again: a change that somebody else made to another key within these milliseconds
//! cannot be prevented, but it is noticed and told.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::admin::{AlterConfig, ConfigSource, ResourceSpecifier};
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use selfheal_contract::Failure;
use tokio::time::{sleep, timeout};

use crate::cluster::Cluster;
use crate::fault::{self, Purpose};
use crate::text::quoted;

/// The first pause before a change is looked for again; it doubles.
const READ_BACK_PAUSE: Duration = Duration::from_millis(20);

/// What a topic's metadata says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) partitions: u32,
    /// Copies of the partition that has the fewest.
    pub(crate) replication: usize,
    /// Partitions of which not every copy is in sync.
    pub(crate) under_replicated: u32,
    /// Partitions that nobody serves.
    pub(crate) leaderless: u32,
}

/// One key of a topic's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// None when the broker keeps it secret.
    pub(crate) value: Option<String>,
    /// Whether it is set at the topic itself, rather than a default.
    pub(crate) own: bool,
    secret: bool,
}

/// A topic's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Configs(BTreeMap<String, Entry>);

impl Configs {
    /// A key, if the cluster knows it.
    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        self.0.get(key)
    }

    /// What is set at the topic itself under this key.
    pub(crate) fn own(&self, key: &str) -> Option<&str> {
        self.get(key).filter(|entry| entry.own)?.value.as_deref()
    }

    /// All that is set at the topic itself, but for one key.
    fn own_besides(&self, key: &str) -> BTreeMap<&str, &Entry> {
        self.0
            .iter()
            .filter(|(name, entry)| entry.own && *name != key)
            .map(|(name, entry)| (name.as_str(), entry))
            .collect()
    }
}

/// The metadata of one topic.
pub(crate) async fn shape(cluster: &Cluster, topic: &str) -> Result<Shape, Failure> {
    let name = topic.to_owned();
    let shape = cluster
        .ask(move |client, within| {
            let metadata = client.fetch_metadata(Some(&name), within)?;
            let Some(topic) = metadata.topics().iter().find(|topic| topic.name() == name) else {
                return Ok(Shape::default());
            };
            match topic.error() {
                Some(error) if RDKafkaErrorCode::from(error) == RDKafkaErrorCode::UnknownTopicOrPartition => {
                    return Ok(Shape::default());
                }
                Some(error) => return Err(KafkaError::MetadataFetch(error.into())),
                None => {}
            }
            let partitions = topic.partitions();
            let count = |which: &dyn Fn(&rdkafka::metadata::MetadataPartition) -> bool| {
                u32::try_from(partitions.iter().filter(|partition| which(partition)).count())
                    .unwrap_or(u32::MAX)
            };
            Ok(Shape {
                partitions: count(&|_| true),
                replication: partitions.iter().map(|partition| partition.replicas().len()).min().unwrap_or(0),
                under_replicated: count(&|partition| partition.isr().len() < partition.replicas().len()),
                leaderless: count(&|partition| partition.leader() < 0),
            })
        })
        .await?;
    if shape.partitions == 0 {
        return Err(Failure::refused(format!("{cluster} has no topic {}", quoted(topic))));
    }
    Ok(shape)
}

/// The configuration of one topic.
pub(crate) async fn read(cluster: &Cluster, topic: &str) -> Result<Configs, Failure> {
    let (admin, options) = cluster.admin()?;
    let asked = admin.describe_configs(&[ResourceSpecifier::Topic(topic)], &options).await;
    let heard = || admin.inner().context().last();
    let resources = asked.map_err(|error| cluster.fault(Purpose::Read, &error, heard().as_deref()))?;
    match resources.into_iter().next() {
        // Nor does the library tell that the topic is not there: then there is nothing in the answer.
        Some(Ok(resource)) if !resource.entries.is_empty() => {
            let entries = resource.entries.into_iter().map(|entry| {
                let own = entry.source == ConfigSource::DynamicTopic;
                (entry.name, Entry { value: entry.value, own, secret: entry.is_sensitive })
            });
            Ok(Configs(entries.collect()))
        }
        Some(Err(code)) => Err(fault::of_code(cluster, Purpose::Read, code, heard().as_deref())),
        _ => Err(Failure::refused(format!(
            "{cluster} refused to tell the configuration of the topic {}; check that it is there and that selfheal has \
             DESCRIBE_CONFIGS on it",
            quoted(topic)
        ))),
    }
}

/// Sets one key at a topic whose configuration is `before`, or takes it away.
pub(crate) async fn write(
    cluster: &Cluster,
    topic: &str,
    before: &Configs,
    key: &str,
    value: Option<&str>,
) -> Result<(), Failure> {
    let others = before.own_besides(key);
    let mut change = AlterConfig::new(ResourceSpecifier::Topic(topic));
    for (name, entry) in &others {
        match &entry.value {
            Some(value) if !entry.secret => change = change.set(name, value),
            _ => {
                return Err(Failure::refused(format!(
                    "the configuration {} of the topic {} is secret and would be lost; set {key} by other means",
                    quoted(name),
                    quoted(topic)
                )));
            }
        }
    }
    if let Some(value) = value {
        change = change.set(key, value);
    }
    let (admin, options) = cluster.admin()?;
    let heard = || admin.inner().context().last();
    let answered = admin.alter_configs(&[change], &options).await;
    answered.map_err(|error| cluster.fault(Purpose::Change, &error, heard().as_deref()))?;

    let after = read_back(cluster, topic, key, value).await?;
    let found = after.own_besides(key);
    let differing = |name: &&&str| found.get(**name) != others.get(**name);
    let changed: Vec<&str> = others.keys().chain(found.keys()).filter(differing).copied().take(10).collect();
    if changed.is_empty() {
        return Ok(());
    }
    Err(Failure::indeterminate(format!(
        "somebody else changed {} of the topic {} while {key} was set; look whether it is as it should be",
        changed.join(", "),
        quoted(topic)
    )))
}

/// Reads until the key is what it was set to. The library keeps to itself what a broker said of the change, and another
/// broker may hear of it a moment later.
async fn read_back(
    cluster: &Cluster,
    topic: &str,
    key: &str,
    value: Option<&str>,
) -> Result<Configs, Failure> {
    let within = cluster.answer_within();
    let mut pause = READ_BACK_PAUSE;
    let taken = timeout(within, async {
        loop {
            let after = read(cluster, topic).await.map_err(|failure| {
                Failure::indeterminate(format!("{key} was set, and could not be read back: {}", failure.what))
            })?;
            if after.own(key) == value {
                return Ok(after);
            }
            sleep(pause).await;
            pause = pause.saturating_mul(2);
        }
    });
    taken.await.unwrap_or_else(|_| {
        Err(Failure::indeterminate(format!(
            "{cluster} was told to set {key} of the topic {} to {}, and does not show it after {within:?}; \
             most likely it refused the value",
            quoted(topic),
            value.map_or_else(|| "the default".to_owned(), quoted)
        )))
    })
}
