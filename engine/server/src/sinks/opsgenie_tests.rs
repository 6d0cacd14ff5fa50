//! Opsgenie against a stand-in that refuses what the alert API refuses.

use std::collections::BTreeMap;
use std::sync::Mutex;

use selfheal_core::issue::{IssueId, Outcome};
use selfheal_store::SqliteJournal;
use selfheal_test_servers::{HttpStandIn, Reply, Request};

use super::*;
use crate::sinks::testing::{clock, install_tls, news};

/// Alerts by alias, with how they stand.
type Alerts = Arc<Mutex<BTreeMap<String, &'static str>>>;

fn requested(alerts: &Alerts, request: &Request) -> Reply {
    if request.header("authorization") != Some("GenieKey key-0123456789") {
        return Reply::status(403).json(r#"{"message":"You are not authorized"}"#);
    }
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let chars = |value: &Value| value.as_str().map_or(0, |text| text.chars().count());
    let taken = || Reply::status(202).json(r#"{"result":"Request will be processed","requestId":"1"}"#);
    let mut alerts = alerts.lock().unwrap();
    if request.path == "/v2/alerts" {
        let details: usize = body["details"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, value)| name.chars().count() + chars(value))
            .sum();
        let tags = body["tags"].as_array().map_or(0, Vec::len);
        let fits = (1..=130).contains(&chars(&body["message"]))
            && (1..=512).contains(&chars(&body["alias"]))
            && chars(&body["description"]) <= 15_000
            && details <= 8000
            && tags <= 20
            && ["P1", "P2", "P3", "P4", "P5"].contains(&body["priority"].as_str().unwrap_or_default());
        if !fits {
            return Reply::status(422).json(r#"{"message":"Request body is not processable"}"#);
        }
        alerts.insert(body["alias"].as_str().unwrap().to_owned(), "open");
        return taken();
    }
    let parts: Vec<&str> = request.path.split(['/', '?']).collect();
    match parts.as_slice() {
        ["", "v2", "alerts", alias, step, "identifierType=alias"] if chars(&body["note"]) <= 25_000 => {
            let stands = match *step {
                "close" => "closed",
                "acknowledge" => "acknowledged",
                _ => return Reply::status(404),
            };
            alerts.insert((*alias).to_owned(), stands);
            taken()
        }
        _ => Reply::status(404),
    }
}

fn scene(key: &str) -> (HttpStandIn, Alerts, Opsgenie, tempfile::TempDir) {
    install_tls();
    let (server, alerts) = (HttpStandIn::start().unwrap(), Alerts::default());
    let own = Arc::clone(&alerts);
    server.answer_by(move |request| requested(&own, request));
    let directory = tempfile::tempdir().unwrap();
    let journal = Arc::new(SqliteJournal::open(&directory.path().join("journal.sqlite")).unwrap());
    let settings = OpsgenieSettings {
        name: "oncall".into(),
        url: server.url(),
        key: Secret::new(key),
        events: vec![NewsKind::Person],
        timeout: Duration::from_secs(5),
        external_url: Some("https://selfheal.example.org".into()),
    };
    let sink = Opsgenie::new(settings, clock(), journal).unwrap();
    (server, alerts, sink, directory)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_issue_is_one_alert() {
    let (server, alerts, sink, _directory) = scene("key-0123456789");
    let steps = [
        (NewsKind::Closed, None, None, 0),
        (NewsKind::Person, Some(Outcome::Failed), Some("open"), 1),
        (NewsKind::Acknowledged, None, Some("acknowledged"), 2),
        // Whether that helped is not known: the alert there stands.
        (NewsKind::Outcome, Some(Outcome::Applied), Some("acknowledged"), 2),
        (NewsKind::Closed, Some(Outcome::Failed), Some("closed"), 3),
        (NewsKind::Closed, Some(Outcome::Failed), Some("closed"), 3),
    ];
    for (kind, outcome, expected, requests) in steps {
        sink.deliver(&News { kind, outcome, ..news() }, "k").await.unwrap();
        let stands = alerts.lock().unwrap().get("selfheal-issue-17").copied();
        assert_eq!((stands, server.count()), (expected, requests), "{kind:?}");
    }
    let alert: Value = serde_json::from_slice(&server.requests()[0].body).unwrap();
    let said = "terminated 12 idle sessions\nhttps://selfheal.example.org/#/issues/issue-17\nrunbook: https://example.org/pg";
    assert_eq!(alert["description"], said);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_told_fits_and_refusals_are_understood() {
    let (server, _, sink, _directory) = scene("key-0123456789");
    for (number, text) in (1..).zip(["x".repeat(100_000), "😀".repeat(50_000)]) {
        let facts =
            vec![("name".to_owned(), text.clone()), (text.clone(), String::new()), ("a".into(), "b".into())];
        let issue = Some(IssueId(number));
        for kind in [NewsKind::Person, NewsKind::Closed] {
            let news =
                News { title: text.clone(), text: text.clone(), facts: facts.clone(), kind, issue, ..news() };
            sink.deliver(&news, "k").await.unwrap();
        }
    }
    server.script([Reply::status(429).header("retry-after", "7")]);
    let person = News { kind: NewsKind::Person, ..news() };
    let fault = sink.deliver(&person, "k").await.unwrap_err();
    assert_eq!((fault.retry, fault.after), (true, Some(Duration::from_secs(7))));
    let (_server, _, sink, _directory) = scene("wrong-key");
    let fault = sink.deliver(&person, "k").await.unwrap_err();
    assert!(
        !fault.retry && fault.what.contains("the key is not accepted") && !fault.what.contains("wrong-key"),
        "{fault}"
    );
}
