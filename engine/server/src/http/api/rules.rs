//! `/rules`: what is in use, why newer texts are not, and how each rule has done.

use jiff::Timestamp;
use schemars::JsonSchema;
use selfheal_core::hash::ContentHash;
use selfheal_core::rule::{Component, Escalation, Mode, Priority};
use selfheal_core::span::Span;
use selfheal_core::success::SuccessRecord;
use selfheal_runtime::Engine;
use selfheal_script::{Diagnostic, Rule};
use serde::Serialize;
use serde_json::Value;

use super::super::answer::Fault;
use super::held::StormView;
use super::people::Reason;
use super::{Answered, Call, ok, schema};
use crate::insight::{Held, LastFired};

type Successes = [((String, String), SuccessRecord)];

/// A rule as the API shows it.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "Rule")]
pub(super) struct RuleView<'a> {
    name: &'a str,
    doc: &'a str,
    matchers: Vec<String>,
    #[schemars(with = "schema::Priority")]
    priority: Priority,
    /// How long its alerts must have fired before it decides.
    #[schemars(with = "String")]
    delay: Span,
    /// The least time between two remediations of one target; the operator's minimum counts too.
    #[schemars(with = "String")]
    cooldown: Span,
    #[schemars(with = "schema::Component")]
    component: Component,
    /// How far it may go: the strictest of its own mode and the operator's.
    #[schemars(with = "schema::Mode")]
    mode: Mode,
    #[schemars(with = "schema::AnyObject")]
    escalation: Escalation,
    /// Issues that it was the first rule for, since this process started.
    issues_since_start: u64,
    /// When its latest issue was received, within the last 30 days.
    last_fired_at: Option<Timestamp>,
    /// That issue.
    #[schemars(with = "Option<schema::IssueName>")]
    last_issue: Option<String>,
    /// Set while it has too many new issues within a minute, or a person lets it go on although it has.
    storm: Option<StormView<'a>>,
    /// How often each of its actions was verified to help, and how often it did not, ever.
    success: Vec<SuccessView<'a>>,
    /// What is probably not as it was meant.
    #[schemars(with = "Vec<schema::AnyObject>")]
    warnings: &'a [Diagnostic],
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
}

/// How often an action of a rule was verified to help, and how often it did not, ever.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "Success")]
struct SuccessView<'a> {
    action: &'a str,
    successes: u64,
    failures: u64,
    /// 0 to 1: what `best` orders alternatives by.
    expected_rate: f64,
}

impl<'a> RuleView<'a> {
    fn of(
        rule: &'a Rule,
        engine: &Engine,
        successes: &'a Successes,
        last: &LastFired,
        held: &'a Held,
    ) -> Self {
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
            last_fired_at: last.get(&header.name).map(|(_, at)| *at),
            last_issue: last.get(&header.name).map(|(issue, _)| issue.to_string()),
            storm: held.storms.iter().find(|storm| storm.rule == header.name).map(StormView::of),
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

/// The rule set in use.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "RuleSet")]
pub(super) struct RulesView<'a> {
    /// Grows with every set that is taken into use.
    generation: u64,
    since: Timestamp,
    #[schemars(with = "schema::Hash")]
    hash: ContentHash,
    /// Why the newest texts are not in use.
    refusal: Option<RefusalView>,
    /// Since when an earlier process had these rules, where they are the journal's, because the texts have been refused since
    /// this one started.
    recalled: Option<Timestamp>,
    rules: Vec<RuleView<'a>>,
}

/// Why texts of rules were refused.
#[derive(JsonSchema, Serialize)]
#[schemars(rename = "RefusedRules")]
pub(super) struct RefusalView {
    at: Timestamp,
    /// For people, as a compiler prints it.
    text: String,
    #[schemars(with = "Vec<schema::AnyObject>")]
    diagnostics: Vec<Diagnostic>,
}

/// The rule set in use, and why the newest texts are not.
pub(super) async fn list(call: Call) -> Answered {
    let engine = &call.app.engine;
    let (current, successes) = (engine.rules.current(), engine.journal.successes().await?);
    let (last, held) = (call.app.insight.last_fired().await?, call.app.insight.held().await);
    let rules = current.set.rules().iter().map(|rule| RuleView::of(rule, engine, &successes, &last, &held));
    let refusal = engine.rules.refusal().map(|refusal| {
        let text = rendered(&refusal.diagnostics);
        RefusalView { at: refusal.at, text, diagnostics: refusal.diagnostics.clone() }
    });
    ok(&RulesView {
        generation: current.generation,
        since: current.since,
        hash: current.set.hash(),
        refusal,
        recalled: engine.rules.recalled(),
        rules: rules.collect(),
    })
}

/// One rule with its text.
pub(super) async fn one(call: Call) -> Answered {
    let engine = &call.app.engine;
    let (current, successes) = (engine.rules.current(), engine.journal.successes().await?);
    let rule = current.rule(call.part("name")).ok_or_else(|| missing(call.part("name")))?;
    let (last, held) = (call.app.insight.last_fired().await?, call.app.insight.held().await);
    let mut view = RuleView::of(rule, engine, &successes, &last, &held);
    view.path = Some(&rule.file().path);
    view.text = Some(&rule.file().text);
    ok(&view)
}

/// A storm is over, says a person.
#[derive(JsonSchema, Serialize)]
pub(super) struct Released<'a> {
    rule: &'a str,
    message: &'static str,
    by: &'a str,
}

/// Lets a rule go on for an hour although it is flooded with new issues.
pub(super) async fn release(call: Call) -> Answered {
    Reason::read(&call)?;
    let (engine, name) = (&call.app.engine, call.part("name"));
    if engine.rules.current().rule(name).is_none() {
        return Err(missing(name));
    }
    engine.release_storm(name, &call.caller.name).await?;
    call.app.insight.forget_held().await;
    ok(&Released { rule: name, message: "the rule goes on for an hour", by: &call.caller.name })
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
