//! `pg::terminate_idle` against a real server: who goes, who stays, and what is told about it.

mod support;

use selfheal_contract::{Effect, FailureKind};
use serde_json::{Value, json};
use support::{World, connect, intent, object};

const COUNT: &str = "select count(*) from pg_stat_activity where application_name = ";

/// Sessions to be ended must have been idle for so long; those to be kept must be younger until the end of the test's
/// last step, which takes milliseconds.
const IDLE_SECONDS: u32 = 5;

#[tokio::test(flavor = "multi_thread")]
async fn of_a_hundred_idle_connections_only_the_old_ones_of_ordinary_users_go() {
    let Some(world) = World::start_with(json!({ "targets": { "main": { "protected_users": ["billing"] } } }))
    else {
        return;
    };
    let old = world.clients(80, "app", "old").await;
    let _superuser = world.client("postgres", "keep-superuser").await;
    let _protected = world.client("billing", "keep-protected").await;
    let _replication = world.client("copier", "keep-replication").await;
    let _own = world.client("app", "selfheal").await;
    let _open = world.client("app", "keep-open").await;
    _open.batch_execute("BEGIN").await.unwrap();
    let busy = world.client("app", "keep-busy").await;
    let work = tokio::spawn(async move { busy.batch_execute("SELECT pg_sleep(60)").await });
    // A connection of the adapter's own pool that is idle as long as the others.
    world.read("connections", json!({ "database": "main" })).await.unwrap();
    world.until_idle("old", f64::from(IDLE_SECONDS)).await;
    world.until_idle("selfheal", f64::from(IDLE_SECONDS)).await;
    let young = world.clients(20, "app", "young").await;

    let action = world.action("terminate_idle");
    let params = object(json!({ "database": "main", "idle_for": format!("{IDLE_SECONDS}s") }));
    let reading = world.read("idle_connections", Value::Object(params.clone())).await.unwrap();
    assert_eq!(
        (reading["count"].as_i64(), reading["users"]["app"].as_i64()),
        (Some(80), Some(80)),
        "{reading}"
    );
    let preview = action.preview(&params).await.unwrap();
    assert!(preview.summary.contains("would end 80 connections"), "{}", preview.summary);
    assert_eq!(preview.changes.len(), 50, "previews are bounded");

    let prior = action.capture(&params).await.unwrap();
    assert_eq!(prior["sessions"].as_array().unwrap().len(), 80);
    // One of them goes back to work, and is young again.
    old[7].batch_execute("SELECT 1").await.unwrap();
    assert_eq!(action.effect(&params, &prior, &intent("a")).await.unwrap(), Effect::Untouched);
    let applied = action.apply(&params, &prior, &intent("a")).await.unwrap();
    assert!(applied.summary.starts_with("ended 79 of 80"), "{}", applied.summary);
    assert_eq!(applied.facts["count"], 79);
    for (application, count) in [
        ("old", "1"),
        ("young", "20"),
        ("keep-superuser", "1"),
        ("keep-protected", "1"),
        ("keep-replication", "1"),
        ("keep-open", "1"),
        ("keep-busy", "1"),
    ] {
        assert_eq!(world.value(&format!("{COUNT}'{application}'")), count, "{application}");
    }
    assert!(world.value(&format!("{COUNT}'selfheal'")).parse::<u32>().unwrap() >= 2);
    assert!(matches!(action.effect(&params, &prior, &intent("a")).await.unwrap(), Effect::Done(_)));
    drop(young);
    work.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_number_alone_ends_nobody() {
    let Some(world) = World::start() else { return };
    let _app = world.client("app", "app").await;
    world.until_idle("app", 1.0).await;
    let action = world.action("terminate_idle");
    let params = object(json!({ "database": "main", "idle_for": "1s" }));
    let truth = action.capture(&params).await.unwrap();
    let mut other = truth.clone();
    let started = truth["sessions"][0]["started"].as_i64().unwrap();
    for (what, wrong) in [("later", started + 1), ("earlier", started - 1), ("never", 0)] {
        other["sessions"][0]["started"] = json!(wrong);
        let applied = action.apply(&params, &other, &intent(what)).await.unwrap();
        assert!(applied.summary.starts_with("ended 0 of 1"), "{what}: {}", applied.summary);
        assert_eq!(world.value(&format!("{COUNT}'app'")), "1", "{what}");
    }
    action.apply(&params, &truth, &intent("right")).await.unwrap();
    assert_eq!(world.value(&format!("{COUNT}'app'")), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn open_transactions_and_limits_are_chosen() {
    let Some(world) = World::start() else { return };
    let clients = world.clients(5, "app", "app").await;
    clients[0].batch_execute("BEGIN").await.unwrap();
    let _ = clients[1].batch_execute("BEGIN; SELECT 1 / 0").await;
    let sql = "select min(clock_timestamp() - state_change) > '1s' from pg_stat_activity where application_name = 'app'";
    world.until("all are idle", sql, "t").await;
    let action = world.action("terminate_idle");
    let cases = [
        (json!({}), 3),
        (json!({ "include_in_transaction": false }), 3),
        (json!({ "include_in_transaction": true }), 5),
        (json!({ "limit": 2 }), 2),
    ];
    for (more, count) in cases {
        let mut params = object(json!({ "database": "main", "idle_for": "1s" }));
        params.extend(object(more));
        let prior = action.capture(&params).await.unwrap();
        assert_eq!(prior["sessions"].as_array().unwrap().len(), count, "{params:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_rights_are_refused_with_what_to_grant() {
    let Some(world) = World::start() else { return };
    let _app = world.client("app", "app").await;
    world.until_idle("app", 1.0).await;
    let params = object(json!({ "database": "main", "idle_for": "1s" }));
    for (role, hint) in
        [("plain", "GRANT pg_monitor TO \"plain\""), ("watcher", "GRANT pg_signal_backend TO")]
    {
        let adapter = connect(&world.postgres, role, json!({}));
        let action = adapter.actions.iter().find(|action| action.about().name == "terminate_idle").unwrap();
        for failure in
            [action.capture(&params).await.unwrap_err(), action.preview(&params).await.unwrap_err()]
        {
            assert_eq!(failure.kind, FailureKind::Refused, "{role}: {failure}");
            assert!(failure.what.contains(hint), "{role}: {failure}");
        }
    }
    assert_eq!(world.value(&format!("{COUNT}'app'")), "1");
}
