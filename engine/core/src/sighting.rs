//! What a sighting of an alert means for its issue: the one table that expansion goes by.
//!
//! Alertmanager delivers at least once and in no particular order across groups and peers, so a late "firing" can
//! follow "resolved". What decides is the alert's own start: a firing alert that started no later than the issue that
//! was resolved or closed belongs to that past episode, unless it comes so long after the end that it cannot be late: a
//! Prometheus that was cut off for a while has its alerts expire, and then sends them again with the start of before.
//! Starts are compared in milliseconds: a notification carries nanoseconds, Alertmanager's own API cuts them off.

use std::time::Duration;

use jiff::Timestamp;

use crate::alert::{Alert, AlertStatus};
use crate::guard::later;

/// How late a notification may be: Alertmanager tries one again for as long as its `group_interval`, 5 minutes unless
/// configured.
pub const LATE_MAX: Duration = Duration::from_secs(300);

/// The latest issue of a fingerprint, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LatestIssue {
    /// Whether it is open.
    pub open: bool,
    /// When its alert started, as last seen.
    pub starts_at: Timestamp,
    /// When its alert was resolved, if it is.
    pub resolved_at: Option<Timestamp>,
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

/// What a sighting means, given the latest issue of its fingerprint and when the sighting came.
pub fn meaning(latest: Option<LatestIssue>, alert: &Alert, received_at: Timestamp) -> Meaning {
    let firing = alert.status == AlertStatus::Firing;
    let Some(latest) = latest else {
        return if firing { Meaning::Open } else { Meaning::OpenResolved };
    };
    let (seen, known) = (alert.starts_at.as_millisecond(), latest.starts_at.as_millisecond());
    let (newer, older) = (seen > known, seen < known);
    let again = seen == known && latest.resolved_at.is_some_and(|at| later(at, LATE_MAX) <= received_at);
    match (latest.open, latest.resolved_at.is_some(), firing) {
        (true, false, _) if older => Meaning::Stale,
        (true, false, true) => Meaning::Known,
        (true, false, false) => Meaning::Resolve,
        (true, true, true) if newer || again => Meaning::Refire,
        (true, true, false) => Meaning::Known,
        (false, _, true) if newer || again => Meaning::Open,
        (false, _, false) if newer => Meaning::OpenResolved,
        (true, true, true) | (false, _, _) => Meaning::Stale,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an alert means that started this many microseconds after the latest issue's, and came this many seconds after
    /// that was resolved.
    fn check(open: bool, resolved: bool, status: AlertStatus, later_by: i64, after: u64) -> Meaning {
        let start = Timestamp::from_microsecond(1_000_000_500).unwrap();
        let end = later(start, Duration::from_secs(60));
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
        let latest = LatestIssue { open, starts_at: start, resolved_at: resolved.then_some(end) };
        meaning(Some(latest), &alert, later(end, Duration::from_secs(after)))
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
            assert_eq!(check(open, resolved, status, later_by, 10), wanted, "{text}");
        }
    }

    #[test]
    fn what_comes_too_late_to_be_late_fires_again() {
        use AlertStatus::{Firing, Resolved};
        let cases = [
            // open, resolved, status, later by, seconds after the end
            (true, true, Firing, 0, 299, Meaning::Stale),
            (true, true, Firing, 0, 300, Meaning::Refire),
            (false, true, Firing, 0, 299, Meaning::Stale),
            (false, true, Firing, 0, 300, Meaning::Open),
            (false, true, Firing, -500, 300, Meaning::Open),
            (false, true, Firing, -2000, 300, Meaning::Stale),
            (false, true, Resolved, 0, 300, Meaning::Stale),
            (true, true, Resolved, 0, 300, Meaning::Known),
            (true, false, Firing, 0, 300, Meaning::Known),
        ];
        for (open, resolved, status, later_by, after, wanted) in cases {
            let text =
                format!("open {open}, resolved {resolved}, {status:?}, {later_by} us later, after {after} s");
            assert_eq!(check(open, resolved, status, later_by, after), wanted, "{text}");
        }
    }
}
