//! `kafka::group`, which the in-process cluster does not have.

use std::time::Duration;

use selfheal_test_servers::require;
use serde_json::{Value, json};

use crate::broker::{Broker, full_kafka, tansu};
use crate::support::{adapter, fill, known, make_topic, member, producer};

async fn groups(broker: Broker) {
    let Broker { bootstrap, run, .. } = &broker;
    let (topic, group) = (format!("orders{run}"), format!("workers{run}"));
    make_topic(bootstrap, &topic, 3).await;
    fill(&producer(bootstrap), &topic, 0, 5).await;
    let adapter = adapter(bootstrap);
    let unknown = known(&adapter, "group", json!({ "group": format!("nobody{run}") })).await;
    assert_eq!((&unknown["state"], &unknown["members"]), (&json!("Dead"), &json!(0)), "{unknown}");

    let worker = tokio::task::spawn_blocking({
        let (bootstrap, group, topic) = (bootstrap.clone(), group.clone(), topic.clone());
        move || member(&bootstrap, &group, &topic, 5)
    });
    let worker = worker.await.unwrap();
    let reading = known(&adapter, "group", json!({ "group": group })).await;
    assert_eq!(reading["state"], "Stable", "{reading}");
    assert_eq!(reading["members"], 1, "{reading}");
    // Tansu does not tell who has which partitions; a Kafka does.
    if !run.is_empty() || reading["assigned"] != Value::Null {
        assert_eq!((&reading["assigned"], &reading["idle"]), (&json!(3), &json!(0)), "{reading}");
        assert_eq!(reading["topics"], json!([topic]));
        assert_eq!(reading["by_member"][0]["partitions"], 3);
    }

    tokio::task::spawn_blocking(move || drop(worker)).await.unwrap();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    let mut left = Value::Null;
    while tokio::time::Instant::now() < deadline {
        left = known(&adapter, "group", json!({ "group": group })).await;
        if left["members"] == 0 {
            return;
        }
    }
    panic!("the member has left, and is still there: {left}");
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_at_tansu() {
    groups(require!(tansu())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_at_a_full_kafka() {
    if let Some(broker) = full_kafka() {
        groups(broker).await;
    }
}
