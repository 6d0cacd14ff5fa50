//! One alert of a notification, and what it means for the issues.

use jiff::Timestamp;
use selfheal_core::alert::Alert;
use selfheal_core::issue::{IssueId, Outcome, Phase};
use selfheal_core::rule::{Component, Priority};

use super::{Issue, Notice};

/// One alert of a notification, with what matching it gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Sighting {
    /// When it was received.
    pub received_at: Timestamp,
    /// Its trace.
    pub trace: String,
    /// The alert.
    pub alert: Alert,
    /// What to do with it if it opens an issue.
    pub opening: Opening,
    /// When whoever expands it takes the issue that it opens, if so: with [`Tenure::first`](super::Tenure::first).
    pub take_at: Option<Timestamp>,
}

impl Sighting {
    /// The issue that it opens; one whose alert is resolved already is closed at once.
    pub fn opened(self, id: IssueId, resolved_at: Option<Timestamp>) -> Issue {
        let Self { received_at, trace, alert, opening, .. } = self;
        let wake_at = opening.wake_at.filter(|_| resolved_at.is_none());
        let (phase, ended) = match (resolved_at, wake_at) {
            (Some(_), _) => {
                let why = "the alert was resolved before it was seen to fire".to_owned();
                (Phase::Closed, Some((Outcome::Subsided, why)))
            }
            (None, Some(_)) => (Phase::Waiting, None),
            (None, None) => (Phase::Rested, opening.outcome),
        };
        let (outcome, why) = ended.map_or((None, String::new()), |(outcome, why)| (Some(outcome), why));
        Issue {
            id,
            fingerprint: alert.fingerprint,
            phase,
            outcome,
            why,
            rule: opening.rule,
            priority: opening.priority,
            component: opening.component,
            resource: opening.resource,
            alert,
            received_at,
            resolved_at,
            closed_at: resolved_at.map(|_| received_at),
            wake_at,
            level: 0,
            level_since: None,
            remediations: 0,
            trace,
        }
    }
}

/// How a new issue begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Opening {
    /// The first matching rule, if any; further ones are in the decision's record.
    pub rule: Option<String>,
    /// Its priority.
    pub priority: Option<Priority>,
    /// The part of the health score that the issue weighs on.
    pub component: Option<Component>,
    /// What the issue is about, for people.
    pub resource: String,
    /// When to decide. Without it the issue rests at once, with `outcome`.
    pub wake_at: Option<Timestamp>,
    /// The outcome and its reason, where there is nothing to decide.
    pub outcome: Option<(Outcome, String)>,
    /// What is told if it opens an issue, in the same transaction: nothing else may ever look at an issue that no rule is for.
    pub told: Vec<Notice>,
}

/// What became of a sighting.
#[derive(Clone, Debug, PartialEq)]
pub enum Sighted {
    /// It opened an issue.
    Opened(IssueId),
    /// It fires again within an issue that was about to close.
    Refired(IssueId),
    /// It resolves an open issue.
    Resolved(IssueId),
    /// Nothing new.
    Known(IssueId),
    /// Older than what is known, or resolved without ever having been seen to fire.
    Stale,
}
