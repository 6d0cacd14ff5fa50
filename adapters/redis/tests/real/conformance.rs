//! The conformance kit for every action and every probe.

use std::time::Duration;

use selfheal_contract::conformance::{Trial, describe, try_action, try_probe};
use selfheal_test_servers::{Redis, require, wait_until};
use serde_json::{Value, json};

use crate::support::{Shell, adapter, idler, params};

#[test]
fn everything_is_documented() {
    assert_eq!(describe(&adapter("redis://127.0.0.1:1/")), Vec::<String>::new());
}

/// Runs the kit on one action; `state` is what it changes.
async fn conforms(url: &str, action: &str, json: Value, state: impl Fn() -> Value + Send + Sync) {
    let adapter = adapter(url);
    let action = adapter.actions.iter().find(|candidate| candidate.about().name == action).unwrap();
    let observe =
        || -> std::pin::Pin<Box<dyn Future<Output = Value> + Send>> { Box::pin(std::future::ready(state())) };
    let trial = Trial { action: action.as_ref(), params: params(json), observe: &observe };
    if let Err(fault) = try_action(&trial).await {
        panic!("{fault}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn actions_conform() {
    let redis = require!(Redis::start());
    let shell = Shell::open(&redis.url());
    let url = redis.url();

    for (parameter, value) in [
        ("maxmemory", "200mb"),
        ("maxmemory-policy", "ALLKEYS-LRU"),
        ("maxmemory-policy", "volatile-ttl"),
        ("maxmemory-samples", "10"),
        ("timeout", "300"),
    ] {
        let json = json!({ "parameter": parameter, "value": value });
        conforms(&url, "config_set", json, || json!(shell.config(parameter))).await;
    }

    shell.run::<()>("SET cache:forever x");
    shell.run::<()>("SET cache:later x PX 86400000");
    for key in ["cache:forever", "cache:later"] {
        let state = || json!(shell.run::<i64>(&format!("PEXPIRETIME {key}")));
        conforms(&url, "expire_key", json!({ "key": key, "ttl": "1h" }), state).await;
    }

    for (side, kept) in [("head", ["50", "41"]), ("tail", ["10", "1"])] {
        shell.run::<()>("DEL celery");
        shell.fill("celery", 50);
        let state = || json!(shell.run::<Vec<String>>("LRANGE celery 0 -1"));
        let json = json!({ "key": "celery", "keep": 10, "side": side, "delete_max": 40 });
        conforms(&url, "trim_list", json, state).await;
        let left: Vec<String> = shell.run("LRANGE celery 0 -1");
        assert_eq!([left[0].as_str(), left[9].as_str()], kept, "{side}");
    }

    let _one = idler(&url, "one");
    let id = shell.clients("one")[0];
    conforms(&url, "kill_client", json!({ "id": id }), || json!(shell.clients("one"))).await;

    let _idle: Vec<_> = (0..3).map(|_| idler(&url, "idle")).collect();
    wait_until("the clients have been idle for a second", Duration::from_secs(10), || {
        let list: String = shell.run("CLIENT LIST");
        list.lines().filter(|line| line.contains(" name=idle ")).all(|line| !line.contains(" idle=0 "))
    });
    let state = || json!(shell.clients("idle").len());
    conforms(&url, "kill_idle_clients", json!({ "idle_for": "1s", "at_most": 2 }), state).await;
    assert_eq!(shell.clients("idle").len(), 1, "no more than asked for");
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_conform() {
    let redis = require!(Redis::start());
    let shell = Shell::open(&redis.url());
    shell.run::<()>("CONFIG SET maxmemory 100mb");
    shell.run::<()>("RPUSH celery a b c");
    shell.run::<()>("SET cache:a x PX 86400000");
    let adapter = adapter(&redis.url());
    let observe = || -> std::pin::Pin<Box<dyn Future<Output = Value> + Send>> {
        let state = json!([
            shell.run::<Vec<String>>("LRANGE celery 0 -1"),
            shell.run::<i64>("PEXPIRETIME cache:a"),
            shell.run::<Vec<String>>("CONFIG GET *"),
        ]);
        Box::pin(std::future::ready(state))
    };
    for probe in &adapter.probes {
        let json = match probe.about().name {
            "list_length" => json!({ "key": "celery" }),
            "key" => json!({ "key": "cache:a" }),
            "config" => json!({ "parameter": "maxmemory" }),
            _ => json!({}),
        };
        if let Err(fault) = try_probe(probe.as_ref(), &params(json), &observe).await {
            panic!("{fault}");
        }
    }
}
