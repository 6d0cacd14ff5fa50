//! Notification bodies, captured and made: what is taken from them, and what a fault says.

use selfheal_core::alert::{Alert, AlertStatus};
use selfheal_core::notification::{
    ALERTS_MAX, AlertFault, AlertFaultKind as Kind, BodyFault, Envelope, Notification, parse,
};

const FIRING: &str = include_str!("samples/high_error_rate_firing.json");
const RESOLVED: &str = include_str!("samples/high_error_rate_resolved.json");
const TRUNCATED: &str = include_str!("samples/truncated_group.json");

const GOOD: &str = r#"{"status":"firing","labels":{"alertname":"A"},"startsAt":"2026-11-22T03:34:39Z"}"#;

fn body_of(alerts: &str) -> String {
    format!(r#"{{"receiver":"r","status":"firing","alerts":[{alerts}],"version":"4"}}"#)
}

fn read(body: &str) -> Notification {
    Notification::read(body.as_bytes()).unwrap_or_else(|fault| panic!("{fault}: {body}"))
}

fn read_one(alert: &str) -> Result<Alert, AlertFault> {
    let mut notification = read(&body_of(alert));
    match notification.faults.pop() {
        Some(fault) => Err(fault),
        None => Ok(notification.alerts.pop().expect("one alert, so one outcome").1),
    }
}

#[test]
fn takes_captured_notifications_whole() {
    let cases = [(FIRING, "firing", 1, 0), (RESOLVED, "resolved", 1, 0), (TRUNCATED, "firing", 3, 1)];
    for (body, status, alerts, truncated) in cases {
        let Notification { envelope, alerts: taken, faults } = read(body);
        assert_eq!(faults, []);
        assert_eq!(taken.len(), alerts);
        assert_eq!(
            (envelope.status.as_str(), envelope.alerts, envelope.refused, envelope.truncated_alerts),
            (status, alerts, 0, truncated)
        );
        assert_eq!(
            (envelope.receiver.as_str(), envelope.version.as_str(), envelope.external_url.as_str()),
            ("selfheal", "4", "http://alertmanager:9093")
        );
        assert!(envelope.group_key.starts_with("{}:{alertname=\""), "{}", envelope.group_key);
        assert_eq!(envelope.group_labels.len(), 2);
        for (place, (index, alert)) in taken.iter().enumerate() {
            assert_eq!(place, *index);
            // Alertmanager computed these itself: ours must agree.
            assert_eq!(alert.fingerprint, alert.labels.fingerprint());
            assert_eq!(alert.status.as_str(), status);
            let stored = serde_json::to_string(alert).unwrap();
            assert_eq!(serde_json::from_str::<Alert>(&stored).unwrap(), *alert);
        }
    }
    let (_, firing) = read(FIRING).alerts.remove(0);
    assert_eq!(firing.name(), "PredatorHighErrorRate");
    assert_eq!(firing.ends_at, None);
    assert_eq!(firing.starts_at.to_string(), "2026-11-22T03:34:39.289807966Z");
    assert!(firing.annotations.get("description").unwrap().contains("<!channel>"));
    let (_, resolved) = read(RESOLVED).alerts.remove(0);
    assert_eq!(resolved.ends_at.unwrap().to_string(), "2026-11-22T03:34:49Z");
    assert_eq!(resolved.fingerprint, firing.fingerprint);
    assert_ne!(resolved.key(), firing.key());
}

#[test]
fn takes_grafanas_superset() {
    let body = r#"{"receiver":"My Webhook","status":"firing","orgId":1,"alerts":[{"status":"firing",
        "labels":{"alertname":"High memory usage","team":"blue"},"annotations":{"runbook_url":"https://x/1"},
        "startsAt":"2021-10-12T09:51:03.157076+02:00","endsAt":"0001-01-01T00:00:00Z",
        "generatorURL":"https://g/alerting/1/edit","fingerprint":"c6eadffa33fcdf37","silenceURL":"https://g/silence",
        "dashboardURL":"","panelURL":"","values":{"B":44.23943737541908,"C":1}}],"groupLabels":{},
        "commonLabels":{"team":"blue"},"commonAnnotations":{},"externalURL":"https://g/","version":"1",
        "groupKey":"{}:{}","truncatedAlerts":0,"title":"[FIRING:1]","state":"alerting","message":"**Firing**"}"#;
    let notification = read(body);
    assert_eq!(notification.envelope.version, "1");
    let (_, alert) = &notification.alerts[0];
    assert_eq!(alert.starts_at.to_string(), "2021-10-12T07:51:03.157076Z");
    assert_eq!(alert.fingerprint.to_string(), "c6eadffa33fcdf37");
    assert_eq!(alert.ends_at, None);
}

