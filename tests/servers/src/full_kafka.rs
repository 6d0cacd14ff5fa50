//! A full Kafka that somebody else runs: nothing here can install one, so its absence is never a failure.

use std::{
    env,
    io::{self, Write},
    process,
    time::{SystemTime, UNIX_EPOCH},
};

/// A Kafka that `KAFKA_E2E` names.
#[derive(Debug, Clone)]
pub struct FullKafka {
    /// Its `bootstrap.servers`.
    pub bootstrap: String,
    /// What makes the names of this run's topics and groups its own, as they outlive it: `-1795348800-4711`.
    pub run: String,
}

impl FullKafka {
    /// The Kafka that the environment variable `KAFKA_E2E` names; without it, says that the test is skipped.
    #[must_use]
    pub fn named() -> Option<Self> {
        let Ok(bootstrap) = env::var("KAFKA_E2E") else {
            // As in `skip`: the test harness swallows what `eprintln!` writes in a test that passes.
            let _ = writeln!(io::stderr(), "SKIPPED: no full Kafka (KAFKA_E2E=<host:port> names one)");
            return None;
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Some(Self { bootstrap, run: format!("-{}-{}", now.as_secs(), process::id()) })
    }
}
