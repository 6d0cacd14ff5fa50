//! From a message to a notification: one passes as it is, an alert or a list of alerts gets the envelope, and an alert
//! without a status its status.

use std::borrow::Cow;

use jiff::Timestamp;
use selfheal_core::notification;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::text::plain;

/// What is looked at to tell a notification from an alert.
#[derive(Deserialize)]
struct Either {
    alerts: Option<IgnoredAny>,
    labels: Option<IgnoredAny>,
}

/// What is looked at to see whether an alert says how it stands.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Standing {
    status: Option<IgnoredAny>,
    ends_at: Option<Timestamp>,
}

/// A notification of Alertmanager's webhook. Its status says nothing: each alert has its own.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'m> {
    version: &'static str,
    receiver: &'static str,
    status: &'static str,
    group_key: &'m str,
    alerts: Vec<Cow<'m, RawValue>>,
}

/// The notification that a message is, or that its alerts make; alerts are judged by the intake, one by one. An alert
/// without a status is one as Prometheus posts it to Alertmanager: it was resolved if its end was not after `sent_at`, when the
/// message was sent.
///
/// # Errors
/// The message is neither.
pub(super) fn notification(
    payload: &[u8],
    topic: &str,
    sent_at: Option<Timestamp>,
) -> Result<Vec<u8>, String> {
    const EXPECTED: &str =
        "expected a notification of Alertmanager (version 4), an alert, or a list of alerts";
    let text = std::str::from_utf8(payload).map_err(|fault| format!("no text: {fault}; {EXPECTED}"))?;
    let told = |fault: serde_json::Error| format!("{}; {EXPECTED}", plain(&fault.to_string()));
    let alerts: Vec<&RawValue> = match text.trim_start().bytes().next() {
        Some(b'[') => serde_json::from_str(text).map_err(told)?,
        Some(b'{') => match serde_json::from_str(text).map_err(told)? {
            Either { alerts: Some(_), .. } => return Ok(payload.to_vec()),
            Either { labels: Some(_), .. } => vec![serde_json::from_str(text).map_err(told)?],
            Either { .. } => return Err(format!("an object with neither alerts nor labels; {EXPECTED}")),
        },
        _ => return Err(format!("no object and no list; {EXPECTED}")),
    };
    let alerts = alerts.into_iter().map(|alert| with_status(alert, sent_at)).collect();
    let envelope = Envelope { version: "4", receiver: "kafka", status: "firing", group_key: topic, alerts };
    serde_json::to_vec(&envelope).map_err(told)
}

/// An alert with the status that follows from its end, if it has none. What cannot be read is left to the intake to judge.
fn with_status(alert: &RawValue, sent_at: Option<Timestamp>) -> Cow<'_, RawValue> {
    let completed = || {
        let Standing { status: None, ends_at } = serde_json::from_str(alert.get()).ok()? else { return None };
        let over = match ends_at {
            // The zero time of Go, and what zones may have made of it, is no end.
            Some(end) if end.as_second() > 0 => end <= sent_at?,
            _ => false,
        };
        let mut members: Map<String, Value> = serde_json::from_str(alert.get()).ok()?;
        members.insert("status".to_owned(), if over { "resolved" } else { "firing" }.into());
        if !over {
            // It says until when the alert is believed, and is another in each repetition.
            members.remove("endsAt");
        }
        serde_json::value::to_raw_value(&members).ok()
    };
    completed().map_or(Cow::Borrowed(alert), Cow::Owned)
}

/// What is wrong with the first alert of a notification that cannot be read, if there is one.
pub(super) fn left_out(body: &[u8]) -> Option<String> {
    let mut first = None;
    let read = notification::parse(body, &mut |_, alert| {
        if let (Err(fault), None) = (alert, &first) {
            first = Some(fault.to_string());
        }
    });
    // What is wrong as a whole, the intake says.
    read.ok().and(first)
}

#[cfg(test)]
mod tests {
    use selfheal_core::alert::AlertStatus;
    use selfheal_core::notification::Notification;

