//! Redis runs out of memory: from the metric to the closed issue.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use selfheal_test_servers::{
    Alertmanager, HttpStandIn, Prometheus, PrometheusOptions, Redis, ScrapeTarget, require, wait_until,
};
use serde_json::json;

use crate::selfheal::{PATIENCE, Selfheal};
use crate::surroundings::Exporter;

const ALERT: &str = "\
groups:
  - name: redis
    rules:
      - alert: RedisMemoryHigh
        expr: redis_memory_used_bytes / redis_memory_max_bytes > 0.85 and redis_memory_max_bytes > 0
        labels: {severity: critical, selfheal_redis: main}
";

/// Runs one command and gives the whole answer as text.
pub fn command(redis: &Redis, words: &[&str]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", redis.port())).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut text = format!("*{}\r\n", words.len());
    for word in words {
        text.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    // What comes after the answer to QUIT is the end.
    text.push_str("*1\r\n$4\r\nQUIT\r\n");
    stream.write_all(text.as_bytes()).unwrap();
    BufReader::new(stream).lines().map_while(Result::ok).collect::<Vec<_>>().join("\n")
}

/// A number in the answer to INFO, after `field:`.
pub fn info(redis: &Redis, section: &str, field: &str) -> u64 {
    let answer = command(redis, &["INFO", section]);
    let line = answer.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.and_then(|value| value.trim().parse().ok()).unwrap_or_default()
}

/// Fills its memory to nine tenths of a limit that is then set.
pub fn fill(redis: &Redis) -> u64 {
    let value = "x".repeat(64 * 1024);
    for key in 0..16 {
        command(redis, &["SET", &format!("key-{key}"), &value]);
    }
    let limit = info(redis, "memory", "used_memory") * 10 / 9;
    command(redis, &["CONFIG", "SET", "maxmemory", &limit.to_string()]);
    limit
}

#[test]
fn memory_is_given_and_the_alert_resolves() {
    let redis = require!(Redis::start());
    let exporter = require!(Exporter::of_redis(&redis.url()));
    let slack = HttpStandIn::start().unwrap();
    slack.answer(selfheal_test_servers::Reply::status(200).body("ok"));
    let mut selfheal = Selfheal::prepare(
        json!({
            "policy": { "settle": "1s" },
            "sinks": { "slack": { "kind": "slack", "url": format!("{}/services/T/B/x", slack.url()) } },
            "adapters": { "redis": { "targets": { "main": { "url": redis.url() } } } },
        }),
        &[],
    );
    selfheal.start();
    let alertmanager = require!(Alertmanager::start(&selfheal.route().to_yaml()));
    let limit = fill(&redis);
    let _prometheus = require!(Prometheus::start(&PrometheusOptions {
        targets: vec![ScrapeTarget::new("redis", exporter.address())],
        rule_files: vec![ALERT.to_owned()],
        alertmanagers: vec![alertmanager.address()],
        ..PrometheusOptions::default()
    }));

    wait_until("Redis has more memory", PATIENCE, || info(&redis, "memory", "maxmemory") > limit);
    let closed = selfheal.wait_for_issue("the issue is closed", |issue| issue["phase"] == "closed");
    assert_eq!(
        (&closed["outcome"], &closed["rule"]),
        (&json!("recovered"), &json!("redis_memory")),
        "{closed:#}"
    );
    assert_eq!(info(&redis, "memory", "maxmemory"), limit + limit / 4);
    let story = selfheal.story(&closed);
    let expected =
        ["received", "matched", "decided", "applied", "verified", "ended", "resolved", "closed", "outcome"];
    assert_eq!(story, expected);
    slack.wait_for(|request| request.text().contains("recovered"), PATIENCE);
}
