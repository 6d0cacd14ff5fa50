//! Reads the body that Alertmanager posts (webhook version 4), alert by alert, in one pass and without a tree:
//! a body of 100 000 alerts costs no more memory than one alert at a time.
//!
//! The flow: [`parse`] walks the outer object with a `cursor`, hands each element of `alerts` to the caller as an
//! alert or a `fault`, and returns the rest as the [`Envelope`]. An alert that cannot be taken never costs its
//! neighbours, as long as the body is JSON. Common labels and annotations are not kept: they repeat the alerts'.

mod cursor;
mod fault;

use serde::{Deserialize, Serialize};

use crate::alert::Alert;
use crate::labels::Labels;
use cursor::Cursor;

pub use crate::alert::AlertFaultKind;
pub use fault::{AlertFault, BodyFault, BodyFaultKind, Position};

/// The version of Alertmanager's webhook body, since Alertmanager 0.6.
pub const VERSION: &str = "4";

/// The version that Grafana's own notifier writes into its superset of that body, where `orgId` tells that it is Grafana's.
/// (Its documentation, "Configure the webhook notifier".)
pub const VERSION_GRAFANA: &str = "1";

/// The most alerts in one body; far above the 100 000 of a storm, and a bound on the work that 64 MiB of `0,0,0` can ask for.
pub const ALERTS_MAX: usize = 500_000;

/// What a notification says besides its alerts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    /// The receiver's name, escaped as a regular expression (`web\.hook`); "" when not said.
    pub receiver: String,
    /// "firing" or "resolved", of the alerts sent; says nothing of those cut off. "" when not said.
    pub status: String,
    /// Route and group labels; changes with Alertmanager's configuration. "" when not said.
    pub group_key: String,
    /// How many alerts of the group were cut off; 0 when not said.
    pub truncated_alerts: u64,
    /// The labels that the group has in common by configuration.
    pub group_labels: Labels,
    /// Where the sender can be reached, as it believes; "" when not said.
    #[serde(rename = "externalURL")]
    pub external_url: String,
    /// The body's version: "4", or "1" from Grafana.
    pub version: String,
    /// How many alerts the body has, with those refused.
    pub alerts: usize,
    /// How many of them were refused with an [`AlertFault`].
    pub refused: usize,
}

/// A notification read whole, for where it is small or memory does not matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// What it says besides its alerts.
    pub envelope: Envelope,
    /// The alerts that can be taken, with their places in the body.
    pub alerts: Vec<(usize, Alert)>,
    /// The others.
    pub faults: Vec<AlertFault>,
}

impl Notification {
    /// Reads a body whole.
    ///
    /// # Errors
    /// As [`parse`]; faults of single alerts are in the value.
    pub fn read(body: &[u8]) -> Result<Self, BodyFault> {
        let (mut alerts, mut faults) = (Vec::new(), Vec::new());
        let envelope = parse(body, &mut |index, outcome| match outcome {
            Ok(alert) => alerts.push((index, alert)),
            Err(fault) => faults.push(fault),
        })?;
        Ok(Self { envelope, alerts, faults })
    }
}

/// Reads a body and hands each alert, or its fault, with its place in `alerts` to `visit`, in order.
///
/// Unknown fields are ignored; of a field given twice the last counts. The version may be the text or the number 4, since relays
/// re-encode; "1" is taken where `orgId` shows that Grafana sent it. Absent or null texts are empty.
///
/// Alertmanager writes `version` **after** the alerts. When this returns a fault, `visit` may already have seen alerts of a
/// body that is wrong as a whole: act on them only after `Ok`, or discard what was collected.
///
/// # Errors
/// The body is no JSON object, is cut off, has no `alerts` or another version, or a field of another type; with the
/// position. An alert's own faults (see [`AlertFaultKind`]) go to `visit`, bad UTF-8 and lone surrogates in its texts included.
pub fn parse(
    body: &[u8],
    visit: &mut dyn FnMut(usize, Result<Alert, AlertFault>),
) -> Result<Envelope, BodyFault> {
    let mut cursor = Cursor::new(body);
    let mut envelope = Envelope::default();
    let (mut version, mut from_grafana, mut alerts_seen) = (None, false, false);
    cursor.object(&mut |cursor, name| {
        match name {
            "receiver" => envelope.receiver = cursor.text("receiver")?,
            "status" => envelope.status = cursor.text("status")?,
            "groupKey" => envelope.group_key = cursor.text("groupKey")?,
            "externalURL" => envelope.external_url = cursor.text("externalURL")?,
            "groupLabels" => envelope.group_labels = cursor.value("groupLabels")?,
            "truncatedAlerts" => {
                envelope.truncated_alerts = cursor.value::<Option<u64>>("truncatedAlerts")?.unwrap_or(0);
            }
            "version" => {
                let at = cursor.offset();
                version = Some((at, cursor.value::<cursor::TextOrNumber>("version")?.0));
            }
            "orgId" => {
                from_grafana = true;
                cursor.skip("orgId")?;
            }
            "alerts" => {
                if std::mem::replace(&mut alerts_seen, true) {
                    return Err(cursor.fault(BodyFaultKind::AlertsTwice));
                }
                let mut refused = 0;
                envelope.alerts = cursor.alerts(&mut |index, outcome| {
                    refused += usize::from(outcome.is_err());
                    visit(index, outcome);
                })?;
                envelope.refused = refused;
            }
            _ => cursor.skip("")?,
        }
        Ok(())
    })?;
    let (at, version) = version.ok_or_else(|| cursor.fault(BodyFaultKind::NoVersion))?;
    if !(version == VERSION || version == VERSION_GRAFANA && from_grafana) {
        return Err(cursor.fault_at(at, BodyFaultKind::WrongVersion(version)));
    }
    if !alerts_seen {
        return Err(cursor.fault(BodyFaultKind::NoAlerts));
    }
    envelope.version = version;
    Ok(envelope)
}
