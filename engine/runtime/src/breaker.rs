//! Circuit breakers, one for each adapter: after repeated failures its targets are left alone for a while, then one
//! trial at a time decides.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use selfheal_core::moment::{earlier, later};
use selfheal_core::policy::Policy;

use crate::ports::Clock;

/// How long the others wait for the result of a trial: longer than it takes to read a probe.
const TRIAL: Duration = Duration::from_secs(10);

/// The breakers of all adapters.
pub struct Breakers {
    failures_max: u32,
    open_for: Duration,
    clock: Arc<dyn Clock>,
    states: Mutex<BTreeMap<String, State>>,
}

#[derive(Clone, Copy, Default)]
struct State {
    /// Failures since the last success.
    failures: u32,
    /// By the clock that only goes forward.
    open_until: Option<Duration>,
}

/// What an exchange did to a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Nobody asks its targets until then.
    Opened { until: Timestamp, failures: u32 },
    /// They answer again.
    Closed,
}

/// A breaker as people see it.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct BreakerState {
    /// The adapter.
    pub adapter: String,
    /// Failures since the last success.
    pub failures: u32,
    /// When the next trial is allowed, while it is open, as the wall clock shows it now.
    pub open_until: Option<Timestamp>,
}

impl Breakers {
    pub(crate) fn new(policy: &Policy, clock: Arc<dyn Clock>) -> Self {
        Self {
            failures_max: policy.breaker_failures,
            open_for: policy.breaker_open,
            clock,
            states: Mutex::default(),
        }
    }

    fn states(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, State>> {
        // A poisoned lock holds counters that are valid after every statement.
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one exchange with an adapter's target, and says what that did to the breaker.
    pub(crate) fn count(&self, adapter: &str, worked: bool) -> Option<Turn> {
        let mut states = self.states();
        if worked {
            let before = states.remove(adapter)?;
            return before.open_until.is_some().then_some(Turn::Closed);
        }
        let state = states.entry(adapter.to_owned()).or_default();
        state.failures = state.failures.saturating_add(1);
        if self.failures_max == 0 || state.failures < self.failures_max {
            return None;
        }
        // A failed trial opens it again for the whole time.
        state.open_until = Some(self.clock.monotonic().saturating_add(self.open_for));
        Some(Turn::Opened { until: self.clock.after(self.open_for), failures: state.failures })
    }

    /// Admits an exchange, or says until when it has to wait. The one that comes first after a breaker was open is the trial;
    /// the others wait for its result.
    pub(crate) fn admit(&self, adapter: &str) -> Option<Timestamp> {
        let now = self.clock.monotonic();
        let mut states = self.states();
        let until = states.get_mut(adapter)?.open_until.as_mut()?;
        if *until > now {
            return Some(self.shown(*until));
        }
        *until = now.saturating_add(TRIAL);
        None
    }

    /// When the adapter may be tried again, while its breaker is open.
    pub fn open_until(&self, adapter: &str) -> Option<Timestamp> {
        let now = self.clock.monotonic();
        let until = self.states().get(adapter)?.open_until.filter(|until| *until > now)?;
        Some(self.shown(until))
    }

    /// What the wall clock shows at a moment, as it goes now.
    fn shown(&self, moment: Duration) -> Timestamp {
        let (wall, now) = (self.clock.now(), self.clock.monotonic());
        match moment.checked_sub(now) {
            Some(left) => later(wall, left),
            None => earlier(wall, now.saturating_sub(moment)),
        }
    }

    /// Every adapter that has failed since its last success.
    pub fn list(&self) -> Vec<BreakerState> {
        let states = self.states();
        states
            .iter()
            .map(|(adapter, state)| BreakerState {
                adapter: adapter.clone(),
                failures: state.failures,
                open_until: state.open_until.map(|until| self.shown(until)),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::simulation::Timeline;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn breakers() -> (Breakers, Arc<Timeline>) {
        let timeline = Timeline::new(at(0), Arc::default());
        (Breakers::new(&Policy::default(), Arc::<Timeline>::clone(&timeline)), timeline)
    }

    #[test]
    fn it_opens_after_repeated_failures_and_a_trial_decides() {
        let (breakers, timeline) = breakers();
        let pass = |seconds| timeline.skip(Duration::from_secs(seconds));
        for _ in 0..4 {
            assert_eq!(breakers.count("pg", false), None);
        }
        assert_eq!(breakers.open_until("pg"), None);
        let opened = Turn::Opened { until: at(300), failures: 5 };
        assert_eq!(breakers.count("pg", false), Some(opened));
        pass(299);
        assert_eq!(breakers.open_until("pg"), Some(at(300)));
        pass(1);
        assert_eq!(breakers.open_until("pg"), None, "time for a trial");
        assert_eq!(breakers.admit("pg"), None);
        assert_eq!(breakers.admit("pg"), Some(at(310)), "one at a time");
        pass(10);
        assert_eq!(breakers.admit("pg"), None, "a trial without a result is not waited for");
        breakers.count("pg", false);
        pass(299);
        assert_eq!(breakers.open_until("pg"), Some(at(610)), "one failed trial opens it again");
        pass(11);
        assert_eq!(breakers.list()[0].open_until, Some(at(610)), "who sees it sees since when");
        assert_eq!(breakers.count("pg", true), Some(Turn::Closed));
        assert_eq!(breakers.count("pg", true), None, "it was closed");
        assert_eq!(breakers.open_until("pg"), None);
        assert!(breakers.list().is_empty());
    }

    #[test]
    fn it_is_open_for_as_long_whatever_the_wall_clock_shows() {
        for hours in [1, -1] {
            let (breakers, timeline) = breakers();
            for _ in 0..5 {
                breakers.count("pg", false);
            }
            timeline.set(SignedDuration::from_hours(hours));
            assert_eq!(breakers.open_until("pg"), Some(at(hours * 3600 + 300)));
            timeline.skip(Duration::from_secs(299));
            assert!(breakers.admit("pg").is_some());
            timeline.skip(Duration::from_secs(1));
            assert_eq!(breakers.admit("pg"), None);
        }
    }
}
