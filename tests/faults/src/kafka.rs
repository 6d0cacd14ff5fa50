//! The Kafka that news goes to: librdkafka's own stand-in for a cluster, in a thread of its own, since it cannot be shared.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use rdkafka::error::KafkaError;
use rdkafka::mocking::MockCluster;
use selfheal_test_servers::Error;

use crate::draw::BROKERS;

/// Where news goes.
pub const TOPIC: &str = "selfheal";

/// A broker, and whether it is to be there.
type Order = (i32, bool);

/// The cluster, for as long as this lives.
pub struct Kafka {
    bootstrap: String,
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
        let (tell, told) = channel();
        let thread = thread::spawn(move || serve(&to_do, &tell));
        let bootstrap = told.recv().map_err(|error| refused(error.to_string()))?.map_err(refused)?;
        Ok(Self { bootstrap, orders: Some(orders), thread: Some(thread) })
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

fn serve(orders: &Receiver<Order>, tell: &Sender<Result<String, String>>) {
    let start = || -> Result<_, KafkaError> {
        let cluster = MockCluster::new(BROKERS)?;
        cluster.create_topic(TOPIC, 4, BROKERS)?;
        Ok(cluster)
    };
    let cluster = match start() {
        Ok(cluster) => cluster,
        Err(error) => {
            let _ = tell.send(Err(error.to_string()));
            return;
        }
    };
    let _ = tell.send(Ok(cluster.bootstrap_servers()));
    for (broker, up) in orders {
        // It refuses only numbers of no broker.
        let _ = if up { cluster.broker_up(broker) } else { cluster.broker_down(broker) };
    }
}
