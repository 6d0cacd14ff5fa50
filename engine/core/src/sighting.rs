//! What a sighting of an alert means for its issue: the one table that expansion goes by.
//!
//! Alertmanager delivers at least once and in no particular order across groups and peers, so a late "firing" can
//! follow "resolved". What decides is the alert's own start: a firing alert that started no later than the issue that
//! was resolved or closed belongs to that past episode, unless it comes so long after the end that it cannot be late: a
//! Prometheus that was cut off for a while has its alerts expire, and then sends them again with the start of before.
//!
//! The start of one episode may move to an earlier time: of what the Prometheus servers of a pair say of an alert,
//! Alertmanager keeps the earliest start. So an end that comes after the start that is known ends the issue, whatever
//! start comes with it; and the latest start that was seen is kept, for what is still on its way names it.
//!
//! Starts are compared in milliseconds: a notification carries nanoseconds, Alertmanager's own API cuts them off.

use std::borrow::Cow;
use std::time::Duration;

use jiff::Timestamp;

use crate::alert::{Alert, AlertStatus};
use crate::moment::later;

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
    let again = !newer && latest.resolved_at.is_some_and(|at| later(at, LATE_MAX) <= received_at);
    let ends_it = alert.ends_at.is_some_and(|at| at.as_millisecond() > known);
    match (latest.open, latest.resolved_at.is_some(), firing) {
        (true, false, false) if older && ends_it => Meaning::Resolve,
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

/// An alert as its issue keeps it, whose latest start was this: a later start than the alert's own stays.
pub fn kept(starts_at: Timestamp, alert: &Alert) -> Cow<'_, Alert> {
    if alert.starts_at.as_millisecond() < starts_at.as_millisecond() {
        Cow::Owned(Alert { starts_at, ..alert.clone() })
    } else {
        Cow::Borrowed(alert)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When the latest issue's alert started.
    fn start() -> Timestamp {
        Timestamp::from_microsecond(1_000_000_500).unwrap()
    }

    /// An alert that started this many microseconds after the latest issue's, and ended at this time.
    fn alert(status: AlertStatus, later_by: i64, ends_at: Option<Timestamp>) -> Alert {
        Alert {
            status,
            labels: Default::default(),
            annotations: Default::default(),
            starts_at: Timestamp::from_microsecond(1_000_000_500 + later_by).unwrap(),
            ends_at,
            generator_url: "".into(),
            heard_by: None,
            fingerprint: crate::labels::Fingerprint(1),
        }
    }

    /// What an alert means that started this many microseconds after the latest issue's, and came this many seconds after
    /// that was resolved.
    fn check(open: bool, resolved: bool, status: AlertStatus, later_by: i64, after: u64) -> Meaning {
        let start = start();
        let end = later(start, Duration::from_secs(60));
        let alert = alert(status, later_by, None);
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
            (false, true, Firing, -2000, 299, Meaning::Stale),
            (false, true, Firing, -2000, 300, Meaning::Open),
            (true, true, Firing, -2000, 300, Meaning::Refire),
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

    #[test]
    fn an_end_with_an_earlier_start_is_of_the_episode_that_it_ends_after() {
        let cases = [
            // open, resolved, milliseconds from the known start to the end
            (true, false, 60_000, Meaning::Resolve),
            (true, false, 1, Meaning::Resolve),
            // of an earlier episode
            (true, false, 0, Meaning::Stale),
            (true, false, -500, Meaning::Stale),
            (true, true, 60_000, Meaning::Known),
            (false, true, 60_000, Meaning::Stale),
        ];
        for (open, resolved, ends, wanted) in cases {
            let ends_at = Timestamp::from_microsecond(1_000_000_500 + ends * 1000).unwrap();
            let alert = alert(AlertStatus::Resolved, -2_000_000, Some(ends_at));
            let resolved_at = resolved.then(|| later(start(), Duration::from_secs(60)));
            let latest = LatestIssue { open, starts_at: start(), resolved_at };
            let text = format!("open {open}, resolved {resolved}, ends {ends} ms after the known start");
            assert_eq!(
                meaning(Some(latest), &alert, later(start(), Duration::from_secs(70))),
                wanted,
                "{text}"
            );
        }
    }

    #[test]
    fn the_latest_start_is_kept() {
        for (later_by, kept_by) in [(-2000, 0), (0, 0), (-500, -500), (2000, 2000)] {
            let alert = alert(AlertStatus::Resolved, later_by, Some(later(start(), Duration::from_secs(60))));
            let wanted = Timestamp::from_microsecond(1_000_000_500 + kept_by).unwrap();
            let kept = kept(start(), &alert);
            assert_eq!((kept.starts_at, kept.ends_at), (wanted, alert.ends_at), "{later_by}");
        }
    }
}
