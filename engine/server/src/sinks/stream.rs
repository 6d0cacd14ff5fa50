//! A stream of events for other programs, such as a topic of Kafka: every message as a CloudEvent, keyed by its issue, so that
//! what is told of one issue keeps its order.
//!
//! The adapter that has the stream publishes; it neither doubles nor reorders what it sends. A try of the outbox whose answer was
//! lost may publish an event again, with the same `id`: whoever acts on events passes over those whose `id` is known.

use std::sync::Arc;

use async_trait::async_trait;
use selfheal_contract::{FailureKind, Message, Publish};
use selfheal_runtime::ports::{News, NewsKind, Sink, SinkFault};

use super::SinkSettingsFault;
use super::cloud_event::{CONTENT_TYPE, encode};

/// How a stream receives news.
#[derive(Clone, Debug)]
pub struct StreamSettings {
    /// The sink's name in the configuration and the outbox.
    pub name: String,
    /// The kinds of news that it takes.
    pub events: Vec<NewsKind>,
    /// Where people reach this server; the events' source.
    pub external_url: Option<String>,
    /// The cluster, by its name in the adapter's section; the only one without.
    pub cluster: Option<String>,
    /// The topic.
    pub topic: String,
}

/// A stream as a sink.
pub struct Stream {
    settings: StreamSettings,
    publisher: Arc<dyn Publish>,
}

impl Stream {
    /// Makes the sink; nothing is published yet.
    ///
    /// # Errors
    /// There is no such cluster, or no topic can have this name.
    pub fn new(settings: StreamSettings, publisher: Arc<dyn Publish>) -> Result<Self, SinkSettingsFault> {
        publisher
            .check(settings.cluster.as_deref(), &settings.topic)
            .map_err(|failure| SinkSettingsFault::new(&settings.name, failure))?;
        Ok(Self { settings, publisher })
    }
}

#[async_trait]
impl Sink for Stream {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn wants(&self, news: &News) -> bool {
        self.settings.events.contains(&news.kind)
    }

    async fn deliver(&self, news: &News, key: &str) -> Result<(), SinkFault> {
        let body = encode(news, key, self.settings.external_url.as_deref());
        let issue = news.issue.map(|id| id.to_string());
        let message = Message { key: issue.as_deref(), content_type: CONTENT_TYPE, body: &body };
        let published =
            self.publisher.publish(self.settings.cluster.as_deref(), &self.settings.topic, message).await;
        published.map_err(|failure| SinkFault {
            // A topic that is not there yet, or a right that is missing, can be given while the message waits.
            retry: failure.kind != FailureKind::Refused || body.len() <= RETRIED_BYTES_MAX,
            what: failure.what,
            after: None,
        })
    }
}

/// What is refused above this size is refused for its size.
const RETRIED_BYTES_MAX: usize = 512 * 1024;

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use selfheal_contract::Failure;

    use super::*;
    use crate::sinks::testing::{EVERY_KIND, news};

    /// What a stream got: key and body.
    type Kept = (Option<String>, Vec<u8>);

    /// A stream that keeps what it gets, or fails.
    #[derive(Default)]
    struct Double {
        kept: Mutex<Vec<Kept>>,
        fails: Option<Failure>,
    }

    #[async_trait]
    impl Publish for Double {
        fn check(&self, _: Option<&str>, topic: &str) -> Result<(), Failure> {
            if topic == "events" { Ok(()) } else { Err(Failure::refused("no such topic")) }
        }

        async fn publish(&self, _: Option<&str>, _: &str, message: Message<'_>) -> Result<(), Failure> {
            if let Some(failure) = &self.fails {
                return Err(failure.clone());
            }
            let kept = (message.key.map(str::to_owned), message.body.to_vec());
            self.kept.lock().unwrap().push(kept);
            Ok(())
        }
    }

    fn settings(topic: &str) -> StreamSettings {
        StreamSettings {
            name: "events".into(),
            events: EVERY_KIND.to_vec(),
            external_url: None,
            cluster: None,
            topic: topic.into(),
        }
    }

    #[tokio::test]
    async fn events_are_keyed_by_their_issue() {
        let double = Arc::new(Double::default());
        let sink = Stream::new(settings("events"), Arc::clone(&double) as Arc<dyn Publish>).unwrap();
        sink.deliver(&news(), "key-1").await.unwrap();
        sink.deliver(&News { issue: None, ..news() }, "key-2").await.unwrap();
        let kept = double.kept.lock().unwrap();
        assert_eq!(kept[0].0.as_deref(), Some("issue-17"));
        assert_eq!(kept[1].0, None);
        let event: serde_json::Value = serde_json::from_slice(&kept[0].1).unwrap();
        assert_eq!((&event["id"], &event["subject"]), (&"key-1".into(), &"issue-17".into()));
    }

    #[tokio::test]
    async fn the_outbox_hears_what_a_failure_means() {
        let large = "x".repeat(RETRIED_BYTES_MAX);
        let cases = [
            (Failure::transient("busy"), news(), true),
            (Failure::indeterminate("no answer"), news(), true),
            (Failure::refused("no such topic"), news(), true),
            (Failure::refused("too large"), News { text: large, ..news() }, false),
        ];
        for (failure, news, retry) in cases {
            let double = Double { fails: Some(failure.clone()), ..Double::default() };
            let sink = Stream::new(settings("events"), Arc::new(double)).unwrap();
            let fault = sink.deliver(&news, "key").await.unwrap_err();
            assert_eq!(fault.retry, retry, "{failure}");
        }
    }

    #[test]
    fn a_wrong_destination_is_found_at_start() {
        let fault = Stream::new(settings("absent"), Arc::new(Double::default())).err().unwrap();
        assert!(fault.to_string().contains("no such topic"), "{fault}");
    }
}
