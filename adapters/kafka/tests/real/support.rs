//! Building the adapter as the server does, calling it as the runtime does, and using brokers behind its back.

use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{DefaultProducerContext, FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use selfheal_contract::settings::{Collector, Key, Location, Node, Section, Value as Setting};
use selfheal_contract::{Adapter, AnyAction, AnyProbe, Failure, IntentId, Reading};
use selfheal_core::hash::ContentHash;
use serde_json::{Map, Value, json};

pub type Mock = MockCluster<'static, DefaultProducerContext>;

/// An adapter over one cluster, with the settings of all tests.
pub fn adapter(bootstrap: &str) -> Adapter {
    adapter_with(bootstrap, json!({}))
}

/// As [`adapter`], with further settings of the section.
pub fn adapter_with(bootstrap: &str, more: Value) -> Adapter {
    let mut settings = json!({
        "clusters": { "main": { "bootstrap": bootstrap } },
        "timeout": "3s",
        "settable": ["retention.ms", "max.message.bytes", "no.such.key"],
    });
    let (Value::Object(all), Value::Object(more)) = (&mut settings, more) else {
        panic!("settings are an object")
    };
    all.extend(more);
    let collector = Collector::default();
    let checked = (selfheal_kafka::ENTRY.check)(&mut Section::root(&node(&settings), &collector));
    collector.accept(checked).unwrap().connect().unwrap()
}

fn node(json: &Value) -> Node {
    let at = Location::START;
    let value = match json {
        Value::Null => Setting::Null,
        Value::Bool(value) => Setting::Bool(*value),
        Value::Number(value) => Setting::Integer(value.as_i64().unwrap()),
        Value::String(value) => Setting::Text(value.clone()),
        Value::Array(items) => Setting::List(items.iter().map(node).collect()),
        Value::Object(entries) => Setting::Map(
            entries.iter().map(|(name, value)| (Key { name: name.clone(), at }, node(value))).collect(),
        ),
    };
    Node { value, at }
}

pub fn params(json: Value) -> Map<String, Value> {
    let Value::Object(params) = json else { panic!("parameters are an object") };
    params
}

pub fn intent() -> IntentId {
    ContentHash::of_parts([b"intent".as_slice()])
}

pub fn probe<'a>(adapter: &'a Adapter, name: &str) -> &'a dyn AnyProbe {
    adapter.probes.iter().find(|probe| probe.about().name == name).unwrap().as_ref()
}

pub fn action<'a>(adapter: &'a Adapter, name: &str) -> &'a dyn AnyAction {
    adapter.actions.iter().find(|action| action.about().name == name).unwrap().as_ref()
}

/// Reads a probe.
pub async fn read(adapter: &Adapter, name: &str, json: Value) -> Result<Reading, Failure> {
    let probe = probe(adapter, name);
    probe.check(&params(json.clone()))?;
    probe.read(&params(json)).await
}

/// What a probe knows.
pub async fn known(adapter: &Adapter, name: &str, json: Value) -> Value {
    match read(adapter, name, json).await.unwrap() {
        Reading::Known(value) => value,
        Reading::Inconclusive(why) => panic!("inconclusive: {why}"),
    }
}

/// A producer of the test's own. One record a batch, as Tansu counts batches.
pub fn producer(bootstrap: &str) -> FutureProducer {
    ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("batch.num.messages", "1")
        .set("message.timeout.ms", "20000")
        .create()
        .unwrap()
}

/// Puts so many records into a partition.
pub async fn fill(producer: &FutureProducer, topic: &str, partition: i32, records: usize) {
    let sent = (0..records).map(|number| {
        let payload = format!("record {number}");
        async move {
            let record = FutureRecord::<str, str>::to(topic).partition(partition).payload(&payload);
            producer.send(record, Duration::from_secs(20)).await.unwrap();
        }
    });
    futures::future::join_all(sent).await;
}

/// Puts one message into partition 0.
pub async fn put(producer: &FutureProducer, topic: &str, payload: &str) {
    let record = FutureRecord::<str, str>::to(topic).partition(0).payload(payload);
    producer.send(record, Duration::from_secs(20)).await.unwrap();
}

fn consumer(bootstrap: &str, group: &str) -> BaseConsumer {
    ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .create()
        .unwrap()
}

/// The next message. One poll may end early with an event of the group.
fn next_message(consumer: &BaseConsumer) -> rdkafka::message::BorrowedMessage<'_> {
    let deadline = Instant::now() + Duration::from_secs(40);
    while Instant::now() < deadline {
        if let Some(message) = consumer.poll(Duration::from_secs(1)) {
            return message.unwrap();
        }
    }
    panic!("a message was to come within 40 s");
}

/// A member of a group that reads so many records of a topic, commits, and stays a member while it lives.
pub fn member(bootstrap: &str, group: &str, topic: &str, records: usize) -> BaseConsumer {
    let member = consumer(bootstrap, group);
    member.subscribe(&[topic]).unwrap();
    let mut next = std::collections::BTreeMap::new();
    for _ in 0..records {
        use rdkafka::Message as _;
        let message = next_message(&member);
        next.insert(message.partition(), message.offset() + 1);
    }
    let mut list = TopicPartitionList::new();
    for (partition, offset) in next {
        list.add_partition_offset(topic, partition, Offset::Offset(offset)).unwrap();
    }
    if list.count() > 0 {
        member.commit(&list, rdkafka::consumer::CommitMode::Sync).unwrap();
    }
    member
}

/// The offset that a group has committed in a partition.
pub fn committed(bootstrap: &str, group: &str, topic: &str, partition: i32) -> Option<i64> {
    let mut list = TopicPartitionList::new();
    list.add_partition(topic, partition);
    let list = consumer(bootstrap, group).committed_offsets(list, Duration::from_secs(20)).unwrap();
    match list.elements()[0].offset() {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    }
}

/// All messages of partition 0 of a topic that are there now.
pub fn messages(bootstrap: &str, topic: &str) -> Vec<(Option<String>, String)> {
    use rdkafka::Message as _;
    let reader = consumer(bootstrap, "test-reader");
    let (low, high) = reader.fetch_watermarks(topic, 0, Duration::from_secs(20)).unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Beginning).unwrap();
    reader.assign(&list).unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (low..high)
        .map(|_| {
            let message = next_message(&reader);
            (message.key().map(text), message.payload().map(text).unwrap_or_default())
        })
        .collect()
}

/// Makes a topic at a broker that lets topics be made.
pub async fn make_topic(bootstrap: &str, topic: &str, partitions: i32) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", bootstrap).create().unwrap();
    let wanted = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    let made = admin.create_topics(&[wanted], &AdminOptions::new()).await.unwrap();
    made.into_iter().for_each(|made| drop(made.unwrap()));
}
