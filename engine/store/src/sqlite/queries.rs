//! The questions that the journal answers, each on one connection and one moment.

use std::borrow::Cow;

use jiff::Timestamp;
use rusqlite::types::Value as Column;
use rusqlite::{Connection, OptionalExtension, Params, Result, Row, params, params_from_iter};
use selfheal_core::issue::{IssueId, Outcome};
use selfheal_core::labels::Fingerprint;
use selfheal_core::remediation::RemediationId;
use selfheal_core::success::SuccessRecord;
use selfheal_runtime::ports::News;
use selfheal_runtime::ports::journal::{
    Approval, ApprovalFilter, Intent, Issue, IssueFilter, OutboxMessage, Remediation, RemediationFilter,
    Story, Totals, Waiting,
};
use serde_json::Value;

use crate::counted::counted_by;
use crate::gravity;

use super::columns::{Json, Name, Print, Time, micros};
use super::history;
use super::rows::{self, APPROVAL, INTENT, ISSUE, MESSAGE, RECORD, REMEDIATION};

/// The most issues of one answer.
const ISSUES_MAX: u32 = 1_000;
/// The most remediations of one answer.
const REMEDIATIONS_MAX: u32 = 10_000;

pub(super) fn all<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnMut(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    connection.prepare_cached(sql)?.query_map(params, read)?.collect()
}

fn one<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> Result<T>,
) -> Result<Option<T>> {
    connection.prepare_cached(sql)?.query_row(params, read).optional()
}

fn limit(most: usize) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX)
}

/// The pattern of what holds a text.
fn holding(text: &str) -> String {
    format!("%{}%", text.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_"))
}

/// Conditions of a list, each with the value of its only parameter, if it has one.
#[derive(Default)]
struct Conditions {
    texts: Vec<Cow<'static, str>>,
    values: Vec<Column>,
}

impl Conditions {
    fn add(&mut self, text: impl Into<Cow<'static, str>>) {
        self.texts.push(text.into());
    }

    fn with(&mut self, text: &'static str, value: impl Into<Column>) {
        self.texts.push(text.into());
        self.values.push(value.into());
    }

    /// The conditions as a clause; every condition's `?` stands for its value.
    fn clause(&self) -> String {
        if self.texts.is_empty() { String::new() } else { format!("WHERE {}", self.texts.join(" AND ")) }
    }
}

pub(super) fn issue(connection: &Connection, id: IssueId) -> Result<Option<Issue>> {
    one(connection, &format!("SELECT {ISSUE} FROM issues WHERE id = ?1"), [id.0], rows::issue)
}

pub(super) fn issues(connection: &Connection, filter: &IssueFilter) -> Result<Vec<Issue>> {
    let mut conditions = Conditions::default();
    // An open phase names the small index of open issues too.
    let open = filter.open.or(filter.phase.filter(|phase| phase.is_open()).map(|_| true));
    match open {
        Some(true) => conditions.add("closed_at IS NULL"),
        Some(false) => conditions.add("closed_at IS NOT NULL"),
        None => {}
    }
    if let Some(phase) = filter.phase {
        conditions.with("phase = ?", phase.name().to_owned());
    }
    if let Some(outcome) = filter.outcome {
        conditions.with("outcome = ?", outcome.name().to_owned());
    }
    if let Some(rule) = &filter.rule {
        conditions.with("rule = ?", rule.clone());
    }
    if let Some(fingerprint) = filter.fingerprint {
        conditions.with("fingerprint = ?", fingerprint.0.cast_signed());
    }
    if !filter.among.is_empty() {
        // A JSON list is one value, however many numbers it has.
        let among: Vec<i64> = filter.among.iter().map(|id| id.0).collect();
        let among = serde_json::to_string(&among).unwrap_or_default();
        conditions.with("id IN (SELECT value FROM json_each(?))", among);
    }
    if let Some(gravity) = filter.gravity {
        conditions.add(gravity::is(gravity, "alert ->> '$.labels.severity'"));
    }
    if let Some(severity) = &filter.severity {
        conditions.with("alert ->> '$.labels.severity' = ?", severity.clone());
    }
    if let Some(namespace) = &filter.namespace {
        conditions.with("alert ->> '$.labels.namespace' = ?", namespace.clone());
    }
    if let Some(resource) = &filter.resource {
        conditions.with("resource LIKE ? ESCAPE '\\'", holding(resource));
    }
    if let Some(component) = filter.component {
        conditions.with("component = ?", component.name().to_owned());
    }
    if let Some(text) = &filter.text {
        let within = "coalesce(rule, '') || ' ' || resource || ' ' || why || ' ' || alert LIKE ? ESCAPE '\\'";
        conditions.with(within, holding(text));
    }
    if let Some(since) = filter.since {
        conditions.with("received_at >= ?", micros(since));
    }
    if let Some(until) = filter.until {
        conditions.with("received_at < ?", micros(until));
    }
    if let Some(before) = filter.before {
        conditions.with("id < ?", before.0);
    }
    let most = filter.limit.clamp(1, ISSUES_MAX);
    let clause = conditions.clause();
    let sql = format!("SELECT {ISSUE} FROM issues {clause} ORDER BY id DESC LIMIT {most}");
    all(connection, &sql, params_from_iter(conditions.values), rows::issue)
}

pub(super) fn story(connection: &Connection, id: IssueId) -> Result<Option<Story>> {
    let Some(issue) = issue(connection, id)? else { return Ok(None) };
    let select =
        |columns, table, order| format!("SELECT {columns} FROM {table} WHERE issue = ?1 ORDER BY {order}");
    Ok(Some(Story {
        issue,
        records: all(connection, &select(RECORD, "records", "id"), [id.0], rows::record)?,
        remediations: all(
            connection,
            &select(REMEDIATION, "remediations", "sequence"),
            [id.0],
            rows::remediation,
        )?,
        intents: all(connection, &select(INTENT, "intents", "sequence"), [id.0], rows::intent)?,
        approvals: all(connection, &select(APPROVAL, "approvals", "sequence"), [id.0], rows::approval)?,
        forgotten: history::forgotten(connection, id)?,
    }))
}

pub(super) fn next_look(connection: &Connection, now: Timestamp) -> Result<Option<Timestamp>> {
    let sql = "SELECT wake_at FROM issues
               WHERE wake_at IS NOT NULL AND closed_at IS NULL AND (held_until IS NULL OR held_until <= ?1)
               ORDER BY wake_at LIMIT 1";
    let soonest = one(connection, sql, [micros(now)], |row| row.get(0))?;
    Ok(soonest.map(|Time(time)| time))
}

pub(super) fn due(connection: &Connection, now: Timestamp, most: usize) -> Result<usize> {
    let sql = "SELECT count(*) FROM (
                   SELECT 1 FROM issues
                   WHERE wake_at <= ?1 AND wake_at IS NOT NULL AND closed_at IS NULL
                       AND (held_until IS NULL OR held_until <= ?1) LIMIT ?2)";
    let count: Option<i64> = one(connection, sql, [micros(now), limit(most)], |row| row.get(0))?;
    Ok(count.and_then(|count| usize::try_from(count).ok()).unwrap_or_default())
}

