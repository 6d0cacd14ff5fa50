use selfheal_contract::settings::{Collector, Faults, Key, Location, Node, Value};
use serde_json::json;

use super::*;

/// A section from JSON, every value standing at the file's start.
fn node(json: &serde_json::Value) -> Node {
    let at = Location::START;
    let value = match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Bool(*value),
        serde_json::Value::Number(value) => Value::Integer(value.as_i64().unwrap()),
        serde_json::Value::String(value) => Value::Text(value.clone()),
        serde_json::Value::Array(items) => Value::List(items.iter().map(node).collect()),
        serde_json::Value::Object(entries) => Value::Map(
            entries.iter().map(|(name, value)| (Key { name: name.clone(), at }, node(value))).collect(),
        ),
    };
    Node { value, at }
}

fn settings(json: &serde_json::Value) -> Result<Settings, Faults> {
    let collector = Collector::default();
    let settings = check(&mut Section::root(&node(json), &collector));
    collector.accept(settings)
}

#[test]
fn nothing_configured_is_no_fault() {
    let Ok(settings) = settings(&json!({})) else { panic!("no fault was expected") };
    assert!(settings.clusters.is_empty() && settings.settable.is_empty() && settings.source.is_none());
}

#[test]
fn clusters_and_the_source_are_read() {
    let json = json!({
        "clusters": {
            "main": { "bootstrap": "kafka-0.prod:9092, kafka-1.prod:9092" },
            "other": {
                "bootstrap": "[::1]:9093",
                "security": "sasl_plaintext",
                "sasl": { "user": "heal", "password": "s3cret" },
            },
        },
        "settable": ["retention.ms"],
        "source": { "cluster": "main", "topic": "alerts" },
    });
    let Ok(settings) = settings(&json) else { panic!("no fault was expected") };
    let [main, other] = &settings.clusters[..] else { panic!("two clusters were expected") };
    assert_eq!(main.properties[0], ("bootstrap.servers", "kafka-0.prod:9092,kafka-1.prod:9092".to_owned()));
    assert!(other.properties.contains(&("sasl.mechanisms", "PLAIN".to_owned())));
    assert!(other.properties.contains(&("sasl.password", "s3cret".to_owned())));
    let Some(source) = settings.source else { panic!("a source was expected") };
    assert_eq!((source.topic.as_str(), source.group.as_str()), ("alerts", "selfheal"));
}

#[test]
fn faults_name_the_value_and_show_no_secret() {
    let cluster = |fields: serde_json::Value| json!({ "clusters": { "main": fields } });
    let login = json!({ "user": "heal", "password": "hunter2" });
    let with_source = |source: serde_json::Value| json!({ "clusters": { "main": { "bootstrap": "a:1" } }, "source": source });
    let cases = [
        (cluster(json!({})), "clusters.main.bootstrap: required, but missing"),
        (cluster(json!({ "bootstrap": "a:b" })), "\"a:b\" is no broker's address"),
        (cluster(json!({ "bootstrap": "a:1,http://x" })), "\"http://x\" is no broker's address"),
        (cluster(json!({ "bootstrap": " , " })), "names no broker"),
        (cluster(json!({ "bootstrap": "a:1", "security": "tls" })), "expected one of plaintext, ssl"),
        (cluster(json!({ "bootstrap": "a:1", "security": "sasl_plaintext" })), "needs a login"),
        (cluster(json!({ "bootstrap": "a:1", "sasl": login })), "a login is not used"),
        (cluster(json!({ "bootstrap": "a:1", "ca": "x" })), "without TLS"),
        (
            cluster(json!({ "bootstrap": "a:1", "certificate": "x", "key": "hunter2" })),
            "main.key: says nothing",
        ),
        (cluster(json!({ "bootstrap": "a:1", "certificate": "x" })), "needs its key"),
        (cluster(json!({ "bootstrap": "a:1", "key": "hunter2" })), "needs its certificate"),
        (cluster(json!({ "bootstrap": "a:1", "key_password": "hunter2" })), "no key that it opens"),
        (cluster(json!({ "bootstrap": "a:1", "bootsrap": "x" })), "known here"),
        (json!({ "clusters": { "a/b": { "bootstrap": "a:1" } } }), "found \"a/b\""),
        (json!({ "settable": ["Retention"] }), "no key of a topic's configuration"),
        (json!({ "timeout": "1h" }), "timeout: must be between"),
        (json!({ "source": { "topic": "alerts" } }), "0 clusters are configured"),
        (with_source(json!({ "topic": "alerts", "cluster": "x" })), "no cluster \"x\""),
        (with_source(json!({ "topic": "a/b" })), "no name of a topic"),
        (with_source(json!({ "topic": "a", "dead_letters": "a" })), "from which alerts are taken"),
        (with_source(json!({})), "source.topic: required, but missing"),
    ];
    for (json, expected) in cases {
        let Err(faults) = settings(&json) else { panic!("{json} was accepted") };
        let text = faults.to_string();
        assert!(text.contains(expected), "{json}: {text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}

/// What a client shows of itself, and by whom it knows brokers.
#[cfg(feature = "tls")]
#[test]
fn certificates_reach_the_library() {
    let read = |fields: serde_json::Value| {
        let Ok(mut settings) = settings(&json!({ "clusters": { "main": fields } })) else {
            panic!("no fault was expected")
        };
        settings.clusters.remove(0).properties
    };
    let bare = read(json!({ "bootstrap": "a:1", "security": "ssl" }));
    assert!(bare.contains(&("ssl.ca.location", "probe".to_owned())), "{bare:?}");
    let shown = read(json!({
        "bootstrap": "a:1", "security": "ssl", "ca": "authority", "certificate": "own", "key": "secret", "key_password": "opens",
    }));
    let expected = [
        ("ssl.ca.pem", "authority"),
        ("ssl.certificate.pem", "own"),
        ("ssl.key.pem", "secret"),
        ("ssl.key.password", "opens"),
    ];
    assert_eq!(shown[2..], expected.map(|(name, value)| (name, value.to_owned())));
}

#[test]
fn what_needs_tls_names_the_feature() {
    let cases = [
        json!({ "bootstrap": "a:1", "security": "ssl" }),
        json!({ "bootstrap": "a:1", "security": "sasl_ssl", "sasl": { "user": "u", "password": "p" } }),
        json!({ "bootstrap": "a:1", "security": "sasl_plaintext",
            "sasl": { "mechanism": "scram-sha-512", "user": "u", "password": "p" } }),
    ];
    for fields in cases {
        let read = settings(&json!({ "clusters": { "main": fields } }));
        if cfg!(feature = "tls") {
            assert!(read.is_ok(), "{fields}");
        } else {
            let Err(faults) = read else { panic!("{fields} was accepted") };
            assert!(faults.to_string().contains("kafka-tls"), "{faults}");
        }
    }
}
