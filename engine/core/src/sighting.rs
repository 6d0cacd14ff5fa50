//! What a sighting of an alert means for its issue: the one table that expansion goes by.
//!
//! Alertmanager delivers at least once and in no particular order across groups and peers, so a late "firing" can
//! follow "resolved". What decides is the alert's own start: a firing alert that started no later than the issue that
//! was resolved or closed belongs to that past episode. Starts are compared in milliseconds: a notification carries
//! nanoseconds, Alertmanager's own API cuts them off.

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
    let (seen, known) = (alert.starts_at.as_millisecond(), latest.starts_at.as_millisecond());
    let (newer, older) = (seen > known, seen < known);
    match (latest.open, latest.resolved, firing) {
        (true, false, _) if older => Meaning::Stale,
        (true, false, true) => Meaning::Known,
        (true, false, false) => Meaning::Resolve,
        (true, true, true) if newer => Meaning::Refire,
        (true, true, false) => Meaning::Known,
        (false, _, true) if newer => Meaning::Open,
        (false, _, false) if newer => Meaning::OpenResolved,
        (true, true, true) | (false, _, _) => Meaning::Stale,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an alert means that started this many microseconds after the latest issue's.
    fn check(open: bool, resolved: bool, status: AlertStatus, later_by: i64) -> Meaning {
        let start = Timestamp::from_microsecond(1_000_000_500).unwrap();
        let alert = Alert {
            status,
            labels: Default::default(),
            annotations: Default::default(),
            starts_at: Timestamp::from_microsecond(1_000_000_500 + later_by).unwrap(),
            ends_at: None,
            generator_url: "".into(),
            heard_by: None,
            fingerprint: crate::labels::Fingerprint(1),
        };
        meaning(Some(LatestIssue { open, starts_at: start, resolved }), &alert)
    }

    #[test]
    fn the_table() {
        use AlertStatus::{Firing, Resolved};
        let cases = [
            // open, resolved, status, later by: the same episode again
            (true, false, Firing, 0, Meaning::Known),
            (true, false, Resolved, 0, Meaning::Resolve),
            (true, true, Resolved, 0, Meaning::Known),
            // a late firing after resolved, before and after the issue was closed
            (true, true, Firing, 0, Meaning::Stale),
            (false, true, Firing, 0, Meaning::Stale),
            (false, true, Resolved, 0, Meaning::Stale),
            // what is cut off by the API is no newer episode
            (false, true, Firing, -500, Meaning::Stale),
            (false, true, Firing, 400, Meaning::Stale),
            // a newer episode
            (true, true, Firing, 2000, Meaning::Refire),
            (true, false, Firing, 2000, Meaning::Known),
            (false, true, Firing, 2000, Meaning::Open),
            (false, true, Resolved, 2000, Meaning::OpenResolved),
            // an older one
            (true, false, Firing, -2000, Meaning::Stale),
            (true, false, Resolved, -2000, Meaning::Stale),
        ];
        for (open, resolved, status, later_by, wanted) in cases {
            let text = format!("open {open}, resolved {resolved}, {status:?}, {later_by} us later");
            assert_eq!(check(open, resolved, status, later_by), wanted, "{text}");
        }
    }
}
