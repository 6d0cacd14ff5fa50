//! The section `checks`.

use super::*;

#[test]
fn checks_are_read_with_what_is_usual() {
    let text = "
settings: {kafka_lag_threshold: 100}
checks:
  interval: 5m
  failures: 2
  each:
    lag: {probe: kafka.lag, params: {group: shop, topics: [a, b]}, above: kafka_lag_threshold}
    share: {probe: pg.connections, at_least: 90, field: total, interval: 5s, timeout: 1s, failures: 1, successes: 2}
    web: {http: shop}
    state: {probe: argo.app, differs: Synced, alert: Drift, severity: medium, labels: {app: shop}, summary: drifted}
";
    let shown = in_force(Some(text), &Around::default());
    let cases = [
        ("/checks/each/lag/above", "100.0"),
        ("/checks/each/lag/params", r#"{"group":"shop","topics":["a","b"]}"#),
        ("/checks/each/lag/interval", r#""5m""#),
        ("/checks/each/lag/failures", "2"),
        ("/checks/each/share/at_least", "90.0"),
        ("/checks/each/share/timeout", r#""1s""#),
        ("/checks/each/share/successes", "2"),
        ("/checks/each/web/probe", r#""health.http""#),
        ("/checks/each/web/params", r#"{"target":"shop"}"#),
        ("/checks/each/web/differs", "true"),
        ("/checks/each/web/alert", r#""web""#),
        ("/checks/each/web/severity", r#""high""#),
        ("/checks/each/state/differs", r#""Synced""#),
        ("/checks/each/state/labels", r#"{"app":"shop"}"#),
    ];
    for (pointer, expected) in cases {
        let found = shown.pointer(pointer).map(Value::to_string).unwrap_or_default();
        assert_eq!(found, expected, "{pointer}");
    }
    // What is shown reads back as the same.
    let again = serde_json::json!({ "checks": shown["checks"] }).to_string();
    assert_eq!(in_force(Some(&again), &Around::default())["checks"], shown["checks"]);
}

#[test]
fn ready_made_checks_come_with_their_adapters() {
    let names = |text: &str| {
        let shown = in_force(Some(text), &Around::default());
        let each = shown["checks"]["each"].as_object().unwrap();
        each.keys().cloned().collect::<Vec<_>>().join(" ")
    };
    let redis = "adapters: {redis: {targets: {main: {url: 'redis://r'}}}}\n";
    assert_eq!(names(redis), "");
    assert_eq!(names(&format!("{redis}checks: {{defaults: true}}")), "redis_memory redis_queue");
    assert_eq!(names("checks: {defaults: true}"), "");
    let own = format!(
        "{redis}settings: {{queue_name: jobs}}\nchecks: {{defaults: true, each: {{redis_memory: {{http: x}}}}}}"
    );
    let shown = in_force(Some(&own), &Around::default());
    assert_eq!(shown["checks"]["each"]["redis_memory"]["probe"], "health.http", "one's own goes before");
    assert_eq!(shown["checks"]["each"]["redis_queue"]["params"]["key"], "jobs");
    assert_eq!(shown["checks"]["each"]["redis_queue"]["labels"]["key"], "jobs");
}

#[test]
fn what_is_wrong_is_told() {
    let cases = [
        ("{above: 1}", "checks.each.a.probe: required, but missing"),
        ("{probe: pg.x, http: y}", "probe and http cannot be used together"),
        ("{probe: pg.x}", "a bound is required"),
        ("{probe: pg.x, above: 1, below: 0}", "above and below cannot be used together"),
        ("{probe: 'pg::x', above: 1}", "did you mean \"pg.x\"?"),
        ("{probe: pg, above: 1}", "expected a probe, found \"pg\""),
        ("{probe: pg.x, above: kafka_lag_treshold}", "did you mean \"kafka_lag_threshold\"?"),
        ("{probe: pg.x, above: queue_name}", "the name of a setting that holds one"),
        ("{probe: pg.x, above: [1]}", "expected a number or the name of a setting, found a list"),
        ("{probe: pg.x, equals: {}}", "expected one value"),
        ("{probe: pg.x, above: 1, params: [a]}", "expected a map of parameters"),
        ("{probe: pg.x, above: 1, params: {a: {}}}", "a: expected a value or a list of values"),
        ("{http: 'http://shop/'}", "expected the name of a target"),
        ("{http: shop, params: {a: 1}}", "http needs no parameters"),
        ("{http: shop, interval: 5s, timeout: 6s}", "6s is longer than the interval, which is 5s"),
        ("{http: shop, interval: 500ms}", "must be between 1s and 1d"),
        ("{http: shop, failures: 0}", "must be between 1 and 100"),
        ("{http: shop, severity: bad}", "expected one of critical"),
        ("{http: shop, labels: {alertname: x}}", "alertname is set by selfheal"),
        ("{http: shop, intervall: 5s}", "did you mean \"interval\"?"),
    ];
    for (check, expected) in cases {
        let page = page(&format!("checks:\n  each:\n    a: {check}\n"));
        assert!(page.contains(expected), "{check}: expected {expected}\n{page}");
    }
    assert!(page("checks: {each: {'a b': {http: x}}}").contains("a name is 1 to 64 letters"));
    // The usual time of a round is no longer than the interval.
    let short = in_force(Some("checks: {each: {a: {http: x, interval: 5s}}}"), &Around::default());
    assert_eq!(short["checks"]["each"]["a"]["timeout"], "5s");
}
