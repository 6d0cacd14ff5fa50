//! `kafka_alerts`: alerts from a topic, handed to the same intake as Alertmanager's notifications.
//!
//! An offset is stored for the commit only when its message is on disk (or can never be read), so that a crash brings
//! messages again rather than losing them; the intake knows those that it has. Stored offsets are committed every second, when
//! partitions are taken away and at the end. While the intake cannot take a message, nothing after it is consumed; should that
//! last longer than [`POLL_INTERVAL_MAX`], the group hands the partitions to another process.

mod body;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use rdkafka::Message as _;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::BorrowedMessage;
use selfheal_contract::{AboutWatch, Intake, Message, NotTaken, Watch};
use tokio::time::sleep;

use crate::client::Heard;
use crate::cluster::Cluster;
use crate::clusters::Clusters;
use crate::fault::Purpose;
use crate::probe::right;
use crate::producer::publish;
use crate::settings;
use crate::text::plain;

const NAME: &str = "kafka_alerts";

/// The first delay after a failure; it doubles up to the second.
const RETRY_FIRST: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(30);

/// The pause after a passing error of the library.
const ERROR_PAUSE: Duration = Duration::from_millis(100);

/// After this without a sign of life a process's partitions go to another one.
const SESSION_TIMEOUT: Duration = Duration::from_secs(12);

/// How long one message may be waited for until the group gives its partition to somebody else.
const POLL_INTERVAL_MAX: Duration = Duration::from_secs(300);

/// Bytes that are fetched ahead.
const AHEAD_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The watch.
pub(crate) struct Source {
    cluster: Arc<Cluster>,
    settings: settings::Source,
}

impl Source {
    /// The watch over a checked section.
    ///
    /// # Errors
    /// Its cluster is not configured.
    pub(crate) fn new(settings: settings::Source, clusters: &Clusters) -> Result<Self, String> {
        let cluster = clusters.find(settings.cluster.as_deref()).map_err(|failure| failure.what)?;
        Ok(Self { cluster: Arc::clone(cluster), settings })
    }

    fn consumer(&self) -> KafkaResult<Ended> {
        let mut config = self.cluster.config();
        config
            .set("group.id", &self.settings.group)
            // A new group begins with what is there: an alert that waits is an alert.
            .set("auto.offset.reset", "earliest")
            .set("enable.auto.offset.store", "false")
            .set("enable.auto.commit", "true")
            .set("auto.commit.interval.ms", "1000")
            .set("session.timeout.ms", SESSION_TIMEOUT.as_millis().to_string())
            .set("max.poll.interval.ms", POLL_INTERVAL_MAX.as_millis().to_string())
            .set("queued.max.messages.kbytes", (AHEAD_BYTES_MAX / 1024).to_string());
        let consumer = StreamConsumer::from_config_and_context(&config, Heard::default())?;
        consumer.subscribe(&[&self.settings.topic])?;
        Ok(Ended(Some(consumer)))
    }

    /// Consumes until the client is of no use any more.
    async fn consume(&self, intake: &dyn Intake) -> KafkaError {
        let ended = match self.consumer() {
            Ok(consumer) => consumer,
            Err(error) => return error,
        };
        let consumer = ended.consumer();
        let mut told = None;
        loop {
            match consumer.recv().await {
                Ok(message) => {
                    told = None;
                    self.hand_on(&message, intake).await;
                    if let Err(error) = consumer.store_offset_from_message(&message) {
                        // The partition is another member's by now, who will see the message again.
                        tracing::debug!(watch = NAME, %error, "an offset was not stored");
                    }
                }
                Err(error @ KafkaError::MessageConsumptionFatal(_)) => return error,
                Err(error) => {
                    // The library goes on trying; it must be asked again soon, as it serves the group only while it is.
                    let heard = consumer.client().context().last();
                    let failure = self.cluster.fault(Purpose::Read, &error, heard.as_deref());
                    let code = error.rdkafka_error_code();
                    if told != code {
                        tracing::warn!(watch = NAME, topic = self.settings.topic, %failure, "no alerts come");
                        told = code;
                    }
                    sleep(ERROR_PAUSE).await;
                }
            }
        }
    }

