//! Sinks: where news goes. Deliveries come from the outbox, so they are retried and never block an action.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use selfheal_core::hash::ContentHash;
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
    /// A person has taken an issue in hand.
    Acknowledged,
    /// An approval was answered, or withdrawn.
    Answered,
    /// An issue was closed: its alert has stayed resolved.
    Closed,
}

impl NewsKind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::Opened,
        Self::Plan,
        Self::Outcome,
        Self::Approval,
        Self::Person,
        Self::Switch,
        Self::Storm,
        Self::Acknowledged,
        Self::Answered,
        Self::Closed,
    ];

    /// What people are told where nothing else is asked for; the others are for programs, and follow-ups.
    pub const FOR_PEOPLE: [Self; 5] =
        [Self::Outcome, Self::Approval, Self::Person, Self::Switch, Self::Storm];

    /// What it is called in the configuration, in messages and for receivers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Plan => "plan",
            Self::Outcome => "outcome",
            Self::Approval => "approval",
            Self::Person => "person",
            Self::Switch => "switch",
            Self::Storm => "storm",
            Self::Acknowledged => "acknowledged",
            Self::Answered => "answered",
            Self::Closed => "closed",
        }
    }

    /// Whether people are told; the rest is for programs that follow everything, and follow-ups.
    pub fn is_for_people(self) -> bool {
        Self::FOR_PEOPLE.contains(&self)
    }

    /// What only says how something goes on that a receiver may know of already. Whoever keeps a message, an incident or a
    /// ticket for an issue needs it to keep that true.
    pub const FOLLOW_UPS: [Self; 3] = [Self::Acknowledged, Self::Answered, Self::Closed];
}

/// The name under which the outbox keeps what is to be told later, if nobody has taken the issue in hand by then. No sink
/// can have it.
pub const ESCALATION: &str = "escalation";

/// The approval that a message is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewsApproval {
    /// Its id.
    pub id: String,
    /// The plan that the answer is for.
    pub plan_hash: ContentHash,
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
    /// Where the alert says that more is to be read, such as its runbook: addresses by the annotations' names, as they came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<(String, String)>,
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
    /// The rule, if it is about an issue that has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The `namespace` label of the alert, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The approval, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<NewsApproval>,
    /// The level at which people are told, from 1, where that goes by levels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalation: Option<u32>,
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

    /// How many messages may be delivered at the same time. Never two of one issue.
    fn at_once(&self) -> usize {
        32
    }

    /// Delivers one message. `key` is the same for every try, for receivers that can deduplicate.
    async fn deliver(&self, news: &News, key: &str) -> Result<(), SinkFault>;
}