pub(super) fn openings_since(
    connection: &Connection,
    rule: &str,
    since: Timestamp,
    most: u32,
) -> Result<u32> {
    let sql = "SELECT count(*) FROM (SELECT 1 FROM issues WHERE rule = ?1 AND received_at >= ?2 LIMIT ?3)";
    connection.prepare_cached(sql)?.query_row(params![rule, Time(since), most], |row| row.get(0))
}

pub(super) fn endings_since(connection: &Connection, since: Timestamp) -> Result<Vec<(Outcome, u64)>> {
    let sql = "SELECT outcome, count(*) FROM remediations
               WHERE ended_at >= ?1 AND outcome IS NOT NULL GROUP BY outcome ORDER BY outcome";
    all(connection, sql, [micros(since)], |row| {
        let (Name(outcome), count): (_, i64) = (row.get(0)?, row.get(1)?);
        Ok((outcome, count.cast_unsigned()))
    })
}

pub(super) fn open_fingerprints(connection: &Connection) -> Result<Vec<(Fingerprint, IssueId, Timestamp)>> {
    let sql = "SELECT fingerprint, id, starts_at FROM issues
               WHERE closed_at IS NULL AND resolved_at IS NULL ORDER BY id";
    all(connection, sql, [], |row| {
        let Print(fingerprint) = row.get(0)?;
        let Time(starts_at) = row.get(2)?;
        Ok((fingerprint, IssueId(row.get(1)?), starts_at))
    })
}

