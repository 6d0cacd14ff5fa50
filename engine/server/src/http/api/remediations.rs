//! `/remediations`: the list, and one with its intents.

use actix_web::http::header;
use jiff::Timestamp;
use selfheal_core::hash::ContentHash;
use selfheal_core::issue::Outcome;
use selfheal_core::plan::Plan;
use selfheal_core::remediation::{IntentState, RemediationId};
use selfheal_runtime::ports::journal::{Intent, Remediation, RemediationFilter};
use serde::Serialize;

use super::super::answer::Fault;
use super::query::Query;
use super::{Answered, Call, PREFIX, ok};

/// A remediation as the API shows it.
#[derive(Serialize)]
pub(super) struct RemediationView<'a> {
    /// `remediation-17-1`.
    id: String,
    issue_id: String,
    /// The plan's actions, each once, in its order.
    action_type: String,
    /// The plan's steps as people read them.
    description: String,
    /// `in_progress`, `success`, `failed`, or the outcome where it is neither.
    status: &'static str,
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
    outcome: Option<Outcome>,
    why: &'a str,
    approved_by: Option<&'a str>,
    plan: &'a Plan,
    plan_hash: ContentHash,
    trace: &'a str,
    /// What was about to happen, and what became of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    intents: Option<Vec<&'a Intent>>,
}

impl<'a> RemediationView<'a> {
    pub(super) fn of(remediation: &'a Remediation) -> Self {
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

/// Remediations, newest first. Where there may be more, a `Link` header leads to them.
pub(super) async fn list(call: Call) -> Answered {
    let query = Query::read(call.request.query_string(), &["limit", "issue", "running", "before"])?;
    let filter = RemediationFilter {
        issue: query.parsed("issue", "an issue such as issue-17")?,
        running: query.flag("running")?,
        before: query.parsed("before", "a remediation such as remediation-17-1")?,
        limit: query.limit(100, 1..=1000)?,
        ..RemediationFilter::default()
    };
    let most = filter.limit as usize;
    let remediations = call.app.engine.journal.remediations(filter).await?;
    let views: Vec<RemediationView<'_>> = remediations.iter().map(RemediationView::of).collect();
    let mut response = ok(&views)?;
    if let Some(last) = remediations.last().filter(|_| remediations.len() == most) {
        let link = query.next(&format!("{PREFIX}/remediations"), &last.id.to_string());
        if let Ok(link) = link.parse() {
            response.headers_mut().insert(header::LINK, link);
        }
    }
    Ok(response)
}

/// One remediation with its intents.
pub(super) async fn one(call: Call) -> Answered {
    Query::read(call.request.query_string(), &[])?;
    let id: RemediationId = call.part("id").parse().map_err(Fault::wrong)?;
    let found = call.app.engine.journal.remediation(id).await?;
    let (remediation, intents) = found.ok_or_else(|| {
        Fault::missing(format!("there is no {id}")).help("GET /api/self-healing/remediations lists them")
    })?;
    ok(&RemediationView::of(&remediation).with_intents(intents.iter().collect()))
}
