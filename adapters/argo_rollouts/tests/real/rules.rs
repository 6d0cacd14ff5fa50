//! Rules against what the adapter says of itself: they compile, decide from a real reading, and their plan's parameters
//! are what the actions take.

use std::collections::BTreeMap;

use async_trait::async_trait;
use selfheal_contract::{AboutProbe, Adapter, Catalog, Failure, FieldSpec, Probe, Reading};
use selfheal_core::alert::{Alert, AlertStatus};
use selfheal_core::labels::Labels;
use selfheal_core::plan::{Decision, Plan};
use selfheal_core::span::Span;
use selfheal_core::success::SuccessRecord;
use selfheal_script::{Compiler, Limits, Rule, View};
use selfheal_test_kubernetes::ApiDouble;
use serde_json::json;

use crate::support::{adapter, furnish, read, run_at};

/// The canary of the design that burns its error budget.
const CANARY: &str = r#"//! Stop a canary that burns the error budget; the stable version keeps serving.

const RULE = #{
    matchers: [`alertname=~"(Predator)?HighErrorRate"`],
    priority: "critical",
    cooldown: "5m",
    component: "compute",
};

/// What to read before deciding.
fn observe(alert) {
    #{ rollout: argo::rollout(alert.labels.namespace, alert.labels.rollout) }
}

/// What to do about it.
fn plan(alert, seen) {
    if seen.rollout.phase != "Progressing" {
        return skip("no canary in progress");
    }
    let ratio = prom::query(`sum(rate(http_requests_total{app="${alert.labels.app}",status=~"5.."}[1m]))
                           / sum(rate(http_requests_total{app="${alert.labels.app}"}[1m]))`);
    fallback([
        argo::pause(alert.labels.namespace, alert.labels.rollout).verify(ratio.below(0.05), "2m"),
        argo::abort(alert.labels.namespace, alert.labels.rollout).verify(ratio.below(0.05), "5m"),
    ])
}
"#;

/// One with every function, what optional parameters there are, and fields of the reading.
const EVERYTHING: &str = r#"//! Every function of the adapter.

const RULE = #{ matchers: [`alertname="HighErrorRate"`], priority: "critical", cooldown: "5m", component: "compute" };

fn observe(alert) {
    #{ rollout: argo::rollout(alert.labels.namespace, alert.labels.rollout, "default") }
}

fn plan(alert, seen) {
    let namespace = alert.labels.namespace;
    let name = alert.labels.rollout;
    let rollout = argo::rollout(namespace, name);
    let stands = seen.rollout;
    if !stands.settled || stands.analysis.phase == "Running" { return skip("not now"); }
    sequence([
        argo::pause(namespace, name).verify(rollout.field("paused").equals(true), "1m"),
        argo::resume(namespace, name).verify(rollout.equals("Healthy"), "10m"),
        argo::promote(namespace, name),
        argo::promote(namespace, name, stands.step + 1).verify(rollout.field("weight").at_least(stands.weight), "1m"),
        argo::promote_fully(namespace, name),
        argo::abort(namespace, name).verify(rollout.field("aborted").equals(true), "1m").keep_on_failure(),
        argo::retry(namespace, name),
        argo::undo(namespace, name, stands.stable),
        argo::restart(namespace, name),
        argo::set_image(namespace, name, "app", "registry.example/shop@sha256:00ff", "default"),
    ])
}
"#;

selfheal_contract::parameters! {
    /// A query.
    pub struct Query {
        /// What is asked.
        pub expression: String,
    }
}

/// Stands in for Prometheus, whose readings these tests do not need.
struct Prometheus;

#[async_trait]
impl Probe for Prometheus {
    type Parameters = Query;

    fn about(&self) -> AboutProbe {
        AboutProbe {
            name: "query",
            doc: "Asks for one value.",
            fields: const { &[FieldSpec { name: "value", doc: "The value." }] },
            main_field: "value",
            permissions: Vec::new(),
        }
    }

    fn check(&self, _: &Query) -> Result<(), Failure> {
        Ok(())
    }

    async fn read(&self, _: &Query) -> Result<Reading, Failure> {
        Ok(Reading::Inconclusive("it stands in".to_owned()))
    }
}

