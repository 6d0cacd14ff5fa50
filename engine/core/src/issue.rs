//! Issues: one episode of one fingerprint, and the one table of how an issue moves on.

use serde::{Deserialize, Serialize};

/// An issue's number, given by the journal, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IssueId(pub i64);

impl std::fmt::Display for IssueId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "issue-{}", self.0)
    }
}

impl std::str::FromStr for IssueId {
    type Err = String;

    /// Reads `issue-17` and `17`.
    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix("issue-").unwrap_or(text);
        match digits.parse() {
            Ok(number) if number > 0 => Ok(Self(number)),
            _ => Err(format!("{text:?} names no issue: expected issue-<number>")),
        }
    }
}

/// Where an issue is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// To be looked at, at its time: at once, after a priority's delay, after a guard's hold, before another try.
    Waiting,
    /// Waiting for a person to approve a plan.
    AwaitingApproval,
    /// A plan is being carried out.
    Remediating,
    /// There is an outcome. The alert may still fire; there may be a time for another look.
    Rested,
    /// The alert was resolved and stayed so.
    Closed,
}

/// What happens to an issue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Not yet: wait for a time.
    Hold,
    /// A person is asked, or an approved plan is held.
    Ask,
    /// A remediation begins.
    Begin,
    /// There is an outcome.
    Rest,
    /// The alert has stayed resolved.
    Close,
}

impl Phase {
    /// The one table: where an event leads, or `None` where it cannot happen.
    pub fn next(self, event: Event) -> Option<Self> {
        use Phase::{AwaitingApproval, Closed, Remediating, Rested, Waiting};
        Some(match (self, event) {
            (Waiting | Rested, Event::Hold) => Waiting,
            (Waiting | AwaitingApproval | Rested, Event::Ask) => AwaitingApproval,
            (Waiting | AwaitingApproval | Rested, Event::Begin) => Remediating,
            (Waiting | AwaitingApproval | Remediating | Rested, Event::Rest) => Rested,
            (Waiting | AwaitingApproval | Rested, Event::Close) => Closed,
            (Closed, _)
            | (AwaitingApproval, Event::Hold)
            | (Remediating, Event::Hold | Event::Ask | Event::Begin | Event::Close) => return None,
        })
    }

    /// Whether the issue is one of those that are looked at.
    pub fn is_open(self) -> bool {
        self != Self::Closed
    }
}

/// How an issue ended, or how its last remediation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Applied, and the verification held.
    Recovered,
    /// Applied; the plan names nothing to verify it by.
    Applied,
    /// It did not help, and what was applied has been undone.
    Unwound,
    /// It did not help; the rule says to keep what was applied, or there is no undo.
    Kept,
    /// An undo failed: a person is needed.
    Stuck,
    /// An effect may or may not have happened: a person is needed.
    Unknown,
    /// A guard said no.
    Refused,
    /// Decided and previewed only.
    Shadowed,
    /// The rule decided to do nothing.
    Skipped,
    /// No rule is for this alert.
    Unmatched,
    /// A person said no.
    Denied,
    /// Nobody answered in time.
    Expired,
    /// Every plan was tried too often: a person is needed.
    Escalated,
    /// The alert went away before anything was done.
    Subsided,
    /// The rule, its probes or its target could not be used: a person is needed.
    Failed,
}

impl Outcome {
    /// Whether a person must look.
    pub fn needs_person(self) -> bool {
        matches!(
            self,
            Self::Stuck | Self::Unknown | Self::Escalated | Self::Failed | Self::Kept | Self::Expired
        )
    }

    /// Whether the alert, if it still fires, is worth another try later.
    pub fn may_try_again(self) -> bool {
        matches!(self, Self::Recovered | Self::Applied | Self::Unwound | Self::Kept | Self::Failed)
    }

    /// Whether a remediation that ended so counts as a success in rates; `None` when it counts for neither.
    pub fn success(self) -> Option<bool> {
        match self {
            Self::Recovered | Self::Applied => Some(true),
            Self::Unwound | Self::Kept | Self::Stuck | Self::Unknown | Self::Failed => Some(false),
            _ => None,
        }
    }

    /// Whether a remediation that ended so speaks for or against remediating; `None` when it tells nothing, because nothing
    /// was changed.
    pub fn helped(self) -> Option<bool> {
        self.success().filter(|_| self != Self::Failed)
    }
}

crate::rule::names! {
    Phase: Phase::Waiting = "waiting", Phase::AwaitingApproval = "awaiting_approval",
        Phase::Remediating = "remediating", Phase::Rested = "rested", Phase::Closed = "closed";
    Outcome: Outcome::Recovered = "recovered", Outcome::Applied = "applied", Outcome::Unwound = "unwound",
        Outcome::Kept = "kept", Outcome::Stuck = "stuck", Outcome::Unknown = "unknown", Outcome::Refused = "refused",
        Outcome::Shadowed = "shadowed", Outcome::Skipped = "skipped", Outcome::Unmatched = "unmatched",
        Outcome::Denied = "denied", Outcome::Expired = "expired", Outcome::Escalated = "escalated",
        Outcome::Subsided = "subsided", Outcome::Failed = "failed";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_closed_and_everything_can_rest() {
        let events = [Event::Hold, Event::Ask, Event::Begin, Event::Rest, Event::Close];
        assert!(events.iter().all(|event| Phase::Closed.next(*event).is_none()));
        let open = Phase::NAMES.iter().filter(|(_, phase)| phase.is_open());
        assert!(open.clone().all(|(_, phase)| phase.next(Event::Rest) == Some(Phase::Rested)));
    }

    #[test]
    fn a_running_remediation_can_only_end() {
        for event in [Event::Hold, Event::Begin, Event::Close, Event::Ask] {
            assert_eq!(Phase::Remediating.next(event), None, "{event:?}");
        }
    }

    #[test]
    fn what_waits_for_an_approval_is_not_held_without_it() {
        assert_eq!(Phase::AwaitingApproval.next(Event::Hold), None);
    }

    #[test]
    fn names_read_back() {
        assert_eq!("issue-17".parse(), Ok(IssueId(17)));
        assert_eq!("17".parse(), Ok(IssueId(17)));
        assert!("issue-0".parse::<IssueId>().is_err());
        for (name, outcome) in Outcome::NAMES {
            assert_eq!(name.parse(), Ok(*outcome));
            assert_eq!(serde_json::to_string(outcome).unwrap(), format!("{name:?}"));
        }
    }
}
