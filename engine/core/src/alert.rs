//! One alert of a notification: what fires or has been resolved, since when, and which labels identify it.
//!
//! An alert is the same value whether it came by webhook, from Alertmanager's API or out of the journal. Its
//! JSON is Alertmanager's, so that a stored alert can be read by people who know those; `wire` reads it.

mod wire;

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::ser::{Serialize, SerializeStruct, Serializer};
use serde::{Deserialize, Serialize as SerializeDerive};
use thiserror::Error;

use crate::labels::{Fingerprint, Labels};

pub use wire::AlertFaultKind;
pub(crate) use wire::{AlertSeed, Trail};

/// Instants before the year 2 stand for "no time": Go writes its zero time as 0001-01-01T00:00:00Z, and a sender
/// in another zone may have moved it by hours.
const UNSET_BEFORE: Timestamp = Timestamp::constant(-62_104_060_800, 0);

/// What is written for "no time".
const UNSET: &str = "0001-01-01T00:00:00Z";

/// The longest generator URL that is taken, in bytes.
pub const GENERATOR_URL_BYTES_MAX: usize = 64 * 1024;

/// Whether an alert still holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, SerializeDerive, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertStatus {
    /// Its condition holds.
    Firing,
    /// Its condition held and no longer does.
    Resolved,
}

impl AlertStatus {
    /// "firing" or "resolved", as Alertmanager writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

impl fmt::Display for AlertStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text that is no alert status.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unknown status {0:?}: expected \"firing\" or \"resolved\"")]
pub struct AlertStatusFault(Box<str>);

impl FromStr for AlertStatus {
    type Err = AlertStatusFault;

    fn from_str(text: &str) -> Result<Self, AlertStatusFault> {
        match text {
            "firing" => Ok(Self::Firing),
            "resolved" => Ok(Self::Resolved),
            other => Err(AlertStatusFault(other.chars().take(64).collect::<String>().into())),
        }
    }
}

/// One alert, as received. Cloning it copies only the generator URL.
///
/// As JSON it has Alertmanager's fields: `status`, `labels`, `annotations`, `startsAt`, `endsAt`, `generatorURL`,
/// `fingerprint`; what is written reads back as an equal alert.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Alert {
    /// Whether it fires; act on this, not on the notification's status.
    pub status: AlertStatus,
    /// What identifies it; never empty when it was read from JSON.
    pub labels: Labels,
    /// What is said about it; not part of its identity.
    pub annotations: Labels,
    /// Since when its condition holds.
    pub starts_at: Timestamp,
    /// Since when its condition no longer holds; `None` while it fires (on the wire the year 0001, null or nothing).
    pub ends_at: Option<Timestamp>,
    /// Where the alert can be looked at; empty when not said. To be shown, never fetched.
    pub generator_url: Box<str>,
    /// Identifies the labels. As the sender gave it, which may know of labels it does not send; computed
    /// from the labels when it gave none.
    pub fingerprint: Fingerprint,
    /// Who told of it last: the sender of the notification, by the address at which it says it can be reached, or the watch of
    /// an adapter. Not part of its identity. Set by the intake, written as `heardBy`.
    pub heard_by: Option<Box<str>>,
}

/// What makes two received alerts one: peers, retries and repeated notifications of the same state share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, SerializeDerive, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlertKey {
    /// Which alert.
    pub fingerprint: Fingerprint,
    /// Firing or resolved.
    pub status: AlertStatus,
    /// When it began.
    pub starts_at: Timestamp,
    /// When it ended, if it has.
    pub ends_at: Option<Timestamp>,
}

impl Alert {
    /// What the alert is deduplicated by.
    pub fn key(&self) -> AlertKey {
        AlertKey {
            fingerprint: self.fingerprint,
            status: self.status,
            starts_at: self.starts_at,
            ends_at: self.ends_at,
        }
    }

    /// The label `alertname`, or "" where there is none.
    pub fn name(&self) -> &str {
        self.labels.get("alertname").unwrap_or("")
    }
}

