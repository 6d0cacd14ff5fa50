//! The history of issues in a few numbers each: what statistics and the health score are made of, without the weight of
//! plans, labels and stories.

use jiff::Timestamp;
use selfheal_core::issue::{IssueId, Outcome};
use selfheal_core::rule::{Component, Priority};
use serde::{Deserialize, Serialize};

/// One issue, as statistics see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Episode {
    /// The issue.
    pub issue: IssueId,
    /// The alert's name; empty where it has none.
    pub name: String,
    /// The alert's `severity` label.
    pub severity: Option<String>,
    /// The rule that treats it.
    pub rule: Option<String>,
    /// That rule's priority.
    pub priority: Option<Priority>,
    /// The part of the health score that it weighs on.
    pub component: Option<Component>,
    /// What it is about.
    pub resource: String,
    /// Since when the alert fires, as last seen.
    pub starts_at: Timestamp,
    /// When selfheal first heard of it.
    pub received_at: Timestamp,
    /// When the alert was resolved, if it is.
    pub resolved_at: Option<Timestamp>,
    /// When the issue was closed.
    pub closed_at: Option<Timestamp>,
    /// The outcome so far.
    pub outcome: Option<Outcome>,
    /// Its remediations, in the order of beginning.
    pub courses: Vec<Course>,
}

/// One remediation, as statistics see it; kept for as long as its issue, when its details are forgotten.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Course {
    /// The rule.
    pub rule: String,
    /// When it was decided, and began.
    pub started_at: Timestamp,
    /// When its first effect had been applied.
    pub effect_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// How it ended.
    pub outcome: Option<Outcome>,
}
