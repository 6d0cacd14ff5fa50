//! Plans that wait for a person, and the answers.

use jiff::Timestamp;
use selfheal_core::hash::ContentHash;
use selfheal_core::issue::IssueId;
use selfheal_core::plan::Plan;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A plan that waits for a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    /// Its number; unguessable, given by the runtime.
    pub id: String,
    /// The issue.
    pub issue: IssueId,
    /// The rule.
    pub rule: String,
    /// What would be executed.
    pub plan: Plan,
    /// Its hash; an answer must name it.
    pub plan_hash: ContentHash,
    /// The escalation level of the plan.
    pub level: u32,
    /// Why a person is asked.
    pub why: String,
    /// Previews of the steps, as the target showed them when the person was asked.
    pub previews: Value,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// When it is denied for want of an answer.
    pub expires_at: Timestamp,
    /// The answer.
    pub answer: Option<Answer>,
}

/// Which approvals to list. Newest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ApprovalFilter {
    /// Only those without an answer.
    pub only_open: bool,
    /// Only those that were asked before this one; none where there is no such approval.
    pub before: Option<String>,
    /// At most this many.
    pub limit: u32,
}

impl ApprovalFilter {
    /// The newest of those without an answer.
    pub fn open(limit: u32) -> Self {
        Self { only_open: true, before: None, limit }
    }
}

/// A person's answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Whether the plan may run.
    pub granted: bool,
    /// Who answered.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// What they said.
    pub reason: String,
}
