//! Reads one alert of `GET /api/v2/alerts` (Alertmanager's `api/v2/openapi.yaml`, `gettableAlert`).
//!
//! Its shape is that of a notification's alert but for `status`, an object here, and `endsAt`, which is when the alert will
//! count as resolved unless it is sent again. What the API lists has not been resolved, by Alertmanager's own clock.

use jiff::Timestamp;
use selfheal_core::alert::{Alert, AlertStatus, GENERATOR_URL_BYTES_MAX};
use selfheal_core::labels::{Fingerprint, Labels};
use selfheal_runtime::ports::StandingAlert;
use serde::Deserialize;

/// The most names of silences or alerts that are told.
const NAMES_MAX: usize = 8;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GettableAlert {
    labels: Labels,
    #[serde(default)]
    annotations: Labels,
    starts_at: String,
    #[serde(default, rename = "generatorURL")]
    generator_url: Option<Box<str>>,
    #[serde(default)]
    fingerprint: Option<Fingerprint>,
    status: Status,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    state: String,
    #[serde(default)]
    silenced_by: Option<Vec<String>>,
    #[serde(default)]
    inhibited_by: Option<Vec<String>>,
    /// Since Alertmanager 0.28.
    #[serde(default)]
    muted_by: Option<Vec<String>>,
}

/// Reads an alert, or says what is wrong with it.
pub(super) fn read(json: &[u8]) -> Result<StandingAlert, String> {
    let read: GettableAlert = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    if read.labels.is_empty() {
        return Err("labels: empty, expected at least one".into());
    }
    let starts_at: Timestamp = read.starts_at.parse().map_err(|_| {
        let shown: String = read.starts_at.chars().take(64).collect();
        format!("startsAt: {shown:?} is no time, expected one such as \"2026-11-22T03:34:39.289Z\"")
    })?;
    let generator_url = read.generator_url.unwrap_or_default();
    if generator_url.len() > GENERATOR_URL_BYTES_MAX {
        return Err(format!(
            "generatorURL: has {} bytes, expected at most {GENERATOR_URL_BYTES_MAX}",
            generator_url.len()
        ));
    }
    let alert = Alert {
        status: AlertStatus::Firing,
        fingerprint: read.fingerprint.unwrap_or_else(|| read.labels.fingerprint()),
        labels: read.labels,
        annotations: read.annotations,
        starts_at,
        ends_at: None,
        generator_url,
        heard_by: None,
    };
    Ok(StandingAlert { alert, suppressed_by: suppressed_by(read.status) })
}

/// What keeps an alert's notifications back.
fn suppressed_by(status: Status) -> Option<String> {
    let causes = [
        ("silence", status.silenced_by),
        ("inhibited by", status.inhibited_by),
        ("muted by", status.muted_by),
    ];
    let told: Vec<String> = causes
        .into_iter()
        .filter_map(|(what, names)| {
            let names = names.filter(|names| !names.is_empty())?;
            let listed = names.iter().take(NAMES_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
            let more = match names.len().saturating_sub(NAMES_MAX) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            Some(format!("{what} {listed}{more}"))
        })
        .collect();
    match (status.state.as_str(), told.is_empty()) {
        (_, false) => Some(told.join("; ")),
        ("suppressed", true) => Some("suppressed, Alertmanager does not say by what".into()),
        (_, true) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(status: &str) -> String {
        format!(
            r#"{{"annotations":{{"summary":"s"}},"endsAt":"2026-11-22T12:05:00.000Z","fingerprint":"96468a65712ade25",
            "receivers":[{{"name":"web\\.hook"}}],"startsAt":"2026-11-22T13:00:00.123+01:00","status":{status},
            "updatedAt":"2026-11-22T12:00:00.000Z","generatorURL":"http://prometheus/graph","labels":{{"alertname":"A"}}}}"#
        )
    }

    #[test]
    fn an_alert_is_read_whole() {
        let read = read(json(r#"{"inhibitedBy":[],"silencedBy":[],"state":"active"}"#).as_bytes()).unwrap();
        let expected = Alert {
            status: AlertStatus::Firing,
            labels: [("alertname", "A")].into_iter().collect(),
            annotations: [("summary", "s")].into_iter().collect(),
            starts_at: "2026-11-22T12:00:00.123Z".parse().unwrap(),
            ends_at: None,
            generator_url: "http://prometheus/graph".into(),
            fingerprint: "96468a65712ade25".parse().unwrap(),
            heard_by: None,
        };
        assert_eq!(read, StandingAlert { alert: expected, suppressed_by: None });
    }

    #[test]
    fn suppression_names_its_causes() {
        let many = format!(r#"{{"state":"suppressed","silencedBy":[{}"z"]}}"#, r#""s","#.repeat(10));
        let cases = [
            (r#"{"state":"active"}"#, None),
            (r#"{"state":"unprocessed","silencedBy":null,"inhibitedBy":null,"mutedBy":null}"#, None),
            (r#"{"state":"suppressed","silencedBy":["a","b"]}"#, Some("silence a, b")),
            (
                r#"{"state":"suppressed","silencedBy":["a"],"inhibitedBy":["f"],"mutedBy":["nights"]}"#,
                Some("silence a; inhibited by f; muted by nights"),
            ),
            (r#"{"state":"active","mutedBy":["nights"]}"#, Some("muted by nights")),
            (r#"{"state":"suppressed"}"#, Some("suppressed, Alertmanager does not say by what")),
            (&many, Some("silence s, s, s, s, s, s, s, s and 3 more")),
        ];
        for (status, expected) in cases {
            let read = read(json(status).as_bytes()).unwrap();
            assert_eq!(read.suppressed_by.as_deref(), expected, "{status}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let good = json(r#"{"state":"active"}"#);
        let cases = [
            (good.replace(r#""alertname":"A""#, ""), "at least one"),
            (good.replace(r#""alertname":"A""#, r#""alertname":7"#), "string"),
            (good.replace("2026-11-22T13", "yesterday"), "yesterday"),
            (good.replace("96468a65712ade25", "96468"), "fingerprint"),
            (good.replace(r#"{"state":"active"}"#, r#""active""#), "active"),
            (good.replace("http://prometheus", &"x".repeat(70_000)), "generatorURL"),
            (good.replace(r#""labels""#, r#""Labels""#), "labels"),
            ("null".into(), "null"),
        ];
        for (json, text) in cases {
            let problem = read(json.as_bytes()).unwrap_err();
            assert!(problem.contains(text), "{problem}");
        }
        // Old versions leave out what is computed, Go writes null for what is not there.
        let sparse = r#"{"labels":{"a":"b"},"annotations":null,"startsAt":"2026-11-22T12:00:00Z","status":{"state":"active"}}"#;
        let read = read(sparse.as_bytes()).unwrap();
        assert_eq!(read.alert.fingerprint, read.alert.labels.fingerprint());
    }
}
