//! What the webhook does with what it should not get: a clear answer, a counter, nothing stored.

use std::io::Write as _;

use actix_web::test::TestRequest;
use flate2::Compression;
use flate2::write::GzEncoder;
use selfheal_contract::settings::Secret;

use super::support::{House, Plan, firing};
use crate::config::WebhookCredentials;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn webhook() -> TestRequest {
    TestRequest::post().uri("/webhook/alertmanager")
}

#[actix_web::test]
async fn bodies_that_cannot_be_taken_are_told_why() {
    let house = House::build(Plan::default()).await;
    let good = firing("Broken", "a").to_string();
    let nested = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let deep = format!(r#"{{"version":"4","alerts":[{{"status":"firing","labels":{{"a":{nested}}}}}]}}"#);
    let deep_outside = format!(r#"{{"version":"4","alerts":{nested}}}"#);
    let one_bad = r#"{"version":"4","alerts":[{"status":"burning","labels":{"alertname":"X"}}]}"#;
    let cases = [
        ("empty", vec![], None, 400, "line 1, column 1"),
        ("not JSON", b"hello".to_vec(), None, 400, "not JSON"),
        ("cut off", good.as_bytes()[..good.len() / 2].to_vec(), None, 400, "line 1, column"),
        ("an array", b"[]".to_vec(), None, 400, "expected an object"),
        ("no version", br#"{"alerts":[]}"#.to_vec(), None, 400, "version"),
        ("version 5", br#"{"version":"5","alerts":[]}"#.to_vec(), None, 400, "\"5\" is not supported"),
        ("bytes that are no text", vec![0xff; 100], None, 400, "not JSON"),
        ("only malformed alerts", one_bad.into(), None, 400, "all 1 alerts are malformed: alerts[0]"),
        ("deep nesting in an alert", deep.into_bytes(), None, 400, "column"),
        ("deep nesting for alerts", deep_outside.into_bytes(), None, 400, "malformed"),
        ("too large", vec![b' '; 64 * 1024 + 1], None, 413, "more than 65536 bytes"),
        ("a gzip bomb", gzip(&vec![b' '; 64 << 20]), Some("gzip"), 413, "more than 65536 bytes"),
        ("gzip that is none", good.clone().into_bytes(), Some("gzip"), 400, "not gzip"),
        ("gzip that ends early", gzip(good.as_bytes())[..40].to_vec(), Some("gzip"), 400, "not gzip"),
        (
            "an encoding that is not known",
            good.clone().into_bytes(),
            Some("br"),
            415,
            "\"br\" is not supported",
        ),
    ];
    for (what, body, encoding, status, part) in cases {
        let mut request = webhook().set_payload(body);
        if let Some(encoding) = encoding {
            request = request.insert_header(("content-encoding", encoding));
        }
        let answer = house.ask(request).await;
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        assert!(answer.text.contains(part), "{what}: {answer:?}");
        assert_eq!(answer.text.lines().count(), 1, "{what}: it lands in a log, {answer:?}");
    }
    assert_eq!(house.engine.journal.totals().await.unwrap().issues, 0);
    let metrics = house.ask(TestRequest::get().uri("/metrics")).await.text;
    for line in [
        r#"self_healing_validation_failures_total{input="notification",reason="too_large"} 2"#,
        r#"self_healing_validation_failures_total{input="notification",reason="encoding"} 1"#,
        r#"self_healing_validation_failures_total{input="notification",reason="wrong_version"} 1"#,
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
}

/// Above 80 % of what may wait, while the journal takes its time.
#[actix_web::test]
async fn a_full_backlog_asks_to_send_again_and_stores_nothing() {
    let house = House::build(Plan { body_max: 1024 * 1024, in_flight_max: 2 << 20, ..Plan::default() }).await;
    let many = |alerts: usize, name: &str| {
        let mut body = firing("Nobody's", "a");
        let alert = |number: usize| {
            let mut alert = body["alerts"][0].clone();
            alert["labels"]["job"] = format!("{name}{number}").into();
            alert
        };
        let all: Vec<serde_json::Value> = (0..alerts).map(alert).collect();
        body["alerts"] = all.into();
        body.to_string()
    };
    house.hangs.send_replace(true);
    let next = async {
        while house.engine.waiting() < 790 {
            tokio::task::yield_now().await;
        }
        let refused = house.notify(many(11, "second")).await;
        house.hangs.send_replace(false);
        refused
    };
    let (first, refused) = futures::join!(house.notify(many(790, "first")), next);
    assert_eq!((first.status.as_u16(), refused.status.as_u16()), (200, 503), "{refused:?}");
    assert!(
        refused.text.contains("790 alerts wait") && refused.text.contains("send it again"),
        "{refused:?}"
    );
    house.rest().await;
    assert_eq!(house.engine.journal.totals().await.unwrap().issues, 790, "what was refused is not there");
    let metrics = house.ask(TestRequest::get().uri("/metrics")).await.text;
    assert!(metrics.contains("self_healing_queue_overflow_total 1"), "{metrics}");
    assert_eq!(house.notify(many(11, "second")).await.status, 200, "it is sent again");
}

#[actix_web::test]
async fn what_can_be_taken_is_taken_however_it_is_wrapped() {
    let house = House::build(Plan::default()).await;
    let body = |job: &str| firing("Broken", job).to_string().into_bytes();
    let cases: [(&str, TestRequest, Vec<u8>); 6] = [
        (
            "as Alertmanager sends it",
            webhook().insert_header(("content-type", "application/json")),
            body("a"),
        ),
        ("with gzip", webhook().insert_header(("content-encoding", "gzip")), gzip(&body("b"))),
        ("with a trailing slash", TestRequest::post().uri("/webhook/alertmanager/"), body("c")),
        ("with a trailing path", TestRequest::post().uri("/webhook/alertmanager/team/a"), body("d")),
        ("with an identity encoding", webhook().insert_header(("content-encoding", "identity")), body("e")),
        (
            "with credentials that nobody asked for",
            webhook().insert_header(("authorization", "Bearer x")),
            body("f"),
        ),
    ];
    for (what, request, body) in cases {
        let answer = house.ask(request.set_payload(body)).await;
        assert_eq!(answer.status, 200, "{what}: {answer:?}");
        let answer = answer.json();
        assert_eq!((&answer["status"], &answer["alerts"]), (&"stored".into(), &1.into()), "{what}: {answer}");
        assert_eq!(answer["trace"].as_str().unwrap().len(), 32, "{what}");
    }
    house.rest().await;
    assert_eq!(house.engine.journal.totals().await.unwrap().issues, 6);
    let again = house.notify(body("a")).await;
    assert_eq!(again.json()["status"], "known");
}

#[actix_web::test]
async fn a_malformed_alert_costs_its_neighbours_nothing() {
    let house = House::build(Plan::default()).await;
    let mut body = firing("Broken", "a");
    body["alerts"].as_array_mut().unwrap().push(serde_json::json!({ "status": "firing" }));
    let answer = house.notify(body.to_string()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = answer.json();
    assert_eq!((&answer["alerts"], &answer["malformed_total"]), (&1.into(), &1.into()));
    assert!(answer["malformed"][0].as_str().unwrap().starts_with("alerts[1]"), "{answer}");
}

#[actix_web::test]
async fn a_senders_trace_is_kept_and_a_false_one_is_not() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let house = House::build(Plan::default()).await;
    let cases = [
        (format!("00-{TRACE}-00f067aa0ba902b7-01"), true),
        (format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)), false),
        ("nonsense".to_owned(), false),
    ];
    for (index, (header, is_kept)) in cases.into_iter().enumerate() {
        let body = firing("Broken", &index.to_string()).to_string();
        let answer =
            house.ask(webhook().insert_header(("traceparent", header.as_str())).set_payload(body)).await;
        assert_eq!(answer.json()["trace"] == TRACE, is_kept, "{header}");
    }
}

#[actix_web::test]
async fn without_credentials_nothing_is_read() {
    let webhook_credentials = WebhookCredentials {
        bearer_tokens: vec![Secret::new("a-webhook-token-0123456789")],
        basic: Vec::new(),
    };
    let house = House::build(Plan { webhook: webhook_credentials, ..Plan::default() }).await;
    let too_large = webhook().insert_header(("content-length", "99999999"));
    for (what, request) in [("small", webhook()), ("too large", too_large)] {
        let answer = house.ask(request.set_payload(firing("Broken", "a").to_string())).await;
        assert_eq!(answer.status, 401, "{what}");
        assert!(
            answer.headers.get("www-authenticate").unwrap().to_str().unwrap().starts_with("Bearer"),
            "{what}"
        );
        assert!(answer.text.contains("http_config.authorization"), "{what}: {answer:?}");
    }
    let request = webhook().insert_header(("authorization", "Bearer a-webhook-token-0123456789"));
    assert_eq!(house.ask(request.set_payload(firing("Broken", "a").to_string())).await.status, 200);
}

#[actix_web::test]
async fn only_post_brings_alerts() {
    let house = House::build(Plan::default()).await;
    let requests = [TestRequest::get(), TestRequest::put(), TestRequest::delete(), TestRequest::patch()];
    for request in requests {
        let answer = house.ask(request.uri("/webhook/alertmanager")).await;
        assert_eq!(answer.status, 405);
        assert_eq!(answer.headers.get("allow").unwrap(), "POST");
        assert!(answer.text.contains("webhook_configs"), "{answer:?}");
    }
}

#[actix_web::test]
async fn api_bodies_that_cannot_be_used_are_told_why() {
    let house = House::build(Plan::default()).await;
    let cases = [
        ("/toggle-auto-remediation", "", 400, "enabled"),
        ("/toggle-auto-remediation", r#"{"enabled":"yes"}"#, 400, "expected a boolean"),
        ("/toggle-auto-remediation", r#"{"enabled":true,"why":"x"}"#, 400, "unknown field `why`"),
        ("/approvals/1", r#"{"decision":"maybe","plan_hash":"x"}"#, 400, "unknown variant `maybe`"),
        ("/approvals/1", r#"{"decision":"grant","plan_hash":"x"}"#, 400, "64 hexadecimal digits"),
        ("/approvals/1", r#"{"decision":"grant"}"#, 400, "missing field `plan_hash`"),
        ("/dry-run", "", 400, "not JSON"),
        ("/dry-run", r#"{"version":"4"}"#, 400, "alerts: missing"),
        ("/dry-run", r#"{"version":"4","alerts":[],"rule":1}"#, 400, "rule:"),
    ];
    for (path, body, status, part) in cases {
        let request = TestRequest::post().uri(&format!("/api/self-healing{path}"));
        let answer = house.ask(request.insert_header(("host", "localhost")).set_payload(body)).await;
        assert_eq!(answer.status, status, "{path} {body}: {answer:?}");
        let fault = answer.json();
        let told = format!("{} {}", fault["error"], fault["help"]);
        assert!(told.contains(part), "{path} {body}: {told}");
    }
    let deep = format!(r#"{{"enabled":{}true"#, "[".repeat(100_000));
    let large = " ".repeat(1024 * 1024 + 1);
    for (body, status) in [(deep, 400), (large, 413)] {
        let request = TestRequest::post().uri("/api/self-healing/toggle-auto-remediation");
        let answer = house.ask(request.insert_header(("host", "localhost")).set_payload(body)).await;
        assert_eq!(answer.status, status);
    }
}
