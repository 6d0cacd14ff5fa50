//! Servers that are gone, hang, come back, or say no.

use std::time::Duration;

use selfheal_contract::{Effect, FailureKind};
use selfheal_test_servers::{Redis, RedisOptions, require, wait_until};
use serde_json::json;

use crate::support::{Shell, Use, adapter, adapter_with, idler, read};

fn trim(adapter: &selfheal_contract::Adapter) -> Use<'_> {
    Use::of(adapter, "trim_list", json!({ "key": "celery", "keep": 1, "side": "head", "delete_max": 100 }))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_gone_or_hangs_changes_nothing_and_is_found_again() {
    let redis = require!(Redis::start());
    let adapter = adapter(&redis.url());
    let shell = Shell::open(&redis.url());
    shell.fill("celery", 5);
    let prior = trim(&adapter).capture().await.unwrap();

    redis.pause();
    // The failed read drops the connection, so that what hangs is noticed before the change is sent.
    let failure = read(&adapter, "info", json!({})).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Transient, "{failure}");
    let failure = trim(&adapter).apply(&prior).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Transient, "{failure}");
    redis.resume();
    assert_eq!(shell.run::<u64>("LLEN celery"), 5);

    redis.stop();
    for _ in 0..2 {
        let failure = trim(&adapter).apply(&prior).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Transient, "{failure}");
        assert!(failure.what.contains("the redis target \"cache\" cannot be reached"), "{failure}");
    }
    redis.restart().unwrap();
    assert!(read(&adapter, "info", json!({})).await.is_ok());
    Shell::open(&redis.url()).fill("celery", 5);
    trim(&adapter).apply(&prior).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_without_an_answer_may_have_happened() {
    let redis = require!(Redis::start());
    let (adapter, shell) = (adapter(&redis.url()), Shell::open(&redis.url()));
    shell.fill("celery", 5);
    let prior = trim(&adapter).capture().await.unwrap();
    // Reads are answered, changes wait.
    shell.run::<()>("CLIENT PAUSE 60000 WRITE");
    let failure = trim(&adapter).apply(&prior).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Indeterminate, "{failure}");
    shell.run::<()>("CLIENT UNPAUSE");
    let effect = trim(&adapter).effect(&prior).await.unwrap();
    match shell.run::<u64>("LLEN celery") {
        1 => assert!(matches!(effect, Effect::Done(_)), "{effect:?}"),
        _ => assert_eq!(effect, Effect::Untouched),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_the_server_closed_is_made_again_before_a_change() {
    let redis = require!(Redis::start());
    let (adapter, shell) = (adapter(&redis.url()), Shell::open(&redis.url()));
    shell.fill("celery", 5);
    let prior = trim(&adapter).capture().await.unwrap();
    wait_until("the connection has been silent", Duration::from_secs(10), || {
        let list: String = shell.run("CLIENT LIST");
        list.lines().any(|line| line.contains(" name=selfheal ") && line.contains(" idle=2 "))
    });
    let id = shell.clients("selfheal")[0];
    assert_eq!(shell.run::<u64>(&format!("CLIENT KILL ID {id}")), 1);
    trim(&adapter).apply(&prior).await.unwrap();
    assert_eq!(shell.run::<u64>("LLEN celery"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_and_rights_are_explained() {
    let args = ["--requirepass", "s3cret"].map(str::to_owned).to_vec();
    let redis = require!(Redis::start_with(&RedisOptions { args }));
    let admin = format!("redis://:s3cret@127.0.0.1:{}/", redis.port());
    let shell = Shell::open(&admin);
    shell.run::<()>("ACL SETUSER reader on >pw +info +client|id +client|setname");
    shell.run::<()>("ACL SETUSER blind on >pw +info");

    for (target, expected) in [
        (json!({ "url": redis.url() }), "check `user` and `password`"),
        (json!({ "url": redis.url(), "password": "wrong-s3cret" }), "check `user` and `password`"),
        (
            json!({ "url": redis.url(), "user": "reader", "password": "pw" }),
            "grant selfheal's user the rights",
        ),
    ] {
        let adapter = adapter_with(target);
        let failure = read(&adapter, "list_length", json!({ "key": "celery" })).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Refused, "{failure}");
        assert!(failure.what.contains(expected) && !failure.what.contains("s3cret"), "{failure}");
    }
    let blind = adapter_with(json!({ "url": redis.url(), "user": "blind", "password": "pw" }));
    assert!(read(&blind, "info", json!({})).await.is_ok(), "no right to name itself is no fault");
    let absent = adapter_with(json!({ "url": format!("{}99", redis.url()), "password": "s3cret" }));
    assert!(read(&absent, "info", json!({})).await.unwrap_err().what.contains("DB index is out of range"));
    let full = adapter_with(json!({ "url": format!("{}3", redis.url()), "password": "s3cret" }));
    shell.run::<()>("SELECT 3");
    shell.fill("celery", 7);
    let length = read(&full, "list_length", json!({ "key": "celery" })).await.unwrap();
    assert_eq!(length.field("length"), Ok(&json!(7)));
    assert!(read(&full, "info", json!({})).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_a_free_connection_is_tried_again() {
    for password in [None, Some("pw")] {
        let args = password.map(|password| ["--requirepass", password].map(str::to_owned).to_vec());
        let redis = require!(Redis::start_with(&RedisOptions { args: args.unwrap_or_default() }));
        let login = password.map(|password| format!(":{password}@")).unwrap_or_default();
        let url = format!("redis://{login}127.0.0.1:{}/", redis.port());
        let (shell, adapter) = (Shell::open(&url), adapter(&url));
        shell.run::<()>("CONFIG SET maxclients 1");
        let failure = read(&adapter, "info", json!({})).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Transient, "{failure}");
        shell.run::<()>("CONFIG SET maxclients 100");
        read(&adapter, "info", json!({})).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rights_that_are_named_are_enough() {
    let redis = require!(Redis::start());
    let shell = Shell::open(&redis.url());
    shell.fill("celery", 5);
    shell.run::<()>("SET cache:a x PX 86400000");
    let _victim = idler(&redis.url(), "victim");

    let offered = adapter(&redis.url());
    let of_actions = offered.actions.iter().map(|action| (action.about().name, action.about().permissions));
    let of_probes = offered.probes.iter().map(|probe| (probe.about().name, probe.about().permissions));
    for (name, permissions) in of_actions.chain(of_probes) {
        let key = if name.contains("list") { "celery" } else { "cache:a" };
        let rights: Vec<String> =
            permissions.iter().map(|permission| permission.right.to_string().replace("<key>", key)).collect();
        shell.run::<()>(&format!("ACL SETUSER {name} reset on >pw {} +client|setname", rights.join(" ")));
        let adapter = adapter_with(json!({ "url": redis.url(), "user": name, "password": "pw" }));
        let json = match name {
            "config_set" => json!({ "parameter": "maxmemory", "value": "1gb" }),
            "expire_key" => json!({ "key": "cache:a", "ttl": "1m" }),
            "trim_list" => json!({ "key": "celery", "keep": 1, "side": "head", "delete_max": 9 }),
            "kill_client" => json!({ "id": shell.clients("victim")[0] }),
            "kill_idle_clients" => json!({ "idle_for": "1h" }),
            "list_length" => json!({ "key": "celery" }),
            "key" => json!({ "key": "cache:a" }),
            "config" => json!({ "parameter": "maxmemory" }),
            _ => json!({}),
        };
        if offered.probes.iter().any(|probe| probe.about().name == name) {
            read(&adapter, name, json).await.unwrap();
            continue;
        }
        let used = Use::of(&adapter, name, json);
        used.preview().await.unwrap();
        let prior = used.capture().await.unwrap();
        used.apply(&prior).await.unwrap();
        used.effect(&prior).await.unwrap();
        used.undo(&prior).await.unwrap();
    }
}

/// Nothing is deleted that could not be marked, and nothing is marked that was not deleted.
#[tokio::test(flavor = "multi_thread")]
async fn a_trim_and_its_mark_are_made_both_or_not_at_all() {
    let redis = require!(Redis::start());
    let shell = Shell::open(&redis.url());
    shell.fill("celery", 5);
    for (user, denied) in [("unmarked", "-set"), ("untrimmed", "-ltrim")] {
        shell.run::<()>(&format!("ACL SETUSER {user} reset on >pw ~* +@all {denied}"));
        let adapter = adapter_with(json!({ "url": redis.url(), "user": user, "password": "pw" }));
        let json = json!({ "key": "celery", "keep": 1, "side": "head", "delete_max": 9 });
        let used = Use::of(&adapter, "trim_list", json);
        let prior = used.capture().await.unwrap();
        let failure = used.apply(&prior).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Refused, "{user}: {failure}");
        assert!(failure.what.contains("does not permit it"), "{user}: {failure}");
        assert_eq!(shell.run::<u64>("LLEN celery"), 5, "{user}");
        let marks = || shell.run::<Vec<String>>("KEYS selfheal:*").len();
        wait_until("no mark is left", Duration::from_secs(10), || marks() == 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_questions_at_once_take_turns() {
    let redis = require!(Redis::start());
    let adapter = adapter(&redis.url());
    let questions = (0..200).map(|_| {
        let adapter = adapter.clone();
        tokio::spawn(async move { read(&adapter, "info", json!({})).await.map(drop) })
    });
    for question in questions.collect::<Vec<_>>() {
        question.await.unwrap().unwrap();
    }
    assert_eq!(Shell::open(&redis.url()).clients("selfheal").len(), 1);
}