#[test]
fn envelope_fields_may_be_absent_null_or_unknown() {
    let alerts = format!("[{GOOD}]");
    let cases = [
        format!(r#"{{"version":"4","alerts":{alerts}}}"#),
        format!(r#"{{"alerts":{alerts},"version":4}}"#),
        format!(
            "\n{{ \"alerts\" : [ {GOOD} ] ,\r\n\t\"version\" : \"4\", \"receiver\": null, \"status\": null, \"groupKey\": null,
            \"externalURL\": null, \"groupLabels\": null, \"truncatedAlerts\": null }}\n"
        ),
        format!(
            r#"{{"routeLabels":{{"a":[1,{{"b":null}}]}},"notification_reason":"x","v\u0065rsion":"4","alerts":{alerts},"":0}}"#
        ),
        format!(r#"{{"version":"3","receiver":"a","receiver":"","alerts":{alerts},"version":"4"}}"#),
    ];
    for body in cases {
        let notification = read(&body);
        let expected = Envelope { version: "4".into(), alerts: 1, ..Envelope::default() };
        assert_eq!(notification.envelope, expected, "{body}");
        assert_eq!(notification.alerts.len(), 1, "{body}");
    }
    assert_eq!(read(r#"{"alerts":[],"version":"4"}"#).envelope.alerts, 0);
}

#[test]
fn alert_fields_may_be_absent_null_or_odd() {
    let start = r#""startsAt":"2026-11-22T03:34:39Z""#;
    let base = format!(r#""status":"resolved","labels":{{"alertname":"A"}},{start}"#);
    let plain = read_one(&format!("{{{base}}}")).unwrap();
    assert_eq!((plain.status, plain.ends_at), (AlertStatus::Resolved, None));
    assert_eq!((plain.annotations.len(), &*plain.generator_url), (0, ""));
    assert_eq!(plain.fingerprint, plain.labels.fingerprint());
    let same = [
        r#""annotations":null,"endsAt":null,"generatorURL":null,"fingerprint":null"#,
        r#""annotations":{},"endsAt":"","generatorURL":"","fingerprint":"""#,
        r#""endsAt":"0001-01-01T00:00:00Z""#,
        r#""endsAt":"0001-01-01T00:53:28+00:53""#,
        r#""values":{"B":1},"valueString":"[ ]","imageURL":null"#,
        r#""status":"resolved""#,
        r#""startsAt":"2026-11-22T04:34:39.000+01:00""#,
        r#""labels":{"alertname":"B","alertname":"A"}"#,
    ];
    for more in same {
        assert_eq!(read_one(&format!("{{{base},{more}}}")), Ok(plain.clone()), "{more}");
    }
    let utf8 = read_one(&format!(
        r#"{{"status":"firing","labels":{{"näme.with \"all\"":"\ud83d\ude00"}},{start}}}"#
    ));
    assert_eq!(utf8.unwrap().labels.get("näme.with \"all\""), Some("😀"));
}

#[test]
fn a_bad_alert_says_why_and_spares_its_neighbours() {
    let long = "v".repeat(70_000);
    let many: Vec<String> = (0..257).map(|n| format!(r#""l{n}":"""#)).collect();
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let with = |more: &str| GOOD.replacen('{', &format!("{{{more},"), 1);
    let labels = |labels: &str| GOOD.replace(r#"{"alertname":"A"}"#, labels);
    let cases = [
        ("5".to_owned(), Kind::WrongType, "alerts[1]: invalid type: integer `5`, expected an alert"),
        ("null".to_owned(), Kind::WrongType, "alerts[1]: invalid type: null"),
        ("[[]]".to_owned(), Kind::WrongType, "alerts[1]: invalid type: sequence"),
        ("{}".to_owned(), Kind::Missing, r#"alerts[1].status: missing, expected "firing" or "resolved""#),
        (GOOD.replace("startsAt", "StartsAt"), Kind::Missing, "alerts[1].startsAt: missing, expected a time"),
        (GOOD.replace("labels", "label"), Kind::Missing, "alerts[1].labels: missing"),
        (
            labels("{}"),
            Kind::Missing,
            "alerts[1].labels: missing, expected an object with at least one label",
        ),
        (labels("null"), Kind::Missing, "alerts[1].labels: missing"),
        (
            labels("[]"),
            Kind::WrongType,
            "alerts[1].labels: invalid type: sequence, expected an object of strings",
        ),
        (
            labels(r#"{"a":"b","c":5}"#),
            Kind::WrongType,
            r#"alerts[1].labels["c"]: invalid type: integer `5`, expected a string"#,
        ),
        (labels(r#"{"":"b"}"#), Kind::WrongType, "alerts[1].labels: a label's name is empty"),
        (
            labels(&format!(r#"{{"c":"{long}"}}"#)),
            Kind::TooLarge,
            r#"alerts[1].labels["c"]: the value has 70000 bytes"#,
        ),
        (
            labels(&format!(r#"{{"{long}":"c"}}"#)),
            Kind::TooLarge,
            "alerts[1].labels: a label name has 70000 bytes",
        ),
        (labels(&format!("{{{}}}", many.join(","))), Kind::TooMany, "alerts[1].labels: more than 256 labels"),
        (
            with(r#""annotations":{"summary":{}}"#),
            Kind::WrongType,
            r#"alerts[1].annotations["summary"]: invalid type: map"#,
        ),
        (
            GOOD.replace("firing", "Firing"),
            Kind::UnknownStatus,
            r#"alerts[1].status: unknown status "Firing": expected "firing""#,
        ),
        (
            with(r#""status":{"state":"active"}"#),
            Kind::WrongType,
            "alerts[1].status: invalid type: map, expected a string",
        ),
        (with(r#""status":null"#), Kind::WrongType, "alerts[1].status: invalid type: null"),
        (
            GOOD.replace("11-22T", "13-22T"),
            Kind::BadTime,
            r#"alerts[1].startsAt: "2026-13-22T03:34:39Z" is no time, expected"#,
        ),
        (GOOD.replace("39Z", "39"), Kind::BadTime, "alerts[1].startsAt:"),
        (with(r#""endsAt":1700000000"#), Kind::WrongType, "alerts[1].endsAt: invalid type: integer"),
        (with(r#""endsAt":"soon""#), Kind::BadTime, r#"alerts[1].endsAt: "soon" is no time"#),
        (
            with(r#""fingerprint":"xyz""#),
            Kind::BadFingerprint,
            r#"alerts[1].fingerprint: "xyz" is no fingerprint"#,
        ),
        (
            with(&format!(r#""generatorURL":"{long}""#)),
            Kind::TooLarge,
            "alerts[1].generatorURL: has 70000 bytes",
        ),
        (labels(r#"{"a":"\ud800"}"#), Kind::Unreadable, r#"alerts[1].labels["a"]: "#),
        (with(&format!(r#""status":{deep}"#)), Kind::WrongType, "alerts[1].status: invalid type: sequence"),
    ];
    for (bad, kind, part) in cases {
        let notification = read(&body_of(&format!("{GOOD}, {bad} ,{GOOD}")));
        let shown: String = bad.chars().take(100).collect();
        assert_eq!(
            notification.alerts.iter().map(|(index, _)| *index).collect::<Vec<_>>(),
            [0, 2],
            "{shown}"
        );
        assert_eq!((notification.envelope.alerts, notification.envelope.refused), (3, 1), "{shown}");
        let [fault] = &notification.faults[..] else { panic!("{shown}: {:?}", notification.faults) };
        assert_eq!((fault.index, fault.kind), (1, kind), "{fault}");
        assert!(fault.to_string().starts_with(part), "{fault}\nexpected {part}");
    }
    // An unknown field may hold anything, as deep as it likes.
    assert!(read_one(&with(&format!(r#""x":{deep}"#))).is_ok());
}

#[test]
fn bad_utf8_costs_one_alert() {
    let bad = GOOD.replace("\"A\"", "\"A\u{1}\"").into_bytes();
    let bad: Vec<u8> = bad.into_iter().map(|byte| if byte == 1 { 0xff } else { byte }).collect();
    let (before, after) = (body_of(&format!("{GOOD},@,{GOOD}")), "@");
    let (head, tail) = before.split_once(after).unwrap();
    let body = [head.as_bytes(), &bad, tail.as_bytes()].concat();
    let notification = Notification::read(&body).unwrap();
    assert_eq!(notification.alerts.len(), 2);
    let fault = &notification.faults[0];
    assert_eq!(
        (fault.kind, fault.field, fault.label.as_deref()),
        (Kind::Unreadable, Some("labels"), Some("alertname"))
    );
}

#[test]
fn faults_stand_where_the_fault_is() {
    let body = "{\"version\":\"4\",\n \"alerts\": [\n  {\"status\":\"firing\"},\n  {\"labels\":\n    {\"a\": 55}},\n 7]}";
    let notification = read(body);
    let places: Vec<_> =
        notification.faults.iter().map(|fault| (fault.at.line, &body[..fault.at.offset])).collect();
    assert_eq!(places.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [3, 5, 6]);
    assert!(places[1].1.ends_with("{\"a\": 5"), "{:?}", places[1]);
    for fault in &notification.faults {
        let line_start = body[..fault.at.offset].rfind('\n').map_or(0, |at| at + 1);
        assert_eq!(fault.at.column, fault.at.offset - line_start + 1);
    }
}

#[test]
fn a_wrong_body_says_why() {
    let alerts = format!("[{GOOD}]");
    let cases = [
        (
            String::new(),
            "not_json",
            "the body is not JSON: EOF while parsing a value at line 1, column 1 (byte 0)",
        ),
        ("  \n".to_owned(), "not_json", "EOF while parsing"),
        ("hello".to_owned(), "not_json", "expected value at line 1, column 1"),
        ("[]".to_owned(), "wrong_field", "body: invalid type: sequence, expected an object"),
        ("null".to_owned(), "wrong_field", "body: invalid type: null"),
        ("{}".to_owned(), "no_version", r#"version: missing, expected "4""#),
        (r#"{"version":"4"}"#.to_owned(), "no_alerts", "alerts: missing, expected an array"),
        (
            r#"{"version":"4","alerts":null}"#.to_owned(),
            "wrong_field",
            "alerts: invalid type: null, expected an array of alerts",
        ),
        (
            r#"{"version":"4","alerts":{}}"#.to_owned(),
            "wrong_field",
            "alerts: invalid type: map, expected an array of alerts",
        ),
        (
            format!(r#"{{"alerts":{alerts},"alerts":{alerts},"version":"4"}}"#),
            "alerts_twice",
            "alerts: given twice",
        ),
        (format!(r#"{{"alerts":{alerts}}}"#), "no_version", "version: missing"),
        (
            format!(r#"{{"alerts":{alerts},"version":"3"}}"#),
            "wrong_version",
            r#"version: "3" is not supported, expected "4" at line 1"#,
        ),
        (format!(r#"{{"alerts":{alerts},"version":"1"}}"#), "wrong_version", r#"version: "1""#),
        (
            format!(r#"{{"alerts":{alerts},"version":4.0}}"#),
            "wrong_field",
            "version: invalid type: floating point",
        ),
        (format!(r#"{{"alerts":{alerts},"version":null}}"#), "wrong_field", "version: invalid type: null"),
        (
            r#"{"receiver":5}"#.to_owned(),
            "wrong_field",
            "receiver: invalid type: integer `5`, expected a string",
        ),
        (
            format!(r#"{{"truncatedAlerts":"{}"}}"#, "ä".repeat(9000)),
            "wrong_field",
            "äää..., expected u64 at line 1",
        ),
        (r#"{"truncatedAlerts":-1}"#.to_owned(), "wrong_field", "truncatedAlerts: invalid value"),
        (r#"{"groupLabels":{"a":1}}"#.to_owned(), "wrong_field", "groupLabels: invalid type"),
        (
            format!(r#"{{"version":"4","alerts":{alerts}}} x"#),
            "not_json",
            "expected nothing after the end of the object, found `x`",
        ),
        (format!(r#"{{"version":"4","alerts":{alerts}"#), "not_json", "found the end of the body"),
        (format!(r#"{{"version":"4","alerts":[{GOOD}"#), "not_json", "found the end of the body"),
        (format!(r#"{{"version":"4","alerts":[{GOOD},]}}"#), "not_json", "expected value"),
        (
            format!(r#"{{"version":"4","alerts":{alerts},}}"#),
            "not_json",
            "expected a field name in double quotes, found `}`",
        ),
        (
            format!(r#"{{"version":"4","alerts":[{GOOD}{GOOD}]}}"#),
            "not_json",
            "expected a comma or the end of the array, found `{`",
        ),
        (r#"{"version" "4"}"#.to_owned(), "not_json", "expected a colon"),
        (r#"{version:"4"}"#.to_owned(), "not_json", "expected a field name in double quotes, found `v`"),
        (r#"{"version":"4","alerts":[{"status":firing}]}"#.to_owned(), "not_json", "expected ident"),
        (r#"{"version":"4","alerts":[{"status":"firing"]}"#.to_owned(), "not_json", "expected `,` or `}`"),
        (
            format!(r#"{{"version":"4","alerts":[{}0]}}"#, "0,".repeat(ALERTS_MAX)),
            "too_many_alerts",
            "alerts: more than 500000",
        ),
    ];
    for (body, kind, part) in cases {
        let BodyFault { at, kind: got } =
            Notification::read(body.as_bytes()).expect_err(&body[..body.len().min(80)]);
        let shown = format!("{}", BodyFault { at, kind: got.clone() });
        assert_eq!(got.as_str(), kind, "{shown}");
        assert!(shown.contains(part), "{shown}\nexpected {part}");
    }
}

/// No prefix of a body, and no body with a byte changed, panics or is taken for another number of alerts than it reports.
#[test]
fn damaged_bodies_never_panic_and_always_add_up() {
    let whole = TRUNCATED.trim_end().as_bytes();
    let mut damaged: Vec<Vec<u8>> = (0..whole.len()).map(|end| whole[..end].to_vec()).collect();
    for at in 0..whole.len() {
        for byte in [b'"', b'{', b']', b',', b'\\', 0, 0xff] {
            let mut body = whole.to_vec();
            body[at] = byte;
            damaged.push(body);
        }
    }
    for body in damaged {
        let (mut taken, mut refused) = (0, 0);
        let outcome = parse(&body, &mut |index, outcome| {
            assert_eq!(index, taken + refused);
            match outcome {
                Ok(_) => taken += 1,
                Err(fault) => {
                    assert!(fault.at.offset <= body.len());
                    refused += 1;
                }
            }
        });
        match outcome {
            Ok(envelope) => assert_eq!((envelope.alerts, envelope.refused), (taken + refused, refused)),
            Err(fault) => assert!(fault.at.offset <= body.len()),
        }
    }
}
