//! Slack's stand-in: what is sent keeps within Slack's limits and calls nobody, what is answered is understood.

use std::time::Duration;

use selfheal_test_servers::{HttpStandIn, Reply};
use serde_json::Value;

use super::*;
use crate::sinks::testing::{EVERY_KIND, clock, install_tls, news};

fn slack(url: &str, timeout: Duration) -> Slack {
    install_tls();
    let settings = SlackSettings {
        name: "alerts".into(),
        url: Secret::new(url),
        events: EVERY_KIND.to_vec(),
        timeout,
        external_url: Some("https://selfheal.example.org/".into()),
        channel: None,
    };
    Slack::new(settings, clock()).unwrap()
}

/// Every `text` object of a payload: (type, text).
fn texts(value: &Value, found: &mut Vec<(String, String)>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| texts(value, found)),
        Value::Object(fields) => {
            if let (Some(Value::String(kind)), Some(Value::String(text))) =
                (fields.get("type"), fields.get("text"))
            {
                found.push((kind.clone(), text.clone()));
            }
            fields.values().for_each(|value| texts(value, found));
        }
        _ => {}
    }
}

/// Fails where Slack would refuse the payload, or do something with a stranger's text.
fn check_limits(payload: &Value, context: &str) {
    let length = |text: &Value| text.as_str().unwrap().chars().count();
    let blocks = payload["blocks"].as_array().unwrap();
    assert!(blocks.len() <= 50, "{context}: {} blocks", blocks.len());
    assert!((1..=40_000).contains(&length(&payload["text"])), "{context}");
    for block in blocks {
        match block["type"].as_str().unwrap() {
            "header" => {
                assert_eq!(block["text"]["type"], "plain_text");
                assert!((1..=150).contains(&length(&block["text"]["text"])), "{context}");
            }
            "section" => {
                if let Some(fields) = block["fields"].as_array() {
                    assert!((1..=10).contains(&fields.len()), "{context}");
                    for field in fields {
                        assert!((1..=2000).contains(&length(&field["text"])), "{context}");
                    }
                } else {
                    assert!((1..=3000).contains(&length(&block["text"]["text"])), "{context}");
                }
            }
            "context" => assert!((1..=10).contains(&block["elements"].as_array().unwrap().len())),
            other => panic!("{context}: {other}"),
        }
    }
    let mut all = Vec::new();
    texts(payload, &mut all);
    all.push(("fallback".into(), payload["text"].as_str().unwrap().into()));
    assert!(all.iter().map(|(_, text)| text.chars().count()).sum::<usize>() <= 13_000, "{context}");
    for (kind, text) in all {
        assert!(!text.chars().any(|c| c != '\n' && crate::outgoing::is_hidden(c)), "{context}: {text:?}");
        let signs: Vec<&str> = text.split('<').skip(1).collect();
        let own = ["https://selfheal.example.org/#/issues/issue-17|", "https://example.org/pg|runbook>"];
        let links = signs.iter().filter(|rest| own.iter().any(|link| rest.starts_with(link))).count();
        assert_eq!(signs.len(), links, "{context}: a sign of Slack's in {kind} {text:?}");
        for entity in text.split('&').skip(1) {
            let whole = ["amp;", "lt;", "gt;"].iter().any(|name| entity.starts_with(name));
            assert!(whole, "{context}: an escape is cut in {text:?}");
        }
    }
}

#[test]
fn hostile_texts_stay_within_limits_and_call_nobody() {
    let texts = [
        String::new(),
        " \n\t ".into(),
        "<!channel> <@U123> <https://evil|login> & &lt;".into(),
        "x".repeat(10_000),
        "&".repeat(10_000),
        "<".repeat(2_999),
        "😀".repeat(10_000),
        "ä\n".repeat(10_000),
        "\u{0}\u{1b}[31m\u{7f}\u{202e}\u{2028}".repeat(500),
        "\n".repeat(10_000) + "end",
    ];
    for text in &texts {
        for count in [0, 1, 11, 500] {
            for kind in EVERY_KIND {
                let message = News {
                    kind,
                    title: text.clone(),
                    text: text.clone(),
                    facts: vec![(text.clone(), text.clone()); count],
                    severity: Some(text.clone()),
                    ..news()
                };
                let payload = message::payload(&message, Some("https://selfheal.example.org"), None);
                let start: String = text.chars().take(20).collect();
                check_limits(&payload, &format!("{start:?}, {count} facts, {kind:?}"));
            }
        }
    }
}

#[test]
fn a_message_reads_well() {
    let message = News { title: "Disk <!channel> & co".into(), text: "a <b>\nc".into(), ..news() };
    let expected = serde_json::json!({
        "text": "outcome: Disk &lt;!channel&gt; &amp; co",
        "channel": "#alerts",
        "unfurl_links": false,
        "unfurl_media": false,
        "blocks": [
            {"type": "header", "text": {
                "type": "plain_text", "text": "✅ Disk &lt;!channel&gt; &amp; co", "emoji": false}},
            {"type": "section", "text": {"type": "plain_text", "text": "a &lt;b&gt;\nc", "emoji": false}},
            {"type": "section", "fields": [
                {"type": "mrkdwn", "text": "*namespace*", "verbatim": true},
                {"type": "plain_text", "text": "production", "emoji": false}]},
            {"type": "context", "elements": [
                {"type": "mrkdwn", "verbatim": true, "text":
                    "<https://selfheal.example.org/#/issues/issue-17|the whole story> · \
                     <https://example.org/pg|runbook>"},
                {"type": "plain_text", "emoji": false, "text":
                    "outcome · issue-17 · remediation-17-1 · recovered · critical · 2026-11-22T12:00:00Z"}]},
        ],
    });
    let base = Some("https://selfheal.example.org/");
    assert_eq!(message::payload(&message, base, Some("#alerts")), expected);

    let long = News {
        text: "word ".repeat(5_000),
        facts: (0..100).map(|number| (format!("fact {number}"), "v".repeat(900))).collect(),
        ..news()
    };
    let payload = message::payload(&long, None, None).to_string();
    assert!(payload.contains("the text is cut") && payload.contains("more facts"), "{payload}");
}

