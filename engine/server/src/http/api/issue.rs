//! An issue as the API shows it: the fields that dashboards know, and everything else that the journal has.

use jiff::Timestamp;
use schemars::JsonSchema;
use selfheal_core::health::Gravity;
use selfheal_core::issue::{IssueId, Outcome, Phase};
use selfheal_core::labels::{Fingerprint, Labels};
use selfheal_core::rule::{Component, Priority};
use selfheal_runtime::Engine;
use selfheal_runtime::ports::journal::Issue;
use serde::Serialize;
use serde_json::{Map, Number, Value};

use super::schema;

/// An issue.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "Issue")]
pub(super) struct IssueView<'a> {
    /// `issue-17`.
    #[schemars(with = "schema::IssueName")]
    id: String,
    /// The alert's name.
    r#type: &'a str,
    /// The alert's `severity` label; empty where it has none.
    severity: &'a str,
    /// How bad it is, by that label or else by the priority of its rule.
    #[schemars(with = "schema::Gravity")]
    gravity: Gravity,
    resource: &'a str,
    /// The first of the annotations `description`, `summary`, `message`.
    description: &'a str,
    /// When selfheal first heard of it.
    detected_at: Timestamp,
    /// The annotations that are numbers.
    metrics: Map<String, Value>,
    /// Where it is on its way.
    #[schemars(with = "schema::Phase")]
    phase: Phase,
    /// How it ended, or how its last remediation did.
    #[schemars(with = "Option<schema::Outcome>")]
    outcome: Option<Outcome>,
    /// Why that outcome, or why it waits.
    why: &'a str,
    /// The rule that treats it.
    rule: Option<&'a str>,
    #[schemars(with = "Option<schema::Priority>")]
    priority: Option<Priority>,
    /// The part of the health score on which it weighs.
    #[schemars(with = "Option<schema::Component>")]
    component: Option<Component>,
    /// What it costs the health score while it fires.
    points: u32,
    #[schemars(with = "String")]
    fingerprint: Fingerprint,
    /// Since when the alert fires, as its sender says.
    starts_at: Timestamp,
    resolved_at: Option<Timestamp>,
    closed_at: Option<Timestamp>,
    /// What keeps its alert quiet at Alertmanager, if something does: a silence, another alert, a mute.
    suppressed_by: Option<String>,
    /// When it is looked at next.
    wake_at: Option<Timestamp>,
    /// The escalation level, from 0.
    level: u32,
    #[schemars(with = "schema::Labels")]
    labels: &'a Labels,
    #[schemars(with = "schema::Labels")]
    annotations: &'a Labels,
    generator_url: &'a str,
    /// How many remediations it has had.
    remediations: u32,
    trace: &'a str,
}

impl<'a> IssueView<'a> {
    pub(super) fn of(issue: &'a Issue, engine: &Engine) -> Self {
        let alert = &issue.alert;
        let description =
            ["description", "summary", "message"].iter().find_map(|name| alert.annotations.get(name));
        let gravity = Gravity::of(alert.labels.get("severity"), issue.priority);
        Self {
            id: name(issue.id),
            r#type: alert.name(),
            severity: alert.labels.get("severity").unwrap_or_default(),
            gravity,
            resource: &issue.resource,
            description: description.unwrap_or_default(),
            detected_at: issue.received_at,
            metrics: numbers(&alert.annotations),
            phase: issue.phase,
            outcome: issue.outcome,
            why: &issue.why,
            rule: issue.rule.as_deref(),
            priority: issue.priority,
            component: issue.component,
            points: gravity.points(),
            fingerprint: issue.fingerprint,
            starts_at: alert.starts_at,
            resolved_at: issue.resolved_at,
            closed_at: issue.closed_at,
            suppressed_by: engine.suppressed(issue),
            wake_at: issue.wake_at,
            level: issue.level,
            labels: &alert.labels,
            annotations: &alert.annotations,
            generator_url: &alert.generator_url,
            remediations: issue.remediations,
            trace: &issue.trace,
        }
    }
}

fn name(id: IssueId) -> String {
    id.to_string()
}

/// What an alert says in numbers: the annotations that are one, such as `value: "{{ $value }}"`.
fn numbers(annotations: &Labels) -> Map<String, Value> {
    let number = |text: &str| text.trim().parse().ok().and_then(Number::from_f64).map(Value::Number);
    annotations.iter().filter_map(|(name, text)| Some((name.to_owned(), number(text)?))).collect()
}
