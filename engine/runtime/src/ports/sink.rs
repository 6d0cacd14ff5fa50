//! Sinks: where news goes. Deliveries come from the outbox, so they are retried and never block an action.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use selfheal_core::issue::{IssueId, Outcome};
use selfheal_core::remediation::RemediationId;
use serde::{Deserialize, Serialize};

/// What a message is about; sinks may be configured to take only some.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NewsKind {
    /// An issue opened.
    Opened,
    /// A plan was decided, admitted and begins to run.
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

impl NewsKind {
    /// Whether people are told; the rest is for programs that follow everything.
    pub fn is_for_people(self) -> bool {
        !matches!(self, Self::Opened | Self::Plan)
    }
}

/// One message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct News {
    /// What it is about.
    pub kind: NewsKind,
    /// When it happened.
    pub at: Timestamp,
    /// One line.
    pub title: String,
    /// What more there is to say: plain text; lines may be long.
    pub text: String,
    /// Facts by name, in the order in which they are to be shown.
    pub facts: Vec<(String, String)>,
    /// The issue, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issue: Option<IssueId>,
    /// The remediation, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remediation: Option<RemediationId>,
    /// The outcome, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// The `severity` label of the alert, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
}

/// A delivery that failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{what}")]
pub struct SinkFault {
    /// What happened.
    pub what: String,
    /// Whether trying again can help.
    pub retry: bool,
    /// The least time to wait, if the receiver named one.
    pub after: Option<Duration>,
}

/// A receiver of news.
#[async_trait]
pub trait Sink: Send + Sync {
    /// Its name in the configuration and the outbox.
    fn name(&self) -> &str;

    /// Whether it wants a message.
    fn wants(&self, news: &News) -> bool;

    /// Delivers one message. `key` is the same for every try, for receivers that can deduplicate.
    async fn deliver(&self, news: &News, key: &str) -> Result<(), SinkFault>;
}
