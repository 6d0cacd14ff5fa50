//! The ledger's time: goes on by the monotonic clock, whatever becomes of the wall clock. That only says how long ago was
//! what the journal knows, and how the ledger's times are shown.

use std::time::Duration;

use jiff::Timestamp;
use selfheal_core::moment::later;
use selfheal_runtime::ports::Clock;

/// How far the ledger's time is ahead of the monotonic clock, so that what an earlier process was granted has a place
/// in it.
const AHEAD: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// A time that never goes back, as a distance from long before the process.
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

impl Instant {
    /// The ledger's time now.
    pub(super) fn now(clock: &dyn Clock) -> Self {
        Self(AHEAD.saturating_add(clock.monotonic()))
    }

    /// The ledger's time of a moment in the past.
    pub(super) fn of(moment: Timestamp, clock: &dyn Clock) -> Self {
        let ago = Duration::try_from(clock.now().duration_since(moment)).unwrap_or_default();
        Self(Self::now(clock).0.saturating_sub(ago))
    }

    /// What the caller's clock will show then.
    pub(super) fn shown(self, caller_now: Timestamp, now: Self) -> Timestamp {
        later(caller_now, now.until(self))
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use selfheal_runtime::simulation::{Pulse, Timeline};

    use super::*;

    #[test]
    fn it_goes_on_whatever_the_wall_clock_does() {
        let clock = Timeline::new(Timestamp::from_second(1_800_000_000).unwrap(), Pulse::default().into());
        let ago = |seconds| clock.now().checked_sub(SignedDuration::from_secs(seconds)).unwrap();
        let seconds = Duration::from_secs;
        let (start, granted) = (Instant::now(&*clock), Instant::of(ago(600), &*clock));
        assert_eq!(granted.until(start), seconds(600));
        for (set, passes, passed) in [(3600, 10, 10), (-7200, 5, 15), (0, 1, 16)] {
            clock.set(SignedDuration::from_secs(set));
            clock.skip(seconds(passes));
            assert_eq!(start.until(Instant::now(&*clock)), seconds(passed), "set by {set} s");
        }
        let now = Instant::now(&*clock);
        assert_eq!(now.after(seconds(7)).shown(ago(0), now), ago(-7));
    }
}