impl fmt::Display for AlertKey {
    /// Fingerprint, status, start and end separated by slashes, "-" where there is no end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/", self.fingerprint, self.status, self.starts_at)?;
        match self.ends_at {
            Some(ends_at) => write!(f, "{ends_at}"),
            None => f.write_str("-"),
        }
    }
}

impl Serialize for Alert {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut alert = serializer.serialize_struct("Alert", 8)?;
        alert.serialize_field("status", &self.status)?;
        alert.serialize_field("labels", &self.labels)?;
        alert.serialize_field("annotations", &self.annotations)?;
        alert.serialize_field("startsAt", &self.starts_at)?;
        match &self.ends_at {
            Some(ends_at) => alert.serialize_field("endsAt", ends_at)?,
            None => alert.serialize_field("endsAt", UNSET)?,
        }
        alert.serialize_field("generatorURL", &self.generator_url)?;
        alert.serialize_field("fingerprint", &self.fingerprint)?;
        match &self.heard_by {
            Some(watch) => alert.serialize_field("heardBy", watch)?,
            None => alert.skip_field("heardBy")?,
        }
        alert.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(status: AlertStatus, ends_at: Option<&str>) -> Alert {
        let labels: Labels =
            [("alertname", "DiskFull"), ("name with \"quotes\"", "ä\n")].into_iter().collect();
        Alert {
            status,
            annotations: [("summary", "<!channel>")].into_iter().collect(),
            starts_at: "2026-11-22T03:34:39.289807966Z".parse().unwrap(),
            ends_at: ends_at.map(|time| time.parse().unwrap()),
            generator_url: "http://prometheus:9090/graph".into(),
            fingerprint: labels.fingerprint(),
            labels,
            heard_by: None,
        }
    }

    #[test]
    fn reads_back_as_it_was_written() {
        let cases = [
            alert(AlertStatus::Firing, None),
            alert(AlertStatus::Resolved, Some("2026-11-22T03:34:49Z")),
            alert(AlertStatus::Resolved, Some("2026-11-22T03:34:49.000000001Z")),
            Alert {
                annotations: Labels::default(),
                generator_url: "".into(),
                ..alert(AlertStatus::Firing, None)
            },
            Alert { fingerprint: Fingerprint(7), ..alert(AlertStatus::Firing, None) },
            Alert { heard_by: Some("kubernetes_pods".into()), ..alert(AlertStatus::Firing, None) },
        ];
        for alert in cases {
            let json = serde_json::to_string(&alert).unwrap();
            assert_eq!(serde_json::from_str::<Alert>(&json).unwrap(), alert, "{json}");
        }
        let json = serde_json::to_value(alert(AlertStatus::Firing, None)).unwrap();
        assert_eq!(json["endsAt"], UNSET);
        assert_eq!(json["startsAt"], "2026-11-22T03:34:39.289807966Z");
    }

    #[test]
    fn key_tells_states_apart_and_nothing_else() {
        let firing = alert(AlertStatus::Firing, None);
        let same = Alert { annotations: Labels::default(), generator_url: "".into(), ..firing.clone() };
        assert_eq!(firing.key(), same.key());
        let others = [
            Alert { fingerprint: Fingerprint(1), ..firing.clone() },
            Alert { starts_at: Timestamp::UNIX_EPOCH, ..firing.clone() },
            alert(AlertStatus::Resolved, None),
            alert(AlertStatus::Firing, Some("2026-11-22T03:34:49Z")),
        ];
        for other in others {
            assert_ne!(firing.key(), other.key(), "{}", other.key());
        }
        let key = serde_json::to_string(&firing.key()).unwrap();
        assert_eq!(serde_json::from_str::<AlertKey>(&key).unwrap(), firing.key());
        assert_eq!(
            firing.key().to_string(),
            format!("{}/firing/2026-11-22T03:34:39.289807966Z/-", firing.fingerprint)
        );
        assert_eq!(firing.name(), "DiskFull");
    }
}
