//! What the lag probe of a topic with 100 partitions costs, beside one fetch of the group's offsets of it, in turns within one
//! run: `cargo bench -p selfheal-kafka`. The cluster is the client library's own, in this process, on loopback.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use selfheal_contract::settings::{Collector, Key, Location, Node, Section, Value};
use selfheal_contract::{Adapter, AnyProbe, Reading};

const PARTITIONS: i32 = 100;
const BROKERS: i32 = 3;
const ROUNDS: usize = 400;
const WAIT: Duration = Duration::from_secs(20);

fn adapter(bootstrap: &str) -> Adapter {
    let node = |value| Node { value, at: Location::START };
    let entry = |name: &str, value: Node| (Key { name: name.to_owned(), at: Location::START }, value);
    let cluster = node(Value::Map(vec![entry("bootstrap", node(Value::Text(bootstrap.to_owned())))]));
    let clusters = node(Value::Map(vec![entry("main", cluster)]));
    let section = node(Value::Map(vec![entry("clusters", clusters)]));
    let collector = Collector::default();
    let checked = (selfheal_kafka::ENTRY.check)(&mut Section::root(&section, &collector));
    let checked = collector.accept(checked).unwrap_or_else(|faults| panic!("{faults}"));
    checked.connect().expect("the settings can be used")
}

fn partitions() -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    list.add_partition_range("orders", 0, PARTITIONS - 1);
    list
}

fn consumer(bootstrap: &str) -> BaseConsumer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("group.id", "workers");
    config.set("auto.offset.reset", "earliest").set("enable.auto.commit", "false");
    config.create().expect("a consumer can be made")
}

/// Two records in each partition; the group has read them all, and committed that it has read one of each.
async fn prepare(bootstrap: &str) {
    let config = ClientConfig::new().set("bootstrap.servers", bootstrap).clone();
    let producer: FutureProducer = config.create().expect("a producer can be made");
    for partition in (0..PARTITIONS).chain(0..PARTITIONS) {
        let record = FutureRecord::<str, str>::to("orders").partition(partition).payload("x");
        producer.send(record, WAIT).await.expect("a record is taken");
    }
    let consumer = consumer(bootstrap);
    consumer.subscribe(&["orders"]).expect("the topic is there");
    while consumer.poll(WAIT).is_none() {}
    let mut list = partitions();
    list.set_all_offsets(Offset::Offset(1)).expect("offsets can be set");
    consumer.commit(&list, CommitMode::Sync).expect("offsets can be committed");
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

async fn measure(probe: &dyn AnyProbe, bootstrap: &str) -> (Duration, Duration) {
    let question = serde_json::json!({ "group": "workers", "topic": "orders" });
    let serde_json::Value::Object(question) = question else { unreachable!("it is an object") };
    let floor = consumer(bootstrap);
    let fetch = || floor.committed_offsets(partitions(), WAIT).expect("offsets can be fetched");
    // The first of each makes its connections.
    drop(fetch());
    let Ok(Reading::Known(reading)) = probe.read(&question).await else { panic!("the probe must answer") };
    assert_eq!(reading["total"], PARTITIONS, "one record is left in each partition: {reading}");

    let (mut probes, mut fetches) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let began = Instant::now();
        drop(tokio::task::block_in_place(fetch));
        fetches.push(began.elapsed());
        let began = Instant::now();
        probe.read(&question).await.expect("the probe answers");
        probes.push(began.elapsed());
    }
    (median(probes), median(fetches))
}

#[tokio::main]
async fn main() {
    let mock = MockCluster::new(BROKERS).expect("the cluster starts");
    mock.create_topic("orders", PARTITIONS, 1).expect("a topic can be made");
    let bootstrap = mock.bootstrap_servers();
    prepare(&bootstrap).await;
    let adapter = adapter(&bootstrap);
    let probe =
        adapter.probes.iter().find(|probe| probe.about().name == "lag").expect("the adapter reads lag");
    for (name, delay) in [("loopback", Duration::ZERO), ("1 ms a round trip", Duration::from_millis(1))] {
        mock.broker_round_trip_time(-1, delay).expect("a delay can be set");
        let (probe, floor) = measure(probe.as_ref(), &bootstrap).await;
        let ratio = probe.as_secs_f64() / floor.as_secs_f64();
        println!(
            "{name}: lag of {PARTITIONS} partitions {probe:.0?}, one fetch of its offsets {floor:.0?}, ratio {ratio:.2}"
        );
    }
}
