//! The questions that the journal answers.

use jiff::Timestamp;
use selfheal_core::issue::IssueId;
use selfheal_core::remediation::RemediationId;
use selfheal_runtime::ports::journal::{ApprovalFilter, IssueFilter, ReceiptId, RemediationFilter};

use crate::counted::counted_by;
use crate::gravity;

use super::columns::{self, micros};
use super::connection::{Bound, Sql, sql};
use super::rows::{APPROVAL, COURSE, INTENT, ISSUE, MESSAGE, RECEIPT, RECORD, REMEDIATION};

/// The most issues of one answer.
const ISSUES_MAX: u32 = 1_000;
/// The most remediations of one answer.
const REMEDIATIONS_MAX: u32 = 10_000;

fn limit(most: usize) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX)
}

/// A label of an issue's alert. PostgreSQL cannot give out the character with the number 0: an alert that holds one
/// anywhere has no labels here, rather than keep all others from being listed.
fn label(name: &str) -> String {
    format!(r"CASE WHEN strpos(alert, '\u0000') = 0 THEN alert::json -> 'labels' ->> '{name}' END")
}

/// A text to compare with, as PostgreSQL takes it.
fn plain(text: &str) -> String {
    columns::text(text).into_owned()
}

/// The pattern of what holds a text.
fn holding(text: &str) -> String {
    format!("%{}%", plain(text).replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_"))
}

/// What the issue of a remediation is about.
const RESOURCE: &str = "(SELECT resource FROM issues WHERE issues.id = issue)";

/// Conditions of a list, each with the value of its only parameter, if it has one.
#[derive(Default)]
struct Conditions {
    texts: Vec<String>,
    values: Vec<Bound<'static>>,
}

impl Conditions {
    fn add(&mut self, text: &str) {
        self.texts.push(text.to_owned());
    }

    /// A comparison with a value, which comes behind it.
    fn with(&mut self, text: &str, value: Bound<'static>) {
        self.values.push(value);
        self.texts.push(format!("{text} ${}", self.values.len()));
    }

    /// A comparison with what is found for a value.
    fn within(&mut self, text: &str, found: &str, value: Bound<'static>) {
        self.values.push(value);
        self.texts.push(format!("{text} {found} = ${})", self.values.len()));
    }

    /// A list with these conditions.
    fn list(self, columns: &str, table: &str, rest: &str) -> Sql<'static> {
        let clause =
            if self.texts.is_empty() { String::new() } else { format!("WHERE {}", self.texts.join(" AND ")) };
        Sql { text: format!("SELECT {columns} FROM {table} {clause} {rest}").into(), values: self.values }
    }
}

pub(super) fn unexpanded(after: ReceiptId, most: usize) -> Sql<'static> {
    sql!(format!("SELECT {RECEIPT} FROM receipts WHERE id > $1 ORDER BY id LIMIT $2"), after.0, limit(most))
}

pub(super) fn issue(id: IssueId) -> Sql<'static> {
    sql!(format!("SELECT {ISSUE} FROM issues WHERE id = $1"), id.0)
}

