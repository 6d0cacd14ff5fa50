//! The brokers that tests run against besides the in-process one: Tansu always, a full Kafka where one is named.

use selfheal_test_servers::{Error, FullKafka, Tansu};

/// A broker, and a suffix that makes the names of this run its own.
pub struct Broker {
    pub bootstrap: String,
    pub run: String,
    /// Declared for its end only.
    _server: Option<Tansu>,
}

/// Tansu, started for one test.
pub fn tansu() -> Result<Broker, Error> {
    let server = Tansu::start()?;
    Ok(Broker { bootstrap: server.bootstrap(), run: String::new(), _server: Some(server) })
}

/// The Kafka that `KAFKA_E2E` names; says that the test is skipped when it names none.
pub fn full_kafka() -> Option<Broker> {
    FullKafka::named().map(|FullKafka { bootstrap, run }| Broker { bootstrap, run, _server: None })
}
