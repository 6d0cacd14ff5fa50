//! The section `sinks`: where news goes, and which.

use std::collections::BTreeMap;

use selfheal_contract::settings::{Secret, Section};
use selfheal_core::span::Span;
use selfheal_runtime::ports::{ESCALATION, NewsKind};
use serde::Serialize;

use super::access::{SECRET_CHARS_MIN, is_short};
use super::maintenance::matchers;
use super::reading::{chosen, is_name, is_written, required_choice};
use super::shown;
use crate::sinks::slack_app::ChannelRoute;
use crate::sinks::{opsgenie, pagerduty, slack_app};

/// The name of the sink that there is when none is configured; it writes to the log.
pub const DEFAULT_SINK: &str = "log";

/// A receiver of news.
#[derive(Debug, Clone, Serialize)]
pub struct Sink {
    /// Which messages it gets; by default what is meant for people, all of them for a stream, and `person` where people
    /// are paged. Receivers that keep a message, an alert or a ticket for an issue always hear how it goes on.
    pub events: Vec<NewsKind>,
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
    /// Slack, by an app's bot: one message for each issue, edited as it goes on, with buttons.
    SlackApp {
        /// The bot's token, `xoxb-...`.
        #[serde(serialize_with = "shown::secret")]
        token: Secret,
        /// Where Slack's methods are; `https://slack.com/api` by default.
        api: String,
        /// The channel, such as `#alerts`.
        channel: String,
        /// Channels for some news; the first whose matchers all hold is taken.
        channels: Vec<ChannelRoute>,
        /// Messages of their own that issues may get within a minute in a channel; what is more and needs no person goes into
        /// one. 1 to 1 000; 20 by default.
        digest_over: u32,
        /// Whether the report of a closed issue goes into its thread; `false` by default.
        report: bool,
        /// How long one call may take. 100 ms to 9 s; 5 s by default.
        timeout: Span,
    },
    /// PagerDuty, by its Events API v2.
    Pagerduty {
        /// PagerDuty, or what speaks like it.
        url: String,
        /// The integration key.
        #[serde(serialize_with = "shown::secret")]
        routing_key: Secret,
        /// How long one try may take. 100 ms to 1 m; 5 s by default.
        timeout: Span,
    },
    /// Opsgenie, or what speaks like it, by its alert API.
    Opsgenie {
        /// The address, which differs by region.
        url: String,
        /// The API key.
        #[serde(serialize_with = "shown::secret")]
        key: Secret,
        /// How long one try may take. 100 ms to 1 m; 5 s by default.
        timeout: Span,
    },
    /// Tickets, by an incident API.
    Incidents {
        /// Where tickets are made.
        #[serde(serialize_with = "shown::secret")]
        url: Secret,
        /// The bearer token.
        #[serde(serialize_with = "shown::secret")]
        token: Secret,
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
    SlackApp,
    Pagerduty,
    Opsgenie,
    Incidents,
    Webhook,
    Kafka,
    Log,
}

const KINDS: &[(&str, Kind)] = &[
    ("slack", Kind::Slack),
    ("slack_app", Kind::SlackApp),
    ("pagerduty", Kind::Pagerduty),
    ("opsgenie", Kind::Opsgenie),
    ("incidents", Kind::Incidents),
    ("webhook", Kind::Webhook),
    ("kafka", Kind::Kafka),
    ("log", Kind::Log),
];

/// Reads the sinks of the whole configuration, by name.
pub(super) fn check(root: &mut Section<'_>) -> BTreeMap<String, Sink> {
    let mut sinks = BTreeMap::new();
    for (name, section) in root.map("sinks") {
        if !is_name(name) {
            root.reject("sinks", format!("a name is 1 to 64 letters, digits, - or _, found {name:?}"), None);
        }
        if name == ESCALATION {
            root.reject("sinks", format!("no sink can be called {name}"), Some("choose another name"));
        }
        if let Some(sink) = sink(section) {
            sinks.insert(name.to_owned(), sink);
        }
    }
    if sinks.is_empty() {
        sinks.insert(
            DEFAULT_SINK.to_owned(),
            Sink { events: NewsKind::FOR_PEOPLE.to_vec(), receiver: Receiver::Log {} },
        );
    }
    sinks
}

fn sink(mut section: Section<'_>) -> Option<Sink> {
    let kinds = NewsKind::ALL.map(|kind| (kind.name(), kind));
    let named = section.node("events").is_some().then(|| chosen(&mut section, "events", &kinds));
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
        Kind::SlackApp => Receiver::SlackApp {
            token: section.secret("token"),
            api: section.url_or("api", slack_app::api::API_DEFAULT, &["https", "http"]),
            channel: section.text("channel"),
            channels: section.list("channels").into_iter().map(channel).collect(),
            digest_over: section.integer_or("digest_over", 20, 1..=1000),
            report: section.bool_or("report", false),
            // A delivery is given 10 s, and may take more than one call.
            timeout: section.span_or(
                "timeout",
                Span::from_secs(5),
                Span::from_millis(100)..=Span::from_secs(9),
            ),
        },
        Kind::Pagerduty => Receiver::Pagerduty {
            url: section.url_or("url", pagerduty::URL_DEFAULT, &["https", "http"]),
            routing_key: section.secret("routing_key"),
            timeout: timeout(&mut section),
        },
        Kind::Opsgenie => Receiver::Opsgenie {
            url: section.url_or("url", opsgenie::URL_DEFAULT, &["https", "http"]),
            key: section.secret("key"),
            timeout: timeout(&mut section),
        },
        Kind::Incidents => Receiver::Incidents {
            url: section.secret_url("url", &["https", "http"]),
            token: section.secret("token"),
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
        Receiver::Kafka { .. } => NewsKind::ALL.to_vec(),
        Receiver::Pagerduty { .. } | Receiver::Opsgenie { .. } | Receiver::Incidents { .. } => {
            vec![NewsKind::Person]
        }
        _ => NewsKind::FOR_PEOPLE.to_vec(),
    });
    Some(Sink { events, receiver })
}

fn channel(mut section: Section<'_>) -> ChannelRoute {
    let matchers = matchers(&mut section);
    if !is_written(&mut section, "matchers") {
        section.reject(
            "matchers",
            "required, but missing",
            Some(r#"write what must hold, such as ['severity="critical"']"#),
        );
    }
    let channel = section.text("channel");
    section.finish();
    ChannelRoute { matchers, channel }
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
