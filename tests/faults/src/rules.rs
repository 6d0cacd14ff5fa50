//! The rules of the replicas: for each kind of alert one, so that every way through the engine is gone often.

/// Where the workloads are.
pub const NAMESPACE: &str = "shop";

/// What an alert may be called, how often it is drawn, and its rule.
pub const ALL: [(&str, u64, &str); 5] = [
    ("Keep", 40, KEEP),
    ("Restart", 25, RESTART),
    ("Grow", 20, GROW),
    ("Futile", 8, FUTILE),
    ("Settle", 7, SETTLE),
];

/// Nothing is done.
const KEEP: &str = r#"
const RULE = #{ matchers: [`alertname="Keep"`], priority: "critical" };
fn plan(alert, seen) { skip("only to be kept") }
"#;

/// One step, which is marked with its intent.
const RESTART: &str = r#"
const RULE = #{ matchers: [`alertname="Restart"`], priority: "critical", cooldown: "5s" };
fn plan(alert, seen) {
    let space = alert.labels.namespace;
    let name = alert.labels.deployment;
    k8s::rollout_restart(space, name).verify(k8s::deployment(space, name).settled.equals(true), "20s")
}
"#;

/// Two steps, of which the first is planned by a reading.
const GROW: &str = r#"
const RULE = #{ matchers: [`alertname="Grow"`], priority: "critical", cooldown: "5s" };
fn observe(alert) { #{ workload: k8s::deployment(alert.labels.namespace, alert.labels.deployment) } }
fn plan(alert, seen) {
    let space = alert.labels.namespace;
    let name = alert.labels.deployment;
    let limit = `${seen.workload.containers.app.memory.limit_units + 1048576}`;
    sequence([
        k8s::memory(space, name, "app", limit),
        k8s::rollout_restart(space, name).verify(k8s::deployment(space, name).settled.equals(true), "20s"),
    ])
}
"#;

/// Nothing helps, and everything is taken back.
const FUTILE: &str = r#"
const RULE = #{ matchers: [`alertname="Futile"`], priority: "critical", cooldown: "5s" };
fn observe(alert) { #{ workload: k8s::deployment(alert.labels.namespace, alert.labels.deployment) } }
fn plan(alert, seen) {
    let space = alert.labels.namespace;
    let name = alert.labels.deployment;
    let never = k8s::deployment(space, name).desired.at_least(1000);
    let limit = `${seen.workload.containers.app.memory.limit_units + 3145728}`;
    fallback([
        k8s::memory(space, name, "app", limit).verify(never, "2s"),
        k8s::cpu(space, name, "app", "3").verify(never, "1s"),
    ])
}
"#;

/// What helps is meant for a time only.
const SETTLE: &str = r#"
const RULE = #{ matchers: [`alertname="Settle"`], priority: "critical", cooldown: "5s" };
fn plan(alert, seen) {
    let space = alert.labels.namespace;
    let name = alert.labels.deployment;
    k8s::cpu(space, name, "app", "2")
        .verify(k8s::deployment(space, name).settled.equals(true), "20s")
        .retry(2, "1s")
        .revert_after("5s")
}
"#;
