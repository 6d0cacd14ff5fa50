//! An issue's alert is kept quiet at a real Alertmanager, and heard again.

use std::sync::Arc;
use std::time::Duration;

use actix_web::test::TestRequest;
use selfheal_test_servers::{HttpStandIn, Reply, WebhookRoute, require};
use serde_json::{Value, json};

use super::support::{Answer, House, Plan, firing, token_of, tokens};
use crate::alertmanager::{Alertmanager, AlertmanagerSettings};
use crate::config::ClientCredentials;
use crate::sinks::testing::install_tls;

const PATH: &str = "/api/self-healing/issues/issue-1/silence";

fn source(urls: &[String]) -> Option<Arc<dyn selfheal_runtime::ports::AlertSource>> {
    install_tls();
    let peers = urls.iter().map(|url| (url.clone(), ClientCredentials::Anonymous {})).collect();
    let timeout = Duration::from_secs(10);
    Some(Arc::new(Alertmanager::new(AlertmanagerSettings { peers, timeout, receiver: None }).unwrap()))
}

async fn ask(house: &House, request: TestRequest, who: &str) -> Answer {
    let request = request.insert_header(("authorization", format!("Bearer {}", token_of(who))));
    house.ask(request.insert_header(("host", "selfheal:8400"))).await
}

async fn silence(house: &House, duration: &str, reason: &str) -> Answer {
    let body = json!({ "duration": duration, "reason": reason });
    ask(house, TestRequest::post().uri(PATH).set_payload(body.to_string()), "operator").await
}

async fn read(house: &House, path: &str) -> Value {
    ask(house, TestRequest::get().uri(&format!("/api/self-healing{path}")), "viewer").await.json()
}

#[actix_web::test]
async fn an_alert_is_silenced_once_and_heard_again() {
    let route = WebhookRoute::new("http://127.0.0.1:9/nowhere").to_yaml();
    let server = require!(selfheal_test_servers::Alertmanager::start(&route));
    let down = HttpStandIn::start().unwrap();
    down.stop();
    // The first peer is down; the second does it.
    let source = source(&[down.url(), server.url()]);
    let house = House::build(Plan { tokens: tokens(), source, ..Plan::default() }).await;
    let notification = firing("Delicate", "a");
    let alert = &notification["alerts"][0];
    let posted = json!([{ "labels": alert["labels"], "startsAt": alert["startsAt"] }]);
    server.post_alerts(&posted.to_string()).unwrap();
    house.notify(notification.to_string()).await;
    house.rest().await;

    for wrong in ["1s", "32d", "2 hours", ""] {
        let answer = silence(&house, wrong, "").await;
        assert_eq!(answer.status, 400, "{wrong}: {answer:?}");
    }
    // A second time, as after an answer that was lost: its end is moved, and there is one.
    let mut ends = Vec::new();
    for duration in ["2h", "1d"] {
        let answer = silence(&house, duration, "<b>known</b>: a release").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let made = answer.json();
        assert_eq!((&made["by"], &made["issue_id"]), (&"operator".into(), &"issue-1".into()), "{made}");
        assert_eq!(made["matchers"], json!([r#"alertname="Delicate""#, r#"job="a""#, r#"severity="high""#]));
        ends.push(made["until"].as_str().unwrap().to_owned());
    }
    assert!(ends[0] < ends[1], "{ends:?}");
    let standing = read(&house, "/silences").await;
    assert_eq!(standing.as_array().map(Vec::len), Some(1), "{standing}");
    assert_eq!(standing[0]["issue_id"], "issue-1");
    assert_eq!(standing[0]["reason"], "<b>known</b>: a release");
    let story = read(&house, "/issues/1").await;
    assert_eq!(story["silence"]["id"], standing[0]["id"], "{story}");
    let quiet = format!("silence {}", standing[0]["id"].as_str().unwrap());
    assert_eq!(story["issue"]["suppressed_by"], quiet.as_str(), "{story}");

    // What was approved meanwhile waits.
    let approval = read(&house, "/approvals").await[0].clone();
    let grant = json!({ "decision": "grant", "plan_hash": approval["plan_hash"] });
    let path = format!("/api/self-healing/approvals/{}", approval["id"].as_str().unwrap());
    let answer = ask(&house, TestRequest::post().uri(&path).set_payload(grant.to_string()), "approver").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    house.rest().await;
    assert_eq!(read(&house, "/remediations").await, json!([]));

    let ended = ask(&house, TestRequest::delete().uri(PATH), "admin").await;
    assert_eq!(ended.status, 200, "{ended:?}");
    assert_eq!(ended.json()["ended"][0]["id"], standing[0]["id"]);
    house.rest().await;
    assert_eq!(
        read(&house, "/remediations").await.as_array().map(Vec::len),
        Some(1),
        "it is looked at at once"
    );
    let again = ask(&house, TestRequest::delete().uri(PATH), "admin").await;
    assert_eq!((again.status.as_u16(), &again.json()["ended"]), (200, &json!([])));
    assert_eq!(read(&house, "/silences").await, json!([]));
    let story = read(&house, "/issues/1").await;
    assert_eq!(
        (&story["silence"], &story["issue"]["suppressed_by"]),
        (&Value::Null, &Value::Null),
        "{story}"
    );
    let records: Vec<(&str, &str)> = story["story"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["kind"].as_str().unwrap(), entry["actor"].as_str().unwrap()))
        .filter(|(kind, _)| kind.contains("silenc"))
        .collect();
    let expected = [
        ("silencing", "operator"),
        ("silenced", "operator"),
        ("silencing", "operator"),
        ("silenced", "operator"),
        ("unsilencing", "admin"),
        ("unsilenced", "admin"),
    ];
    assert_eq!(records, expected);
}

#[actix_web::test]
async fn what_cannot_be_silenced_says_why() {
    let server = HttpStandIn::start().unwrap();
    server.answer(Reply::status(200).json("[]"));
    let source = source(&[server.url()]);
    let house = House::build(Plan { tokens: tokens(), source, ..Plan::default() }).await;
    house.notify(firing("Broken", "a").to_string()).await;
    house.rest().await;
    server.answer(Reply::status(500).body("no room"));
    let failed = silence(&house, "2h", "").await;
    assert_eq!(failed.status, 503, "{failed:?}");
    assert!(failed.json()["error"].as_str().unwrap().contains("answered 500: no room"), "{failed:?}");
    let story = read(&house, "/issues/1").await;
    let last = story["story"].as_array().unwrap().iter().rfind(|entry| entry["actor"] == "operator").unwrap();
    assert_eq!(last["kind"], "silence_failed", "{story}");
    assert_eq!(story["silence"], Value::Null);
    assert_eq!(read(&house, "/session").await["silences"], true);

    let alone = House::build(Plan { tokens: tokens(), ..Plan::default() }).await;
    alone.notify(firing("Broken", "a").to_string()).await;
    alone.rest().await;
    let refused = silence(&alone, "2h", "").await;
    assert_eq!(refused.status, 409, "{refused:?}");
    assert!(refused.json()["help"].as_str().unwrap().contains("alertmanager.urls"), "{refused:?}");
    assert_eq!(read(&alone, "/silences").await, json!([]));
    assert_eq!(read(&alone, "/session").await["silences"], false);
}