pub(super) fn issues(filter: &IssueFilter) -> Sql<'static> {
    let mut conditions = Conditions::default();
    // An open phase names the small index of open issues too.
    match filter.open.or(filter.phase.filter(|phase| phase.is_open()).map(|_| true)) {
        Some(true) => conditions.add("closed_at IS NULL"),
        Some(false) => conditions.add("closed_at IS NOT NULL"),
        None => {}
    }
    if let Some(phase) = filter.phase {
        conditions.with("phase =", Box::new(phase.name()));
    }
    if let Some(outcome) = filter.outcome {
        conditions.with("outcome =", Box::new(outcome.name()));
    }
    if let Some(rule) = &filter.rule {
        conditions.with("rule =", Box::new(rule.clone()));
    }
    if let Some(fingerprint) = filter.fingerprint {
        conditions.with("fingerprint =", Box::new(fingerprint.0.cast_signed()));
    }
    if !filter.among.is_empty() {
        let among: Vec<String> = filter.among.iter().map(|id| id.0.to_string()).collect();
        conditions.add(&format!("id IN ({})", among.join(", ")));
    }
    if let Some(gravity) = filter.gravity {
        conditions.add(&gravity::is(gravity, &label("severity")));
    }
    if let Some(severity) = &filter.severity {
        conditions.with(&format!("{} =", label("severity")), Box::new(plain(severity)));
    }
    if let Some(namespace) = &filter.namespace {
        conditions.with(&format!("{} =", label("namespace")), Box::new(plain(namespace)));
    }
    if let Some(resource) = &filter.resource {
        conditions.with("resource ILIKE", Box::new(holding(resource)));
    }
    if let Some(component) = filter.component {
        conditions.with("component =", Box::new(component.name()));
    }
    if let Some(text) = &filter.text {
        let within = "coalesce(rule, '') || ' ' || resource || ' ' || why || ' ' || alert ILIKE";
        conditions.with(within, Box::new(holding(text)));
    }
    if let Some(since) = filter.since {
        conditions.with("received_at >=", Box::new(micros(since)));
    }
    if let Some(until) = filter.until {
        conditions.with("received_at <", Box::new(micros(until)));
    }
    if let Some(before) = filter.before {
        conditions.with("id <", Box::new(before.0));
    }
    let most = filter.limit.clamp(1, ISSUES_MAX);
    conditions.list(ISSUE, "issues", &format!("ORDER BY id DESC LIMIT {most}"))
}

/// The issue, its records, its remediations, their intents, its approvals, and what is kept of forgotten remediations.
pub(super) fn story(id: IssueId) -> Vec<Sql<'static>> {
    let of_issue = |columns: &str, table: &str, order: &str| {
        sql!(format!("SELECT {columns} FROM {table} WHERE issue = $1 ORDER BY {order}"), id.0)
    };
    vec![
        issue(id),
        of_issue(RECORD, "records", "id"),
        of_issue(REMEDIATION, "remediations", "sequence"),
        of_issue(INTENT, "intents", "sequence"),
        of_issue(APPROVAL, "approvals", "sequence"),
        of_issue(COURSE, "courses", "ordinal"),
    ]
}

pub(super) fn openings_since(rule: String, since: Timestamp, most: u32) -> Sql<'static> {
    sql!(
        "SELECT count(*) AS issues FROM (
             SELECT FROM issues WHERE rule = $1 AND received_at >= $2 LIMIT $3) AS some",
        rule,
        micros(since),
        i64::from(most)
    )
}

pub(super) fn endings_since(since: Timestamp) -> Sql<'static> {
    sql!(
        "SELECT outcome, count(*) AS remediations FROM remediations
         WHERE ended_at >= $1 AND outcome IS NOT NULL GROUP BY outcome ORDER BY outcome",
        micros(since)
    )
}

/// When a remediation's first effect had been applied.
pub(super) const EFFECT_AT: &str = "(SELECT min(applied_at) FROM intents
     WHERE intents.issue = remediations.issue AND intents.ordinal = remediations.ordinal)";

/// The issues that were open at a time or later; the remediations of the same issues, with those whose details were
/// forgotten.
pub(super) fn episodes(since: Timestamp, most: usize) -> Vec<Sql<'static>> {
    const OPEN_SINCE: &str =
        "FROM issues WHERE closed_at IS NULL OR closed_at >= $1 ORDER BY id DESC LIMIT $2";
    vec![
        sql!(
            format!(
                "SELECT id, {} AS name, {} AS severity, rule, priority, component,
                     resource, starts_at, received_at, resolved_at, closed_at, outcome {OPEN_SINCE}",
                label("alertname"),
                label("severity")
            ),
            micros(since),
            limit(most)
        ),
        sql!(
            format!(
                "WITH open AS MATERIALIZED (SELECT id {OPEN_SINCE})
                 SELECT issue, ordinal, rule, started_at, ended_at, outcome, effect_at
                 FROM courses WHERE issue IN (SELECT id FROM open)
                 UNION ALL SELECT issue, ordinal, rule, started_at, ended_at, outcome, {EFFECT_AT}
                 FROM remediations WHERE issue IN (SELECT id FROM open) ORDER BY issue, ordinal"
            ),
            micros(since),
            limit(most)
        ),
    ]
}

