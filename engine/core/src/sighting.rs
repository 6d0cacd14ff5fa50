//! What a sighting of an alert means for its issue: the one table that expansion goes by.
//!
//! Alertmanager delivers at least once and in no particular order across groups and peers, so a late "firing" can
//! follow "resolved". What decides is the alert's own start: a firing alert that started no later than the issue that
//! was resolved or closed belongs to that past episode.

use jiff::Timestamp;

use crate::alert::{Alert, AlertStatus};

/// The latest issue of a fingerprint, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LatestIssue {
    /// Whether it is open.
    pub open: bool,
    /// When its alert started, as last seen.
    pub starts_at: Timestamp,
    /// Whether its alert is resolved.
    pub resolved: bool,
}

/// What to do with a sighting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Open an issue.
    Open,
    /// Open an issue that is closed at once: the alert was resolved before it was ever seen to fire.
    OpenResolved,
    /// The open issue's alert fires again.
    Refire,
    /// The open issue's alert is resolved.
    Resolve,
    /// The open issue's alert still fires, or is still resolved.
    Known,
    /// It belongs to an episode that is over.
    Stale,
}

/// What a sighting means, given the latest issue of its fingerprint.
pub fn meaning(latest: Option<LatestIssue>, alert: &Alert) -> Meaning {
    let firing = alert.status == AlertStatus::Firing;
    let Some(latest) = latest else {
        return if firing { Meaning::Open } else { Meaning::OpenResolved };
    };
    let newer = alert.starts_at > latest.starts_at;
    match (latest.open, latest.resolved, firing) {
        (true, false, true) if alert.starts_at < latest.starts_at => Meaning::Stale,
        (true, false, true) => Meaning::Known,
        (true, false, false) if alert.starts_at < latest.starts_at => Meaning::Stale,
        (true, false, false) => Meaning::Resolve,
        (true, true, true) if newer => Meaning::Refire,
        (true, true, false) => Meaning::Known,
        (false, _, true) if newer => Meaning::Open,
        (false, _, false) if newer => Meaning::OpenResolved,
        (true, true, true) | (false, _, _) => Meaning::Stale,
    }
}
