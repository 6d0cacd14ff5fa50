//! PagerDuty against a stand-in that refuses what the Events API v2 refuses, and knows alerts by their key.

use std::collections::BTreeMap;
use std::sync::Mutex;

use selfheal_store::SqliteJournal;
use selfheal_test_servers::{HttpStandIn, Reply, Request};

use super::*;
use crate::sinks::testing::{clock, install_tls, news};
use selfheal_core::issue::{IssueId, Outcome};

const KEY: &str = "r0123456789abcdef0123456789abcde";

/// Alerts by key, with how they stand.
type Alerts = Arc<Mutex<BTreeMap<String, String>>>;

/// What PagerDuty answers: 202, or 400 with what is wrong.
fn enqueue(alerts: &Alerts, request: &Request) -> Reply {
    let event: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let text = |value: &Value, most: usize| {
        value.as_str().is_some_and(|text| (1..=most).contains(&text.chars().count()))
    };
    let (payload, action) = (&event["payload"], event["event_action"].as_str().unwrap_or_default());
    let wrong = |what: &str| {
        Reply::status(400).json(json!({ "status": "invalid event", "errors": [what] }).to_string())
    };
    if request.path != "/v2/enqueue" || request.body.len() > 512 * 1024 {
        return Reply::status(404);
    }
    if event["routing_key"] != KEY || !text(&event["dedup_key"], 255) {
        return wrong("routing_key");
    }
    if action == "trigger"
        && !(text(&payload["summary"], 1024)
            && text(&payload["source"], 255)
            && ["critical", "error", "warning", "info"]
                .contains(&payload["severity"].as_str().unwrap_or_default()))
    {
        return wrong("payload");
    }
    let stands = match action {
        "trigger" => "triggered",
        "acknowledge" => "acknowledged",
        "resolve" => "resolved",
        _ => return wrong("event_action"),
    };
    alerts.lock().unwrap().insert(event["dedup_key"].as_str().unwrap().to_owned(), stands.to_owned());
    Reply::status(202).json(r#"{"status":"success"}"#)
}

fn scene(key: &str) -> (HttpStandIn, Alerts, PagerDuty, tempfile::TempDir) {
    install_tls();
    let (server, alerts) = (HttpStandIn::start().unwrap(), Alerts::default());
    let own = Arc::clone(&alerts);
    server.answer_by(move |request| enqueue(&own, request));
    let directory = tempfile::tempdir().unwrap();
    let journal = Arc::new(SqliteJournal::open(&directory.path().join("journal.sqlite")).unwrap());
    let settings = PagerDutySettings {
        name: "pager".into(),
        url: server.url(),
        routing_key: Secret::new(key),
        events: vec![NewsKind::Person],
        timeout: Duration::from_secs(5),
        external_url: Some("https://selfheal.example.org".into()),
    };
    let sink = PagerDuty::new(settings, clock(), journal).unwrap();
    (server, alerts, sink, directory)
}

fn of(kind: NewsKind, outcome: Option<Outcome>) -> News {
    News { kind, outcome, ..news() }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_issue_is_one_alert() {
    let (server, alerts, sink, _directory) = scene(KEY);
    let steps = [
        // Nothing was triggered: nothing is there to go on with.
        (of(NewsKind::Acknowledged, None), None, 0),
        (of(NewsKind::Closed, None), None, 0),
        (of(NewsKind::Person, Some(Outcome::Failed)), Some("triggered"), 1),
        (of(NewsKind::Person, Some(Outcome::Failed)), Some("triggered"), 2),
        (of(NewsKind::Acknowledged, None), Some("acknowledged"), 3),
        // Whether that helped is not known: the alert there stands.
        (of(NewsKind::Outcome, Some(Outcome::Applied)), Some("acknowledged"), 3),
        (of(NewsKind::Outcome, Some(Outcome::Recovered)), Some("resolved"), 4),
        (of(NewsKind::Closed, Some(Outcome::Recovered)), Some("resolved"), 4),
        (of(NewsKind::Person, Some(Outcome::Stuck)), Some("triggered"), 5),
        (of(NewsKind::Closed, Some(Outcome::Stuck)), Some("resolved"), 6),
    ];
    for (news, expected, requests) in steps {
        sink.deliver(&news, "k").await.unwrap();
        let stands = alerts.lock().unwrap().get("selfheal/issue-17").cloned();
        assert_eq!((stands.as_deref(), server.count()), (expected, requests), "{news:?}");
    }
    assert!(!sink.wants(&of(NewsKind::Outcome, Some(Outcome::Applied))));
    assert!(sink.wants(&of(NewsKind::Outcome, Some(Outcome::Recovered))));
    let page: Value = serde_json::from_slice(&server.requests()[0].body).unwrap();
    let story = "https://selfheal.example.org/#/issues/issue-17";
    let links = json!([
        { "href": story, "text": "the issue's story" },
        { "href": "https://example.org/pg", "text": "runbook" },
    ]);
    assert_eq!((&page["client_url"], &page["links"]), (&story.into(), &links));
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_told_fits_and_refusals_are_understood() {
    let (server, _, sink, _directory) = scene(KEY);
    for (number, text) in (1..).zip(["x".repeat(100_000), "😀\u{0}".repeat(5000)]) {
        let facts = vec![(text.clone(), text.clone()); 200];
        let issue = Some(IssueId(number));
        let news =
            News { title: text.clone(), text, facts, severity: None, issue, ..of(NewsKind::Person, None) };
        sink.deliver(&news, "k").await.unwrap();
    }
    let cases = [
        (Reply::status(429).header("retry-after", "7"), (true, Some(7), "429")),
        (Reply::status(500), (true, None, "500")),
        (Reply::status(400), (false, None, "integration key")),
    ];
    for (reply, (retry, after, part)) in cases {
        server.script([reply]);
        let fault = sink.deliver(&of(NewsKind::Person, None), "k").await.unwrap_err();
        assert_eq!((fault.retry, fault.after), (retry, after.map(Duration::from_secs)), "{fault}");
        assert!(fault.what.contains(part), "{fault}");
    }
    let (_server, _, sink, _directory) = scene("wrong");
    let fault = sink.deliver(&of(NewsKind::Person, None), "k").await.unwrap_err();
    assert!(!fault.retry && fault.what.contains("routing_key") && !fault.what.contains("wrong"), "{fault}");
}

#[test]
fn severities_are_those_that_pagerduty_knows() {
    for (severity, kind, expected) in [
        (Some("critical"), NewsKind::Outcome, "critical"),
        (Some("warning"), NewsKind::Outcome, "warning"),
        (Some("warning"), NewsKind::Person, "error"),
        (Some("info"), NewsKind::Approval, "info"),
        (Some("odd"), NewsKind::Outcome, "error"),
        (None, NewsKind::Person, "error"),
    ] {
        let news = News { severity: severity.map(str::to_owned), kind, ..news() };
        assert_eq!(super::severity(&news), expected);
    }
}
