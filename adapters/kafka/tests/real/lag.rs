//! `kafka::lag`, mostly against the in-process cluster, whose watermarks are right.

use selfheal_contract::conformance::{describe, try_probe};
use selfheal_contract::{FailureKind, Reading};
use selfheal_test_servers::require;
use serde_json::json;

use crate::broker::{Broker, full_kafka, tansu};
use crate::support::{
    Mock, adapter, adapter_with, committed, fill, known, make_topic, member, params, probe, producer, read,
};

#[test]
fn everything_is_documented() {
    assert_eq!(describe(&adapter("127.0.0.1:1")), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn lag_is_counted_by_partition_and_summed() {
    let mock = Mock::new(3).unwrap();
    let bootstrap = mock.bootstrap_servers();
    mock.create_topic("orders", 3, 1).unwrap();
    mock.create_topic("other", 1, 1).unwrap();
    let producer = producer(&bootstrap);
    fill(&producer, "orders", 0, 10).await;
    fill(&producer, "orders", 1, 25).await;
    fill(&producer, "other", 0, 7).await;
    let adapter = adapter(&bootstrap);

    // A group that never committed counts from the first record.
    let reading = known(&adapter, "lag", json!({ "group": "workers", "topic": "orders" })).await;
    assert_eq!((&reading["total"], &reading["uncommitted"]), (&json!(35), &json!(3)), "{reading}");
    // Without a topic it is not known at all.
    let nobody = read(&adapter, "lag", json!({ "group": "workers" })).await.unwrap();
    assert!(
        matches!(&nobody, Reading::Inconclusive(why) if why.contains("no committed offset")),
        "{nobody:?}"
    );

    let worker = tokio::task::spawn_blocking({
        let bootstrap = bootstrap.clone();
        move || member(&bootstrap, "workers", "orders", 20)
    });
    let worker = worker.await.unwrap();
    let done: i64 =
        (0..3).filter_map(|partition| committed(&bootstrap, "workers", "orders", partition)).sum();
    assert_eq!(done, 20);
    for json in [json!({ "group": "workers", "topic": "orders" }), json!({ "group": "workers" })] {
        let reading = known(&adapter, "lag", json.clone()).await;
        assert_eq!(reading["total"], 15, "{json}: {reading}");
        assert_eq!(reading["partitions"], 3, "only topics of the group count: {reading}");
        assert_eq!(reading["by_topic"], json!([{ "topic": "orders", "lag": 15 }]));
        let worst = &reading["by_partition"][0];
        assert_eq!(worst["lag"], reading["max"], "{reading}");
    }
    drop(worker);
    let reading =
        known(&adapter, "lag", json!({ "group": "workers", "topic": "orders", "cluster": "main" })).await;
    assert_eq!(reading["total"], 15, "the group's end changes nothing: {reading}");
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_disturbs_nobody() {
    let mock = Mock::new(1).unwrap();
    let bootstrap = mock.bootstrap_servers();
    mock.create_topic("orders", 2, 1).unwrap();
    fill(&producer(&bootstrap), "orders", 0, 5).await;
    let adapter = adapter(&bootstrap);
    let observe = || -> std::pin::Pin<Box<dyn Future<Output = serde_json::Value> + Send>> {
        let offsets = [0, 1].map(|partition| committed(&bootstrap, "workers", "orders", partition));
        Box::pin(std::future::ready(json!(offsets)))
    };
    for (name, json) in
        [("lag", json!({ "group": "workers", "topic": "orders" })), ("topic", json!({ "topic": "orders" }))]
    {
        try_probe(probe(&adapter, name), &params(json), &observe).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_groups_are_asked_one_after_the_other() {
    let mock = Mock::new(1).unwrap();
    let bootstrap = mock.bootstrap_servers();
    mock.create_topic("orders", 1, 1).unwrap();
    fill(&producer(&bootstrap), "orders", 0, 3).await;
    let adapter = adapter(&bootstrap);
    for number in 0..30 {
        let group = format!("group-{}", number % 20);
        let reading = known(&adapter, "lag", json!({ "group": group, "topic": "orders" })).await;
        assert_eq!(reading["total"], 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_refused_by_name() {
    let mock = Mock::new(1).unwrap();
    let bootstrap = mock.bootstrap_servers();
    mock.create_topic("orders", 1, 1).unwrap();
    let one = adapter(&bootstrap);
    let two = adapter_with(
        &bootstrap,
        json!({ "clusters": { "main": { "bootstrap": bootstrap }, "spare": { "bootstrap": "127.0.0.1:1" } } }),
    );
    let none = adapter_with(&bootstrap, json!({ "clusters": {} }));
    let long = "x".repeat(300);
    let cases = [
        (&one, json!({ "group": "g", "topic": "ordres\n" }), "no name of a topic"),
        (&one, json!({ "group": "g\u{0}", "topic": "orders" }), "no name of a consumer group"),
        (&one, json!({ "group": long, "topic": "orders" }), "no name of a consumer group"),
        (&one, json!({ "group": "", "topic": "orders" }), "no name of a consumer group"),
        (&one, json!({ "group": "g", "topic": "../../etc/passwd" }), "no name of a topic"),
        (&one, json!({ "group": "g", "topic": "orders", "cluster": "mian" }), "did you mean \"main\"?"),
        (&two, json!({ "group": "g", "topic": "orders" }), "name the one that is meant: main, spare"),
        (&none, json!({ "group": "g", "topic": "orders" }), "no kafka cluster is configured"),
        (&one, json!({ "topic": "orders" }), "missing field `group`"),
    ];
    for (adapter, json, expected) in cases {
        let failure = read(adapter, "lag", json.clone()).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Refused, "{json}: {failure}");
        assert!(failure.what.contains(expected), "{json}: {failure}");
    }
}

async fn lag_end_to_end(broker: Broker) {
    let Broker { bootstrap, run, .. } = &broker;
    let (topic, group) = (format!("orders{run}"), format!("workers{run}"));
    make_topic(bootstrap, &topic, 2).await;
    let producer = producer(bootstrap);
    fill(&producer, &topic, 0, 300).await;
    fill(&producer, &topic, 1, 200).await;
    let worker = tokio::task::spawn_blocking({
        let (bootstrap, group, topic) = (bootstrap.clone(), group.clone(), topic.clone());
        move || member(&bootstrap, &group, &topic, 120)
    });
    let worker = worker.await.unwrap();
    let adapter = adapter(bootstrap);
    for json in [json!({ "group": group, "topic": topic }), json!({ "group": group })] {
        let reading = known(&adapter, "lag", json).await;
        assert_eq!(reading["total"], 380, "{reading}");
    }
    drop(worker);
    let missing = json!({ "group": group, "topic": format!("absent{run}") });
    for _ in 0..2 {
        let failure = read(&adapter, "lag", missing.clone()).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Refused, "asking makes no topic: {failure}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lag_at_tansu() {
    lag_end_to_end(require!(tansu())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lag_at_a_full_kafka() {
    if let Some(broker) = full_kafka() {
        lag_end_to_end(broker).await;
    }
}
