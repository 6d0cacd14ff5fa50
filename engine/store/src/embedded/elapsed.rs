//! The ledger's time: the wall clock, except that it never goes back.
//!
//! Callers read the clock before they queue for the ledger, so small steps back are only their order and are ignored. A
//! larger one is the clock being set back: from then on the ledger goes by the clock plus the step, so that nothing
//! lasts longer than it was meant to.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use selfheal_core::guard::later;

/// A step back that is larger than this is the clock being set.
const DISORDER_MAX: SignedDuration = SignedDuration::from_secs(5);

/// A time that never goes back, as a distance from 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Instant(Duration);

impl Instant {
    /// The time some duration later.
    pub(super) fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(by))
    }

    /// How long until then; zero when it has passed.
    pub(super) fn until(self, then: Self) -> Duration {
        then.0.saturating_sub(self.0)
    }
}

/// What turns the wall clock into the ledger's time.
#[derive(Debug, Default)]
pub(super) struct Elapsed {
    /// The latest reading of the clock.
    last: Option<Timestamp>,
    /// How far the clock has been set back in all.
    set_back: Duration,
}

impl Elapsed {
    /// The ledger's time, given a reading of the clock.
    pub(super) fn read(&mut self, now: Timestamp) -> Instant {
        let last = self.last.unwrap_or(now);
        let back = last.duration_since(now);
        if back > DISORDER_MAX {
            self.set_back = self.set_back.saturating_add(back.unsigned_abs());
        }
        let current = if back > DISORDER_MAX { now } else { now.max(last) };
        self.last = Some(current);
        self.instant(current)
    }

    /// The ledger's time of a moment in the past, without taking it for a reading of the clock.
    pub(super) fn instant(&self, moment: Timestamp) -> Instant {
        let since = Duration::try_from(moment.duration_since(Timestamp::UNIX_EPOCH)).unwrap_or_default();
        Instant(since.saturating_add(self.set_back))
    }

    /// What the caller's clock will show then.
    pub(super) fn shown(caller_now: Timestamp, now: Instant, then: Instant) -> Timestamp {
        later(caller_now, now.until(then))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_whatever_the_clock_does() {
        let at = |seconds: i64| Timestamp::from_second(seconds).unwrap();
        // The clock, and how far the ledger's time has come since the first reading, in seconds.
        let cases = [
            (1000, 0),
            (1010, 10),
            (1007, 10),
            (1012, 12),
            (500, 12),
            (510, 22),
            (100, 22),
            (101, 23),
            (900, 822),
        ];
        let mut elapsed = Elapsed::default();
        let start = Elapsed::default().instant(at(1000));
        for (clock, seconds) in cases {
            assert_eq!(start.until(elapsed.read(at(clock))), Duration::from_secs(seconds), "{clock}");
        }
    }
}
