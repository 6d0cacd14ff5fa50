//! The Kafka that news goes to, and who reads it there: librdkafka's own stand-in for a cluster, in a thread of its own,
//! since it cannot be shared.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::mocking::MockCluster;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use selfheal_test_servers::Error;
use serde_json::Value;

use crate::draw::BROKERS;

/// Where news goes.
pub const TOPIC: &str = "selfheal";
const PARTITIONS: i32 = 4;
/// How long one look for messages takes at most.
const LOOK: Duration = Duration::from_millis(50);

/// A broker, and whether it is to be there.
type Order = (i32, bool);
/// Issues and what was told of them, such as `dev.selfheal.issue.closed`.
type Told = BTreeSet<(String, String)>;

/// The cluster, for as long as this lives.
pub struct Kafka {
    bootstrap: String,
    told: Arc<Mutex<Told>>,
    orders: Option<Sender<Order>>,
    thread: Option<JoinHandle<()>>,
}

impl Kafka {
    /// Starts the brokers.
    ///
    /// # Errors
    /// When librdkafka refuses.
    pub fn start() -> Result<Self, Error> {
        let refused = |reason: String| Error::Io {
            what: "start Kafka's brokers".to_owned(),
            source: std::io::Error::other(reason),
        };
        let (orders, to_do) = channel();
        let (answer, answered) = channel();
        let told = Arc::new(Mutex::default());
        let reader = Arc::clone(&told);
        let thread = thread::spawn(move || match brokers() {
            Ok((cluster, consumer)) => {
                // Whoever asked waits for this.
                let _ = answer.send(Ok(cluster.bootstrap_servers()));
                serve(&cluster, &consumer, &to_do, &reader);
            }
            Err(error) => drop(answer.send(Err(error.to_string()))),
        });
        let bootstrap = answered.recv().map_err(|error| refused(error.to_string()))?.map_err(refused)?;
        Ok(Self { bootstrap, told, orders: Some(orders), thread: Some(thread) })
    }

    /// The brokers' addresses.
    #[must_use]
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Takes a broker down, or brings it back.
    pub fn set(&self, broker: i32, up: bool) {
        if let Some(orders) = &self.orders {
            // The thread ends after this.
            let _ = orders.send((broker, up));
        }
    }

    /// Whether this was told of an issue.
    #[must_use]
    pub fn was_told(&self, issue: i64, what: &str) -> bool {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.contains(&(format!("issue-{issue}"), what.to_owned()))
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // A panic there was printed there.
            let _ = thread.join();
        }
    }
}

type Cluster = MockCluster<'static, rdkafka::producer::DefaultProducerContext>;

fn brokers() -> Result<(Cluster, BaseConsumer), KafkaError> {
    let cluster = MockCluster::new(BROKERS)?;
    cluster.create_topic(TOPIC, PARTITIONS, BROKERS)?;
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("group.id", "faults")
        .set("enable.auto.commit", "false")
        // A broker that was down is asked again soon.
        .set("reconnect.backoff.max.ms", "500")
        .set("topic.metadata.refresh.interval.ms", "1000")
        .create()?;
    let mut all = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        all.add_partition_offset(TOPIC, partition, Offset::Beginning)?;
    }
    consumer.assign(&all)?;
    Ok((cluster, consumer))
}

/// Does what is ordered and reads what is told, until there will be no more orders.
fn serve(cluster: &Cluster, consumer: &BaseConsumer, orders: &Receiver<Order>, told: &Mutex<Told>) {
    loop {
        match orders.try_recv() {
            // It refuses only numbers of no broker.
            Ok((broker, true)) => drop(cluster.broker_up(broker)),
            Ok((broker, false)) => drop(cluster.broker_down(broker)),
            Err(TryRecvError::Disconnected) => return,
            Err(TryRecvError::Empty) => {}
        }
        // A broker that is down is asked again by the consumer itself.
        let Some(Ok(message)) = consumer.poll(LOOK) else { continue };
        let event: Value = serde_json::from_slice(message.payload().unwrap_or_default()).unwrap_or_default();
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        told.lock().unwrap_or_else(PoisonError::into_inner).insert((text("subject"), text("type")));
    }
}
