//! Two processes on one PostgreSQL journal: who watches one sees within a second what the other does.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use selfheal_test_servers::{Postgres, Redis, http, require, wait_until};
use serde_json::json;

use crate::selfheal::{API_TOKEN, PATIENCE, Selfheal, alert};

const KEEP: &str = r#"
const RULE = #{ matchers: [`alertname="Keep"`], priority: "critical" };
fn plan(alert, seen) { skip("only to be kept") }
"#;
/// Tries, of which one must be quick on a machine that has much else to do.
const TRIES: u32 = 20;

/// The live stream of a process, as lines.
fn listen(selfheal: &Selfheal) -> impl Iterator<Item = String> {
    let url = selfheal.url("/api/self-healing/stream");
    let (address, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET /{path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {API_TOKEN}\r\n\r\n")
        .unwrap();
    BufReader::new(stream).lines().map(Result::unwrap)
}

/// How long it takes until a line tells this.
fn told(lines: &mut impl Iterator<Item = String>, since: Instant, what: impl Fn(&str) -> bool) -> Duration {
    lines.find(|line| what(line)).expect("the stream goes on");
    since.elapsed()
}

fn post(selfheal: &Selfheal, path: &str, body: &serde_json::Value) {
    let authorization = format!("Bearer {API_TOKEN}");
    let headers = [("content-type", "application/json"), ("authorization", authorization.as_str())];
    let url = selfheal.url(&format!("/api/self-healing{path}"));
    let answer = http::request("POST", &url, &headers, body.to_string().as_bytes()).unwrap();
    assert!(answer.is_success(), "{path}: {} {}", answer.status, answer.body);
}

#[test]
fn who_watches_one_sees_what_the_other_does() {
    let postgres = require!(Postgres::start());
    let ledger = require!(Redis::start());
    let settings = json!({
        "journal": { "url": format!("{}?sslmode=disable", postgres.url()) },
        "ledger": { "url": ledger.url() },
        "policy": { "storm_per_minute": 0 },
    });
    let [mut watched, mut other] = [(); 2].map(|()| Selfheal::prepare(settings.clone(), &[("keep", KEEP)]));
    watched.start();
    other.start();
    let mut lines = listen(&watched);
    let quickest = |tell: &mut dyn FnMut(u32) -> Duration| {
        let quickest = (0..TRIES).map(tell).find(|took| *took < Duration::from_secs(1));
        quickest.expect("one of many is told within a second")
    };
    let issue = quickest(&mut |number| {
        let (instance, since) = (format!("i-{number}-of-the-other"), Instant::now());
        assert!(other.send(&[alert("Keep", &instance, "2026-11-22T12:00:00Z")]).unwrap().is_success());
        told(&mut lines, since, |line| line.starts_with("data:") && line.contains(&instance))
    });
    let switch = quickest(&mut |number| {
        let (reason, since) = (format!("try {number}"), Instant::now());
        let body = json!({ "enabled": number % 2 == 1, "reason": reason });
        post(&other, "/toggle-auto-remediation", &body);
        told(&mut lines, since, |line| line.starts_with("data:") && line.contains(&reason))
    });
    let until = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    let window = json!({ "until": until, "reason": "move" });
    post(&other, "/maintenance", &window);
    wait_until("the window holds in the other one, too", PATIENCE, || {
        watched.api("/maintenance").is_ok_and(|windows| windows.to_string().contains("move"))
    });
    println!("an issue was told after {issue:?}, the switch after {switch:?}");
}
