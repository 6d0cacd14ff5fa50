//! The watch: what it hands on, when it commits, and what happens to what it cannot hand on.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use selfheal_contract::{Adapter, Intake, NotTaken};
use selfheal_core::alert::Alert;
use selfheal_core::notification::Notification;
use selfheal_test_servers::require;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::broker::{Broker, full_kafka, tansu};
use crate::support::{Mock, adapter_with, committed, make_topic, messages, producer, put};

const ALERT: &str = r#"{"status":"firing","labels":{"alertname":"A"},"startsAt":"2026-11-22T12:00:00Z"}"#;

/// An intake that keeps what it takes, and takes only what it is let to.
#[derive(Default)]
struct Desk(Mutex<State>);

#[derive(Default)]
struct State {
    taken: Vec<String>,
    asked: usize,
    closed: bool,
}

#[async_trait]
impl Intake for Desk {
    async fn take(&self, watch: &'static str, body: Vec<u8>) -> Result<(), NotTaken> {
        assert_eq!(watch, "kafka_alerts");
        let mut state = self.0.lock().unwrap();
        state.asked += 1;
        if state.closed {
            return Err(NotTaken::Later("the journal cannot be written".into()));
        }
        let read = Notification::read(&body).map_err(|fault| NotTaken::Malformed(fault.to_string()))?;
        let names =
            read.alerts.iter().map(|(_, alert)| alert.labels.get("alertname").unwrap_or("?").to_owned());
        state.taken.extend(names);
        Ok(())
    }

    async fn open(&self, _watch: &'static str) -> Result<Vec<Alert>, NotTaken> {
        Ok(Vec::new())
    }
}

impl Desk {
    fn taken(&self) -> Vec<String> {
        self.0.lock().unwrap().taken.clone()
    }

    fn asked(&self) -> usize {
        self.0.lock().unwrap().asked
    }

    fn close(&self, closed: bool) {
        self.0.lock().unwrap().closed = closed;
    }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "in vain until {what}");
        // Lets the watch run; what is waited for is the condition.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn listening(bootstrap: &str, source: Value) -> Adapter {
    adapter_with(bootstrap, json!({ "source": source }))
}

fn run(adapter: &Adapter, desk: &Arc<Desk>) -> JoinHandle<()> {
    let (watch, desk) = (Arc::clone(&adapter.watches[0]), Arc::clone(desk));
    tokio::spawn(async move { watch.run(desk).await })
}

fn alert(name: &str) -> String {
    ALERT.replace("\"A\"", &format!("{name:?}"))
}

async fn offsets(bootstrap: &str, group: &str, topic: &str) -> Option<i64> {
    let (bootstrap, group, topic) = (bootstrap.to_owned(), group.to_owned(), topic.to_owned());
    tokio::task::spawn_blocking(move || committed(&bootstrap, &group, &topic, 0)).await.unwrap()
}

async fn until_committed(bootstrap: &str, group: &str, topic: &str, offset: i64) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while offsets(bootstrap, group, topic).await != Some(offset) {
        assert!(Instant::now() < deadline, "in vain until {offset} is committed");
    }
}