#[test]
fn a_label_cannot_look_like_what_selfheal_says() {
    let forged = "i\n*Approved by*\nann0 _now_ ~never~ `code`\r\n>quoted";
    let links = vec![(forged.to_owned(), "https://example.org/pg".to_owned())];
    let facts = vec![("Resource".to_owned(), forged.to_owned())];
    let severity = Some(forged.to_owned());
    let message = News { title: forged.into(), text: forged.into(), facts, severity, links, ..news() };
    let payload = message::payload(&message, Some("https://selfheal.example.org"), None);
    let mut all = Vec::new();
    texts(&payload, &mut all);
    let marked: Vec<&str> =
        all.iter().filter(|(kind, _)| kind == "mrkdwn").map(|(_, text)| text.as_str()).collect();
    let links = "<https://selfheal.example.org/#/issues/issue-17|the whole story> · \
                 <https://example.org/pg|i Approved by ann0 now never code quoted>";
    assert_eq!(marked, ["*Resource*", links]);
    // Only a text of its own may have lines.
    assert_eq!(all.iter().filter(|(_, text)| text.contains('\n')).count(), 1, "{all:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_decide_about_another_try() {
    let channel = HttpStandIn::start().unwrap();
    let sink = slack(&format!("{}/services/T0/B0/token", channel.url()), Duration::from_secs(5));
    let elsewhere = format!("{}/elsewhere", channel.url());
    let cases = [
        (Reply::status(200).body("ok"), None),
        (Reply::status(429).header("retry-after", "30"), Some((true, Some(30), "answered 429"))),
        (Reply::status(500).body("rollup_error"), Some((true, None, "rollup_error"))),
        (Reply::status(503).header("retry-after", "soon"), Some((true, None, "answered 503"))),
        (Reply::status(408), Some((true, None, "answered 408"))),
        (Reply::status(403).body("no_service"), Some((false, None, "create a new one"))),
        (Reply::status(403).body("invalid_token"), Some((false, None, "invalid_token"))),
        (Reply::status(400).body("invalid_payload"), Some((false, None, "invalid_payload"))),
        (Reply::status(404).body("<html>\n\u{1b}"), Some((false, None, "answered 404: <html>"))),
        (Reply::status(302).header("location", elsewhere), Some((false, None, "redirects are not followed"))),
        (Reply::status(304), Some((false, None, "answered 304"))),
    ];
    for (reply, expected) in cases {
        channel.forget();
        channel.script([reply.clone()]);
        let outcome = sink.deliver(&news(), "k").await;
        match (outcome, expected) {
            (Ok(()), None) => {}
            (Err(fault), Some((retry, after, text))) => {
                assert_eq!((fault.retry, fault.after), (retry, after.map(Duration::from_secs)), "{fault}");
                assert!(fault.what.contains(text), "{fault}");
                assert!(!fault.what.contains("token") || text == "invalid_token", "a secret: {fault}");
            }
            (outcome, expected) => panic!("{reply:?}: {outcome:?}, expected {expected:?}"),
        }
        let requests = channel.requests();
        assert_eq!(requests.len(), 1, "{reply:?}");
        assert_eq!(
            (requests[0].method.as_str(), requests[0].path.as_str()),
            ("POST", "/services/T0/B0/token")
        );
        let payload: Value = serde_json::from_slice(&requests[0].body).unwrap();
        check_limits(&payload, "as sent");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_is_tried_again_and_keeps_the_secret() {
    let channel = HttpStandIn::start().unwrap();
    let url = format!("{}/services/T0/B0/token", channel.url());
    let patient = slack(&url, Duration::from_secs(5));
    let hasty = slack(&url, Duration::from_millis(50));
    channel.script([Reply::hang_up(), Reply::status(200).after(Duration::from_secs(60))]);
    let hung_up = patient.deliver(&news(), "k").await.unwrap_err();
    let slow = hasty.deliver(&news(), "k").await.unwrap_err();
    channel.stop();
    let gone = patient.deliver(&news(), "k").await.unwrap_err();
    for fault in [hung_up, slow, gone] {
        assert!(fault.retry && fault.after.is_none(), "{fault}");
        assert!(fault.what.starts_with("no answer: "), "{fault}");
        assert!(!fault.what.contains("token"), "{fault}");
    }
}

#[test]
fn it_takes_what_it_is_configured_for() {
    install_tls();
    let mut sink = slack("http://127.0.0.1:9", Duration::from_secs(1));
    sink.settings.events = vec![NewsKind::Approval, NewsKind::Person];
    assert_eq!(sink.name(), "alerts");
    for kind in EVERY_KIND {
        let wanted = matches!(kind, NewsKind::Approval | NewsKind::Person);
        assert_eq!(sink.wants(&News { kind, ..news() }), wanted, "{kind:?}");
    }
    let unusable = SlackSettings { url: Secret::new("hooks.slack.com/token"), ..sink.settings };
    let fault = Slack::new(unusable, clock()).err().expect("a fault").to_string();
    assert!(fault.contains("alerts") && fault.contains("url") && !fault.contains("token"), "{fault}");
}
