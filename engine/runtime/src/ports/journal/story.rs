//! What is told of issues: the facts of each, and totals of all.

use std::collections::BTreeMap;

use jiff::Timestamp;
use selfheal_core::guard::Verdict;
use selfheal_core::hash::ContentHash;
use selfheal_core::issue::{IssueId, Outcome};
use selfheal_core::plan::{Choice, Plan};
use selfheal_core::remediation::RemediationId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::approval::Approval;
use super::issue::Issue;
use super::remediation::{Intent, Remediation};
use crate::ports::history::Course;

/// A fact in an issue's story, or one of the process as a whole. Only ever added.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The issue, if it is about one.
    pub issue: Option<IssueId>,
    /// The remediation, if it is about one.
    pub remediation: Option<RemediationId>,
    /// When.
    pub at: Timestamp,
    /// What happened: `decided`, `held`, `applied`, `verified`, `undone`, ...
    pub kind: String,
    /// Who did it: `selfheal`, or the person or token of an API call.
    pub actor: String,
    /// One sentence.
    pub summary: String,
    /// All facts.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub facts: Value,
}

/// The recorded facts of one decision: what dry-run prints, and what the story shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DecisionFacts {
    /// The rule.
    pub rule: String,
    /// The generation of the rule set.
    pub generation: u64,
    /// The alert's age in seconds, as the rule saw it.
    pub age_seconds: f64,
    /// The escalation level.
    pub level: u32,
    /// What was read, by probe.
    pub observed: Value,
    /// The plan, if there is one.
    pub plan: Option<Plan>,
    /// Its hash.
    pub plan_hash: Option<ContentHash>,
    /// Which choices were settled, and why.
    pub choices: Vec<Choice>,
    /// Every guard's verdict.
    pub verdicts: Vec<Verdict>,
}

/// The recorded facts of a remediation's end, by which it is seen whether the table of remediations was altered since.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EndFacts {
    /// How long it took.
    pub seconds: f64,
    /// How it ended.
    pub outcome: Outcome,
    /// The hash of its plan.
    pub plan_hash: ContentHash,
    /// Who approved it, if somebody had to.
    pub approved_by: Option<String>,
}

impl EndFacts {
    /// The kind of the record.
    pub const KIND: &'static str = "ended";
}

/// An issue's whole story, each part in the order in which it happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Story {
    /// The issue as it is now.
    pub issue: Issue,
    /// The facts.
    pub records: Vec<Record>,
    /// The remediations.
    pub remediations: Vec<Remediation>,
    /// Their intents.
    pub intents: Vec<Intent>,
    /// The approvals that were asked for.
    pub approvals: Vec<Approval>,
    /// What is kept of remediations whose details were forgotten; they are not among the others.
    pub forgotten: Vec<Course>,
}

/// Totals since the beginning.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    /// Issues ever opened.
    pub issues: u64,
    /// Issues that are open.
    pub open_issues: u64,
    /// Remediations that ended, by outcome.
    pub remediations: BTreeMap<Outcome, u64>,
    /// The sum of the durations of the ended ones, in seconds.
    pub duration_seconds: f64,
}