/// Alerts come in every form; nothing is committed that is not taken; the unreadable is put aside and passed over; what was
/// taken does not come again at the next start, what was not does.
async fn alerts_come_in(bootstrap: &str, run_name: &str) {
    let (topic, group, dead) =
        (format!("alerts{run_name}"), format!("heal{run_name}"), format!("unreadable{run_name}"));
    let producer = producer(bootstrap);
    let adapter = listening(bootstrap, json!({ "topic": topic, "group": group, "dead_letters": dead }));
    let desk = Arc::new(Desk::default());

    put(&producer, &topic, &alert("One")).await;
    put(&producer, &topic, &format!("[{},{}]", alert("Two"), alert("Three"))).await;
    put(&producer, &topic, "not an alert").await;
    put(&producer, &topic, r#"{"alerts":[],"version":"9"}"#).await;
    put(&producer, &topic, &format!(r#"{{"version":"4","alerts":[{}]}}"#, alert("Four"))).await;
    let half = format!("[{},7]", alert("Half"));
    put(&producer, &topic, &half).await;
    // As Prometheus posts it to Alertmanager.
    let posted = alert("Posted").replace(r#""status":"firing","#, r#""endsAt":"2026-11-22T12:04:00Z","#);
    put(&producer, &topic, &posted).await;
    let first = run(&adapter, &desk);
    until("all alerts are taken", || desk.taken().len() == 6).await;
    assert_eq!(desk.taken(), ["One", "Two", "Three", "Four", "Half", "Posted"]);
    until_committed(bootstrap, &group, &topic, 7).await;
    let buried: Vec<String> = {
        let (bootstrap, dead) = (bootstrap.to_owned(), dead.clone());
        let read = tokio::task::spawn_blocking(move || messages(&bootstrap, &dead)).await.unwrap();
        read.into_iter().map(|(_, payload)| payload).collect()
    };
    assert_eq!(buried, ["not an alert", r#"{"alerts":[],"version":"9"}"#, half.as_str()]);

    // While the intake is closed, nothing is committed.
    desk.close(true);
    let asked = desk.asked();
    put(&producer, &topic, &alert("Five")).await;
    until("it was tried again", || desk.asked() >= asked + 3).await;
    assert_eq!(offsets(bootstrap, &group, &topic).await, Some(7));

    // A process that ends like this has not taken it; the next one does, and only that.
    first.abort();
    let _ = first.await;
    desk.close(false);
    let second = run(&adapter, &desk);
    put(&producer, &topic, &alert("Six")).await;
    until("the rest is taken", || desk.taken().len() >= 8).await;
    assert_eq!(desk.taken()[6..], ["Five", "Six"]);
    until_committed(bootstrap, &group, &topic, 9).await;
    second.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_at_the_in_process_cluster() {
    let mock = Mock::new(1).unwrap();
    mock.create_topic("alerts", 1, 1).unwrap();
    mock.create_topic("unreadable", 1, 1).unwrap();
    alerts_come_in(&mock.bootstrap_servers(), "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_at_tansu() {
    let broker = require!(tansu());
    make_topic(&broker.bootstrap, "alerts", 1).await;
    make_topic(&broker.bootstrap, "unreadable", 1).await;
    alerts_come_in(&broker.bootstrap, "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_at_a_full_kafka() {
    let Some(Broker { bootstrap, run, .. }) = &full_kafka() else { return };
    make_topic(bootstrap, &format!("alerts{run}"), 1).await;
    make_topic(bootstrap, &format!("unreadable{run}"), 1).await;
    alerts_come_in(bootstrap, run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_share_a_topic_and_lose_nothing() {
    let mock = Mock::new(1).unwrap();
    let bootstrap = mock.bootstrap_servers();
    mock.create_topic("alerts", 4, 1).unwrap();
    let adapters = [0, 1].map(|_| listening(&bootstrap, json!({ "topic": "alerts" })));
    let desk = Arc::new(Desk::default());
    let first = run(&adapters[0], &desk);
    let producer = producer(&bootstrap);
    let send = |from: usize| {
        let producer = producer.clone();
        async move {
            for number in from..from + 40 {
                let payload = alert(&format!("N{number}"));
                let record = rdkafka::producer::FutureRecord::<str, str>::to("alerts")
                    .partition((number % 4) as i32)
                    .payload(&payload);
                producer.send(record, Duration::from_secs(20)).await.unwrap();
            }
        }
    };
    send(0).await;
    until("the first takes alerts", || !desk.taken().is_empty()).await;
    // The group rebalances while alerts come, and once more when the first ends.
    let second = run(&adapters[1], &desk);
    send(40).await;
    first.abort();
    let _ = first.await;
    send(80).await;
    let all: std::collections::BTreeSet<String> = (0..120).map(|number| format!("N{number}")).collect();
    until("every alert is taken at least once", || {
        desk.taken().into_iter().collect::<std::collections::BTreeSet<_>>() == all
    })
    .await;
    second.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_away_is_waited_for() {
    let mock = Mock::new(1).unwrap();
    let bootstrap = mock.bootstrap_servers();
    mock.create_topic("alerts", 1, 1).unwrap();
    put(&producer(&bootstrap), "alerts", &alert("One")).await;
    mock.broker_down(-1).unwrap();
    let adapter = listening(&bootstrap, json!({ "topic": "alerts" }));
    let desk = Arc::new(Desk::default());
    let watch = run(&adapter, &desk);
    tokio::task::yield_now().await;
    mock.broker_up(-1).unwrap();
    until("the alert is taken", || desk.taken() == ["One"]).await;
    mock.broker_down(-1).unwrap();
    mock.broker_up(-1).unwrap();
    put(&producer(&bootstrap), "alerts", &alert("Two")).await;
    until("the next is taken", || desk.taken().contains(&"Two".to_owned())).await;
    watch.abort();
}