pub(super) fn remediations(connection: &Connection, filter: &RemediationFilter) -> Result<Vec<Remediation>> {
    let mut conditions = Conditions::default();
    if let Some(issue) = filter.issue {
        conditions.with("issue = ?", issue.0);
    }
    match filter.running {
        Some(true) => conditions.add("ended_at IS NULL"),
        Some(false) => conditions.add("ended_at IS NOT NULL"),
        None => {}
    }
    if let Some(rule) = &filter.rule {
        conditions.with("rule = ?", rule.clone());
    }
    if !filter.outcomes.is_empty() {
        // A JSON list is one value, however many names it has.
        let names: Vec<&str> = filter.outcomes.iter().map(|outcome| outcome.name()).collect();
        let names = format!("[\"{}\"]", names.join("\",\""));
        conditions.with("outcome IN (SELECT value FROM json_each(?))", names);
    }
    if let Some(resource) = &filter.resource {
        let of_resource = "issue IN (SELECT id FROM issues WHERE resource LIKE ? ESCAPE '\\')";
        conditions.with(of_resource, holding(resource));
    }
    if let Some(text) = &filter.text {
        let within = "rule || ' ' || why || ' ' || plan || ' ' ||
             coalesce((SELECT resource FROM issues WHERE id = issue), '') LIKE ? ESCAPE '\\'";
        conditions.with(within, holding(text));
    }
    if let Some(since) = filter.since {
        conditions.with("started_at >= ?", micros(since));
    }
    if let Some(until) = filter.until {
        conditions.with("started_at < ?", micros(until));
    }
    if let Some(before) = filter.before {
        let Some(sequence) = sequence(connection, before)? else { return Ok(Vec::new()) };
        conditions.with("sequence < ?", sequence);
    }
    let most = filter.limit.clamp(1, REMEDIATIONS_MAX);
    let clause = conditions.clause();
    let sql = format!("SELECT {REMEDIATION} FROM remediations {clause} ORDER BY sequence DESC LIMIT {most}");
    all(connection, &sql, params_from_iter(conditions.values), rows::remediation)
}

fn sequence(connection: &Connection, id: RemediationId) -> Result<Option<i64>> {
    let sql = "SELECT sequence FROM remediations WHERE issue = ?1 AND ordinal = ?2";
    one(connection, sql, params![id.issue.0, id.ordinal], |row| row.get(0))
}

pub(super) fn remediation(
    connection: &Connection,
    id: RemediationId,
) -> Result<Option<(Remediation, Vec<Intent>)>> {
    let sql = format!("SELECT {REMEDIATION} FROM remediations WHERE issue = ?1 AND ordinal = ?2");
    let row = params![id.issue.0, id.ordinal];
    let Some(remediation) = one(connection, &sql, row, rows::remediation)? else { return Ok(None) };
    let sql = format!("SELECT {INTENT} FROM intents WHERE issue = ?1 AND ordinal = ?2 ORDER BY sequence");
    Ok(Some((remediation, all(connection, &sql, row, rows::intent)?)))
}

/// What must be undone although it helped, and on which nothing later stands of which the same holds.
const LAST_REVERTS: &str = "revert_at IS NOT NULL AND state IN ('done', 'undoing') AND NOT EXISTS (
         SELECT 1 FROM intents later
         WHERE later.target = intents.target AND later.action = intents.action AND later.sequence > intents.sequence
             AND later.revert_at IS NOT NULL AND later.state IN ('done', 'undoing'))";

pub(super) fn undone(connection: &Connection, among: &[RemediationId]) -> Result<Vec<RemediationId>> {
    // A JSON list is one value, however many names it has.
    let among: Vec<_> = among.iter().map(|id| (id.issue.0, id.ordinal)).collect();
    let among = serde_json::to_string(&among).unwrap_or_default();
    let sql = "SELECT DISTINCT issue, ordinal FROM json_each(?1) AS r
               JOIN intents ON issue = r.value ->> 0 AND ordinal = r.value ->> 1
               WHERE state = 'undone'";
    all(connection, sql, [among], |row| {
        Ok(RemediationId { issue: IssueId(row.get(0)?), ordinal: row.get(1)? })
    })
}

pub(super) fn reverts_due(connection: &Connection, now: Timestamp) -> Result<Vec<Intent>> {
    let sql = format!(
        "SELECT {INTENT} FROM intents WHERE revert_at <= ?1 AND {LAST_REVERTS} ORDER BY revert_at, sequence"
    );
    all(connection, &sql, [micros(now)], rows::intent)
}

pub(super) fn next_revert(connection: &Connection) -> Result<Option<Timestamp>> {
    let sql = format!("SELECT min(revert_at) FROM intents WHERE {LAST_REVERTS}");
    let soonest: Option<Option<Time>> = one(connection, &sql, [], |row| row.get(0))?;
    Ok(soonest.flatten().map(|Time(time)| time))
}

pub(super) fn approval(connection: &Connection, id: &str) -> Result<Option<Approval>> {
    one(connection, &format!("SELECT {APPROVAL} FROM approvals WHERE id = ?1"), [id], rows::approval)
}

