//! An issue's story: received, matched, everything that was recorded, and the outcome, in the order of time.

use jiff::Timestamp;
use schemars::JsonSchema;
use selfheal_core::remediation::RemediationId;
use selfheal_runtime::ports::journal::{Issue, Story};
use serde::Serialize;
use serde_json::{Value, json};

/// Who did what nobody else did.
const SELFHEAL: &str = "selfheal";

/// One thing that happened.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "StoryEntry")]
pub(super) struct Entry<'a> {
    at: Timestamp,
    /// `received`, `matched`, what the records say, and `outcome` at the end.
    kind: &'a str,
    actor: &'a str,
    summary: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remediation: Option<String>,
    #[serde(skip_serializing_if = "Value::is_null")]
    facts: Value,
}

/// Tells the whole story.
pub(super) fn tell(story: &Story) -> Vec<Entry<'_>> {
    let issue = &story.issue;
    let mut entries = vec![received(issue), matched(issue)];
    entries.extend(story.records.iter().map(|record| Entry {
        at: record.at,
        kind: &record.kind,
        actor: &record.actor,
        summary: record.summary.clone(),
        remediation: record.remediation.as_ref().map(RemediationId::to_string),
        facts: record.facts.clone(),
    }));
    // Stable: what happened at the same moment stays in the order of the journal.
    entries.sort_by_key(|entry| entry.at);
    if let Some(outcome) = outcome(issue, entries.last().map_or(issue.received_at, |last| last.at)) {
        entries.push(outcome);
    }
    entries
}

fn received(issue: &Issue) -> Entry<'_> {
    let alert = &issue.alert;
    Entry {
        at: issue.received_at,
        kind: "received",
        actor: SELFHEAL,
        summary: format!("alert {} about {}, firing since {}", alert.name(), issue.resource, alert.starts_at),
        remediation: None,
        facts: json!({ "fingerprint": issue.fingerprint, "trace": issue.trace, "labels": alert.labels }),
    }
}

fn matched(issue: &Issue) -> Entry<'_> {
    let summary = match (&issue.rule, issue.priority) {
        (Some(rule), Some(priority)) => format!("rule {rule} is for it, with priority {priority}"),
        (Some(rule), None) => format!("rule {rule} is for it"),
        (None, _) => "no rule is for it".to_owned(),
    };
    let facts = json!({ "rule": issue.rule, "priority": issue.priority, "component": issue.component });
    Entry { at: issue.received_at, kind: "matched", actor: SELFHEAL, summary, remediation: None, facts }
}

/// How it stands: at the time of closing, or of the last thing that happened.
fn outcome(issue: &Issue, last_at: Timestamp) -> Option<Entry<'_>> {
    let outcome = issue.outcome?;
    let summary = match issue.why.as_str() {
        "" => outcome.to_string(),
        why => format!("{outcome}: {why}"),
    };
    Some(Entry {
        at: issue.closed_at.unwrap_or(last_at).max(last_at),
        kind: "outcome",
        actor: SELFHEAL,
        summary,
        remediation: None,
        facts: json!({ "outcome": outcome, "phase": issue.phase, "needs_person": outcome.needs_person() }),
    })
}
