//! What the checks hand to the intake: alerts in the form of Alertmanager's webhook, version 4.

use jiff::Timestamp;
use selfheal_core::alert::Alert;
use selfheal_core::labels::Labels;
use serde_json::{Value, json};

use super::course::Turn;

/// The source of these notifications in journal, log and metric, and the annotation `source` of their alerts.
pub(crate) const SOURCE: &str = "scheduled_checks";
/// Characters of what was read that an alert says.
const WHAT_CHARS_MAX: usize = 500;

/// The name of the alert that a check is blind.
const BLIND: &str = "CheckBlind";

/// The labels of the alert that a check cannot judge: those of what it checks, under another name.
pub(crate) fn blind(labels: &Labels) -> Labels {
    let own = [("alertname", BLIND), ("severity", "warning")];
    labels.iter().chain(own).collect()
}

/// A notification with one alert of a check.
pub(crate) fn body(labels: &Labels, summary: &str, turn: &Turn) -> Vec<u8> {
    let what: String = turn.what.chars().take(WHAT_CHARS_MAX).collect();
    let annotations = json!({ "summary": summary, "description": what, "source": SOURCE });
    notification(labels, &annotations, turn.since, turn.ended)
}

/// A notification that an alert is over whose check there is no more.
pub(crate) fn forsaken(alert: &Alert, ended: Timestamp) -> Vec<u8> {
    let annotations = json!(alert.annotations);
    notification(&alert.labels, &annotations, alert.starts_at, Some(ended.max(alert.starts_at)))
}

fn notification(labels: &Labels, annotations: &Value, since: Timestamp, ended: Option<Timestamp>) -> Vec<u8> {
    let status = if ended.is_some() { "resolved" } else { "firing" };
    json!({
        "version": "4",
        "groupKey": SOURCE,
        "receiver": SOURCE,
        "status": status,
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "",
        "alerts": [{
            "status": status,
            "labels": labels,
            "annotations": annotations,
            "startsAt": since.to_string(),
            "endsAt": ended.map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), |at| at.to_string()),
            "generatorURL": "",
        }],
    })
    .to_string()
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use selfheal_core::alert::AlertStatus;
    use selfheal_core::notification::Notification;

    use super::*;

    #[test]
    fn one_episode_has_one_identity_whatever_is_read() {
        let labels: Labels = [("alertname", "WebDown"), ("check", "web")].into_iter().collect();
        let since: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let ended: Timestamp = "2026-11-22T12:05:00Z".parse().unwrap();
        let read = |turn: Turn| {
            let read = Notification::read(&body(&labels, "web is down", &turn)).unwrap();
            read.alerts.into_iter().next().unwrap().1
        };
        let firing = read(Turn { since, ended: None, what: "x".repeat(2_000) });
        let over = read(Turn { since, ended: Some(ended), what: "well".to_owned() });
        assert_eq!(firing.fingerprint, labels.fingerprint());
        assert_eq!((firing.fingerprint, firing.starts_at), (over.fingerprint, over.starts_at));
        assert_eq!((firing.status, over.status), (AlertStatus::Firing, AlertStatus::Resolved));
        assert_eq!((firing.ends_at, over.ends_at), (None, Some(ended)));
        assert_eq!(firing.annotations.get("description").map(str::len), Some(WHAT_CHARS_MAX));

        let last = Notification::read(&forsaken(&firing, ended)).unwrap();
        assert_eq!(last.alerts[0].1.key(), over.key());
    }
}
