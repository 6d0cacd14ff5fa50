//! What people ask for by hand: taking an issue in hand, a remediation now, a rollback. Each is recorded with who asked.

use jiff::Timestamp;
use schemars::JsonSchema;
use selfheal_core::issue::{IssueId, Outcome, Phase};
use selfheal_core::remediation::RemediationId;
use selfheal_runtime::by_hand::HandFault;
use selfheal_runtime::ports::journal::Issue;
use serde::{Deserialize, Serialize};

use super::super::answer::Fault;
use super::approvals::checked_reason;
use super::issues::{self, Acknowledgement};
use super::remediations::{self, RemediationView};
use super::{Answered, Call, ok, schema};
use actix_web::http::StatusCode;

pub(super) use selfheal_runtime::by_hand::ACKNOWLEDGED;

/// Why a person asks. The body may be left out.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reason {
    /// It is recorded.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    reason: String,
}

impl Reason {
    /// The reason as it is recorded.
    pub(super) fn read(call: &Call) -> Result<String, Fault> {
        let reason: Self = if call.body.is_empty() {
            Self::default()
        } else {
            call.json(r#"{"reason": "..."}, or nothing"#)?
        };
        checked_reason(&reason.reason).map(str::to_owned)
    }
}

impl From<HandFault> for Fault {
    fn from(fault: HandFault) -> Self {
        match fault {
            HandFault::Missing(_) => {
                Self::missing(fault.to_string()).help("GET /api/self-healing/issues lists issues")
            }
            HandFault::Conflict { why, help } => Self::conflict(why).help(help),
            HandFault::Asker(_) => Self::new(StatusCode::FORBIDDEN, fault.to_string()).help(
                "somebody else must approve, with a token or a Slack user of another name; you may refuse",
            ),
            HandFault::Source(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, fault.to_string())
                .help("try again, it is done once; alertmanager.urls says who is asked"),
            HandFault::Ledger(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, fault.to_string())
                .help("try again; /ready says what is wrong"),
            HandFault::Journal(fault) => fault.into(),
        }
    }
}

/// Who has taken an issue in hand.
#[derive(JsonSchema, Serialize)]
pub(super) struct Acknowledged<'a> {
    #[schemars(with = "schema::IssueName")]
    issue_id: String,
    acknowledged: Option<Acknowledgement<'a>>,
}

pub(super) async fn acknowledge(call: Call) -> Answered {
    let (id, reason): (IssueId, _) = (call.named("id")?, Reason::read(&call)?);
    let story = call.app.engine.acknowledge(id, &call.caller.name, &reason).await?;
    ok(&Acknowledged { issue_id: id.to_string(), acknowledged: Acknowledgement::of(&story.records) })
}

/// What came of asking for a remediation. Where one began, `id`, `action_type` and `started_at` are its own.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "AskedRemediation")]
pub(super) struct Asked {
    /// The remediation that began.
    #[schemars(with = "Option<schema::RemediationName>")]
    id: Option<String>,
    #[schemars(with = "schema::IssueName")]
    issue_id: String,
    /// The plan's actions.
    action_type: Option<String>,
    /// The plan's steps as people read them.
    description: Option<String>,
    /// `in_progress`, `success`, `failed`; `held`, `awaiting_approval`, or the outcome of a decision to do nothing.
    status: String,
    /// Why it is so: which guards stood in the way, what the rule said.
    why: String,
    started_at: Option<Timestamp>,
    #[schemars(with = "schema::Phase")]
    phase: Phase,
    #[schemars(with = "Option<schema::Outcome>")]
    outcome: Option<Outcome>,
    /// Who asked.
    by: String,
}

/// Decides about an issue now.
pub(super) async fn remediate(call: Call) -> Answered {
    let (id, reason): (IssueId, _) = (call.named("id")?, Reason::read(&call)?);
    let engine = &call.app.engine;
    let before = engine.journal.issue(id).await?.ok_or_else(|| issues::missing(id))?.remediations;
    let issue = engine.remediate_by_hand(id, &call.caller.name, &reason).await?;
    let begun = if issue.remediations > before {
        let id = RemediationId { issue: id, ordinal: issue.remediations };
        engine.journal.remediation(id).await?.map(|(remediation, _)| remediation)
    } else {
        None
    };
    let view = begun.as_ref().map(|begun| RemediationView::of(begun, Some(&issue)));
    ok(&Asked {
        id: begun.as_ref().map(|begun| begun.id.to_string()),
        issue_id: id.to_string(),
        action_type: view.as_ref().map(|view| view.action_type.clone()),
        description: view.as_ref().map(|view| view.description.clone()),
        status: view.as_ref().map_or_else(|| status(&issue), |view| view.status).to_owned(),
        started_at: begun.as_ref().map(|begun| begun.started_at),
        phase: issue.phase,
        outcome: issue.outcome,
        by: call.caller.name.clone(),
        why: issue.why,
    })
}

/// How an issue stands for which nothing began.
fn status(issue: &Issue) -> &'static str {
    match (issue.phase, issue.outcome) {
        (Phase::Waiting, _) => "held",
        (Phase::AwaitingApproval, _) => "awaiting_approval",
        (_, Some(outcome)) => outcome.name(),
        (phase, None) => phase.name(),
    }
}

/// What a rollback came to.
#[derive(JsonSchema, Serialize)]
pub(super) struct RolledBack {
    #[schemars(with = "schema::RemediationName")]
    id: String,
    /// `rolled_back`; `nothing_to_undo`; `partly` where something stays; `failed` where an undo failed.
    status: &'static str,
    rollback_performed: bool,
    /// What was taken back now, in this order.
    undone: Vec<Said>,
    /// The actions that had been taken back before.
    already_undone: Vec<String>,
    /// What stays as it is, and why.
    stays: Vec<Said>,
    /// What could not be taken back, and why. What was applied before it was not touched; a person is needed.
    failed: Option<Said>,
    by: String,
}

/// An action, and what was said about it.
#[derive(JsonSchema, Serialize)]
pub(super) struct Said {
    action: String,
    said: String,
}

impl From<(String, String)> for Said {
    fn from((action, said): (String, String)) -> Self {
        Self { action, said }
    }
}

/// Takes back what an ended remediation applied.
pub(super) async fn roll_back(call: Call) -> Answered {
    let (id, reason): (RemediationId, _) = (call.named("id")?, Reason::read(&call)?);
    let rollback =
        call.app.engine.roll_back(id, &call.caller.name, &reason).await.map_err(|fault| match fault {
            HandFault::Missing(_) => remediations::missing(id),
            other => other.into(),
        })?;
    let all = |said: Vec<(String, String)>| said.into_iter().map(Said::from).collect::<Vec<_>>();
    ok(&RolledBack {
        id: id.to_string(),
        status: match (&rollback.failed, rollback.undone.is_empty(), rollback.stays.is_empty()) {
            (Some(_), ..) => "failed",
            (None, _, false) => "partly",
            (None, true, true) => "nothing_to_undo",
            (None, false, true) => "rolled_back",
        },
        rollback_performed: !rollback.undone.is_empty(),
        undone: all(rollback.undone),
        already_undone: rollback.already,
        stays: all(rollback.stays),
        failed: rollback.failed.map(Said::from),
        by: call.caller.name.clone(),
    })
}