pub(super) fn approvals(connection: &Connection, filter: &ApprovalFilter) -> Result<Vec<Approval>> {
    let mut conditions = Conditions::default();
    if filter.only_open {
        conditions.add("answer IS NULL");
    }
    if let Some(before) = &filter.before {
        conditions.with("sequence < (SELECT sequence FROM approvals WHERE id = ?)", before.clone());
    }
    let (clause, most) = (conditions.clause(), filter.limit);
    let sql = format!("SELECT {APPROVAL} FROM approvals {clause} ORDER BY sequence DESC LIMIT {most}");
    all(connection, &sql, params_from_iter(conditions.values), rows::approval)
}

pub(super) fn failures_since(
    connection: &Connection,
    rule: &str,
    resource: &str,
    since: Timestamp,
) -> Result<u32> {
    let sql = "SELECT coalesce(sum(tries), 0) FROM failures WHERE rule = ?1 AND resource = ?2 AND at >= ?3";
    let row = params![rule, counted_by(resource), Time(since)];
    connection.prepare_cached(sql)?.query_row(row, |row| row.get(0))
}

pub(super) fn successes(connection: &Connection) -> Result<Vec<((String, String), SuccessRecord)>> {
    let sql = "SELECT rule, action, successes, failures FROM successes ORDER BY rule, action";
    all(connection, sql, [], |row| {
        let (successes, failures): (i64, i64) = (row.get(2)?, row.get(3)?);
        let record =
            SuccessRecord { successes: successes.cast_unsigned(), failures: failures.cast_unsigned() };
        Ok(((row.get(0)?, row.get(1)?), record))
    })
}

/// Those before which no other message about the same issue waits for the sink.
const FIRST: &str =
    "NOT EXISTS (SELECT 1 FROM outbox e WHERE e.sink = o.sink AND e.subject = o.subject AND e.id < o.id)";

/// Those that have waited longest beyond their time, in the order in which they were written.
pub(super) fn outbox(
    connection: &Connection,
    sink: &str,
    now: Timestamp,
    most: usize,
) -> Result<Vec<OutboxMessage>> {
    let sql = format!(
        "SELECT {MESSAGE} FROM outbox
         WHERE id IN (SELECT id FROM outbox o WHERE sink = ?1 AND next_at <= ?2 AND {FIRST}
                      ORDER BY next_at, id LIMIT ?3) ORDER BY id"
    );
    all(connection, &sql, params![sink, micros(now), limit(most)], rows::message)
}

pub(super) fn next_delivery(connection: &Connection, sink: &str) -> Result<Option<Timestamp>> {
    let sql = format!("SELECT next_at FROM outbox o WHERE sink = ?1 AND {FIRST} ORDER BY next_at LIMIT 1");
    let found = one(connection, &sql, [sink], |row| row.get(0))?;
    Ok(found.map(|Time(at)| at))
}

pub(super) fn waiting(connection: &Connection) -> Result<Vec<Waiting>> {
    // Of a group with `min`, other columns are of the row that has it.
    let sql = "SELECT sink, count(*), news, min(id) FROM outbox GROUP BY sink ORDER BY sink";
    all(connection, sql, [], |row| {
        let (count, Json(news)): (i64, Json<News>) = (row.get(1)?, row.get(2)?);
        Ok(Waiting { sink: row.get(0)?, count: count.cast_unsigned(), oldest_at: news.at })
    })
}

pub(super) fn setting(connection: &Connection, key: &str) -> Result<Option<Value>> {
    let found = one(connection, "SELECT value FROM settings WHERE key = ?1", [key], |row| row.get(0))?;
    Ok(found.map(|Json(value)| value))
}

pub(super) fn totals(connection: &Connection) -> Result<Totals> {
    // An issue's number is how many there were before it, and one.
    let opened: Option<i64> =
        one(connection, "SELECT seq FROM sqlite_sequence WHERE name = 'issues'", [], |row| row.get(0))?;
    let open: Option<i64> =
        one(connection, "SELECT count(*) FROM issues WHERE closed_at IS NULL", [], |row| row.get(0))?;
    let ended = all(connection, "SELECT outcome, remediations, duration_micros FROM totals", [], |row| {
        let Name(outcome) = row.get(0)?;
        let (count, micros): (i64, i64) = (row.get(1)?, row.get(2)?);
        Ok((outcome, count.cast_unsigned(), micros))
    })?;
    Ok(Totals {
        issues: opened.unwrap_or(0).cast_unsigned(),
        open_issues: open.unwrap_or(0).cast_unsigned(),
        duration_seconds: ended.iter().map(|(_, _, micros)| *micros as f64 / 1e6).sum(),
        remediations: ended.into_iter().map(|(outcome, count, _)| (outcome, count)).collect(),
    })
}
