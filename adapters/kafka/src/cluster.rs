//! One cluster: its clients, made on first use, and the only way to ask it.
//!
//! The library blocks its caller, so every question runs on a thread for blocking work, with a time-out of its own and a bound on
//! how many run at a time. Committed offsets can be asked only by a client that has the group's name; it never subscribes,
//! and so is no member. Such clients cost threads and connections, so only the groups asked about last keep theirs.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::producer::FutureProducer;
use selfheal_contract::Failure;
use selfheal_core::span::Span;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::client::{Client, Heard, drain};
use crate::fault::{self, Purpose};
use crate::settings;

/// Questions at the same time to one cluster; more wait for their turn.
const QUESTIONS_MAX: usize = 8;

/// Groups whose client is kept.
const GROUPS_KEPT: usize = 8;

/// One cluster.
pub(crate) struct Cluster {
    name: String,
    config: ClientConfig,
    answer_within: Duration,
    turns: Arc<Semaphore>,
    plain: OnceLock<Arc<Client>>,
    admin: OnceLock<Arc<AdminClient<Heard>>>,
    producer: OnceLock<(FutureProducer<Heard>, Heard)>,
    /// The group asked about last stands at the back.
    groups: Mutex<VecDeque<(String, Arc<Client>)>>,
}

impl fmt::Display for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the kafka cluster {:?}", self.name)
    }
}

impl Cluster {
    /// A cluster; nothing is connected yet.
    ///
    /// # Errors
    /// The library does not take the settings.
    pub(crate) fn new(settings: settings::Cluster, answer_within: Span) -> Result<Self, String> {
        let settings::Cluster { name, properties } = settings;
        let mut config = ClientConfig::new();
        for (key, value) in properties {
            config.set(key, value);
        }
        config
            .set("client.id", "selfheal")
            // A probe must not make a topic by asking about it.
            .set("allow.auto.create.topics", "false")
            .set("socket.keepalive.enable", "true")
            .set("socket.nagle.disable", "true")
            // A cluster that is back is found soon.
            .set("reconnect.backoff.max.ms", "2000");
        let cluster = Self {
            name,
            config,
            answer_within: answer_within.duration(),
            turns: Arc::new(Semaphore::new(QUESTIONS_MAX)),
            plain: OnceLock::new(),
            admin: OnceLock::new(),
            producer: OnceLock::new(),
            groups: Mutex::new(VecDeque::new()),
        };
        match cluster.config.create_native_config() {
            Ok(_) => Ok(cluster),
            Err(error) => Err(fault::exchange(&cluster, Purpose::Read, &error, None).what),
        }
    }

    /// Its name in the configuration.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// How long one answer may take.
    pub(crate) fn answer_within(&self) -> Duration {
        self.answer_within
    }

    /// The library's settings, for a client of a kind of its own.
    pub(crate) fn config(&self) -> ClientConfig {
        self.config.clone()
    }

