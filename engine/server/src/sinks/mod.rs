//! The receivers of news that this server knows: Slack by webhook and by an app, PagerDuty, Opsgenie, an incident API, a signed
//! webhook, the log, a stream of events.
//!
//! Each is made from a plain struct of settings and delivers one message at a time; repeating, waiting and giving up are the
//! outbox's affair, which each tells by a [`SinkFault`](selfheal_runtime::ports::SinkFault) whether trying again can help.
//! What they say comes from labels and so from strangers: every sink escapes for its receiver.

mod cloud_event;
pub mod incidents;
pub(crate) mod known;
mod links;
pub mod log;
pub mod opsgenie;
pub mod pagerduty;
mod post;
pub mod slack;
pub mod slack_app;
pub mod stream;
pub mod webhook;

pub use incidents::{Incidents, IncidentsSettings};
pub use log::{Log, LogSettings};
pub use opsgenie::{Opsgenie, OpsgenieSettings};
pub use pagerduty::{PagerDuty, PagerDutySettings};
pub use slack::{Slack, SlackSettings};
pub use slack_app::{SlackApp, SlackAppSettings};
pub use stream::{Stream, StreamSettings};
pub use webhook::{Webhook, WebhookSettings};

use selfheal_core::issue::Outcome;
use selfheal_runtime::ports::{News, NewsKind};

use crate::outgoing::OutgoingFault;
use links::{Link, alert_links, issue_link};

/// A sink that cannot be made from its settings.
#[derive(Clone, Debug, thiserror::Error)]
#[error("sink {name:?}: {problem}")]
pub struct SinkSettingsFault {
    /// The sink's name in the configuration.
    pub name: String,
    /// What is wrong, and what is expected.
    pub problem: String,
}

impl SinkSettingsFault {
    fn new(name: &str, problem: impl ToString) -> Self {
        Self { name: name.to_owned(), problem: problem.to_string() }
    }

    fn outgoing(name: &str) -> impl FnOnce(OutgoingFault) -> Self {
        move |fault| Self::new(name, fault)
    }
}

/// Whether it says that the issue was healed, and that this was verified.
fn heals(news: &News) -> bool {
    news.kind == NewsKind::Outcome && news.outcome == Some(Outcome::Recovered)
}

/// Whether it says that something was changed, without a word on whether that helped. It alarms nobody and calms nobody.
fn leaves_open(news: &News) -> bool {
    news.kind == NewsKind::Outcome && news.outcome == Some(Outcome::Applied)
}

/// Whether it calls a person: to decide about a plan, or to act.
fn calls_people(news: &News) -> bool {
    matches!(news.kind, NewsKind::Approval | NewsKind::Person)
}

/// A text of at most so many characters, with an ellipsis where something was cut.
pub(crate) fn cut(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        None => text.to_owned(),
        Some(_) => text.chars().take(chars_max - 1).chain(['…']).collect(),
    }
}

#[cfg(test)]
pub(crate) mod testing;
