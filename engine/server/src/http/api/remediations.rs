//! `/remediations`: the list with its filters, and one with its intents.

use std::collections::HashSet;

use jiff::Timestamp;
use schemars::JsonSchema;
use selfheal_core::hash::ContentHash;
use selfheal_core::issue::{IssueId, Outcome};
use selfheal_core::plan::Plan;
use selfheal_core::remediation::{IntentState, RemediationId};
use selfheal_runtime::ports::journal::{Intent, Issue, Remediation, RemediationFilter};
use serde::Serialize;

use super::super::answer::Fault;
use super::query::{Kind, Parameter, names};
use super::subject::Subjects;
use super::{Answered, Call, ok, page, schema};

/// A remediation as the API shows it.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "Remediation")]
pub(super) struct RemediationView<'a> {
    /// `remediation-17-1`.
    #[schemars(with = "schema::RemediationName")]
    id: String,
    #[schemars(with = "schema::IssueName")]
    issue_id: String,
    /// The alert's name; null where the issue is not known any more.
    r#type: Option<&'a str>,
    /// What the issue is about; null as well.
    resource: Option<&'a str>,
    /// The plan's actions, each once, in its order.
    pub(super) action_type: String,
    /// The plan's steps as people read them.
    pub(super) description: String,
    /// `in_progress`, `success`, `failed`, or the outcome where it is neither.
    pub(super) status: &'static str,
    started_at: Timestamp,
    completed_at: Option<Timestamp>,
    duration_seconds: Option<f64>,
    success: bool,
    /// Whether something that had been applied was undone.
    rollback_performed: bool,
    /// Why it failed.
    error_message: Option<&'a str>,
    rule: &'a str,
    generation: u64,
    /// The escalation level, from 0.
    level: u32,
    #[schemars(with = "Option<schema::Outcome>")]
    outcome: Option<Outcome>,
    why: &'a str,
    approved_by: Option<&'a str>,
    #[schemars(with = "schema::AnyObject")]
    plan: &'a Plan,
    #[schemars(with = "schema::Hash")]
    plan_hash: ContentHash,
    trace: &'a str,
    /// What was about to happen, and what became of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<schema::Intent>")]
    intents: Option<Vec<&'a Intent>>,
}

impl<'a> RemediationView<'a> {
    pub(super) fn of(remediation: &'a Remediation, issue: Option<&'a Issue>) -> Self {
        let steps = remediation.plan.steps();
        let mut actions: Vec<String> = Vec::new();
        for step in &steps {
            let name = step.action.name();
            if !actions.contains(&name) {
                actions.push(name);
            }
        }
        let success = remediation.outcome.and_then(Outcome::success);
        let took =
            remediation.ended_at.map(|ended| ended.duration_since(remediation.started_at).as_secs_f64());
        Self {
            id: remediation.id.to_string(),
            issue_id: remediation.id.issue.to_string(),
            r#type: issue.map(|issue| issue.alert.name()),
            resource: issue.map(|issue| issue.resource.as_str()),
            action_type: actions.join(", "),
            description: steps.iter().map(|step| step.action.text()).collect::<Vec<_>>().join("; "),
            status: status(remediation),
            started_at: remediation.started_at,
            completed_at: remediation.ended_at,
            duration_seconds: took,
            success: success == Some(true),
            rollback_performed: remediation.outcome == Some(Outcome::Unwound),
            error_message: (success == Some(false)).then_some(remediation.why.as_str()),
            rule: &remediation.rule,
            generation: remediation.generation,
            level: remediation.level,
            outcome: remediation.outcome,
            why: &remediation.why,
            approved_by: remediation.approved_by.as_deref(),
            plan: &remediation.plan,
            plan_hash: remediation.plan_hash,
            trace: &remediation.trace,
            intents: None,
        }
    }

    pub(super) fn with_intents(mut self, intents: Vec<&'a Intent>) -> Self {
        // A fallback that helped in the end may have undone what came before it.
        self.rollback_performed |= intents.iter().any(|intent| intent.state == IntentState::Undone);
        self.intents = Some(intents);
        self
    }
}

fn status(remediation: &Remediation) -> &'static str {
    match remediation.outcome {
        _ if remediation.ended_at.is_none() => "in_progress",
        None => "in_progress",
        Some(outcome) => match outcome.success() {
            Some(true) => "success",
            Some(false) => "failed",
            None => outcome.name(),
        },
    }
}

/// What `status` may be asked for, and the outcomes that it stands for.
const STATUSES: &[&str] = &["in_progress", "success", "failed", "stopped"];

