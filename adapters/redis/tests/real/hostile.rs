//! Labels are data: what looks like a command, a script or a path is a key that is not listed, or a value that is none.

use selfheal_contract::FailureKind;
use selfheal_test_servers::{Redis, require};
use serde_json::{Value, json};

use crate::support::{Shell, Use, adapter, read};

const HOSTILE: [&str; 9] = [
    "",
    "\r\nFLUSHALL\r\n",
    "x\0y",
    "' .. redis.call('FLUSHALL') .. '",
    "\"; DROP TABLE keys; --",
    "*",
    "../../etc/passwd",
    "\u{202e}evil",
    "%s%n{}",
];

#[tokio::test(flavor = "multi_thread")]
async fn hostile_labels_do_nothing() {
    let redis = require!(Redis::start());
    let (shell, adapter) = (Shell::open(&redis.url()), adapter(&redis.url()));
    shell.run::<()>("SET keep me");
    let long = "x".repeat(100_000);
    for text in HOSTILE.into_iter().chain([long.as_str()]) {
        let uses = [
            ("config_set", json!({ "parameter": text, "value": "1" })),
            ("config_set", json!({ "parameter": "maxmemory", "value": text })),
            ("config_set", json!({ "target": text, "parameter": "maxmemory", "value": "1gb" })),
            ("expire_key", json!({ "key": text, "ttl": "1m" })),
            ("expire_key", json!({ "key": "cache:a", "ttl": text })),
            ("trim_list", json!({ "key": text, "keep": 1, "side": "head" })),
            ("trim_list", json!({ "key": "celery", "keep": 1, "side": text })),
            ("kill_client", json!({ "id": text })),
        ];
        for (action, json) in uses {
            let used = Use::of(&adapter, action, json);
            let failure = used.approval().unwrap_err();
            assert_eq!(failure.kind, FailureKind::Refused);
            assert!(!failure.what.contains(['\r', '\n', '\0']), "{action}: {failure}");
            assert!(used.capture().await.is_err() && used.preview().await.is_err(), "{action}");
        }
        if !text.is_empty() && text.len() < 512 {
            // A key of this name that is permitted is just a key.
            let key = format!("q:{text}");
            let length = read(&adapter, "list_length", json!({ "key": key })).await.unwrap();
            assert_eq!(length.field("length"), Ok(&json!(0)), "{text:?}");
            let used = Use::of(
                &adapter,
                "trim_list",
                json!({ "key": key, "keep": 1, "side": "tail", "delete_max": 1 }),
            );
            let prior = used.capture().await.unwrap();
            used.apply(&prior).await.unwrap();
        }
    }
    assert_eq!(shell.run::<String>("GET keep"), "me");
    assert_eq!(shell.run::<u64>("DBSIZE"), 1);
}

#[test]
fn numbers_out_of_range_are_refused() {
    let adapter = adapter("redis://127.0.0.1:1/");
    let trim = |keep: Value, most: Value| {
        let json = json!({ "key": "celery", "keep": keep, "side": "head", "delete_max": most });
        Use::of(&adapter, "trim_list", json).approval()
    };
    for (keep, most) in [
        (json!(0), json!(1)),
        (json!(-1), json!(1)),
        (json!(1.5), json!(1)),
        (json!(u64::MAX), json!(1)),
        (json!(1), json!(u64::MAX)),
        (json!(1), json!(-1)),
        (json!("1"), json!(1)),
    ] {
        assert!(trim(keep.clone(), most.clone()).is_err(), "keep {keep}, delete_max {most}");
    }
    for (idle_for, at_most) in [("0s", 1), ("1s", 0), ("1s", 1001)] {
        let json = json!({ "idle_for": idle_for, "at_most": at_most });
        assert!(Use::of(&adapter, "kill_idle_clients", json).approval().is_err(), "{idle_for} {at_most}");
    }
}
