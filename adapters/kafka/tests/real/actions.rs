//! The actions: the conformance kit, refusals, races and lost answers. Against the double, and a full Kafka where there is one.

use std::pin::Pin;

use selfheal_contract::conformance::{Trial, try_action};
use selfheal_contract::{Adapter, Effect, FailureKind, Undone};
use serde_json::{Value, json};

use crate::broker::{Broker, full_kafka};
use crate::double::{Double, Fault};
use crate::support::{action, adapter, intent, known, make_topic, params};

/// Runs the kit on one action; `state` is what it changes.
async fn conforms(adapter: &Adapter, name: &str, json: Value, state: impl Fn() -> Value + Send + Sync) {
    let observe = || -> Pin<Box<dyn Future<Output = Value> + Send>> { Box::pin(std::future::ready(state())) };
    let trial = Trial { action: action(adapter, name), params: params(json), observe: &observe };
    if let Err(fault) = try_action(&trial).await {
        panic!("{fault}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn actions_conform_at_the_double() {
    let double = Double::start();
    let adapter = adapter(&double.bootstrap());
    // First where a default is in force, then where the topic has a value of its own.
    let config = |value: &str| json!({ "topic": "orders", "key": "retention.ms", "value": value });
    conforms(&adapter, "topic_config", config("3600000"), || double.shown()).await;
    assert_eq!(double.shown()["own"], json!({ "cleanup.policy": "compact" }), "the default is back");
    double.change(|topic| drop(topic.own.insert("retention.ms".into(), "1000".into())));
    conforms(&adapter, "topic_config", config("3600000"), || double.shown()).await;
    assert_eq!(double.shown()["own"], json!({ "cleanup.policy": "compact", "retention.ms": "1000" }));
    conforms(&adapter, "partitions", json!({ "topic": "orders", "count": 6 }), || double.shown()).await;
    assert_eq!(double.shown()["partitions"], 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn actions_conform_at_a_full_kafka() {
    let Some(Broker { bootstrap, run, .. }) = &full_kafka() else { return };
    let topic = format!("orders{run}");
    make_topic(bootstrap, &topic, 2).await;
    let adapter = adapter(bootstrap);
    let state =
        || async { known(&adapter, "topic", json!({ "topic": topic, "configs": ["retention.ms"] })).await };
    let observe = || -> Pin<Box<dyn Future<Output = Value> + Send>> { Box::pin(state()) };
    for (name, json) in [
        ("topic_config", json!({ "topic": topic, "key": "retention.ms", "value": "3600000" })),
        ("partitions", json!({ "topic": topic, "count": 6 })),
    ] {
        let trial = Trial { action: action(&adapter, name), params: params(json), observe: &observe };
        try_action(&trial).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_is_refused_and_nothing_changes() {
    let double = Double::start();
    let adapter = adapter(&double.bootstrap());
    let before = double.shown();
    let config = |key: &str, value: &str| json!({ "topic": "orders", "key": key, "value": value });
    let cases = [
        ("partitions", json!({ "topic": "orders", "count": 1 }), "can never be lowered to 1"),
        ("partitions", json!({ "topic": "orders", "count": 0 }), "expected 1 to 10000"),
        ("partitions", json!({ "topic": "orders", "count": 1_000_000 }), "expected 1 to 10000"),
        ("partitions", json!({ "topic": "absent", "count": 3 }), "has no topic \"absent\""),
        ("partitions", json!({ "topic": "a b", "count": 3 }), "no name of a topic"),
        ("topic_config", config("cleanup.policy", "delete"), "add it to adapters.kafka.settable"),
        ("topic_config", config("retention.ms\n", "1"), "no key of a topic's configuration"),
        ("topic_config", config("retention.ms", ""), "no value"),
        ("topic_config", config("retention.ms", "soon"), "most likely it refused the value"),
        ("topic_config", config("no.such.key", "1"), "knows no configuration no.such.key"),
        ("topic_config", json!({ "topic": "absent", "key": "retention.ms", "value": "1" }), "refused"),
    ];
    for (name, json, expected) in cases {
        let (action, params) = (action(&adapter, name), params(json.clone()));
        let failure = async {
            action.assess(&params)?;
            action.preview(&params).await?;
            let prior = action.capture(&params).await?;
            action.apply(&params, &prior, &intent()).await
        };
        let failure = failure.await.unwrap_err();
        // The library does not tell that a value was refused; that it is not there is all that is known.
        let expected_kind =
            if json["value"] == "soon" { FailureKind::Indeterminate } else { FailureKind::Refused };
        assert_eq!(failure.kind, expected_kind, "{json}: {failure}");
        assert!(failure.what.contains(expected), "{json}: {failure}");
        assert_eq!(double.shown(), before, "{json}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn approval_is_asked_where_something_cannot_be_taken_back() {
    let adapter = adapter("127.0.0.1:1");
    let cases = [
        ("partitions", json!({ "topic": "orders", "count": 3 }), true),
        ("topic_config", json!({ "topic": "orders", "key": "retention.ms", "value": "1" }), true),
        ("topic_config", json!({ "topic": "orders", "key": "max.message.bytes", "value": "1" }), false),
    ];
    for (name, json, asked) in cases {
        let assessment = action(&adapter, name).assess(&params(json.clone())).unwrap();
        assert_eq!(assessment.approval.is_some(), asked, "{json}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_whose_answer_is_lost_is_looked_for_and_found() {
    for (name, json) in [
        ("partitions", json!({ "topic": "orders", "count": 3 })),
        ("topic_config", json!({ "topic": "orders", "key": "retention.ms", "value": "1000" })),
    ] {
        let double = Double::start();
        let adapter = adapter(&double.bootstrap());
        let (action, params) = (action(&adapter, name), params(json));
        let prior = action.capture(&params).await.unwrap();
        double.fail(Fault::DoneThenCut);
        let applied = action.apply(&params, &prior, &intent()).await;
        // The library may have sent it again by itself, which changes nothing: the values are absolute.
        if let Err(failure) = &applied {
            assert_eq!(failure.kind, FailureKind::Indeterminate, "{name}: {failure}");
        }
        let effect = action.effect(&params, &prior, &intent()).await.unwrap();
        assert!(matches!(effect, Effect::Done(_)), "{name}: {effect:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_hand_is_noticed_and_left_alone() {
    let double = Double::start();
    let adapter = adapter(&double.bootstrap());
    let config = action(&adapter, "topic_config");
    let wanted = params(json!({ "topic": "orders", "key": "retention.ms", "value": "1000" }));
    let set =
        |value: &str| double.change(|topic| drop(topic.own.insert("retention.ms".into(), value.into())));

    // Between capture and apply.
    let prior = config.capture(&wanted).await.unwrap();
    set("7");
    let failure = config.apply(&wanted, &prior, &intent()).await.unwrap_err();
    assert!(failure.kind == FailureKind::Refused && failure.what.contains("plan again"), "{failure}");
    assert!(matches!(config.effect(&wanted, &prior, &intent()).await.unwrap(), Effect::Unclear(_)));

    // Between apply and undo.
    let prior = config.capture(&wanted).await.unwrap();
    config.apply(&wanted, &prior, &intent()).await.unwrap();
    set("8");
    assert!(matches!(config.undo(&wanted, &prior, &intent()).await.unwrap(), Undone::Nothing(_)));
    assert_eq!(double.shown()["own"]["retention.ms"], "8");

    // In the very moment of the change, at another key.
    let prior = config.capture(&wanted).await.unwrap();
    double.fail(Fault::Raced("max.message.bytes"));
    let failure = config.apply(&wanted, &prior, &intent()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Indeterminate);
    assert!(failure.what.contains("somebody else changed max.message.bytes"), "{failure}");

    let partitions = action(&adapter, "partitions");
    let wanted = params(json!({ "topic": "orders", "count": 9 }));
    let prior = partitions.capture(&wanted).await.unwrap();
    double.change(|topic| topic.partitions = 5);
    let failure = partitions.apply(&wanted, &prior, &intent()).await.unwrap_err();
    assert!(failure.kind == FailureKind::Refused && failure.what.contains("from 2 to 5"), "{failure}");
}