fn rule(adapter: &Adapter, text: &str) -> Rule {
    let prometheus = Adapter {
        name: "prom",
        doc: "Prometheus.",
        probes: vec![std::sync::Arc::new(Prometheus)],
        ..Adapter::default()
    };
    let catalog = Catalog::new([adapter.clone(), prometheus]);
    // A clock that stands still: a slow machine stops no rule.
    let clock = std::sync::Arc::new(|| std::time::Duration::ZERO);
    let compiler = Compiler::with_clock(&catalog, BTreeMap::new(), Limits::default(), clock);
    compiler.compile("rule", text).unwrap_or_else(|faults| {
        panic!("{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    })
}

/// An alert about rollout `web`.
fn view() -> View {
    let labels: Labels =
        [("alertname", "HighErrorRate"), ("namespace", "shop"), ("rollout", "web"), ("app", "web")]
            .into_iter()
            .collect();
    let alert = Alert {
        status: AlertStatus::Firing,
        fingerprint: labels.fingerprint(),
        labels,
        annotations: Labels::default(),
        starts_at: "2026-11-22T16:00:00Z".parse().unwrap(),
        ends_at: None,
        generator_url: "".into(),
    };
    View::new(alert, Span::from_secs(120), 1)
}

/// What the rule decides about the rollout as it is read.
async fn decide(adapter: &Adapter, rule: &Rule) -> Decision {
    let probes = rule.observe(&view()).unwrap();
    let call = &probes["rollout"];
    assert_eq!((call.adapter.as_str(), call.probe.as_str()), ("argo", "rollout"));
    assert_eq!((&call.params["namespace"], &call.params["name"]), (&json!("shop"), &json!("web")));
    let seen = BTreeMap::from([("rollout".to_owned(), read(adapter, "web").await.unwrap())]);
    rule.plan(&view(), &seen).unwrap()
}

fn planned(decision: Decision) -> Plan {
    match decision {
        Decision::Act(draft) => draft.resolve(0, &|_| SuccessRecord::default()).unwrap().0,
        Decision::Skip(why) => panic!("skipped: {why}"),
    }
}

#[tokio::test]
async fn the_canary_of_the_design_is_paused_then_aborted() {
    let double = ApiDouble::start().await;
    furnish(&double);
    let adapter = adapter(&double);
    let rule = rule(&adapter, CANARY);
    assert!(rule.warnings().is_empty(), "{:?}", rule.warnings());
    let decision = decide(&adapter, &rule).await;
    assert_eq!(decision, Decision::Skip("no canary in progress".into()), "it waits at a pause of its steps");

    run_at(&double, "web", 2);
    let plan = planned(decide(&adapter, &rule).await);
    let steps: Vec<String> = plan.steps().iter().map(|step| step.action.text()).collect();
    assert_eq!(
        steps,
        [r#"argo::pause(name: "web", namespace: "shop")"#, r#"argo::abort(name: "web", namespace: "shop")"#]
    );
    run(&adapter, &plan).await;
    let rollout = double.get("rollouts", "shop", "web").unwrap();
    assert_eq!((&rollout["spec"]["paused"], &rollout["status"]["abort"]), (&json!(true), &json!(true)));
}

#[tokio::test]
async fn every_function_is_there_and_takes_what_the_rule_gives() {
    let double = ApiDouble::start().await;
    furnish(&double);
    let adapter = adapter(&double);
    let rule = rule(&adapter, EVERYTHING);
    assert!(rule.warnings().is_empty(), "{:?}", rule.warnings());
    let plan = planned(decide(&adapter, &rule).await);
    let used: std::collections::BTreeSet<&str> =
        plan.steps().iter().map(|step| step.action.action.as_str()).collect();
    assert_eq!(used.len(), adapter.actions.len(), "{used:?}");
    for step in plan.steps() {
        crate::support::action(&adapter, &step.action.action).assess(&step.action.params).unwrap();
    }
}

/// Takes every step of a plan, as the runtime does.
async fn run(adapter: &Adapter, plan: &Plan) {
    for step in plan.steps() {
        let action = crate::support::action(adapter, &step.action.action);
        let prior = action.capture(&step.action.params).await.unwrap();
        action.apply(&step.action.params, &prior, &crate::support::intent()).await.unwrap();
    }
}
