//! The live stream, heard over a real connection.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;

use super::support::{House, Plan, firing};

const PATIENCE: Duration = Duration::from_secs(20);

/// An event, as it was heard.
#[derive(Debug)]
struct Event {
    id: String,
    kind: String,
    data: Value,
}

struct Listener {
    lines: Lines<BufReader<TcpStream>>,
    /// What was heard and not asked for yet.
    heard: Vec<Event>,
}

impl Listener {
    async fn connect(address: SocketAddr, last: Option<&str>) -> Self {
        let mut socket = TcpStream::connect(address).await.unwrap();
        let last = last.map_or(String::new(), |last| format!("last-event-id: {last}\r\n"));
        let request = format!("GET /api/self-healing/stream HTTP/1.1\r\nhost: {address}\r\n{last}\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        Self { lines: BufReader::new(socket).lines(), heard: Vec::new() }
    }

    async fn line(&mut self) -> Option<String> {
        let line =
            tokio::time::timeout(PATIENCE, self.lines.next_line()).await.expect("there is something to hear");
        line.unwrap()
    }

    /// The next event; `None` when the server has ended the stream.
    async fn next(&mut self) -> Option<Event> {
        let mut event = Event { id: String::new(), kind: String::new(), data: Value::Null };
        loop {
            let line = self.line().await?;
            match line.split_once(": ") {
                Some(("id", id)) => event.id = id.to_owned(),
                Some(("event", kind)) => event.kind = kind.to_owned(),
                Some(("data", data)) => {
                    event.data = serde_json::from_str(data).unwrap();
                    return Some(event);
                }
                _ => {}
            }
        }
    }

    /// The first event of a kind that fits, heard already or still to come.
    async fn until(&mut self, kind: &str, fits: impl Fn(&Value) -> bool) -> Event {
        let is_it = |event: &Event| event.kind == kind && fits(&event.data);
        if let Some(place) = self.heard.iter().position(is_it) {
            return self.heard.remove(place);
        }
        let waiting = async {
            loop {
                let event = self.next().await.expect("the stream goes on");
                if is_it(&event) {
                    return event;
                }
                self.heard.push(event);
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(event) => event,
            Err(_) => panic!("no {kind} that fits came, but {:?}", self.heard),
        }
    }
}

#[actix_web::test]
async fn what_changes_is_told_as_its_list_shows_it() {
    let house = House::build(Plan::default()).await;
    let (address, handle) = house.serve();
    let mut listener = Listener::connect(address, None).await;
    assert_eq!(listener.next().await.unwrap().kind, "hello");

    house.notify(firing("Delicate", "a").to_string()).await;
    let issue = listener.until("issue", |issue| issue["phase"] == "awaiting_approval").await;
    assert_eq!(issue.data, house.get("/issues").await.json()[0]);
    let approval = listener.until("approval", |approval| approval["state"] == "open").await;
    let health = listener.until("health", |_| true).await;
    assert_eq!(health.data["database_score"], 85, "{health:?}");

    let path = format!("/approvals/{}", approval.data["id"].as_str().unwrap());
    house.post(&path, &json!({ "decision": "grant", "plan_hash": approval.data["plan_hash"] })).await;
    let granted = listener.until("approval", |approval| approval["state"] == "granted").await;
    let ended = listener.until("remediation", |remediation| remediation["status"] == "success").await;
    assert_eq!(ended.data["intents"][0]["state"], "done", "{ended:?}");
    house.post("/toggle-auto-remediation", &json!({ "enabled": false, "reason": "enough" })).await;
    let switch = listener.until("switch", |_| true).await;
    assert_eq!((&switch.data["by"], &switch.data["why"]), (&"local".into(), &"enough".into()));

    // Who comes back hears what came after what it heard last.
    drop(listener);
    let mut again = Listener::connect(address, Some(&granted.id)).await;
    again.until("remediation", |remediation| remediation["status"] == "success").await;
    let told = again.until("switch", |_| true).await;
    assert_eq!((told.id, told.data), (switch.id, switch.data));
    let mut stranger = Listener::connect(address, Some("elsewhere-7")).await;
    assert_eq!(stranger.next().await.unwrap().kind, "reset");

    // A server that stops does not wait for its listeners.
    house.app.close();
    while again.next().await.is_some() {}
    tokio::time::timeout(PATIENCE, handle.stop(true)).await.expect("it stops");
}

#[actix_web::test]
async fn a_storm_is_told_in_one_word_and_a_thousand_hear_it() {
    let house = House::build(Plan::default()).await;
    let (address, handle) = house.serve();
    let mut listeners = Vec::new();
    for _ in 0..1000 {
        let mut listener = Listener::connect(address, None).await;
        assert_eq!(listener.next().await.unwrap().kind, "hello");
        listeners.push(listener);
    }
    let mut body = firing("Unknown", "a");
    let alert = body["alerts"][0].clone();
    let storm = (0..150).map(|number| {
        let mut alert = alert.clone();
        alert["labels"]["job"] = json!(format!("job-{number}"));
        alert
    });
    body["alerts"] = storm.collect();
    house.notify(body.to_string().into_bytes()).await;
    for listener in &mut listeners {
        let much = listener.until("many", |_| true).await;
        assert!(much.data["issues"].as_u64().unwrap() > 100, "{much:?}");
    }
    house.app.close();
    handle.stop(true).await;
}
