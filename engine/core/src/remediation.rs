//! Remediations and intents: one execution of one plan, and the record of each effect in it.

use serde::{Deserialize, Serialize};

use crate::hash::ContentHash;
use crate::issue::IssueId;
use crate::plan::Step;
use crate::rule::names;

/// A remediation's name: its issue and its ordinal there, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RemediationId {
    /// The issue it is for.
    pub issue: IssueId,
    /// Which of the issue's remediations, from 1.
    pub ordinal: u32,
}

impl std::fmt::Display for RemediationId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "remediation-{}-{}", self.issue.0, self.ordinal)
    }
}

impl std::str::FromStr for RemediationId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (issue, ordinal) = text.strip_prefix("remediation-")?.rsplit_once('-')?;
            Some(Self { issue: issue.parse().ok()?, ordinal: ordinal.parse().ok()? })
        };
        parse()
            .ok_or_else(|| format!("{text:?} names no remediation: expected remediation-<issue>-<ordinal>"))
    }
}

/// An intent's name: equal for the same effect of the same try, whatever time or rule version it is.
pub type IntentId = ContentHash;

/// Names the effect of one try of one step. `try_number` counts from 1.
pub fn intent_id(
    remediation: RemediationId,
    rule: &str,
    step: &Step,
    target: &str,
    try_number: u32,
) -> IntentId {
    ContentHash::of_parts([
        remediation.issue.0.to_le_bytes().as_slice(),
        remediation.ordinal.to_le_bytes().as_slice(),
        rule.as_bytes(),
        step.path.as_bytes(),
        step.action.name().as_bytes(),
        target.as_bytes(),
        try_number.to_le_bytes().as_slice(),
    ])
}

/// Where an effect stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntentState {
    /// About to happen: from here on it may have happened.
    Executing,
    /// It happened; whether it helped is not known yet.
    Applied,
    /// It happened and helped (or nothing was asked to verify it by).
    Done,
    /// It happened and did not help in time.
    Unhelpful,
    /// It certainly did not happen.
    NotApplied,
    /// It may have happened and cannot be told: a person is needed.
    Unknown,
    /// Its undo is about to happen.
    Undoing,
    /// It was undone.
    Undone,
    /// Its undo failed: a person is needed.
    UndoFailed,
}

names! {
    IntentState: IntentState::Executing = "executing", IntentState::Applied = "applied", IntentState::Done = "done",
        IntentState::Unhelpful = "unhelpful", IntentState::NotApplied = "not_applied",
        IntentState::Unknown = "unknown", IntentState::Undoing = "undoing", IntentState::Undone = "undone",
        IntentState::UndoFailed = "undo_failed";
}

impl IntentState {
    /// Whether a person must look at what is left at the target.
    pub fn needs_person(self) -> bool {
        matches!(self, Self::Unknown | Self::UndoFailed)
    }

    /// The one table: whether an intent may move from this state to another.
    pub fn may_become(self, next: Self) -> bool {
        use IntentState::{
            Applied, Done, Executing, NotApplied, UndoFailed, Undoing, Undone, Unhelpful, Unknown,
        };
        matches!(
            (self, next),
            (Executing, Applied | NotApplied | Unknown)
                | (Applied, Done | Unhelpful | Undoing)
                | (Done | Unhelpful, Undoing)
                | (Undoing, Undone | UndoFailed)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{ActionCall, StepOptions};

    #[test]
    fn an_intent_is_named_by_its_effect() {
        let step = |path: &str, line| Step {
            path: path.into(),
            action: ActionCall { adapter: "pg".into(), action: "cancel".into(), params: Default::default() },
            options: StepOptions::default(),
            line,
        };
        let id = |ordinal, path: &str, line, try_number| {
            let remediation = RemediationId { issue: IssueId(1), ordinal };
            intent_id(remediation, "rule", &step(path, line), "postgres/main", try_number)
        };
        assert_eq!(id(1, "0", Some(3), 1), id(1, "0", Some(9), 1), "the rule's text may have moved");
        for other in [id(2, "0", None, 1), id(1, "0.1", None, 1), id(1, "0", None, 2)] {
            assert_ne!(id(1, "0", None, 1), other);
        }
    }

    #[test]
    fn an_unknown_effect_is_never_taken_up_again() {
        assert!(IntentState::NAMES.iter().all(|(_, next)| !IntentState::Unknown.may_become(*next)));
        assert!(!IntentState::Done.may_become(IntentState::Executing));
    }

    #[test]
    fn names_read_back() {
        let id = RemediationId { issue: IssueId(12), ordinal: 3 };
        assert_eq!(id.to_string().parse(), Ok(id));
    }
}