pub(super) const FILTERS: &[Parameter] = &[
    Parameter::new("limit", Kind::Number(1..=1000), "At most this many; 100 unless given."),
    Parameter::new("cursor", Kind::Cursor, "Goes on where an earlier page ended."),
    Parameter::new(
        "before",
        Kind::Name("^remediation-[1-9][0-9]{0,17}-[1-9][0-9]{0,8}$", "remediation-17-1", is_remediation),
        "Only those before this one.",
    ),
    Parameter::new(
        "issue",
        Kind::Name("^(issue-)?[1-9][0-9]{0,17}$", "issue-17", is_issue),
        "Only those of this issue.",
    ),
    Parameter::new("running", Kind::Flag, "Only those under way, or only those that ended."),
    Parameter::new(
        "status",
        Kind::OneOf(|| STATUSES.to_vec()),
        "Only those under way, those that helped, those that failed, or those that were stopped before they could do either.",
    ),
    Parameter::new("outcome", Kind::OneOf(|| names(Outcome::NAMES)), "Only those that ended so."),
    Parameter::new("rule", Kind::Text, "Only those of this rule."),
    Parameter::new("resource", Kind::Text, "Only those of issues whose resource holds this text."),
    Parameter::new("text", Kind::Text, "Only those whose rule, reason, plan or resource holds this text."),
    Parameter::new("since", Kind::Time, "Only those that began then or later."),
    Parameter::new("until", Kind::Time, "Only those that began before."),
];

fn is_remediation(text: &str) -> bool {
    text.parse::<RemediationId>().is_ok()
}

pub(super) fn is_issue(text: &str) -> bool {
    text.parse::<IssueId>().is_ok()
}

/// The outcomes that a status stands for.
fn outcomes(status: &str) -> Vec<Outcome> {
    let success = match status {
        "success" => Some(true),
        "failed" => Some(false),
        _ => None,
    };
    Outcome::NAMES
        .iter()
        .map(|(_, outcome)| *outcome)
        .filter(|outcome| outcome.success() == success)
        .collect()
}

/// Remediations, newest first. Where there may be more, a `Link` header leads to them.
pub(super) async fn list(call: Call) -> Answered {
    let query = &call.query;
    let (mut running, mut of) = (query.value("running"), Vec::new());
    match query.text("status") {
        Some("in_progress") => running = Some(true),
        Some(status) => of = outcomes(status),
        None => {}
    }
    if let Some(outcome) = query.value::<Outcome>("outcome") {
        let is_both = of.is_empty() || of.contains(&outcome);
        if !is_both {
            return page(&call, &[(); 0], None);
        }
        of = vec![outcome];
    }
    let filter = RemediationFilter {
        issue: query.value("issue"),
        running,
        rule: query.value("rule"),
        outcomes: of,
        resource: query.value("resource"),
        text: query.value("text"),
        since: query.value("since"),
        until: query.value("until"),
        before: query.cursor()?.or_else(|| query.value("before")),
        limit: query.value("limit").unwrap_or(100),
    };
    let most = filter.limit as usize;
    let journal = &call.app.engine.journal;
    let remediations = journal.remediations(filter).await?;
    let undone = journal.undone(remediations.iter().map(|remediation| remediation.id).collect()).await?;
    let undone: HashSet<RemediationId> = undone.into_iter().collect();
    let issues =
        Subjects::of(&**journal, remediations.iter().map(|remediation| remediation.id.issue)).await?;
    let views: Vec<RemediationView<'_>> = remediations
        .iter()
        .map(|remediation| {
            let mut view = RemediationView::of(remediation, issues.get(remediation.id.issue));
            view.rollback_performed |= undone.contains(&remediation.id);
            view
        })
        .collect();
    let last = remediations.last().filter(|_| remediations.len() == most);
    page(&call, &views, last.map(|last| last.id.to_string()))
}

/// One remediation with its intents.
pub(super) async fn one(call: Call) -> Answered {
    let id: RemediationId = call.named("id")?;
    let journal = &call.app.engine.journal;
    let (remediation, intents) = journal.remediation(id).await?.ok_or_else(|| missing(id))?;
    let issue = journal.issue(id.issue).await?;
    ok(&RemediationView::of(&remediation, issue.as_ref()).with_intents(intents.iter().collect()))
}

pub(super) fn missing(id: RemediationId) -> Fault {
    Fault::missing(format!("there is no {id}")).help("GET /api/self-healing/remediations lists them")
}
