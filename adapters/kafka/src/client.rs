//! One client of the library that asks and never joins a group, with what it heard last about its connections.
//!
//! The library answers "timed out" to most that can go wrong on the way to a broker, and says the reason only in its log.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::error::KafkaError;

/// Events that are thrown away before a question. More are left for the next one.
const EVENTS_MAX: usize = 256;

/// A client that asks.
pub(crate) type Client = BaseConsumer<Heard>;

/// Keeps the last complaint of the library, and hands its log on. Clones share what they keep.
#[derive(Clone, Default)]
pub(crate) struct Heard(Arc<Mutex<Option<String>>>);

impl Heard {
    /// What was complained about last.
    pub(crate) fn last(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forgets it, as an answer has come since.
    pub(crate) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn note(&self, complaint: &str) {
        // `[thrd:name]: broker: what happened`
        let told = complaint.split_once("]: ").map_or(complaint, |(_, told)| told);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = kept.get_or_insert_default();
        kept.clear();
        let _ = kept.write_str(told);
    }
}

impl ClientContext for Heard {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // Anything worse is told again, by whoever asked and got no answer.
        tracing::debug!(target: "selfheal::kafka", facility, "{message}");
        if (level as i32) <= RDKafkaLogLevel::Error as i32 {
            self.note(message);
        }
    }

    fn error(&self, _: KafkaError, reason: &str) {
        tracing::debug!(target: "selfheal::kafka", "{reason}");
        self.note(reason);
    }
}

impl ConsumerContext for Heard {}

/// Throws away what the library has queued for a consumer: this one consumes nothing, and a long outage must not fill
/// the memory.
pub(crate) fn drain(client: &Client) {
    for _ in 0..EVENTS_MAX {
        if client.poll(Duration::ZERO).is_none() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_complaint_is_kept() {
        let heard = Heard::default();
        assert_eq!(heard.last(), None);
        heard.log(RDKafkaLogLevel::Error, "FAIL", "[thrd:a:1/bootstrap]: a:1/bootstrap: Connection refused");
        assert_eq!(heard.last().as_deref(), Some("a:1/bootstrap: Connection refused"));
        heard.log(RDKafkaLogLevel::Info, "X", "nothing of interest");
        assert_eq!(heard.last().as_deref(), Some("a:1/bootstrap: Connection refused"));
        heard.forget();
        assert_eq!(heard.last(), None);
    }
}
