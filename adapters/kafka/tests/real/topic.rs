//! `kafka::topic`.

use selfheal_contract::FailureKind;
use serde_json::json;

use crate::double::Double;
use crate::support::{Mock, adapter, known, read};

#[tokio::test(flavor = "multi_thread")]
async fn a_topics_shape_is_read() {
    let mock = Mock::new(3).unwrap();
    mock.create_topic("orders", 4, 3).unwrap();
    mock.partition_leader("orders", 1, None).unwrap();
    let adapter = adapter(&mock.bootstrap_servers());
    let reading = known(&adapter, "topic", json!({ "topic": "orders" })).await;
    assert_eq!(
        reading,
        json!({ "partitions": 4, "replication": 3, "under_replicated": 0, "leaderless": 1, "configs": [] })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn configuration_is_read_with_where_it_comes_from() {
    let double = Double::start();
    let adapter = adapter(&double.bootstrap());
    let keys = json!(["cleanup.policy", "retention.ms", "no.such.key"]);
    let reading = known(&adapter, "topic", json!({ "topic": "orders", "configs": keys })).await;
    assert_eq!(
        reading["configs"],
        json!([
            { "key": "cleanup.policy", "value": "compact", "own": true },
            { "key": "retention.ms", "value": "604800000", "own": false },
            { "key": "no.such.key", "value": null, "own": false },
        ])
    );
    let many: Vec<String> = (0..21).map(|number| format!("key.{number}")).collect();
    for json in [json!({ "topic": "absent" }), json!({ "topic": "orders", "configs": many })] {
        let failure = read(&adapter, "topic", json).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Refused, "{failure}");
    }
}
