//! Publishing: what arrives, and what a failure means for the outbox.

use selfheal_contract::{Adapter, FailureKind, Message};
use selfheal_test_servers::require;

use crate::broker::{Broker, full_kafka, tansu};
use crate::support::{Mock, adapter, make_topic, messages};

fn message<'m>(key: &'m str, body: &'m str) -> Message<'m> {
    Message { key: Some(key), content_type: "application/cloudevents+json", body: body.as_bytes() }
}

async fn publish(
    adapter: &Adapter,
    topic: &str,
    key: &str,
    body: &str,
) -> Result<(), selfheal_contract::Failure> {
    adapter.publisher.as_ref().unwrap().publish(None, topic, message(key, body)).await
}

async fn events_arrive(bootstrap: &str, topic: &str) {
    let adapter = adapter(bootstrap);
    for number in 0..5 {
        publish(&adapter, topic, "issue-17", &format!("event {number}")).await.unwrap();
    }
    let (bootstrap, topic) = (bootstrap.to_owned(), topic.to_owned());
    let read = tokio::task::spawn_blocking(move || messages(&bootstrap, &topic)).await.unwrap();
    let expected: Vec<_> =
        (0..5).map(|number| (Some("issue-17".to_owned()), format!("event {number}"))).collect();
    assert_eq!(read, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_at_the_in_process_cluster() {
    let mock = Mock::new(1).unwrap();
    mock.create_topic("events", 1, 1).unwrap();
    events_arrive(&mock.bootstrap_servers(), "events").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_at_tansu() {
    let broker = require!(tansu());
    make_topic(&broker.bootstrap, "events", 1).await;
    events_arrive(&broker.bootstrap, "events").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_at_a_full_kafka() {
    let Some(Broker { bootstrap, run, .. }) = &full_kafka() else { return };
    let topic = format!("events{run}");
    make_topic(bootstrap, &topic, 1).await;
    events_arrive(bootstrap, &topic).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repetition_by_the_library_is_not_a_second_event() {
    use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
    let mock = Mock::new(1).unwrap();
    mock.create_topic("events", 1, 1).unwrap();
    let bootstrap = mock.bootstrap_servers();
    let adapter = adapter(&bootstrap);
    mock.request_errors(
        RDKafkaApiKey::Produce,
        &[
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        ],
    );
    publish(&adapter, "events", "issue-1", "one").await.unwrap();
    let read = tokio::task::spawn_blocking(move || messages(&bootstrap, "events")).await.unwrap();
    assert_eq!(read.len(), 1, "{read:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_published_says_whether_to_try_again() {
    let mock = Mock::new(1).unwrap();
    mock.create_topic("events", 1, 1).unwrap();
    let bootstrap = mock.bootstrap_servers();
    let near = adapter(&bootstrap);
    let refused = publish(&near, "ev/ents", "k", "x").await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Refused, "{refused}");
    let large = "x".repeat(2_000_000);
    let refused = publish(&near, "events", "k", &large).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Refused, "{refused}");

    publish(&near, "events", "k", "x").await.unwrap();
    mock.broker_down(-1).unwrap();
    let open = publish(&near, "events", "k", "y").await.unwrap_err();
    assert_eq!(open.kind, FailureKind::Indeterminate, "{open}");
    mock.broker_up(-1).unwrap();
    publish(&near, "events", "k", "z").await.unwrap();

    let publisher = near.publisher.as_ref().unwrap();
    for (cluster, topic, fits) in [
        (None, "events", true),
        (Some("main"), "events", true),
        (Some("x"), "events", false),
        (None, "", false),
    ] {
        assert_eq!(publisher.check(cluster, topic).is_ok(), fits, "{cluster:?} {topic:?}");
    }
}
