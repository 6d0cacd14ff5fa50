//! Issues, and how they are listed.

use jiff::Timestamp;
use selfheal_core::alert::Alert;
use selfheal_core::health::Gravity;
use selfheal_core::issue::{IssueId, Outcome, Phase};
use selfheal_core::labels::Fingerprint;
use selfheal_core::rule::{Component, Priority};
use serde::{Deserialize, Serialize};

/// An issue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Issue {
    /// Its number.
    pub id: IssueId,
    /// The alert's identity.
    pub fingerprint: Fingerprint,
    /// Where it is on its way.
    pub phase: Phase,
    /// The outcome so far.
    pub outcome: Option<Outcome>,
    /// Why that outcome, or why it waits.
    pub why: String,
    /// The rule that treats it.
    pub rule: Option<String>,
    /// That rule's priority.
    pub priority: Option<Priority>,
    /// The part of the health score that it weighs on.
    pub component: Option<Component>,
    /// What it is about.
    pub resource: String,
    /// The alert as last seen.
    pub alert: Alert,
    /// When selfheal first heard of it.
    pub received_at: Timestamp,
    /// When the alert was resolved, while it is.
    pub resolved_at: Option<Timestamp>,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// When to look at it next.
    pub wake_at: Option<Timestamp>,
    /// The escalation level, from 0.
    pub level: u32,
    /// When the level was last raised.
    pub level_since: Option<Timestamp>,
    /// How many remediations it has had.
    pub remediations: u32,
    /// The trace of the notification that opened it.
    pub trace: String,
}

impl Issue {
    /// Whether it waits for a later time: a guard holds it, or a person is to answer.
    pub fn is_held(&self, now: Timestamp) -> bool {
        let waits = matches!(self.phase, Phase::Waiting | Phase::AwaitingApproval);
        waits && self.wake_at.is_none_or(|wake_at| wake_at > now)
    }
}

/// Which issues to list. Newest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IssueFilter {
    /// Only open ones, or only closed ones.
    pub open: Option<bool>,
    /// Only in this phase.
    pub phase: Option<Phase>,
    /// Only with this outcome.
    pub outcome: Option<Outcome>,
    /// Only treated by this rule.
    pub rule: Option<String>,
    /// Only of this fingerprint.
    pub fingerprint: Option<Fingerprint>,
    /// Only these; empty: any.
    pub among: Vec<IssueId>,
    /// Only those whose alert has this `severity` label.
    pub severity: Option<String>,
    /// Only those that are as bad as this, by [`Gravity::of`].
    pub gravity: Option<Gravity>,
    /// Only those whose alert has this `namespace` label.
    pub namespace: Option<String>,
    /// Only those whose resource holds this text, in whatever case of ASCII letters.
    pub resource: Option<String>,
    /// Only those that weigh on this part of the health score.
    pub component: Option<Component>,
    /// Only those that hold this text, in whatever case of ASCII letters: in the resource, the rule, the reason, a label or an annotation.
    pub text: Option<String>,
    /// Only those received at or after this time.
    pub since: Option<Timestamp>,
    /// Only those received before this time.
    pub until: Option<Timestamp>,
    /// Only before this one.
    pub before: Option<IssueId>,
    /// At most this many, 1 to 1 000.
    pub limit: u32,
}
