//! The section `postgres`: what is taken, what is refused, and that no password is ever shown.

mod support;

use serde_json::{Value, json};
use support::check;

fn target(target: Value) -> Value {
    json!({ "targets": { "main": target } })
}

#[test]
fn settings_are_checked_whole() {
    let url = "postgres://u:hunter2@127.0.0.1:5432/d";
    let cases = [
        (json!({}), vec![]),
        (target(json!({ "url": url })), vec![]),
        (target(json!({ "url": "postgresql://u@h1,h2:6432/d?sslmode=disable", "password": "x" })), vec![]),
        (target(json!({ "host": "h", "user": "u" })), vec![]),
        (target(json!({ "host": "/run/postgresql", "user": "u", "tls": "prefer" })), vec![]),
        (target(json!({ "url": url, "protected_users": ["a", "b"], "tls": "require" })), vec![]),
        (
            json!({ "statement_timeout": "1s", "connect_timeout": "500ms", "maintenance_timeout": "1h" }),
            vec![],
        ),
        (target(json!({})), vec!["main.host", "main.user"]),
        (target(json!({ "url": url, "host": "h", "port": 1 })), vec!["main.host", "main.port"]),
        (target(json!({ "url": url, "password": "x" })), vec!["main.password"]),
        (target(json!({ "url": "mysql://h" })), vec!["main.url"]),
        (target(json!({ "url": "postgres://h/d" })), vec!["main.url"]),
        (target(json!({ "url": "postgres://u:hunter2/@x:y@h/d" })), vec!["main.url"]),
        (target(json!({ "url": "postgres://u@h/d?sslmode=verify-full" })), vec!["set tls: verify-full"]),
        (target(json!({ "host": "h", "user": "u", "tls": "maybe" })), vec!["main.tls"]),
        (target(json!({ "host": "h", "user": "u", "ca": "x" })), vec!["main.ca"]),
        (target(json!({ "host": "h", "user": "u", "port": 70000 })), vec!["main.port"]),
        (target(json!({ "host": "h", "user": "u", "usr": 1 })), vec!["main.usr"]),
        (json!({ "targets": { "a b": { "host": "h", "user": "u" } } }), vec!["targets"]),
        (json!({ "statement_timeout": "0s", "targts": {} }), vec!["statement_timeout", "targts"]),
    ];
    for (section, expected) in cases {
        let text = section.to_string();
        let faults = check(section).err().map(|faults| faults.to_string()).unwrap_or_default();
        assert_eq!(faults.lines().count(), expected.len(), "{text}: {faults}");
        for part in expected {
            assert!(faults.contains(part), "{text}: wanted {part} in {faults}");
        }
        assert!(!faults.contains("hunter2"), "{text}: {faults}");
    }
}

#[tokio::test]
async fn without_targets_everything_is_refused_with_the_way_out() {
    let adapter = check(json!({})).unwrap();
    for probe in &adapter.probes {
        let params = support::object(json!({ "database": "main" }));
        let failure = probe.read(&params).await.unwrap_err();
        assert_eq!(failure.kind, selfheal_contract::FailureKind::Refused);
    }
    let connections = adapter.probes.iter().find(|probe| probe.about().name == "connections").unwrap();
    let failure = connections.read(&support::object(json!({ "database": "main" }))).await.unwrap_err();
    assert!(failure.what.contains("adapters.postgres.targets"), "{failure}");
}
