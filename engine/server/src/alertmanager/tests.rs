//! A real Alertmanager with a silence and an inhibition, and a stand-in for what a real one does not do.

use std::collections::BTreeMap;

use jiff::Timestamp;
use selfheal_contract::settings::Secret;
use selfheal_test_servers::{HttpStandIn, Reply, WebhookRoute, http, require};

use super::*;
use crate::sinks::testing::install_tls;
use crate::telemetry::testing::{Lines, dispatch};

fn settings(urls: impl IntoIterator<Item = String>) -> AlertmanagerSettings {
    install_tls();
    AlertmanagerSettings {
        peers: urls.into_iter().map(|url| (url, ClientCredentials::Anonymous {})).collect(),
        timeout: Duration::from_secs(60),
        receiver: None,
    }
}

fn source(urls: impl IntoIterator<Item = String>) -> Alertmanager {
    Alertmanager::new(settings(urls)).unwrap()
}

/// What stands: alert name to what suppresses it.
fn names(standing: &[StandingAlert]) -> BTreeMap<String, Option<String>> {
    standing.iter().map(|one| (one.alert.name().to_owned(), one.suppressed_by.clone())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_alertmanager_tells_what_stands() {
    let inhibition = "inhibit_rules:\n  - source_matchers: [alertname=Cause]\n    \
                      target_matchers: [alertname=Effect]\n";
    let route = WebhookRoute::new("http://127.0.0.1:9/nowhere").to_yaml();
    let server = require!(selfheal_test_servers::Alertmanager::start(&format!("{route}{inhibition}")));
    let silence = r#"{"matchers":[{"name":"alertname","value":"Quiet","isRegex":false,"isEqual":true}],
        "startsAt":"2020-01-01T00:00:00Z","endsAt":"2099-01-01T00:00:00Z","createdBy":"test","comment":"test"}"#;
    let answer = http::post_json(&format!("{}/api/v2/silences", server.url()), silence).unwrap();
    let silence: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    let alert = |name: &str, more: &str| {
        format!(
            r#"{{"labels":{{"alertname":"{name}","odd_name":"\"ä\n"}},"annotations":{{"summary":"<!channel>"}},
            "generatorURL":"http://prometheus/graph","startsAt":"2026-01-01T00:00:00.123456789Z"{more}}}"#
        )
    };
    let alerts = [
        alert("Loud", ""),
        alert("Quiet", ""),
        alert("Cause", r#","endsAt":"2099-01-01T00:00:00Z""#),
        alert("Effect", ""),
        alert("Over", r#","endsAt":"2026-01-02T00:00:00Z""#),
    ];
    server.post_alerts(&format!("[{}]", alerts.join(","))).unwrap();

    let expected = BTreeMap::from([
        ("Cause".to_owned(), None),
        ("Loud".to_owned(), None),
        ("Effect".to_owned(), Some("inhibited by".to_owned())),
        ("Quiet".to_owned(), Some(format!("silence {}", silence["silenceID"].as_str().unwrap()))),
    ]);
    let own = source([server.url()]);
    let limit = tokio::time::Instant::now() + Duration::from_secs(20);
    let standing = loop {
        let standing = own.standing().await.unwrap().alerts;
        let mut found = names(&standing);
        // The rest is a fingerprint.
        if let Some(Some(cause)) = found.get_mut("Effect") {
            cause.truncate("inhibited by".len());
        }
        if found == expected {
            break standing;
        }
        assert!(tokio::time::Instant::now() < limit, "{found:?}");
    };
    let loud = &standing.iter().find(|one| one.alert.name() == "Loud").unwrap().alert;
    assert_eq!(loud.starts_at.to_string(), "2026-01-01T00:00:00.123Z", "the API cuts at milliseconds");
    assert_eq!((loud.ends_at, loud.fingerprint), (None, loud.labels.fingerprint()));
    assert_eq!(loud.labels.get("odd_name"), Some("\"ä\n"));
    assert_eq!(loud.annotations.get("summary"), Some("<!channel>"));
    assert_eq!(&*loud.generator_url, "http://prometheus/graph");

    for (receiver, count) in [("webhook", 4), ("web.*", 4), ("other", 0)] {
        let filtered = AlertmanagerSettings { receiver: Some(receiver.into()), ..settings([server.url()]) };
        let standing = Alertmanager::new(filtered).unwrap().standing().await.unwrap().alerts;
        assert_eq!(standing.len(), count, "{receiver}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn silences_stand_move_and_end() {
    let route = WebhookRoute::new("http://127.0.0.1:9/nowhere").to_yaml();
    let server = require!(selfheal_test_servers::Alertmanager::start(&route));
    let other = r#"{"matchers":[{"name":"job","value":"a|b","isRegex":true,"isEqual":false}],
        "startsAt":"2020-01-01T00:00:00Z","endsAt":"2099-01-01T00:00:00Z","createdBy":"eve","comment":"hers"}"#;
    http::post_json(&format!("{}/api/v2/silences", server.url()), other).unwrap();
    let own = source([server.url()]);
    let now = Timestamp::now();
    let mut silence = NewSilence {
        instead_of: None,
        labels: [("alertname", "Quiet"), ("odd", "\"ä\n|")].into_iter().collect(),
        by: "ann".into(),
        comment: "issue-1: <b>".into(),
        from: now,
        until: now + Duration::from_secs(3600),
    };
    let id = own.silence(silence.clone()).await.unwrap();
    silence.instead_of = Some(id.clone());
    silence.until = now + Duration::from_secs(7200);
    assert_eq!(own.silence(silence.clone()).await.unwrap(), id, "its end is moved");
    let standing = own.silences().await.unwrap();
    let found = standing.iter().find(|silence| silence.id == id).unwrap();
    assert_eq!(found.matchers, [r#"alertname="Quiet""#, r#"odd="\"ä\n|""#]);
    assert_eq!((found.by.as_str(), found.comment.as_str()), ("ann", "issue-1: <b>"));
    assert_eq!(found.until.as_millisecond(), silence.until.as_millisecond());
    let other = standing.iter().find(|silence| silence.id != id).unwrap();
    assert_eq!((other.by.as_str(), other.matchers.as_slice()), ("eve", &[r#"job!~"a|b""#.to_owned()][..]));
    for _ in 0..2 {
        own.expire(&id).await.unwrap();
    }
    own.expire("00000000-0000-0000-0000-000000000000").await.unwrap();
    let standing = own.silences().await.unwrap();
    assert_eq!(standing.iter().map(|silence| silence.by.as_str()).collect::<Vec<_>>(), ["eve"]);
    let fault = own.silence(NewSilence { until: now, instead_of: None, ..silence }).await.unwrap_err();
    assert!(fault.to_string().contains("answered 400"), "{fault}");
}

fn alert(name: &str, starts_at: &str, state: &str) -> String {
    format!(
        r#"{{"labels":{{"alertname":"{name}"}},"annotations":{{}},"startsAt":"{starts_at}","status":{{"state":"{state}"}}}}"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_are_merged_and_one_may_fail() {
    let peers = [HttpStandIn::start().unwrap(), HttpStandIn::start().unwrap(), HttpStandIn::start().unwrap()];
    let (old, new) = ("2026-11-22T12:00:00Z", "2026-11-22T13:00:00Z");
    let answers = [
        [alert("Both", old, "active"), alert("First", old, "active"), alert("Silenced", new, "suppressed")],
        [alert("Both", new, "active"), alert("Second", old, "active"), alert("Silenced", old, "active")],
    ];
    for (peer, alerts) in peers.iter().zip(&answers) {
        peer.answer(Reply::status(200).json(format!("[{}]", alerts.join(","))));
    }
    peers[2].answer(Reply::status(500).body("out\nof order"));
    let own = source(peers.iter().map(HttpStandIn::url));
    let standing = own.standing().await.unwrap().alerts;
    let suppressed = Some("suppressed, Alertmanager does not say by what".to_owned());
    let expected = [("Both", None), ("First", None), ("Second", None), ("Silenced", suppressed)];
    assert_eq!(names(&standing), expected.map(|(name, by)| (name.to_owned(), by)).into());
    assert_eq!(standing.len(), 4);
    for (name, starts_at) in [("Both", new), ("Silenced", new)] {
        let found = standing.iter().find(|one| one.alert.name() == name).unwrap();
        assert_eq!(found.alert.starts_at.to_string(), starts_at, "{name}");
    }

    peers[0].stop();
    peers[1].answer(Reply::hang_up());
    let fault = own.standing().await.unwrap_err().to_string();
    for text in [peers[0].address(), peers[1].address(), "answered 500: out of order".into()] {
        assert!(fault.contains(&text), "{fault}");
    }
}

#[tokio::test]
async fn answers_that_are_no_alerts_are_told() {
    let server = HttpStandIn::start().unwrap();
    let own = source([server.url()]);
    let impatient = AlertmanagerSettings { timeout: Duration::from_millis(50), ..settings([server.url()]) };
    let impatient = Alertmanager::new(impatient).unwrap();
    let big = " ".repeat(ANSWER_BYTES_MAX + 1);
    let cases = [
        (&own, Reply::status(200), "is empty"),
        (&own, Reply::status(200).body("{}"), "no JSON array"),
        (&own, Reply::status(200).body("[{}"), "ends within"),
        (&own, Reply::status(200).body(big), "more than 67108864 bytes"),
        (&own, Reply::status(302).header("location", server.url()), "redirects are not followed"),
        (&own, Reply::status(401).body("who\u{1b} are you"), "answered 401: who  are you"),
        (&own, Reply::hang_up(), "error sending request"),
        (&impatient, Reply::status(200).after(Duration::from_secs(60)), "timed out"),
    ];
    for (source, reply, expected) in cases {
        server.forget();
        // A client may try once more on another connection when one is cut under it.
        server.answer(reply);
        let fault = source.standing().await.unwrap_err().to_string();
        assert!(fault.contains(expected) && fault.contains(&server.address()), "{expected}: {fault}");
    }
}

#[tokio::test]
async fn malformed_alerts_drop_no_others_and_are_told_once() {
    let server = HttpStandIn::start().unwrap();
    let good = alert("Good", "2026-11-22T12:00:00Z", "active");
    let bad = [
        alert("Bad", "yesterday", "active"),
        good.replace(r#""alertname":"Good""#, ""),
        "7".into(),
        r#"{"labels":}"#.into(),
        good.replace("Good", "\\ud800"),
    ];
    server.answer(Reply::status(200).json(format!("[{},{good}]", bad.join(","))));
    let lines = Lines::default();
    let standing = {
        let _guard = tracing::dispatcher::set_default(&dispatch(&lines));
        source([server.url()]).standing().await.unwrap().alerts
    };
    assert_eq!(names(&standing), [("Good".to_owned(), None)].into());
    let text = String::from_utf8(lines.lock().unwrap().clone()).unwrap();
    let warnings: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(warnings.len(), 1, "{text}");
    assert_eq!(warnings[0]["count"], 5);
    assert!(warnings[0]["example"].as_str().unwrap().contains("yesterday"), "{text}");
}

#[tokio::test]
async fn it_shows_itself_and_asks_for_everything() {
    let server = HttpStandIn::start().unwrap();
    server.answer(Reply::status(200).json("[]"));
    let secret = || Secret::new("s3cret");
    let basic = ClientCredentials::Basic { user: "me".into(), password: secret() };
    let cases = [
        (ClientCredentials::Anonymous {}, "", None, None),
        (ClientCredentials::Bearer { bearer_token: secret() }, "/alerts/", None, Some("Bearer s3cret")),
        (basic, "/alerts", Some("a|b&c"), Some("Basic bWU6czNjcmV0")),
    ];
    for (credentials, prefix, receiver, expected) in cases {
        server.forget();
        let settings = AlertmanagerSettings {
            peers: vec![(format!("{}{prefix}", server.url()), credentials)],
            receiver: receiver.map(str::to_owned),
            ..settings([])
        };
        let own = Alertmanager::new(settings).unwrap();
        assert_eq!(own.standing().await.unwrap().alerts, []);
        let request = server.requests().remove(0);
        let query = "active=true&silenced=true&inhibited=true&unprocessed=true";
        let receiver = if receiver.is_some() { "&receiver=a%7Cb%26c" } else { "" };
        let prefix = prefix.trim_end_matches('/');
        assert_eq!(request.path, format!("{prefix}/api/v2/alerts?{query}{receiver}"));
        assert_eq!(request.header("authorization"), expected);
    }
    for urls in [vec![], vec!["127.0.0.1:9093".to_owned()], vec![server.url(), "ftp://a".to_owned()]] {
        let fault = Alertmanager::new(settings(urls)).err().expect("a fault").to_string();
        assert!(fault.starts_with("alertmanager: "), "{fault}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_is_read_whole() {
    let server = HttpStandIn::start().unwrap();
    let alerts: Vec<String> = (0..100_000)
        .map(|number| {
            let text = "x".repeat(200);
            format!(
                r#"{{"labels":{{"alertname":"Storm","instance":"host-{number}"}},"annotations":{{"text":"{text}"}},
                "startsAt":"2026-11-22T12:00:00.000Z","status":{{"state":"active"}}}}"#
            )
        })
        .collect();
    server.answer(Reply::status(200).json(format!("[{}]", alerts.join(","))));
    let patient = AlertmanagerSettings { timeout: Duration::from_secs(120), ..settings([server.url()]) };
    let standing = Alertmanager::new(patient).unwrap().standing().await.unwrap().alerts;
    assert_eq!(standing.len(), 100_000);
    let last = standing.iter().find(|one| one.alert.labels.get("instance") == Some("host-99999"));
    assert!(last.is_some());
}
