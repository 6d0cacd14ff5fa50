//! Whether the wall clock can be relied on. A ledger of its own may measure its leases by one that is set with it: then they
//! end early, and somebody else could claim what a remediation is still at work on.
//!
//! So after a jump nothing is claimed for the length of a lease, within which whoever is at work renews his.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::decide::LEASE;
use crate::ports::Clock;

/// What the wall clock may be off, from one look to the next, without having jumped.
const JUMP_MIN: SignedDuration = SignedDuration::from_secs(5);

/// What was seen of the clock.
#[derive(Default)]
pub(crate) struct Steady(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    /// Wall clock and monotonic clock at the last look.
    last: Option<(Timestamp, Duration)>,
    /// Until when, by the monotonic clock, nothing is claimed.
    pause_until: Duration,
}

impl Steady {
    /// Looks at the clock. Gives how long nothing may be claimed yet, after a jump.
    pub(crate) fn pause(&self, clock: &dyn Clock) -> Option<Duration> {
        self.look(clock.now(), clock.monotonic())
    }

    fn look(&self, now: Timestamp, monotonic: Duration) -> Option<Duration> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((then, before)) = seen.last.replace((now, monotonic)) {
            let passed =
                SignedDuration::try_from(monotonic.saturating_sub(before)).unwrap_or(SignedDuration::MAX);
            let off = now.duration_since(then).saturating_sub(passed);
            if off.abs() > JUMP_MIN {
                tracing::warn!(
                    ?off,
                    "the wall clock has jumped; nothing is claimed for the length of a lease"
                );
                seen.pause_until = monotonic + LEASE;
            }
        }
        seen.pause_until.checked_sub(monotonic).filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_is_waited_out_and_a_drift_is_not() {
        let steady = Steady::default();
        let look = |wall: i64, monotonic: u64| {
            let now = Timestamp::from_second(1_800_000_000 + wall).unwrap();
            steady.look(now, Duration::from_secs(monotonic))
        };
        assert_eq!(look(0, 0), None);
        assert_eq!(look(104, 100), None, "four seconds are drift");
        assert_eq!(look(400, 110), Some(LEASE), "set forward");
        assert_eq!(look(450, 160), Some(LEASE - Duration::from_secs(50)));
        assert_eq!(look(460, 170), None);
        assert_eq!(look(300, 171), Some(LEASE), "set back");
    }
}
