//! Notifications as Alertmanager sends them.

use jiff::Timestamp;
use selfheal_core::alert::Alert;
use selfheal_core::notification::Notification;
use serde_json::{Value, json};

/// An alert in a notification: it fires, or it was resolved.
pub fn alert(name: &str, instance: &str, starts_at: Timestamp, ends_at: Option<Timestamp>) -> Value {
    json!({
        "status": if ends_at.is_some() { "resolved" } else { "firing" },
        "labels": { "alertname": name, "instance": instance, "severity": "critical" },
        "annotations": { "summary": format!("{name} at {instance}") },
        "startsAt": starts_at.to_string(),
        "endsAt": ends_at.map_or("0001-01-01T00:00:00Z".to_owned(), |at| at.to_string()),
        "generatorURL": "",
    })
}

/// The same of an alert that is known.
pub fn again(known: &Alert, ends_at: Option<Timestamp>) -> Value {
    alert(known.name(), known.labels.get("instance").unwrap_or_default(), known.starts_at, ends_at)
}

/// A notification with these alerts, and so many cut off; `malformed` adds one that is none.
pub fn body(mut alerts: Vec<Value>, truncated: usize, malformed: bool) -> Vec<u8> {
    if malformed {
        alerts.push(json!({ "status": "perhaps", "labels": 7 }));
    }
    let notification = json!({
        "version": "4", "receiver": "selfheal", "status": "firing", "groupKey": "{}:{}", "groupLabels": {},
        "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://alertmanager:9093", "truncatedAlerts": truncated,
        "alerts": alerts,
    });
    notification.to_string().into_bytes()
}

/// The alerts of a body.
pub fn of(body: &[u8]) -> Vec<Alert> {
    let read = Notification::read(body).map(|read| read.alerts);
    read.unwrap_or_default().into_iter().map(|(_, alert)| alert).collect()
}

/// The alert that a JSON value is.
pub fn read(alert: Value) -> Option<Alert> {
    of(&body(vec![alert], 0, false)).pop()
}
