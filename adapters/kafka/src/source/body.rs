//! From a message to a notification: one passes as it is, an alert or a list of alerts gets the envelope.

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::text::plain;

/// What is looked at to tell a notification from an alert.
#[derive(Deserialize)]
struct Either {
    alerts: Option<IgnoredAny>,
    labels: Option<IgnoredAny>,
}

/// A notification of Alertmanager's webhook. Its status says nothing: each alert has its own.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'m> {
    version: &'static str,
    receiver: &'static str,
    status: &'static str,
    group_key: &'m str,
    alerts: Vec<&'m RawValue>,
}

/// The notification that a message is, or that its alerts make; alerts are judged by the intake, one by one.
///
/// # Errors
/// The message is neither.
pub(super) fn notification(payload: &[u8], topic: &str) -> Result<Vec<u8>, String> {
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
    let envelope = Envelope { version: "4", receiver: "kafka", status: "firing", group_key: topic, alerts };
    serde_json::to_vec(&envelope).map_err(told)
}

#[cfg(test)]
mod tests {
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
        ];
        for (message, good, bad, key) in cases {
            let body = notification(message.as_bytes(), "alerts").unwrap();
            let read = Notification::read(&body).unwrap();
            assert_eq!((read.alerts.len(), read.faults.len()), (good, bad), "{message}");
            assert_eq!(read.envelope.group_key, key, "{message}");
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
            let fault = notification(message, "alerts").unwrap_err();
            assert!(fault.contains(expected) && fault.contains("expected a notification"), "{fault}");
        }
    }
}
