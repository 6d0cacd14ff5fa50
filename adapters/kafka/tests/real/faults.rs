//! Brokers that are down, slow, restarted or refuse: nothing hangs, and what came back is found again.

use std::time::{Duration, Instant};

use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use selfheal_contract::FailureKind;
use selfheal_test_servers::{Tansu, require};
use serde_json::json;

use crate::support::{Mock, action, adapter, fill, known, make_topic, params, producer, read};

/// More than the adapter's own time-outs allow for one probe.
const BOUND: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_transient_and_says_why() {
    let adapter = adapter("127.0.0.1:1");
    for (name, json) in [
        ("lag", json!({ "group": "g", "topic": "t" })),
        ("lag", json!({ "group": "g" })),
        ("group", json!({ "group": "g" })),
        ("topic", json!({ "topic": "t", "configs": ["retention.ms"] })),
    ] {
        let began = Instant::now();
        let failure = read(&adapter, name, json.clone()).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Transient, "{json}: {failure}");
        assert!(failure.what.contains("bootstrap"), "{failure}");
        assert!(began.elapsed() < BOUND, "{json} took {:?}", began.elapsed());
    }
    let wanted = params(json!({ "topic": "t", "count": 3 }));
    let failure = action(&adapter, "partitions").capture(&wanted).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Transient, "nothing was sent: {failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_broker_is_given_up_in_time_and_a_quick_one_found_again() {
    let mock = Mock::new(1).unwrap();
    mock.create_topic("orders", 2, 1).unwrap();
    let bootstrap = mock.bootstrap_servers();
    fill(&producer(&bootstrap), "orders", 0, 4).await;
    let adapter = adapter(&bootstrap);
    let question = json!({ "group": "g", "topic": "orders" });
    assert_eq!(known(&adapter, "lag", question.clone()).await["total"], 4);
    mock.broker_round_trip_time(-1, Duration::from_secs(30)).unwrap();
    let began = Instant::now();
    let failure = read(&adapter, "lag", question.clone()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Transient, "{failure}");
    assert!(began.elapsed() < BOUND, "{:?}", began.elapsed());
    mock.broker_round_trip_time(-1, Duration::ZERO).unwrap();
    found_again(&adapter, question).await;
}

/// Asks until there is an answer.
async fn found_again(adapter: &selfheal_contract::Adapter, question: serde_json::Value) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match read(adapter, "lag", question.clone()).await {
            Ok(_) => return,
            Err(failure) => {
                assert_eq!(failure.kind, FailureKind::Transient, "{failure}");
                assert!(Instant::now() < deadline, "in vain: {failure}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_went_and_came_back_is_found_again() {
    let mock = Mock::new(1).unwrap();
    mock.create_topic("orders", 1, 1).unwrap();
    let bootstrap = mock.bootstrap_servers();
    let adapter = adapter(&bootstrap);
    let question = json!({ "group": "g", "topic": "orders" });
    known(&adapter, "lag", question.clone()).await;
    mock.broker_down(-1).unwrap();
    let failure = read(&adapter, "lag", question.clone()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Transient, "{failure}");
    mock.broker_up(-1).unwrap();
    found_again(&adapter, question).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_broker_is_found_again() {
    let tansu = require!(Tansu::start());
    make_topic(&tansu.bootstrap(), "orders", 1).await;
    let adapter = adapter(&tansu.bootstrap());
    let question = json!({ "group": "g", "topic": "orders" });
    known(&adapter, "lag", question.clone()).await;
    tansu.kill();
    let failure = read(&adapter, "lag", question.clone()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Transient, "{failure}");
    tansu.restart().unwrap();
    make_topic(&tansu.bootstrap(), "orders", 1).await;
    found_again(&adapter, question).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_without_a_leader_makes_no_sum_of_the_others() {
    let mock = Mock::new(1).unwrap();
    mock.create_topic("orders", 2, 1).unwrap();
    let bootstrap = mock.bootstrap_servers();
    fill(&producer(&bootstrap), "orders", 0, 4).await;
    mock.partition_leader("orders", 1, None).unwrap();
    let failure =
        read(&adapter(&bootstrap), "lag", json!({ "group": "g", "topic": "orders" })).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Transient, "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_broker_denies_is_refused() {
    let mock = Mock::new(1).unwrap();
    mock.create_topic("orders", 1, 1).unwrap();
    mock.topic_error("orders", RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED).unwrap();
    let adapter = adapter(&mock.bootstrap_servers());
    let failure = read(&adapter, "lag", json!({ "group": "g", "topic": "orders" })).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Refused, "{failure}");
    assert!(failure.what.contains("rights"), "{failure}");

    let mock = Mock::new(1).unwrap();
    mock.create_topic("orders", 1, 1).unwrap();
    mock.request_errors(
        RDKafkaApiKey::OffsetFetch,
        &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED],
    );
    let adapter = crate::support::adapter(&mock.bootstrap_servers());
    let failure = read(&adapter, "lag", json!({ "group": "g", "topic": "orders" })).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Refused, "{failure}");
}