    /// Asks what has nothing to do with a group's offsets.
    ///
    /// # Errors
    /// `Refused` when the cluster says no, `Transient` when there was no answer.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Client, Duration) -> KafkaResult<T> + Send + 'static,
    ) -> Result<T, Failure> {
        let client = once(&self.plain, || {
            let mut config = self.config();
            // Kafka's own tools count up to the high watermark, also where a transaction is open.
            config.set("isolation.level", "read_uncommitted");
            Client::from_config_and_context(&config, Heard::default()).map(Arc::new)
        });
        let client = client.map_err(|error| self.fault(Purpose::Read, &error, None))?;
        self.put(client, question).await
    }

    /// Asks about a group's offsets.
    ///
    /// # Errors
    /// As for [`ask`](Self::ask).
    pub(crate) async fn ask_of_group<T: Send + 'static>(
        &self,
        group: &str,
        question: impl FnOnce(&Client, Duration) -> KafkaResult<T> + Send + 'static,
    ) -> Result<T, Failure> {
        let client = self.of_group(group).map_err(|error| self.fault(Purpose::Read, &error, None))?;
        self.put(client, question).await
    }

    async fn put<T: Send + 'static>(
        &self,
        client: Arc<Client>,
        question: impl FnOnce(&Client, Duration) -> KafkaResult<T> + Send + 'static,
    ) -> Result<T, Failure> {
        let within = self.answer_within;
        let Ok(turn) = timeout(within, Arc::clone(&self.turns).acquire_owned()).await else {
            return Err(Failure::transient(format!(
                "{self} is busy with {QUESTIONS_MAX} other questions; try later"
            )));
        };
        let turn = turn.expect("the semaphore is never closed");
        let asked = tokio::task::spawn_blocking(move || {
            drain(&client);
            let answer = question(&client, within);
            let heard = client.client().context();
            let told = match answer {
                Ok(answer) => {
                    heard.forget();
                    Ok(answer)
                }
                Err(error) => Err((error, heard.last())),
            };
            // The last user of a group's client ends it here, where blocking is allowed.
            drop(client);
            drop(turn);
            told
        });
        match asked.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err((error, heard))) => Err(self.fault(Purpose::Read, &error, heard.as_deref())),
            Err(ended) => Err(Failure::transient(format!("the question to {self} was broken off: {ended}"))),
        }
    }

    fn of_group(&self, group: &str) -> KafkaResult<Arc<Client>> {
        let mut kept = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = kept.iter().position(|(name, _)| name == group)
            && let Some(entry) = kept.remove(place)
        {
            let client = Arc::clone(&entry.1);
            kept.push_back(entry);
            return Ok(client);
        }
        let mut config = self.config();
        config.set("group.id", group).set("enable.auto.commit", "false");
        let client = Arc::new(Client::from_config_and_context(&config, Heard::default())?);
        kept.push_back((group.to_owned(), Arc::clone(&client)));
        if kept.len() > GROUPS_KEPT
            && let Some((_, oldest)) = kept.pop_front()
        {
            // Ending a client blocks.
            drop(tokio::task::spawn_blocking(move || drop(oldest)));
        }
        Ok(client)
    }

    /// The client for administration, and the options of one request.
    ///
    /// # Errors
    /// It cannot be made.
    pub(crate) fn admin(&self) -> Result<(Arc<AdminClient<Heard>>, AdminOptions), Failure> {
        let admin = once(&self.admin, || {
            AdminClient::from_config_and_context(&self.config(), Heard::default()).map(Arc::new)
        });
        let options = AdminOptions::new()
            .request_timeout(Some(self.answer_within))
            .operation_timeout(Some(self.answer_within));
        admin.map(|admin| (admin, options)).map_err(|error| self.fault(Purpose::Read, &error, None))
    }

    /// The client that publishes, and what it heard.
    ///
    /// # Errors
    /// It cannot be made.
    pub(crate) fn producer(&self) -> Result<(FutureProducer<Heard>, Heard), Failure> {
        let producer = once(&self.producer, || {
            let mut config = self.config();
            // No repetition by the library doubles or reorders what it published before.
            config
                .set("enable.idempotence", "true")
                .set("acks", "all")
                .set("message.timeout.ms", self.answer_within.as_millis().to_string())
                .set("linger.ms", "2");
            let heard = Heard::default();
            FutureProducer::from_config_and_context(&config, heard.clone()).map(|producer| (producer, heard))
        });
        producer.map_err(|error| self.fault(Purpose::Read, &error, None))
    }

    /// A fault of the library in words.
    pub(crate) fn fault(&self, purpose: Purpose, error: &KafkaError, heard: Option<&str>) -> Failure {
        fault::exchange(self, purpose, error, heard)
    }
}

/// What is in the cell, made if nothing is. Of two made at once one is thrown away.
fn once<T: Clone>(cell: &OnceLock<T>, make: impl FnOnce() -> KafkaResult<T>) -> KafkaResult<T> {
    if let Some(made) = cell.get() {
        return Ok(made.clone());
    }
    let made = make()?;
    Ok(cell.get_or_init(|| made).clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn clients_of_groups_are_bounded_and_the_last_used_are_kept() {
        let properties = vec![("bootstrap.servers", "127.0.0.1:1".to_owned())];
        let settings = settings::Cluster { name: "main".into(), properties };
        let cluster = Cluster::new(settings, Span::from_secs(1)).unwrap();
        let first = cluster.of_group("group-0").unwrap();
        for number in 0..3 * GROUPS_KEPT {
            cluster.of_group(&format!("group-{number}")).unwrap();
            assert!(Arc::ptr_eq(&first, &cluster.of_group("group-0").unwrap()), "{number}");
        }
        assert_eq!(cluster.groups.lock().unwrap().len(), GROUPS_KEPT);
    }
}
