//! People are told in Slack, answer there, and hear how it went on, across a crash; who does not answer has others told.

use std::time::{SystemTime, UNIX_EPOCH};

use selfheal_test_servers::http::{self, Response};
use selfheal_test_servers::{HttpStandIn, Reply, SlackMessage, SlackStandIn, poll, wait_until};
use serde_json::{Value, json};

use crate::selfheal::{PATIENCE, Selfheal, alert};

const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
const TOKEN: &str = "xoxb-0123456789";
const RULE: &str = r#"const RULE = #{ matchers: [`alertname="Delicate"`], priority: "critical" };
fn plan(alert, seen) {
    log::write(`healing ${alert.labels.instance}`).needs_approval("it is delicate")
}
"#;

/// Slack sends a press of a button.
fn press(selfheal: &Selfheal, channel: &str, action: &str, value: &str) -> Response {
    let body = SlackStandIn::press("UANN", channel, action, value);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().try_into().unwrap();
    let (signature, at) = (SlackStandIn::sign(SECRET, now, &body), now.to_string());
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("x-slack-request-timestamp", at.as_str()),
        ("x-slack-signature", signature.as_str()),
    ];
    http::request("POST", &selfheal.url("/slack/actions"), &headers, body.as_bytes()).unwrap()
}

/// The message, as soon as it fits.
fn message(slack: &SlackStandIn, what: &str, fits: impl Fn(&SlackMessage) -> bool) -> SlackMessage {
    let found = poll(PATIENCE, || {
        slack.messages().into_iter().find(|message| message.thread.is_none() && fits(message))
    });
    found.unwrap_or_else(|| {
        panic!("waited in vain until {what}: {:#?} {:?}", slack.messages(), slack.refusals())
    })
}

#[test]
fn a_plan_is_approved_in_slack_and_others_are_told_where_nobody_answers() {
    let slack = SlackStandIn::start(TOKEN, &["#alerts", "#critical"]).unwrap();
    let pager = HttpStandIn::start().unwrap();
    pager.answer(Reply::status(202).json(r#"{"status":"success"}"#));
    let mut selfheal = Selfheal::prepare(
        json!({
            "sinks": {
                "ops": {
                    "kind": "slack_app", "token": TOKEN, "api": slack.url(), "channel": "#alerts", "report": true,
                    "channels": [{ "matchers": ["rule=\"delicate\""], "channel": "#critical" }],
                },
                "pager": { "kind": "pagerduty", "url": pager.url(), "routing_key": "r0123456789" },
            },
            "escalation": [{ "sinks": ["ops"] }, { "after": "2s", "sinks": ["pager"] }],
            "slack": { "signing_secret": SECRET, "users": [{ "id": "UANN", "name": "ann", "role": "approver" }] },
            "policy": { "settle": "1s" },
        }),
        &[("delicate", RULE)],
    );
    selfheal.start();
    selfheal.send(&[alert("Delicate", "one", "2026-11-22T12:00:00Z")]).unwrap();
    let asked =
        message(&slack, "approval is asked for", |message| message.button("selfheal_approve").is_some());
    assert_eq!(asked.channel, "C1");
    // Nobody answers: the second level is told, although the process has died meanwhile.
    selfheal.kill();
    selfheal.start();
    let paged = pager.wait_for(|request| request.path == "/v2/enqueue", PATIENCE);
    let event: Value = serde_json::from_slice(&paged.body).unwrap();
    assert_eq!(
        (&event["event_action"], &event["dedup_key"]),
        (&"trigger".into(), &"selfheal/issue-1".into())
    );

    // The message from before counts, even if it was not noted before the crash and was sent a second time.
    let value = asked.button("selfheal_approve").unwrap();
    let answer = press(&selfheal, "C1", "selfheal_approve", &value);
    assert_eq!(answer.status, 200, "{}", answer.body);
    selfheal.wait_for_issue("it is done", |issue| issue["outcome"] == "applied");
    let told = message(&slack, "the outcome is told", |message| message.read().contains("Delicate: applied"));
    assert_eq!(told.button("selfheal_approve"), None);
    assert!(told.read().contains("ann granted it"), "{}", told.read());
    let paged = |action: &str| pager.requests().iter().any(|request| request.text().contains(action));
    wait_until("the pager knows that somebody has it in hand", PATIENCE, || paged("\"acknowledge\""));
    // Nothing has verified that it helped, and the alert fires.
    assert!(!paged("\"resolve\""));
    let mut over = alert("Delicate", "one", "2026-11-22T12:00:00Z");
    (over["status"], over["endsAt"]) = ("resolved".into(), "2026-11-22T12:30:00Z".into());
    selfheal.send(&[over]).unwrap();
    wait_until("the pager knows that it is over", PATIENCE, || paged("\"resolve\""));
    let report = || slack.messages().into_iter().find(|message| message.read().contains("## Timeline"));
    let report = poll(PATIENCE, report).expect("the report is in the thread");
    assert_eq!(
        (report.thread, report.content["blocks"][0]["type"].as_str()),
        (Some(told.ts), Some("markdown"))
    );
    assert_eq!((slack.refusals(), slack.whispers()), (vec![], vec![]));
}