    use super::*;

    const ALERT: &str = r#"{"status":"firing","labels":{"alertname":"A"},"startsAt":"2026-11-22T12:00:00Z"}"#;

    #[test]
    fn messages_become_notifications() {
        let whole = format!(r#"{{"alerts":[{ALERT}],"version":"4","groupKey":"own"}}"#);
        let cases = [
            (whole.clone(), 1, 0, "own"),
            (ALERT.to_owned(), 1, 0, "alerts"),
            (format!(" \n{ALERT} "), 1, 0, "alerts"),
            (format!("[{ALERT},{ALERT}]"), 2, 0, "alerts"),
            (format!("[{ALERT},7]"), 1, 1, "alerts"),
            ("[]".to_owned(), 0, 0, "alerts"),
            (r#"{"labels":{"alertname":"A"}}"#.to_owned(), 0, 1, "alerts"),
            (
                r#"{"labels":{"alertname":"A"},"status":"perhaps","startsAt":"2026-11-22T12:00:00Z"}"#
                    .to_owned(),
                0,
                1,
                "alerts",
            ),
        ];
        for (message, good, bad, key) in cases {
            let body = notification(message.as_bytes(), "alerts", None).unwrap();
            let read = Notification::read(&body).unwrap();
            assert_eq!((read.alerts.len(), read.faults.len()), (good, bad), "{message}");
            assert_eq!(read.envelope.group_key, key, "{message}");
            assert_eq!(left_out(&body).is_some(), bad > 0, "{message}");
        }
    }

    #[test]
    fn a_status_follows_from_the_end() {
        let sent_at = "2026-11-22T12:10:00Z".parse().ok();
        let (firing, resolved) = (Some(AlertStatus::Firing), Some(AlertStatus::Resolved));
        let cases = [
            (r#""endsAt":"2026-11-22T12:14:00Z""#, sent_at, firing),
            (r#""endsAt":"2026-11-22T12:10:00Z""#, sent_at, resolved),
            (r#""endsAt":"2026-11-22T13:00:00+01:00""#, sent_at, resolved),
            (r#""endsAt":"0001-01-01T00:00:00Z""#, sent_at, firing),
            (r#""generatorURL":"http://prometheus/graph""#, sent_at, firing),
            (r#""endsAt":"2026-11-22T12:14:00Z","status":"resolved""#, sent_at, resolved),
            // Whether it is over cannot be told.
            (r#""endsAt":"2026-11-22T12:14:00Z""#, None, None),
            (r#""endsAt":"soon""#, sent_at, None),
        ];
        for (members, sent_at, expected) in cases {
            let alert =
                format!(r#"{{"labels":{{"alertname":"A"}},"startsAt":"2026-11-22T12:00:00Z",{members}}}"#);
            for message in [alert.clone(), format!("[{alert}]")] {
                let body = notification(message.as_bytes(), "alerts", sent_at).unwrap();
                let read = Notification::read(&body).unwrap();
                let status = read.alerts.first().map(|(_, alert)| alert.status);
                assert_eq!(status, expected, "{message}");
                assert_eq!(left_out(&body).is_some(), expected.is_none(), "{message}");
                let end = read.alerts.first().and_then(|(_, alert)| alert.ends_at);
                assert_eq!(end.is_some(), expected == resolved, "{message}");
            }
        }
    }

    #[test]
    fn what_is_neither_is_told() {
        let cases: [(&[u8], &str); 7] = [
            (b"", "no object"),
            (b"7", "no object"),
            (b"\xff\xfe", "no text"),
            (b"{}", "neither alerts nor labels"),
            (b"{\"labels\":", "EOF"),
            (b"[{]", "key must be a string"),
            (b"hello", "no object"),
        ];
        for (message, expected) in cases {
            let fault = notification(message, "alerts", None).unwrap_err();
            assert!(fault.contains(expected) && fault.contains("expected a notification"), "{fault}");
        }
    }
}