    /// Returns when a message is on disk, or can never be.
    async fn hand_on(&self, message: &BorrowedMessage<'_>, intake: &dyn Intake) {
        // A tombstone, or what somebody wrote by mistake: it says nothing.
        let Some(payload) = message.payload().filter(|payload| !payload.is_empty()) else { return };
        let place = format!("{} {} {}", message.topic(), message.partition(), message.offset());
        let malformed = match body::notification(payload, message.topic(), sent_at(message)) {
            Ok(body) => {
                let left_out = body::left_out(&body);
                match (self.take(body, intake, &place).await, left_out) {
                    (Ok(()), None) => return,
                    (Ok(()), Some(malformed)) | (Err(malformed), _) => malformed,
                }
            }
            // The intake counts what is malformed, so it is asked about this too.
            Err(malformed) => match self.take(payload.to_vec(), intake, &place).await {
                Ok(()) => return,
                Err(_) => malformed,
            },
        };
        let why = plain(&malformed);
        tracing::warn!(
            watch = NAME,
            place,
            why,
            "a message holds what cannot be read as an alert; that is left out"
        );
        if let Some(topic) = &self.settings.dead_letters {
            self.bury(topic, payload).await;
        }
    }

    /// Hands a notification on, again and again until it is taken.
    ///
    /// # Errors
    /// It cannot be read.
    async fn take(&self, body: Vec<u8>, intake: &dyn Intake, place: &str) -> Result<(), String> {
        let mut delay = RETRY_FIRST;
        loop {
            match intake.take(NAME, body.clone()).await {
                Ok(()) => return Ok(()),
                Err(NotTaken::Malformed(why)) => return Err(why),
                Err(NotTaken::Later(why)) => {
                    tracing::warn!(watch = NAME, place, why, retry_in = ?delay, "alerts wait in their topic");
                    sleep(delay).await;
                    delay = delay.saturating_mul(2).min(RETRY_MAX);
                }
            }
        }
    }

    /// Publishes a message of which something cannot be read to the topic for such, however long that takes: it must not be lost on the way.
    async fn bury(&self, topic: &str, payload: &[u8]) {
        let mut delay = RETRY_FIRST;
        let letter = Message { key: None, content_type: "application/octet-stream", body: payload };
        while let Err(failure) = publish(&self.cluster, topic, letter).await {
            tracing::warn!(watch = NAME, topic, %failure, retry_in = ?delay, "an unreadable message could not be put aside");
            sleep(delay).await;
            delay = delay.saturating_mul(2).min(RETRY_MAX);
        }
    }
}

#[async_trait]
impl Watch for Source {
    fn about(&self) -> AboutWatch {
        AboutWatch {
            name: NAME,
            // Processes share the topic's partitions as one consumer group.
            alone: false,
            doc: "Takes in alerts from a topic: each message is a notification as Alertmanager posts it (version 4), one alert of \
                such a notification, or a list of them; an alert without a status, as Prometheus posts it to Alertmanager, has been \
                resolved if its endsAt was over when the message was sent. Several processes share the topic's partitions as members of one \
                consumer group. An offset is committed only when its alerts are on disk. What cannot be read is logged and \
                counted, and its message, where `dead_letters` names a topic, put aside there.",
            permissions: vec![
                right("READ on the topic", "to consume alerts"),
                right("READ on the group", "to join it and commit offsets"),
                right("WRITE on the topic for dead letters", "to put unreadable messages aside"),
            ],
        }
    }

    async fn run(&self, intake: Arc<dyn Intake>) {
        let mut delay = RETRY_FIRST;
        loop {
            let error = self.consume(intake.as_ref()).await;
            let failure = self.cluster.fault(Purpose::Read, &error, None);
            tracing::error!(watch = NAME, %failure, retry_in = ?delay, "the consumer has ended; it is made anew");
            sleep(delay).await;
            delay = delay.saturating_mul(2).min(RETRY_MAX);
        }
    }
}

/// When a message was sent, or taken in by the broker, as the topic is configured.
fn sent_at(message: &BorrowedMessage<'_>) -> Option<Timestamp> {
    message.timestamp().to_millis().and_then(|millis| Timestamp::from_millisecond(millis).ok())
}

/// A consumer whose end happens on a thread of its own: it blocks while it commits and leaves its group, for as long as no
/// broker answers, and nobody may have to wait for that.
struct Ended(Option<StreamConsumer<Heard>>);

impl Ended {
    fn consumer(&self) -> &StreamConsumer<Heard> {
        self.0.as_ref().expect("it is taken only when this is dropped")
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        let consumer = self.0.take();
        // Without a thread it ends here.
        let _ = std::thread::Builder::new().name("kafka-end".to_owned()).spawn(move || drop(consumer));
    }
}
