//! From topic to topic: an alert comes in from Kafka as Prometheus would post it, the lag that it tells of is read from the
//! brokers, the consumers are scaled in a double of a cluster, and what was done is told as events in another topic.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};
use selfheal_test_kubernetes::ApiDouble;
use selfheal_test_servers::{Tansu, require, wait_until};
use serde_json::{Value, json};

use crate::selfheal::{PATIENCE, Selfheal};

const PARTITIONS: i32 = 2;
/// How far behind the consumers are, over both partitions.
const LAG: i64 = 20;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Runtime::new().unwrap().block_on(future)
}

/// A client's configuration. One record a batch, as Tansu counts batches.
fn client(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    config
}

fn make_topics(bootstrap: &str, topics: &[(&str, i32)]) {
    let admin: AdminClient<DefaultClientContext> = client(bootstrap).create().unwrap();
    let wanted: Vec<NewTopic<'_>> =
        topics.iter().map(|(name, count)| NewTopic::new(name, *count, TopicReplication::Fixed(1))).collect();
    let made = block_on(admin.create_topics(&wanted, &AdminOptions::new())).unwrap();
    made.into_iter().for_each(|made| drop(made.unwrap()));
}

fn put(bootstrap: &str, topic: &str, partition: i32, payload: &str) {
    let mut config = client(bootstrap);
    let producer: FutureProducer = config.set("batch.num.messages", "1").create().unwrap();
    let record = FutureRecord::<str, str>::to(topic).partition(partition).payload(payload);
    block_on(producer.send(record, Duration::from_secs(20))).unwrap();
}

fn consumer(bootstrap: &str, group: &str) -> BaseConsumer {
    let mut config = client(bootstrap);
    config.set("group.id", group).set("enable.auto.commit", "false").create().unwrap()
}

/// The group has consumed so far in both partitions.
fn commit(bootstrap: &str, offset: i64) {
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset("orders", partition, Offset::Offset(offset)).unwrap();
    }
    consumer(bootstrap, "orders").commit(&list, CommitMode::Sync).unwrap();
}

/// The events of a topic with one partition, each with its key.
fn events(reader: &BaseConsumer, seen: &mut Vec<(String, Value)>) {
    while let Some(message) = reader.poll(Duration::from_millis(200)) {
        let message = message.unwrap();
        let key = String::from_utf8_lossy(message.key().unwrap_or_default()).into_owned();
        seen.push((key, serde_json::from_slice(message.payload().unwrap()).unwrap()));
    }
}

fn cluster() -> ApiDouble {
    let double = ApiDouble::start_on(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    double.settle_always(true);
    double.create(json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": "orders", "namespace": "shop" },
        "spec": {
            "replicas": 1,
            "selector": { "matchLabels": { "app": "orders" } },
            "template": {
                "metadata": { "labels": { "app": "orders" } },
                "spec": { "containers": [{ "name": "app", "image": "orders:1" }] },
            },
        },
    }));
    double
}

#[test]
fn lag_is_healed_from_topic_to_topic() {
    let tansu = require!(Tansu::start());
    let bootstrap = tansu.bootstrap();
    make_topics(&bootstrap, &[("orders", PARTITIONS), ("alerts", 1), ("unreadable", 1), ("events", 1)]);
    for number in 0..LAG {
        put(&bootstrap, "orders", i32::from(number % 2 == 0), "an order");
    }
    commit(&bootstrap, 0);
    let double = cluster();
    let mut selfheal = Selfheal::prepare(
        json!({
            "policy": { "settle": "1s" },
            "settings": { "kafka_lag_threshold": 5, "kafka_lag_per_replica": 5 },
            "sinks": { "events": { "kind": "kafka", "topic": "events", "events": ["opened", "plan", "outcome"] } },
            "adapters": {
                "kubernetes": { "clusters": { "default": { "url": double.url() } } },
                "kafka": {
                    "clusters": { "main": { "bootstrap": bootstrap } },
                    "source": { "topic": "alerts", "dead_letters": "unreadable" },
                },
            },
        }),
        &[],
    );
    selfheal.start();

    let labels = json!({
        "alertname": "KafkaConsumerLag", "severity": "critical", "consumergroup": "orders", "topic": "orders",
        "namespace": "shop", "deployment": "orders",
    });
    let posted = |starts: &str, ends: &str| {
        json!([{ "labels": labels, "annotations": {}, "startsAt": starts, "endsAt": ends }]).to_string()
    };
    // As Prometheus posts it to Alertmanager: it is believed until its end, which is still to come.
    put(&bootstrap, "alerts", 0, &posted("2026-11-22T12:00:00Z", "2100-01-01T00:00:00Z"));
    let replicas = || double.get("deployments", "shop", "orders").unwrap()["spec"]["replicas"].clone();
    wait_until("the consumers are scaled", PATIENCE, || replicas() == json!(PARTITIONS));
    // They catch up.
    commit(&bootstrap, LAG / 2);
    let healed = selfheal.wait_for_issue("the lag falls", |issue| issue["outcome"] == "recovered");
    assert_eq!(healed["rule"], "kafka_consumer_lag", "{healed:#}");
    assert_eq!(double.changes().by_requests().of("deployments", "shop", "orders").len(), 1);

    put(&bootstrap, "alerts", 0, &posted("2026-11-22T12:00:00Z", "2026-11-22T12:30:00Z"));
    let closed = selfheal.wait_for_issue("it is over", |issue| issue["phase"] == "closed");
    assert_eq!((&closed["id"], selfheal.issues().len()), (&healed["id"], 1));

    let reader = consumer(&bootstrap, "reader");
    let mut list = TopicPartitionList::new();
    list.add_partition_offset("events", 0, Offset::Beginning).unwrap();
    reader.assign(&list).unwrap();
    let mut seen = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    let kinds = |seen: &[(String, Value)]| -> Vec<String> {
        seen.iter().map(|(_, event)| event["type"].as_str().unwrap_or_default().to_owned()).collect()
    };
    while !kinds(&seen).iter().any(|kind| kind.contains("outcome") || kind.contains("ended")) {
        assert!(Instant::now() < deadline, "{seen:#?}");
        events(&reader, &mut seen);
    }
    assert!(seen.len() >= 3, "{seen:#?}");
    for (key, event) in &seen {
        assert_eq!(
            (event["specversion"].as_str(), Some(key.as_str())),
            (Some("1.0"), closed["id"].as_str()),
            "{event:#}"
        );
    }
}
