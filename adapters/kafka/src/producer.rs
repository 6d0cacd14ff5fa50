//! Publishing: one event, there when all in-sync copies have it.

use std::sync::Arc;

use async_trait::async_trait;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::FutureRecord;
use selfheal_contract::{Failure, Message, Publish};

use crate::cluster::Cluster;
use crate::clusters::Clusters;
use crate::fault::Purpose;
use crate::names;

/// Publishes to the configured clusters.
pub(crate) struct Publisher(pub(crate) Arc<Clusters>);

#[async_trait]
impl Publish for Publisher {
    fn check(&self, cluster: Option<&str>, topic: &str) -> Result<(), Failure> {
        self.0.find(cluster)?;
        names::topic(topic)
    }

    async fn publish(&self, cluster: Option<&str>, topic: &str, message: Message<'_>) -> Result<(), Failure> {
        names::topic(topic)?;
        publish(self.0.find(cluster)?, topic, message).await
    }
}

/// Publishes one event; it is as durable as the topic's replication makes it when this returns.
pub(crate) async fn publish(cluster: &Cluster, topic: &str, message: Message<'_>) -> Result<(), Failure> {
    let (producer, heard) = cluster.producer()?;
    let content_type = Header { key: "content-type", value: Some(message.content_type) };
    let mut record = FutureRecord::<str, [u8]>::to(topic)
        .payload(message.body)
        .headers(OwnedHeaders::new_with_capacity(1).insert(content_type));
    if let Some(key) = message.key {
        record = record.key(key);
    }
    let sent = producer.send(record, cluster.answer_within()).await;
    sent.map(drop).map_err(|(error, _)| cluster.fault(Purpose::Change, &error, heard.last().as_deref()))
}
