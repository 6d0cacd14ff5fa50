//! The webhook against a recording server; signatures are checked by a computation that shares nothing with the sink's.

use std::time::Duration;

use selfheal_test_servers::{HttpStandIn, Reply};
use sha2::Digest;

use super::*;
use crate::sinks::testing::{EVERY_KIND, clock, install_tls, news};

const SECRET: &str =
    "a key that is longer than one block of the hash, which has 64 bytes, so that it is hashed first";

fn webhook(url: &str, timeout: Duration) -> Webhook {
    install_tls();
    let settings = WebhookSettings {
        name: "incidents".into(),
        url: Secret::new(url),
        secret: Secret::new(SECRET),
        events: EVERY_KIND.to_vec(),
        timeout,
        external_url: Some("https://selfheal.example.org/".into()),
    };
    Webhook::new(settings, clock()).unwrap()
}

/// HMAC as RFC 2104 writes it down, from the hash alone.
fn hmac_sha256(key: &[u8], message: &[u8]) -> String {
    let mut block = [0u8; 64];
    if key.len() > block.len() {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let pad = |with: u8| block.map(|byte| byte ^ with).to_vec();
    let inner = Sha256::digest([&pad(0x36), message].concat());
    let outer = Sha256::digest([pad(0x5c), inner.to_vec()].concat());
    outer.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_independent_computation_is_right() {
    // RFC 4231, test cases 2 and 6.
    let cases: [(&[u8], &[u8], &str); 2] = [
        (
            b"Jefe",
            b"what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        (
            &[0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
    ];
    for (key, message, expected) in cases {
        assert_eq!(hmac_sha256(key, message), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_can_verify_what_it_gets() {
    let receiver = HttpStandIn::start().unwrap();
    let sink = webhook(&format!("{}/hooks/selfheal?team=a", receiver.url()), Duration::from_secs(5));
    let hostile = News {
        title: "<!channel> \"quotes\"\n\u{7}".into(),
        text: "ä".repeat(10_000),
        issue: None,
        remediation: None,
        outcome: None,
        severity: None,
        ..news()
    };
    for (message, key) in [(news(), "outbox-1"), (hostile, "outbox-2")] {
        receiver.forget();
        sink.deliver(&message, key).await.unwrap();
        let request = receiver.wait_for_count(1, Duration::from_secs(5)).remove(0);
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/hooks/selfheal?team=a"));
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert_eq!(request.header("idempotency-key"), Some(key));
        let timestamp = request.header("x-selfheal-timestamp").unwrap();
        assert_eq!(timestamp, "1795348800");
        let signed = [timestamp.as_bytes(), b".", &request.body].concat();
        let expected = format!("v1={}", hmac_sha256(SECRET.as_bytes(), &signed));
        assert_eq!(request.header("x-selfheal-signature"), Some(expected.as_str()));

        let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(body["version"], 1);
        assert_eq!(body["key"], key);
        assert_eq!(body["title"], message.title);
        assert_eq!(body["text"], message.text);
        assert_eq!(body["facts"], serde_json::json!([{"name": "namespace", "value": "production"}]));
        assert_eq!(body.get("issue").is_some(), message.issue.is_some());
    }
    let body = String::from_utf8(sink.body(&news(), "outbox-1")).unwrap();
    assert_eq!(
        body,
        r#"{"version":1,"key":"outbox-1","kind":"outcome","at":"2026-11-22T12:00:00Z","#.to_owned()
            + r#""title":"pg_connections: recovered","text":"terminated 12 idle sessions","#
            + r#""facts":[{"name":"namespace","value":"production"}],"issue":"issue-17","#
            + r#""remediation":"remediation-17-1","outcome":"recovered","severity":"critical","#
            + r#""link":"https://selfheal.example.org/#/issues/issue-17","#
            + r#""links":[{"name":"runbook","url":"https://example.org/pg"}]}"#
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_decide_about_another_try() {
    let receiver = HttpStandIn::start().unwrap();
    let sink = webhook(&receiver.url(), Duration::from_secs(5));
    let elsewhere = format!("{}/elsewhere", receiver.url());
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    let cases = [
        (Reply::status(201), None),
        (Reply::status(503).header("retry-after", "9"), Some((true, seconds(9), "answered 503"))),
        (Reply::status(429), Some((true, None, "answered 429"))),
        (Reply::status(408), Some((true, None, "answered 408"))),
        (
            Reply::status(401).header("retry-after", "9").body("bad signature"),
            Some((false, None, "bad signature")),
        ),
        (
            Reply::status(422).body("a\u{1b}[31m\r\nb".repeat(10_000)),
            Some((false, None, "answered 422: a [31m")),
        ),
        (
            Reply::status(307).header("location", &elsewhere),
            Some((false, None, "redirects are not followed")),
        ),
        (Reply::hang_up(), Some((true, None, "no answer"))),
    ];
    for (reply, expected) in cases {
        receiver.script([reply.clone(), reply.clone()]);
        receiver.forget();
        let outcome = sink.deliver(&news(), "k").await;
        match (outcome, expected) {
            (Ok(()), None) => {}
            (Err(fault), Some((retry, after, text))) => {
                assert_eq!((fault.retry, fault.after), (retry, after), "{reply:?}: {fault}");
                assert!(fault.what.contains(text) && fault.what.len() < 500, "{reply:?}: {fault}");
                assert!(!fault.what.contains(['\u{1b}', '\n']), "{fault:?}");
            }
            (outcome, expected) => panic!("{reply:?}: {outcome:?}, expected {expected:?}"),
        }
        assert!(receiver.requests().iter().all(|request| request.path == "/"), "a redirect was followed");
        // What the script still has belongs to this case.
        while receiver.count() < 2 {
            let _ = sink.deliver(&news(), "k").await;
        }
    }
    let fault = sink.deliver(&news(), "line\nbreak").await.unwrap_err();
    assert!(!fault.retry, "{fault}");
}

#[test]
fn settings_that_cannot_work_are_refused() {
    install_tls();
    let cases = [("", "key", "url"), ("ftp://a", "key", "http://"), ("http://127.0.0.1:1", "", "secret")];
    for (url, secret, text) in cases {
        let settings = WebhookSettings {
            name: "incidents".into(),
            url: Secret::new(url),
            secret: Secret::new(secret),
            events: Vec::new(),
            timeout: Duration::from_secs(1),
            external_url: None,
        };
        let fault = Webhook::new(settings, clock()).err().expect("a fault").to_string();
        assert!(fault.contains(text) && fault.contains("incidents"), "{fault}");
    }
}
