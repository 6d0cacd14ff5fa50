//! Rows back to the domain's values. Each list of columns stands beside the function that reads it.

use rusqlite::{Result, Row};
use selfheal_core::issue::IssueId;
use selfheal_core::remediation::RemediationId;
use selfheal_runtime::ports::journal::{Approval, Intent, Issue, OutboxMessage, Record, Remediation};
use serde_json::Value;

use super::columns::{Json, Name, Print, Time};

fn time(row: &Row<'_>, column: &str) -> Result<jiff::Timestamp> {
    row.get(column).map(|Time(time)| time)
}

fn maybe_time(row: &Row<'_>, column: &str) -> Result<Option<jiff::Timestamp>> {
    let time: Option<Time> = row.get(column)?;
    Ok(time.map(|Time(time)| time))
}

fn name<T: std::str::FromStr<Err: std::fmt::Display>>(row: &Row<'_>, column: &str) -> Result<T> {
    row.get(column).map(|Name(value)| value)
}

fn maybe_name<T: std::str::FromStr<Err: std::fmt::Display>>(
    row: &Row<'_>,
    column: &str,
) -> Result<Option<T>> {
    let name: Option<Name<T>> = row.get(column)?;
    Ok(name.map(|Name(value)| value))
}

fn json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: &str) -> Result<T> {
    row.get(column).map(|Json(value)| value)
}

pub(super) const ISSUE: &str =
    "id, fingerprint, phase, outcome, why, rule, priority, component, resource, alert, \
     received_at, resolved_at, closed_at, wake_at, level, level_since, trace, \
     (SELECT count(*) FROM remediations WHERE remediations.issue = issues.id)
     + (SELECT count(*) FROM courses WHERE courses.issue = issues.id) AS remediations";

pub(super) fn issue(row: &Row<'_>) -> Result<Issue> {
    Ok(Issue {
        id: IssueId(row.get("id")?),
        fingerprint: row.get("fingerprint").map(|Print(fingerprint)| fingerprint)?,
        phase: name(row, "phase")?,
        outcome: maybe_name(row, "outcome")?,
        why: row.get("why")?,
        rule: row.get("rule")?,
        priority: maybe_name(row, "priority")?,
        component: maybe_name(row, "component")?,
        resource: row.get("resource")?,
        alert: json(row, "alert")?,
        received_at: time(row, "received_at")?,
        resolved_at: maybe_time(row, "resolved_at")?,
        closed_at: maybe_time(row, "closed_at")?,
        wake_at: maybe_time(row, "wake_at")?,
        level: row.get("level")?,
        level_since: maybe_time(row, "level_since")?,
        remediations: row.get("remediations")?,
        trace: row.get("trace")?,
    })
}

fn remediation_id(row: &Row<'_>) -> Result<RemediationId> {
    Ok(RemediationId { issue: IssueId(row.get("issue")?), ordinal: row.get("ordinal")? })
}

pub(super) const RECORD: &str = "issue, ordinal, at, kind, actor, summary, facts";

pub(super) fn record(row: &Row<'_>) -> Result<Record> {
    let ordinal: Option<u32> = row.get("ordinal")?;
    let facts: Option<Json<Value>> = row.get("facts")?;
    let issue: Option<i64> = row.get("issue")?;
    Ok(Record {
        issue: issue.map(IssueId),
        remediation: ordinal.map(|_| remediation_id(row)).transpose()?,
        at: time(row, "at")?,
        kind: row.get("kind")?,
        actor: row.get("actor")?,
        summary: row.get("summary")?,
        facts: facts.map_or(Value::Null, |Json(facts)| facts),
    })
}

pub(super) const REMEDIATION: &str = "issue, ordinal, rule, generation, level, plan, plan_hash, claim, approved_by, \
     started_at, ended_at, outcome, why, trace";

pub(super) fn remediation(row: &Row<'_>) -> Result<Remediation> {
    let generation: i64 = row.get("generation")?;
    Ok(Remediation {
        id: remediation_id(row)?,
        rule: row.get("rule")?,
        generation: generation.cast_unsigned(),
        level: row.get("level")?,
        plan: json(row, "plan")?,
        plan_hash: name(row, "plan_hash")?,
        claim: json(row, "claim")?,
        approved_by: row.get("approved_by")?,
        started_at: time(row, "started_at")?,
        ended_at: maybe_time(row, "ended_at")?,
        outcome: maybe_name(row, "outcome")?,
        why: row.get("why")?,
        trace: row.get("trace")?,
    })
}

pub(super) const INTENT: &str = "id, issue, ordinal, path, try_number, action, params, target, prior, before, state, \
     said, intended_at, applied_at, changed_at, revert_at";

pub(super) fn intent(row: &Row<'_>) -> Result<Intent> {
    Ok(Intent {
        id: name(row, "id")?,
        remediation: remediation_id(row)?,
        path: row.get("path")?,
        try_number: row.get("try_number")?,
        action: row.get("action")?,
        params: json(row, "params")?,
        target: row.get("target")?,
        prior: json(row, "prior")?,
        before: json(row, "before")?,
        state: name(row, "state")?,
        said: row.get("said")?,
        intended_at: time(row, "intended_at")?,
        applied_at: maybe_time(row, "applied_at")?,
        changed_at: time(row, "changed_at")?,
        revert_at: maybe_time(row, "revert_at")?,
    })
}

pub(super) const APPROVAL: &str =
    "id, issue, rule, plan, plan_hash, level, why, previews, asked_at, expires_at, answer";

pub(super) fn approval(row: &Row<'_>) -> Result<Approval> {
    let answer: Option<Json<_>> = row.get("answer")?;
    Ok(Approval {
        id: row.get("id")?,
        issue: IssueId(row.get("issue")?),
        rule: row.get("rule")?,
        plan: json(row, "plan")?,
        plan_hash: name(row, "plan_hash")?,
        level: row.get("level")?,
        why: row.get("why")?,
        previews: json(row, "previews")?,
        asked_at: time(row, "asked_at")?,
        expires_at: time(row, "expires_at")?,
        answer: answer.map(|Json(answer)| answer),
    })
}

pub(super) const MESSAGE: &str = "id, sink, news, tries, next_at";

pub(super) fn message(row: &Row<'_>) -> Result<OutboxMessage> {
    Ok(OutboxMessage {
        id: row.get("id")?,
        sink: row.get("sink")?,
        news: json(row, "news")?,
        tries: row.get("tries")?,
        next_at: time(row, "next_at")?,
    })
}