pub(super) fn open_fingerprints() -> Sql<'static> {
    sql!(
        "SELECT fingerprint, id, starts_at FROM issues
         WHERE closed_at IS NULL AND resolved_at IS NULL ORDER BY id"
    )
}

pub(super) fn remediations(filter: &RemediationFilter) -> Sql<'static> {
    let mut conditions = Conditions::default();
    if let Some(issue) = filter.issue {
        conditions.with("issue =", Box::new(issue.0));
    }
    match filter.running {
        Some(true) => conditions.add("ended_at IS NULL"),
        Some(false) => conditions.add("ended_at IS NOT NULL"),
        None => {}
    }
    if let Some(rule) = &filter.rule {
        conditions.with("rule =", Box::new(plain(rule)));
    }
    if !filter.outcomes.is_empty() {
        let names: Vec<&str> = filter.outcomes.iter().map(|outcome| outcome.name()).collect();
        conditions.add(&format!("outcome IN ('{}')", names.join("', '")));
    }
    if let Some(resource) = &filter.resource {
        conditions.with(&format!("{RESOURCE} ILIKE"), Box::new(holding(resource)));
    }
    if let Some(text) = &filter.text {
        let within = format!("rule || ' ' || why || ' ' || plan || ' ' || coalesce({RESOURCE}, '') ILIKE");
        conditions.with(&within, Box::new(holding(text)));
    }
    if let Some(since) = filter.since {
        conditions.with("started_at >=", Box::new(micros(since)));
    }
    if let Some(until) = filter.until {
        conditions.with("started_at <", Box::new(micros(until)));
    }
    if let Some(RemediationId { issue, ordinal }) = filter.before {
        let find =
            format!("SELECT sequence FROM remediations WHERE issue = {} AND ordinal = {ordinal}", issue.0);
        conditions.add(&format!("sequence < ({find})"));
    }
    let most = filter.limit.clamp(1, REMEDIATIONS_MAX);
    conditions.list(REMEDIATION, "remediations", &format!("ORDER BY sequence DESC LIMIT {most}"))
}

/// The remediation, its intents.
pub(super) fn remediation(id: RemediationId) -> Vec<Sql<'static>> {
    let (issue, ordinal) = (id.issue.0, i64::from(id.ordinal));
    vec![
        sql!(
            format!("SELECT {REMEDIATION} FROM remediations WHERE issue = $1 AND ordinal = $2"),
            issue,
            ordinal
        ),
        sql!(
            format!("SELECT {INTENT} FROM intents WHERE issue = $1 AND ordinal = $2 ORDER BY sequence"),
            issue,
            ordinal
        ),
    ]
}

/// What must be undone although it helped, and on which nothing later stands of which the same holds.
const LAST_REVERTS: &str = "revert_at IS NOT NULL AND state IN ('done', 'undoing') AND NOT EXISTS (
         SELECT 1 FROM intents later
         WHERE later.target = intents.target AND later.action = intents.action AND later.sequence > intents.sequence
             AND later.revert_at IS NOT NULL AND later.state IN ('done', 'undoing'))";

pub(super) fn undone(among: &[RemediationId]) -> Sql<'static> {
    let (issues, ordinals): (Vec<i64>, Vec<i64>) =
        among.iter().map(|id| (id.issue.0, i64::from(id.ordinal))).unzip();
    sql!(
        "SELECT DISTINCT issue, ordinal FROM unnest($1::bigint[], $2::bigint[]) AS r (issue, ordinal)
         JOIN intents USING (issue, ordinal) WHERE state = 'undone'",
        issues,
        ordinals
    )
}

