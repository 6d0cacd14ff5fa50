//! `/approvals`: plans that wait for a person, and the answer.

use std::str::FromStr;

use jiff::Timestamp;
use schemars::JsonSchema;
use selfheal_core::hash::ContentHash;
use selfheal_core::issue::IssueId;
use selfheal_core::plan::Plan;
use selfheal_runtime::ports::journal::{Approval, ApprovalFilter, Issue};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::answer::Fault;
use super::query::{Kind, Parameter};
use super::subject::Subjects;
use super::{Answered, Call, ok, page, schema};

/// The longest reason of an answer, in characters.
pub(super) const REASON_CHARS_MAX: usize = 1000;

pub(super) const FILTERS: &[Parameter] = &[
    Parameter::new("limit", Kind::Number(1..=1000), "At most this many; 100 unless given."),
    Parameter::new("cursor", Kind::Cursor, "Goes on where an earlier page ended."),
    Parameter::new("all", Kind::Flag, "Also those that were answered or have expired."),
];

/// An approval with its state.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "Approval")]
pub(super) struct ApprovalView<'a> {
    /// `open`, `granted`, `refused`, `expired`.
    state: &'static str,
    /// Its number, unguessable.
    id: &'a str,
    #[schemars(with = "schema::IssueName")]
    issue_id: String,
    /// The issue's number alone.
    #[schemars(with = "i64")]
    issue: IssueId,
    /// The alert's name; null where the issue is not known any more.
    r#type: Option<&'a str>,
    /// What the issue is about; null as well.
    resource: Option<&'a str>,
    rule: &'a str,
    /// The plan's steps as people read them.
    description: String,
    /// What would be executed.
    #[schemars(with = "schema::AnyObject")]
    plan: &'a Plan,
    /// Its hash; an answer must name it.
    #[schemars(with = "schema::Hash")]
    plan_hash: ContentHash,
    /// The escalation level of the plan.
    level: u32,
    /// Why a person is asked.
    why: &'a str,
    /// What each step would do, as its target showed it when the person was asked.
    previews: &'a Value,
    asked_at: Timestamp,
    /// When it is denied for want of an answer.
    expires_at: Timestamp,
    answer: Option<AnswerView<'a>>,
}

/// A person's answer.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "ApprovalAnswer")]
pub(super) struct AnswerView<'a> {
    granted: bool,
    by: &'a str,
    at: Timestamp,
    reason: &'a str,
}

impl<'a> ApprovalView<'a> {
    pub(super) fn of(approval: &'a Approval, issue: Option<&'a Issue>, now: Timestamp) -> Self {
        let steps = approval.plan.steps();
        let answer = approval.answer.as_ref().map(|answer| AnswerView {
            granted: answer.granted,
            by: &answer.by,
            at: answer.at,
            reason: &answer.reason,
        });
        Self {
            state: state(approval, now),
            id: &approval.id,
            issue_id: approval.issue.to_string(),
            issue: approval.issue,
            r#type: issue.map(|issue| issue.alert.name()),
            resource: issue.map(|issue| issue.resource.as_str()),
            rule: &approval.rule,
            description: steps.iter().map(|step| step.action.text()).collect::<Vec<_>>().join("; "),
            plan: &approval.plan,
            plan_hash: approval.plan_hash,
            level: approval.level,
            why: &approval.why,
            previews: &approval.previews,
            asked_at: approval.asked_at,
            expires_at: approval.expires_at,
            answer,
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
    let (all, limit) = (call.query.value("all").unwrap_or(false), call.query.value("limit").unwrap_or(100));
    let (engine, now) = (&call.app.engine, call.app.engine.clock.now());
    let before = call.query.cursor::<ApprovalId>()?.map(|ApprovalId(id)| id);
    let filter = ApprovalFilter { only_open: !all, before, limit };
    let approvals = engine.journal.approvals(filter).await?;
    let issues = Subjects::of(&*engine.journal, approvals.iter().map(|approval| approval.issue)).await?;
    let view = |approval| ApprovalView::of(approval, issues.get(approval.issue), now);
    let views: Vec<ApprovalView<'_>> = approvals.iter().map(view).collect();
    let last = approvals.last().filter(|_| approvals.len() == limit as usize);
    page(&call, &views, last.map(|last| last.id.clone()))
}

/// An approval's name in a cursor.
struct ApprovalId(String);

impl FromStr for ApprovalId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        text.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| Self(text.to_owned())).ok_or(())
    }
}

pub(super) async fn one(call: Call) -> Answered {
    let approval = find(&call).await?;
    shown(&call, &approval).await
}

/// An approval with what it is for.
async fn shown(call: &Call, approval: &Approval) -> Answered {
    let engine = &call.app.engine;
    let issue = engine.journal.issue(approval.issue).await?;
    ok(&ApprovalView::of(approval, issue.as_ref(), engine.clock.now()))
}

async fn find(call: &Call) -> Result<Approval, Fault> {
    let id = call.part("id");
    let missing =
        || Fault::missing("there is no such approval").help("GET /api/self-healing/approvals lists them");
    call.app.engine.journal.approval(id).await?.ok_or_else(missing)
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Decision {
    Grant,
    Refuse,
}

/// An answer to an approval.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Answer {
    decision: Decision,
    /// The plan that the person saw.
    #[schemars(with = "schema::Hash")]
    plan_hash: ContentHash,
    /// Why; it is recorded.
    #[serde(default)]
    #[schemars(length(max = 1000))]
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
    shown(&call, &approval).await
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
