//! Short ways to compile and to ask a rule.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use selfheal_core::alert::{Alert, AlertStatus};
use selfheal_core::condition::{ProbeCall, Reading};
use selfheal_core::labels::Labels;
use selfheal_core::plan::{Decision, Plan};
use selfheal_core::span::Span;
use selfheal_core::success::SuccessRecord;
use selfheal_script::{Compiler, Diagnostic, Limits, Observed, Rule, RuleFault, View};
use serde_json::{Value, json};

use crate::catalog::catalog;

pub fn settings() -> BTreeMap<String, Value> {
    BTreeMap::from([
        ("kafka_lag_threshold".into(), json!(15_000)),
        ("postgres_conn_threshold".into(), json!(0.85)),
        ("teams".into(), json!({ "db": "storage" })),
    ])
}

/// One compiler for all tests. Its clock stands still, so that a slow machine stops nothing.
pub static COMPILER: LazyLock<Compiler> = LazyLock::new(|| {
    Compiler::with_clock(&catalog(), settings(), Limits::default(), Arc::new(|| std::time::Duration::ZERO))
});

/// A rule named `x` with a header before this text.
pub fn with_header(text: &str) -> String {
    format!("const RULE = #{{ matchers: [`alertname=\"X\"`] }};\n{text}")
}

pub fn compile(text: &str) -> Result<Rule, Vec<Diagnostic>> {
    COMPILER.compile("x", text)
}

#[track_caller]
pub fn rule(text: &str) -> Rule {
    compile(text).unwrap_or_else(|faults| panic!("{}\n{text}", texts(&faults)))
}

pub fn texts(faults: &[Diagnostic]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

pub fn view() -> View {
    view_of(&[
        ("alertname", "X"),
        ("namespace", "shop"),
        ("rollout", "web"),
        ("app", "web"),
        ("database", "main"),
    ])
}

pub fn view_of(labels: &[(&str, &str)]) -> View {
    let labels: Labels = labels.iter().copied().collect();
    let alert = Alert {
        status: AlertStatus::Firing,
        fingerprint: labels.fingerprint(),
        labels,
        annotations: [("summary", "it \"burns\"")].into_iter().collect(),
        starts_at: "2026-11-22T03:34:39Z".parse().expect("a time"),
        ends_at: None,
        generator_url: "http://prometheus/graph".into(),
        heard_by: None,
    };
    View::new(alert, Span::from_millis(90_500), 1)
}

pub fn readings(of: &[(&str, Value)]) -> BTreeMap<String, Observed> {
    of.iter()
        .map(|(name, value)| ((*name).to_owned(), observed(name, Reading::Known(value.clone()))))
        .collect()
}

/// What `observe` asked for by this name, with an answer: a rollout, a database's connections, or what no adapter has.
pub fn observed(name: &str, reading: Reading) -> Observed {
    let (adapter, probe) = match name {
        "rollout" => ("argo", "rollout"),
        "db" => ("pg", "connections"),
        _ => ("gone", "gone"),
    };
    let probe =
        ProbeCall { adapter: adapter.to_owned(), probe: probe.to_owned(), params: serde_json::Map::new() };
    Observed { probe, reading }
}

/// What a rule with this body of `plan` decides.
pub fn plan(body: &str) -> Result<Decision, RuleFault> {
    let text = with_header(&format!("fn plan(alert, seen) {{\n{body}\n}}"));
    rule(&text)
        .plan(&view(), &readings(&[("db", json!({ "share": 0.9, "by": { "user": 3 }, "list": [1, 2, 3] }))]))
}

/// The same for an expression, as the text that `skip` says.
pub fn says(expression: &str) -> Result<String, RuleFault> {
    match plan(&format!("let result = {expression};\nskip(`${{result}}`)"))? {
        Decision::Skip(text) => Ok(text),
        Decision::Act(draft) => panic!("{draft:?}"),
    }
}

pub fn settle(decision: Decision) -> Plan {
    match decision {
        Decision::Act(draft) => {
            draft.resolve(0, &|_| SuccessRecord::default()).expect("level 0 has a plan").0
        }
        Decision::Skip(why) => panic!("skipped: {why}"),
    }
}