pub(super) fn reverts_due(now: Timestamp) -> Sql<'static> {
    sql!(
        format!(
            "SELECT {INTENT} FROM intents WHERE revert_at <= $1 AND {LAST_REVERTS} ORDER BY revert_at, sequence"
        ),
        micros(now)
    )
}

pub(super) fn next_revert() -> Sql<'static> {
    sql!(format!("SELECT min(revert_at) AS soonest FROM intents WHERE {LAST_REVERTS}"))
}

pub(super) fn approval(id: String) -> Sql<'static> {
    sql!(format!("SELECT {APPROVAL} FROM approvals WHERE id = $1"), id.replace('\0', "\u{fffd}"))
}

pub(super) fn approvals(filter: &ApprovalFilter) -> Sql<'static> {
    let mut conditions = Conditions::default();
    if filter.only_open {
        conditions.add("answer IS NULL");
    }
    if let Some(before) = &filter.before {
        let found = "(SELECT sequence FROM approvals asked WHERE asked.id";
        conditions.within("sequence <", found, Box::new(plain(before)));
    }
    conditions.list(APPROVAL, "approvals", &format!("ORDER BY sequence DESC LIMIT {}", filter.limit))
}

pub(super) fn failures_since(rule: String, resource: String, since: Timestamp) -> Sql<'static> {
    sql!(
        "SELECT coalesce(sum(tries), 0)::bigint AS tries FROM failures
         WHERE rule = $1 AND resource = $2 AND at >= $3",
        rule,
        plain(&counted_by(&resource)),
        micros(since)
    )
}

pub(super) fn successes() -> Sql<'static> {
    sql!(
        "SELECT rule, action, sum(successes)::bigint AS successes, sum(failures)::bigint AS failures
         FROM successes GROUP BY rule, action ORDER BY rule, action"
    )
}

/// Those before which no other message about the same issue waits for the sink.
const FIRST: &str =
    "NOT EXISTS (SELECT 1 FROM outbox e WHERE e.sink = o.sink AND e.subject = o.subject AND e.id < o.id)";

pub(super) fn next_delivery(sink: String) -> Sql<'static> {
    sql!(format!("SELECT next_at FROM outbox o WHERE sink = $1 AND {FIRST} ORDER BY next_at LIMIT 1"), sink)
}

/// Those that have waited longest beyond their time, in the order in which they were written.
pub(super) fn outbox(sink: String, now: Timestamp, most: usize) -> Sql<'static> {
    sql!(
        format!(
            "SELECT {MESSAGE} FROM outbox
             WHERE id IN (SELECT id FROM outbox o WHERE sink = $1 AND next_at <= $2 AND {FIRST}
                          ORDER BY next_at, id LIMIT $3) ORDER BY id"
        ),
        sink,
        micros(now),
        limit(most)
    )
}

pub(super) fn waiting() -> Sql<'static> {
    sql!(
        "SELECT o.sink, w.waiting, o.news
         FROM (SELECT sink, count(*) AS waiting, min(id) AS first FROM outbox GROUP BY sink) AS w
         JOIN outbox o ON o.id = w.first ORDER BY o.sink COLLATE \"C\""
    )
}

pub(super) fn setting(key: String) -> Sql<'static> {
    sql!("SELECT value FROM settings WHERE key = $1", key)
}

/// How many issues there were and are open; the ended remediations by outcome.
pub(super) fn totals() -> Vec<Sql<'static>> {
    vec![
        sql!(
            "SELECT (SELECT last FROM numbers) AS opened,
                 (SELECT count(*) FROM issues WHERE closed_at IS NULL) AS open"
        ),
        sql!(
            "SELECT outcome, sum(remediations)::bigint AS remediations, sum(duration_micros)::bigint AS micros
             FROM totals GROUP BY outcome"
        ),
    ]
}
