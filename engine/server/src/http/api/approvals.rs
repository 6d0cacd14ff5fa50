//! `/approvals`: plans that wait for a person, and the answer.

use jiff::Timestamp;
use selfheal_core::hash::ContentHash;
use selfheal_runtime::ports::journal::Approval;
use serde::{Deserialize, Serialize};

use super::super::answer::Fault;
use super::query::Query;
use super::{Answered, Call, ok};

/// The most approvals of one answer.
const LISTED_MAX: u32 = 1000;
/// The longest reason of an answer, in characters.
pub(super) const REASON_CHARS_MAX: usize = 1000;

/// An approval with its state.
#[derive(Serialize)]
pub(super) struct ApprovalView<'a> {
    /// `open`, `granted`, `refused`, `expired`.
    state: &'static str,
    issue_id: String,
    /// The plan's steps as people read them.
    description: String,
    #[serde(flatten)]
    approval: &'a Approval,
}

impl<'a> ApprovalView<'a> {
    pub(super) fn of(approval: &'a Approval, now: Timestamp) -> Self {
        let steps = approval.plan.steps();
        Self {
            state: state(approval, now),
            issue_id: approval.issue.to_string(),
            description: steps.iter().map(|step| step.action.text()).collect::<Vec<_>>().join("; "),
            approval,
        }
    }
}

fn state(approval: &Approval, now: Timestamp) -> &'static str {
    match &approval.answer {
        Some(answer) if answer.granted => "granted",
        Some(_) => "refused",
        None if approval.expires_at <= now => "expired",
        None => "open",
    }
}

pub(super) async fn list(call: Call) -> Answered {
    let query = Query::read(call.request.query_string(), &["all", "limit"])?;
    let (all, limit) = (query.flag("all")?.unwrap_or(false), query.limit(100, 1..=LISTED_MAX)?);
    let (engine, now) = (&call.app.engine, call.app.engine.clock.now());
    let approvals = engine.journal.approvals(!all, limit).await?;
    ok(&approvals.iter().map(|approval| ApprovalView::of(approval, now)).collect::<Vec<_>>())
}

pub(super) async fn one(call: Call) -> Answered {
    Query::read(call.request.query_string(), &[])?;
    let approval = find(&call).await?;
    ok(&ApprovalView::of(&approval, call.app.engine.clock.now()))
}

async fn find(call: &Call) -> Result<Approval, Fault> {
    let id = call.part("id");
    let missing =
        || Fault::missing("there is no such approval").help("GET /api/self-healing/approvals lists them");
    call.app.engine.journal.approval(id).await?.ok_or_else(missing)
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Decision {
    Grant,
    Refuse,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    decision: Decision,
    /// The plan that the person saw.
    plan_hash: ContentHash,
    #[serde(default)]
    reason: String,
}

/// Gives or refuses an approval, for the very plan that was shown.
pub(super) async fn answer(call: Call) -> Answered {
    let shape = r#"{"decision": "grant" or "refuse", "plan_hash": "64 hexadecimal digits", "reason": "..."}"#;
    let answer: Answer = call.json(shape)?;
    let reason = checked_reason(&answer.reason)?;
    let approval = find(&call).await?;
    let (engine, now) = (&call.app.engine, call.app.engine.clock.now());
    // The journal decides; asking first gives a better reason than its conflict.
    if let Some(why) = in_the_way(&approval, answer.plan_hash, now) {
        return Err(why);
    }
    let granted = matches!(answer.decision, Decision::Grant);
    let approval = engine.answer(&approval.id, answer.plan_hash, granted, &call.caller.name, reason).await?;
    ok(&ApprovalView::of(&approval, now))
}

fn in_the_way(approval: &Approval, plan_hash: ContentHash, now: Timestamp) -> Option<Fault> {
    if let Some(answer) = &approval.answer {
        let said = if answer.granted { "granted" } else { "refused" };
        let error = format!("{} {said} it already at {}", answer.by, answer.at);
        return Some(Fault::conflict(error).help("an approval is answered once"));
    }
    if approval.expires_at <= now {
        let error = format!("it expired at {}, and counts as refused", approval.expires_at);
        return Some(Fault::conflict(error).help("if the alert still fires, a new one is asked for"));
    }
    (approval.plan_hash != plan_hash).then(|| {
        Fault::conflict(format!(
            "it is for plan {}, not for {}",
            approval.plan_hash.short(),
            plan_hash.short()
        ))
        .help("look at the plan again and answer with its plan_hash")
    })
}

/// A reason as it is recorded; without one, that is said.
pub(super) fn checked_reason(reason: &str) -> Result<&str, Fault> {
    let reason = reason.trim();
    if reason.chars().count() > REASON_CHARS_MAX {
        return Err(Fault::wrong(format!("the reason has more than {REASON_CHARS_MAX} characters")));
    }
    Ok(if reason.is_empty() { "no reason given" } else { reason })
}
