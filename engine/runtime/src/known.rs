//! Alerts that are on disk already. Alertmanager repeats itself; what is known needs no second place in the journal.
//!
//! What counts is what was said last, and last is what is expanded last: notifications are on disk in any order, and one may
//! be there only after it was expanded. So each has its place in the order of expansion, and what comes out of order
//! changes nothing.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustc_hash::FxHashMap;
use selfheal_core::alert::AlertKey;
use selfheal_core::labels::Fingerprint;

/// Alerts remembered in one half; with both halves about 50 MB.
const ALERTS_MAX: usize = 200_000;

/// A notification's place in the order in which notifications are expanded, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place(pub(crate) u64);

/// What was last said of the latest alerts, in two halves: when one is full, the older one is forgotten. To forget costs a
/// row, never an alert.
pub(crate) struct Known {
    halves: Mutex<Halves>,
    /// For how long it is believed that nobody else has heard anything since.
    trusted_for: Duration,
}

#[derive(Default)]
struct Halves {
    newer: FxHashMap<Fingerprint, Last>,
    older: FxHashMap<Fingerprint, Last>,
}

/// What was said last of an alert.
#[derive(Clone, Copy)]
struct Last {
    /// Nothing when it came to nothing.
    key: Option<AlertKey>,
    place: Place,
    /// Since when it is on disk, by the clock that only goes forward.
    at: Duration,
}

impl Known {
    /// Nothing is known yet. What is trusted for a time has to be stored again after that.
    pub(crate) fn new(trusted_for: Duration) -> Self {
        Self { halves: Mutex::default(), trusted_for }
    }

    /// Whether each of these is the last that is on disk of its alert. What was said before that is no repetition: an alert
    /// that was resolved may fire again with the start of before.
    pub(crate) fn all(&self, keys: &[AlertKey], now: Duration) -> bool {
        let mut halves = self.halves();
        let is_last = |last: &Last, key: &AlertKey| {
            last.key == Some(*key) && now.saturating_sub(last.at) < self.trusted_for
        };
        keys.iter().all(|key| {
            if let Some(last) = halves.newer.get(&key.fingerprint) {
                return is_last(last, key);
            }
            let last = halves.older.get(&key.fingerprint).copied().filter(|last| is_last(last, key));
            // What is still asked for is kept for another while.
            last.inspect(|last| halves.put(key.fingerprint, *last)).is_some()
        })
    }

    /// These alerts of one notification are on disk.
    pub(crate) fn add(&self, keys: &[AlertKey], place: Place, now: Duration) {
        let mut halves = self.halves();
        for key in keys {
            let outdated = |last: &Last| last.place > place || (last.place == place && last.key.is_none());
            if !halves.last(key.fingerprint).is_some_and(outdated) {
                halves.put(key.fingerprint, Last { key: Some(*key), place, at: now });
            }
        }
    }

    /// What this notification said of an alert came to nothing; said again later it may.
    pub(crate) fn forget(&self, fingerprint: Fingerprint, place: Place, now: Duration) {
        let mut halves = self.halves();
        if halves.last(fingerprint).is_none_or(|last| last.place <= place) {
            // Kept in mind, since it may be on disk only after this.
            halves.put(fingerprint, Last { key: None, place, at: now });
        }
    }

    fn halves(&self) -> std::sync::MutexGuard<'_, Halves> {
        self.halves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Halves {
    fn last(&self, fingerprint: Fingerprint) -> Option<&Last> {
        self.newer.get(&fingerprint).or_else(|| self.older.get(&fingerprint))
    }

    fn put(&mut self, fingerprint: Fingerprint, last: Last) {
        if self.newer.len() >= ALERTS_MAX && !self.newer.contains_key(&fingerprint) {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(fingerprint, last);
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use selfheal_core::alert::AlertStatus;

    use super::*;

    /// What happens to what is known of one alert, at a place in the order.
    enum Does {
        Fires(u64),
        Resolves(u64),
        Forgets(u64),
    }

    fn key(status: AlertStatus) -> AlertKey {
        let starts_at = Timestamp::UNIX_EPOCH;
        AlertKey { fingerprint: Fingerprint(1), status, starts_at, ends_at: None }
    }

    #[test]
    fn what_is_expanded_last_was_said_last() {
        use AlertStatus::{Firing, Resolved};
        use Does::{Fires, Forgets, Resolves};
        let cases: [(&[Does], Option<AlertStatus>); 8] = [
            (&[Fires(1)], Some(Firing)),
            (&[Fires(1), Resolves(2)], Some(Resolved)),
            // On disk in another order.
            (&[Resolves(2), Fires(1)], Some(Resolved)),
            // It came to nothing, before and after it was on disk.
            (&[Fires(1), Forgets(1)], None),
            (&[Forgets(1), Fires(1)], None),
            (&[Forgets(2), Fires(1)], None),
            (&[Forgets(1), Fires(2)], Some(Firing)),
            (&[Fires(2), Forgets(1)], Some(Firing)),
        ];
        for (number, (course, wanted)) in cases.iter().enumerate() {
            let (known, now) = (Known::new(Duration::MAX), Duration::ZERO);
            for does in *course {
                match does {
                    Fires(place) => known.add(&[key(Firing)], Place(*place), now),
                    Resolves(place) => known.add(&[key(Resolved)], Place(*place), now),
                    Forgets(place) => known.forget(Fingerprint(1), Place(*place), now),
                }
            }
            for status in [Firing, Resolved] {
                assert_eq!(
                    known.all(&[key(status)], now),
                    *wanted == Some(status),
                    "case {number}: {status:?}"
                );
            }
        }
    }

    #[test]
    fn what_others_may_have_heard_since_is_trusted_for_a_time() {
        let known = Known::new(Duration::from_secs(300));
        let keys = [key(AlertStatus::Firing)];
        known.add(&keys, Place(1), Duration::from_secs(50));
        for (now, wanted) in [(50, true), (349, true), (350, false)] {
            assert_eq!(known.all(&keys, Duration::from_secs(now)), wanted, "after {now} s");
        }
    }
}
