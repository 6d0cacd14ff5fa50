//! `/rules`: what is in use, why newer texts are not, and how each rule has done.

use selfheal_core::rule::{Component, Escalation, Mode, Priority};
use selfheal_core::span::Span;
use selfheal_core::success::SuccessRecord;
use selfheal_runtime::Engine;
use selfheal_script::{Diagnostic, Rule};
use serde::Serialize;
use serde_json::{Value, json};

use super::super::answer::Fault;
use super::query::Query;
use super::{Answered, Call, ok};

type Successes = [((String, String), SuccessRecord)];

/// A rule as the API shows it.
#[derive(Serialize)]
struct RuleView<'a> {
    name: &'a str,
    doc: &'a str,
    matchers: Vec<String>,
    priority: Priority,
    /// How long its alerts must have fired before it decides.
    delay: Span,
    /// The least time between two remediations of one target; the operator's minimum counts too.
    cooldown: Span,
    component: Component,
    /// How far it may go: the strictest of its own mode and the operator's.
    mode: Mode,
    escalation: Escalation,
    /// Issues that it was the first rule for, since this process started.
    issues_since_start: u64,
    /// How often each of its actions helped, ever.
    success: Vec<SuccessView<'a>>,
    /// What is probably not as it was meant.
    warnings: &'a [Diagnostic],
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
}

#[derive(Serialize)]
struct SuccessView<'a> {
    action: &'a str,
    successes: u64,
    failures: u64,
    /// 0 to 1: what `best` orders alternatives by.
    expected_rate: f64,
}

impl<'a> RuleView<'a> {
    fn of(rule: &'a Rule, engine: &Engine, successes: &'a Successes) -> Self {
        let (header, policy) = (rule.header(), &engine.policy);
        let success = successes.iter().filter(|((of, _), _)| *of == header.name);
        Self {
            name: &header.name,
            doc: &header.doc,
            matchers: header.matchers.iter().map(ToString::to_string).collect(),
            priority: header.priority,
            delay: Span::from(policy.delay(header.priority)),
            cooldown: header.cooldown.max(Span::from(policy.cooldown_min)),
            component: header.component,
            mode: policy.mode_for(&header.name, header.mode),
            escalation: header.escalation,
            issues_since_start: engine
                .metrics
                .issues_detected
                .with_label_values(&[header.name.as_str()])
                .get(),
            success: success
                .map(|((_, action), record)| SuccessView {
                    action,
                    successes: record.successes,
                    failures: record.failures,
                    expected_rate: record.expected_rate(),
                })
                .collect(),
            warnings: rule.warnings(),
            path: None,
            text: None,
        }
    }
}

/// The rule set in use, and why the newest texts are not.
pub(super) async fn list(call: Call) -> Answered {
    Query::read(call.request.query_string(), &[])?;
    let engine = &call.app.engine;
    let (current, successes) = (engine.rules.current(), engine.journal.successes().await?);
    let rules = current.set.rules().iter().map(|rule| RuleView::of(rule, engine, &successes));
    let refusal = engine.rules.refusal().map(|refusal| {
        json!({
            "at": refusal.at,
            "text": rendered(&refusal.diagnostics),
            "diagnostics": refusal.diagnostics,
        })
    });
    ok(&json!({
        "generation": current.generation,
        "since": current.since,
        "hash": current.set.hash(),
        "refusal": refusal,
        "rules": rules.collect::<Vec<_>>(),
    }))
}

/// One rule with its text.
pub(super) async fn one(call: Call) -> Answered {
    Query::read(call.request.query_string(), &[])?;
    let engine = &call.app.engine;
    let (current, successes) = (engine.rules.current(), engine.journal.successes().await?);
    let rule = current.rule(call.part("name")).ok_or_else(|| missing(call.part("name")))?;
    let mut view = RuleView::of(rule, engine, &successes);
    view.path = Some(&rule.file().path);
    view.text = Some(&rule.file().text);
    ok(&view)
}

/// Lets a rule go on for an hour although it is flooded with new issues.
pub(super) async fn release(call: Call) -> Answered {
    let (engine, name) = (&call.app.engine, call.part("name"));
    if engine.rules.current().rule(name).is_none() {
        return Err(missing(name));
    }
    engine.release_storm(name, &call.caller.name).await?;
    ok(&json!({ "rule": name, "message": "the rule goes on for an hour", "by": call.caller.name }))
}

fn missing(name: &str) -> Fault {
    let name: String = name.chars().take(64).collect();
    Fault::missing(format!("there is no rule {name:?}")).help("GET /api/self-healing/rules lists them")
}

/// Diagnostics as a compiler prints them.
pub(super) fn rendered(diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n")
}

/// Diagnostics as members of a fault.
pub(super) fn refused(diagnostics: Vec<Diagnostic>) -> Fault {
    let text = rendered(&diagnostics);
    Fault::wrong("the rule cannot be used")
        .help("see diagnostics, or text for people")
        .with("text", Value::String(text))
        .with("diagnostics", serde_json::to_value(diagnostics).unwrap_or_default())
}
