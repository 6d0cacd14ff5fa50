//! Rows back to the domain's values. Each list of columns stands beside the function that reads it.

use selfheal_core::issue::IssueId;
use selfheal_core::labels::Fingerprint;
use selfheal_core::remediation::RemediationId;
use selfheal_runtime::ports::history::{Course, Episode};
use selfheal_runtime::ports::journal::{
    Approval, Intent, Issue, OutboxMessage, Receipt, ReceiptId, Record, Remediation,
};
use serde_json::Value;
use tokio_postgres::Row;

use super::columns::Columns;
use super::fault::Trouble;

type Result<T> = std::result::Result<T, Trouble>;

pub(super) const RECEIPT: &str = "id, received_at, source, trace, body, expanded";

pub(super) fn receipt(row: &Row) -> Result<Receipt> {
    Ok(Receipt {
        id: ReceiptId(row.value("id")?),
        received_at: row.time("received_at")?,
        source: row.value("source")?,
        trace: row.value("trace")?,
        body: row.value("body")?,
        expanded: row.number("expanded")?,
    })
}

pub(super) const ISSUE: &str =
    "id, fingerprint, phase, outcome, why, rule, priority, component, resource, alert, \
     received_at, resolved_at, closed_at, wake_at, level, level_since, trace, \
     (SELECT count(*) FROM remediations WHERE remediations.issue = issues.id)
     + (SELECT count(*) FROM courses WHERE courses.issue = issues.id) AS remediations";

pub(super) fn issue(row: &Row) -> Result<Issue> {
    let fingerprint: i64 = row.value("fingerprint")?;
    Ok(Issue {
        id: IssueId(row.value("id")?),
        fingerprint: Fingerprint(fingerprint.cast_unsigned()),
        phase: row.name("phase")?,
        outcome: row.maybe_name("outcome")?,
        why: row.value("why")?,
        rule: row.value("rule")?,
        priority: row.maybe_name("priority")?,
        component: row.maybe_name("component")?,
        resource: row.value("resource")?,
        alert: row.json("alert")?,
        received_at: row.time("received_at")?,
        resolved_at: row.maybe_time("resolved_at")?,
        closed_at: row.maybe_time("closed_at")?,
        wake_at: row.maybe_time("wake_at")?,
        level: row.number("level")?,
        level_since: row.maybe_time("level_since")?,
        remediations: row.number("remediations")?,
        trace: row.value("trace")?,
    })
}

/// Without its remediations.
pub(super) fn episode(row: &Row) -> Result<Episode> {
    Ok(Episode {
        issue: IssueId(row.value("id")?),
        name: row.value::<Option<String>>("name")?.unwrap_or_default(),
        severity: row.value("severity")?,
        rule: row.value("rule")?,
        priority: row.maybe_name("priority")?,
        component: row.maybe_name("component")?,
        resource: row.value("resource")?,
        starts_at: row.time("starts_at")?,
        received_at: row.time("received_at")?,
        resolved_at: row.maybe_time("resolved_at")?,
        closed_at: row.maybe_time("closed_at")?,
        outcome: row.maybe_name("outcome")?,
        courses: Vec::new(),
    })
}

pub(super) const COURSE: &str = "issue, rule, started_at, effect_at, ended_at, outcome";

pub(super) fn course(row: &Row) -> Result<(IssueId, Course)> {
    let course = Course {
        rule: row.value("rule")?,
        started_at: row.time("started_at")?,
        effect_at: row.maybe_time("effect_at")?,
        ended_at: row.maybe_time("ended_at")?,
        outcome: row.maybe_name("outcome")?,
    };
    Ok((IssueId(row.value("issue")?), course))
}

fn remediation_id(row: &Row) -> Result<RemediationId> {
    Ok(RemediationId { issue: IssueId(row.value("issue")?), ordinal: row.number("ordinal")? })
}

pub(super) const RECORD: &str = "issue, ordinal, at, kind, actor, summary, facts";

pub(super) fn record(row: &Row) -> Result<Record> {
    let ordinal: Option<i64> = row.value("ordinal")?;
    let issue: Option<i64> = row.value("issue")?;
    Ok(Record {
        issue: issue.map(IssueId),
        remediation: ordinal.map(|_| remediation_id(row)).transpose()?,
        at: row.time("at")?,
        kind: row.value("kind")?,
        actor: row.value("actor")?,
        summary: row.value("summary")?,
        facts: row.maybe_json("facts")?.unwrap_or(Value::Null),
    })
}

pub(super) const REMEDIATION: &str = "issue, ordinal, rule, generation, level, plan, plan_hash, claim, approved_by, \
     started_at, ended_at, outcome, why, trace";

pub(super) fn remediation(row: &Row) -> Result<Remediation> {
    let generation: i64 = row.value("generation")?;
    Ok(Remediation {
        id: remediation_id(row)?,
        rule: row.value("rule")?,
        generation: generation.cast_unsigned(),
        level: row.number("level")?,
        plan: row.json("plan")?,
        plan_hash: row.name("plan_hash")?,
        claim: row.json("claim")?,
        approved_by: row.value("approved_by")?,
        started_at: row.time("started_at")?,
        ended_at: row.maybe_time("ended_at")?,
        outcome: row.maybe_name("outcome")?,
        why: row.value("why")?,
        trace: row.value("trace")?,
    })
}

pub(super) const INTENT: &str = "id, issue, ordinal, path, try_number, action, params, target, prior, before, state, \
     said, intended_at, applied_at, changed_at, revert_at";

pub(super) fn intent(row: &Row) -> Result<Intent> {
    Ok(Intent {
        id: row.name("id")?,
        remediation: remediation_id(row)?,
        path: row.value("path")?,
        try_number: row.number("try_number")?,
        action: row.value("action")?,
        params: row.json("params")?,
        target: row.value("target")?,
        prior: row.json("prior")?,
        before: row.json("before")?,
        state: row.name("state")?,
        said: row.value("said")?,
        intended_at: row.time("intended_at")?,
        applied_at: row.maybe_time("applied_at")?,
        changed_at: row.time("changed_at")?,
        revert_at: row.maybe_time("revert_at")?,
    })
}

pub(super) const APPROVAL: &str =
    "id, issue, rule, plan, plan_hash, level, why, previews, asked_at, expires_at, answer";

pub(super) fn approval(row: &Row) -> Result<Approval> {
    Ok(Approval {
        id: row.value("id")?,
        issue: IssueId(row.value("issue")?),
        rule: row.value("rule")?,
        plan: row.json("plan")?,
        plan_hash: row.name("plan_hash")?,
        level: row.number("level")?,
        why: row.value("why")?,
        previews: row.json("previews")?,
        asked_at: row.time("asked_at")?,
        expires_at: row.time("expires_at")?,
        answer: row.maybe_json("answer")?,
    })
}

pub(super) const MESSAGE: &str = "id, sink, news, tries, next_at";

pub(super) fn message(row: &Row) -> Result<OutboxMessage> {
    Ok(OutboxMessage {
        id: row.value("id")?,
        sink: row.value("sink")?,
        news: row.json("news")?,
        tries: row.number("tries")?,
        next_at: row.time("next_at")?,
    })
}
