//! Against services that are well, ill, slow and gone.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::TcpListener;
use std::time::Duration;

use selfheal_contract::settings::{Collector, Key, Location, Node, Section, Value as Setting};
use selfheal_contract::{Adapter, FailureKind, Reading, conformance};
use selfheal_test_servers::{HttpStandIn, Reply};
use serde_json::{Value, json};

const AT: Location = Location::START;

fn map(entries: impl IntoIterator<Item = (String, Node)>) -> Node {
    let entries = entries.into_iter().map(|(name, node)| (Key { name, at: AT }, node)).collect();
    Node { value: Setting::Map(entries), at: AT }
}

/// The settings of a target.
type Settings<'a> = &'a [(&'a str, &'a str)];

/// The adapter with these targets.
fn adapter(targets: &[(&str, Settings<'_>)]) -> Adapter {
    let text = |text: &str| Node { value: Setting::Open(text.to_owned()), at: AT };
    let target =
        |entries: &[(&str, &str)]| map(entries.iter().map(|(name, value)| ((*name).to_owned(), text(value))));
    let targets = map(targets.iter().map(|(name, entries)| ((*name).to_owned(), target(entries))));
    let root = map([("targets".to_owned(), targets)]);
    let collector = Collector::default();
    let prepared = (selfheal_health::ENTRY.check)(&mut Section::root(&root, &collector));
    collector.accept(prepared).unwrap_or_else(|faults| panic!("{faults}")).connect().unwrap()
}

async fn read(adapter: &Adapter, probe: &str, target: &str) -> Value {
    let probe = adapter.probes.iter().find(|candidate| candidate.about().name == probe).unwrap();
    let params = json!({ "target": target }).as_object().unwrap().clone();
    match probe.read(&params).await.unwrap() {
        Reading::Known(value) => value,
        Reading::Inconclusive(why) => panic!("{why}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_judged_by_status_text_and_time() {
    let server = HttpStandIn::start().unwrap();
    let url = server.url();
    let url = url.as_str();
    let adapter = adapter(&[
        ("plain", &[("http", url)]),
        ("created", &[("http", url), ("status", "201")]),
        ("moved", &[("http", url), ("status", "302")]),
        ("text", &[("http", url), ("contains", "status: ok")]),
        ("slow", &[("http", url), ("timeout", "200ms")]),
    ]);
    let long = |before: usize| Reply::status(200).body(format!("{}status: ok", "x".repeat(before)));
    let cases = [
        ("plain", Reply::status(200), ""),
        ("plain", Reply::status(204), ""),
        ("plain", Reply::status(500), "expected a status from 200 to 299, got 500"),
        (
            "plain",
            Reply::status(302).header("location", "http://else/"),
            "got 302 to http://else/; redirects are not",
        ),
        ("plain", Reply::hang_up(), "connection closed"),
        ("created", Reply::status(201), ""),
        ("created", Reply::status(200), "expected status 201, got 200"),
        ("moved", Reply::status(302).header("location", "http://else/"), ""),
        ("text", Reply::status(200).body("{status: ok}"), ""),
        ("text", long(60_000), ""),
        ("text", long(70_000), "not in its first 65536 bytes"),
        ("text", Reply::status(200).body("status: bad"), "expected \"status: ok\" in the body"),
        ("text", Reply::status(503).body("status: ok"), "got 503"),
        ("slow", Reply::status(200).after(Duration::from_secs(20)), "no answer within 200ms"),
    ];
    for (target, reply, expected) in cases {
        let shown = format!("{target}: {reply:.120?}");
        server.answer(reply);
        let reading = read(&adapter, "http", target).await;
        let why = reading["why"].as_str().unwrap();
        assert_eq!(reading["healthy"], json!(expected.is_empty()), "{shown}: {why}");
        assert!(why.contains(expected), "{shown}: {why}");
        assert!(reading["seconds"].as_f64().unwrap() < 15.0, "{reading}");
    }
    server.answer(Reply::status(200));
    assert_eq!(read(&adapter, "http", "plain").await["status"], 200);
    assert_eq!(read(&adapter, "http", "plain").await["certificate_days"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_sent_and_a_page_is_only_got() {
    let server = HttpStandIn::start().unwrap();
    let url = format!("{}/health?deep=1", server.url());
    let adapter = adapter(&[("page", &[("http", &url), ("token", "hunter2")])]);
    assert_eq!(read(&adapter, "http", "page").await["healthy"], true);
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!((requests[0].method.as_str(), requests[0].path.as_str()), ("GET", "/health?deep=1"));
    assert_eq!(requests[0].header("authorization"), Some("Bearer hunter2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn ports_take_connections_or_not() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let adapter =
        adapter(&[("port", &[("tcp", &address)]), ("page", &[("http", &format!("http://{address}"))])]);
    let reading = read(&adapter, "tcp", "port").await;
    assert_eq!((&reading["healthy"], &reading["why"]), (&json!(true), &json!("")));
    drop(listener);
    for (probe, target) in [("tcp", "port"), ("http", "page")] {
        let reading = read(&adapter, probe, target).await;
        let why = reading["why"].as_str().unwrap();
        assert!(reading["healthy"] == false && why.to_lowercase().contains("refused"), "{probe}: {why}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_not_trusted_is_not_healthy() {
    // Nobody speaks TLS here, which is as wrong as a certificate of nobody.
    let server = HttpStandIn::start().unwrap();
    let url = server.url().replace("http://", "https://");
    let adapter = adapter(&[("page", &[("http", &url)])]);
    let reading = read(&adapter, "http", "page").await;
    assert_eq!((&reading["healthy"], &reading["status"]), (&json!(false), &Value::Null));
    assert!(!reading["why"].as_str().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_configured_targets_are_asked() {
    let adapter = adapter(&[("shop", &[("http", "http://127.0.0.1:1")]), ("db", &[("tcp", "127.0.0.1:1")])]);
    for (probe, target, expected) in [
        ("http", "shpo", "did you mean \"shop\"?"),
        ("http", "db", "configured are shop"),
        ("tcp", "http://169.254.169.254/", "there is no health target"),
    ] {
        let probe = adapter.probes.iter().find(|candidate| candidate.about().name == probe).unwrap();
        let params = json!({ "target": target }).as_object().unwrap().clone();
        let failure = probe.check(&params).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Refused);
        assert!(failure.what.contains(expected), "{failure}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_holds() {
    let server = HttpStandIn::start().unwrap();
    let adapter = adapter(&[("page", &[("http", &server.url())]), ("port", &[("tcp", &server.address())])]);
    assert_eq!(conformance::describe(&adapter), Vec::<String>::new());
    let observe =
        || -> std::pin::Pin<Box<dyn Future<Output = Value> + Send>> { Box::pin(async { json!(0) }) };
    for (probe, target) in adapter.probes.iter().zip(["page", "port"]) {
        let params = json!({ "target": target }).as_object().unwrap().clone();
        conformance::try_probe(&**probe, &params, &observe).await.unwrap();
    }
}
