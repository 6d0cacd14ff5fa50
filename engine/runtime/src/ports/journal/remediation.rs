//! Remediations, their intents, and how they are listed.

use jiff::Timestamp;
use selfheal_core::hash::ContentHash;
use selfheal_core::issue::{IssueId, Outcome};
use selfheal_core::plan::Plan;
use selfheal_core::remediation::{IntentId, IntentState, RemediationId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ports::ledger::Claim;

/// One execution of one plan for one issue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Remediation {
    /// Its name.
    pub id: RemediationId,
    /// The rule.
    pub rule: String,
    /// The generation of the rule set that decided.
    pub generation: u64,
    /// The escalation level.
    pub level: u32,
    /// What is executed.
    pub plan: Plan,
    /// Its hash.
    pub plan_hash: ContentHash,
    /// What it holds in the ledger.
    pub claim: Claim,
    /// Who approved it, if somebody had to.
    pub approved_by: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Why.
    pub why: String,
    /// The trace.
    pub trace: String,
}

/// The record that an effect is about to happen, and of what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    /// Its name.
    pub id: IntentId,
    /// The remediation.
    pub remediation: RemediationId,
    /// The step's place in the plan.
    pub path: String,
    /// Which try, from 1.
    pub try_number: u32,
    /// The action: `adapter.action`.
    pub action: String,
    /// Its parameters.
    pub params: Value,
    /// What it changes.
    pub target: String,
    /// The target's state before.
    pub prior: Value,
    /// The readings before, for relative conditions.
    pub before: Value,
    /// Where it stands.
    pub state: IntentState,
    /// What the adapter or the verification said last.
    pub said: String,
    /// When it was journalled.
    pub intended_at: Timestamp,
    /// When it was applied.
    pub applied_at: Option<Timestamp>,
    /// When its state last changed.
    pub changed_at: Timestamp,
    /// When it must be undone although it helped.
    pub revert_at: Option<Timestamp>,
}

impl Intent {
    /// The names of its adapter and of the action there.
    pub fn adapter_and_action(&self) -> (&str, &str) {
        self.action.split_once('.').unwrap_or((&self.action, ""))
    }
}

/// Which remediations to list. Newest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RemediationFilter {
    /// Only of this issue.
    pub issue: Option<IssueId>,
    /// Only running ones, or only ended ones.
    pub running: Option<bool>,
    /// Only those of this rule.
    pub rule: Option<String>,
    /// Only those that ended in one of these ways; empty: in any, or not yet.
    pub outcomes: Vec<Outcome>,
    /// Only those of issues whose resource holds this text, in whatever case of ASCII letters.
    pub resource: Option<String>,
    /// Only those that hold this text, in whatever case of ASCII letters: in the rule, the reason, the plan, or the
    /// resource of the issue.
    pub text: Option<String>,
    /// Only those that began at or after this time.
    pub since: Option<Timestamp>,
    /// Only those that began before this time.
    pub until: Option<Timestamp>,
    /// Only before this one, in the order of beginning.
    pub before: Option<RemediationId>,
    /// At most this many, 1 to 10 000.
    pub limit: u32,
}
