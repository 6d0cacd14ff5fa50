//! The brokers that tests run against besides the in-process one: Tansu always, a full Kafka where one is named.

use selfheal_test_servers::{Error, Tansu};

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

/// The Kafka that `KAFKA_E2E` names. Says that the test is skipped when it names none; that is never a failure, as nothing
/// here can install a Kafka.
pub fn full_kafka() -> Option<Broker> {
    use std::io::Write as _;
    let Ok(bootstrap) = std::env::var("KAFKA_E2E") else {
        // The test harness swallows what `eprintln!` writes in a test that passes; a skipped test must be seen.
        let _ = writeln!(std::io::stderr(), "SKIPPED: no full Kafka (KAFKA_E2E=<host:port> names one)");
        return None;
    };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Some(Broker { bootstrap, run: format!("-{}-{}", now.as_secs(), std::process::id()), _server: None })
}
