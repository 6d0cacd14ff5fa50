//! The section `sinks`: where news goes, and which.

use std::collections::BTreeMap;

use selfheal_contract::settings::{Secret, Section};
use selfheal_core::span::Span;
use serde::Serialize;

use super::access::{SECRET_CHARS_MIN, is_short};
use super::reading::{chosen, is_name, is_written, required_choice};
use super::shown;

/// The name of the sink that there is when none is configured; it writes to the log.
pub const DEFAULT_SINK: &str = "log";

/// What a message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// An issue opened.
    Opened,
    /// A plan was admitted and begins to run.
    Plan,
    /// A remediation ended, or an issue was closed with something to tell.
    Outcome,
    /// A plan waits for approval.
    Approval,
    /// A person is needed.
    Person,
    /// The switch was turned.
    Switch,
    /// A rule is held because of a storm of new issues.
    Storm,
}

impl Event {
    /// All events with their names.
    pub const NAMES: &[(&str, Self)] = &[
        ("opened", Self::Opened),
        ("plan", Self::Plan),
        ("outcome", Self::Outcome),
        ("approval", Self::Approval),
        ("person", Self::Person),
        ("switch", Self::Switch),
        ("storm", Self::Storm),
    ];

    /// What people are told where the operator names no events; the others are for programs.
    const FOR_PEOPLE: [Self; 5] = [Self::Outcome, Self::Approval, Self::Person, Self::Switch, Self::Storm];
}

/// A receiver of news.
#[derive(Debug, Clone, Serialize)]
pub struct Sink {
    /// Which messages it gets; by default all, but `opened` and `plan` only a stream.
    pub events: Vec<Event>,
    /// What it is.
    #[serde(flatten)]
    pub receiver: Receiver,
}

/// What a sink is.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Receiver {
    /// Slack, by an incoming webhook.
    Slack {
        /// The webhook's address, which is a secret: whoever has it can post.
        #[serde(serialize_with = "shown::secret")]
        url: Secret,
        /// The channel, such as `#alerts`, for webhooks that may choose one; the webhook's own by default.
        channel: Option<String>,
        /// How long one try may take. 100 ms to 1 m; 5 s by default.
        timeout: Span,
    },
    /// A POST of JSON to any address.
    Webhook {
        /// The address.
        #[serde(serialize_with = "shown::secret")]
        url: Secret,
        /// The key with which the body is signed (HMAC-SHA-256), at least [`SECRET_CHARS_MIN`] characters.
        #[serde(serialize_with = "shown::secret")]
        secret: Secret,
        /// How long one try may take. 100 ms to 1 m; 5 s by default.
        timeout: Span,
    },
    /// Events (CloudEvents 1.0) for a topic of Kafka.
    Kafka {
        /// The topic.
        topic: String,
        /// The cluster's name under `adapters.kafka.clusters`; the only one by default.
        cluster: Option<String>,
    },
    /// selfheal's own log.
    Log {},
}

#[derive(Clone, Copy)]
enum Kind {
    Slack,
    Webhook,
    Kafka,
    Log,
}

const KINDS: &[(&str, Kind)] =
    &[("slack", Kind::Slack), ("webhook", Kind::Webhook), ("kafka", Kind::Kafka), ("log", Kind::Log)];

/// Reads the sinks of the whole configuration, by name.
pub(super) fn check(root: &mut Section<'_>) -> BTreeMap<String, Sink> {
    let mut sinks = BTreeMap::new();
    for (name, section) in root.map("sinks") {
        if !is_name(name) {
            root.reject("sinks", format!("a name is 1 to 64 letters, digits, - or _, found {name:?}"), None);
        }
        if let Some(sink) = sink(section) {
            sinks.insert(name.to_owned(), sink);
        }
    }
    if sinks.is_empty() {
        sinks.insert(
            DEFAULT_SINK.to_owned(),
            Sink { events: Event::FOR_PEOPLE.to_vec(), receiver: Receiver::Log {} },
        );
    }
    sinks
}

fn sink(mut section: Section<'_>) -> Option<Sink> {
    let named = section.node("events").is_some().then(|| chosen(&mut section, "events", Event::NAMES));
    if section.node("events").is_some() && !is_written(&mut section, "events") {
        section.reject("events", "the sink would get nothing", Some("leave the key out for all events"));
    }
    // Which other keys belong here depends on the kind, so without one nothing more can be said.
    let receiver = match required_choice(&mut section, "kind", KINDS)? {
        Kind::Slack => Receiver::Slack {
            url: section.secret_url("url", &["https", "http"]),
            channel: section.optional_text("channel"),
            timeout: timeout(&mut section),
        },
        Kind::Webhook => Receiver::Webhook {
            url: section.secret_url("url", &["https", "http"]),
            secret: signing_key(&mut section),
            timeout: timeout(&mut section),
        },
        Kind::Kafka => {
            Receiver::Kafka { topic: section.text("topic"), cluster: section.optional_text("cluster") }
        }
        Kind::Log => Receiver::Log {},
    };
    section.finish();
    let events = named.unwrap_or_else(|| match receiver {
        Receiver::Kafka { .. } => Event::NAMES.iter().map(|(_, event)| *event).collect(),
        _ => Event::FOR_PEOPLE.to_vec(),
    });
    Some(Sink { events, receiver })
}

fn signing_key(section: &mut Section<'_>) -> Secret {
    let secret = section.secret("secret");
    if is_short(&secret) {
        let problem = format!("a signing key needs at least {SECRET_CHARS_MIN} characters");
        section.reject("secret", problem, Some("make one with: openssl rand -hex 32"));
    }
    secret
}

fn timeout(section: &mut Section<'_>) -> Span {
    section.span_or("timeout", Span::from_secs(5), Span::from_millis(100)..=Span::from_mins(1))
}
