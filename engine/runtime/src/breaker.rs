//! Circuit breakers, one for each adapter: after repeated failures its targets are left alone for a while, then one
//! trial at a time decides.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use selfheal_core::moment::later;
use selfheal_core::policy::Policy;

/// How long the others wait for the result of a trial: longer than it takes to read a probe.
const TRIAL: Duration = Duration::from_secs(10);

/// The breakers of all adapters.
pub struct Breakers {
    failures_max: u32,
    open_for: Duration,
    states: Mutex<BTreeMap<String, State>>,
}

#[derive(Clone, Copy, Default)]
struct State {
    /// Failures since the last success.
    failures: u32,
    open_until: Option<Timestamp>,
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
    /// When the next trial is allowed, while it is open.
    pub open_until: Option<Timestamp>,
}

impl Breakers {
    pub(crate) fn new(policy: &Policy) -> Self {
        Self {
            failures_max: policy.breaker_failures,
            open_for: policy.breaker_open,
            states: Mutex::default(),
        }
    }

    fn states(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, State>> {
        // A poisoned lock holds counters that are valid after every statement.
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one exchange with an adapter's target, and says what that did to the breaker.
    pub(crate) fn count(&self, adapter: &str, worked: bool, now: Timestamp) -> Option<Turn> {
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
        let until = later(now, self.open_for);
        state.open_until = Some(until);
        Some(Turn::Opened { until, failures: state.failures })
    }

    /// Admits an exchange, or says until when it has to wait. The one that comes first after a breaker was open is the trial;
    /// the others wait for its result.
    pub(crate) fn admit(&self, adapter: &str, now: Timestamp) -> Option<Timestamp> {
        let mut states = self.states();
        let until = states.get_mut(adapter)?.open_until.as_mut()?;
        if *until > now {
            return Some(*until);
        }
        *until = later(now, TRIAL);
        None
    }

    /// When the adapter may be tried again, while its breaker is open.
    pub fn open_until(&self, adapter: &str, now: Timestamp) -> Option<Timestamp> {
        self.states().get(adapter)?.open_until.filter(|until| *until > now)
    }

    /// Every adapter that has failed since its last success.
    pub fn list(&self) -> Vec<BreakerState> {
        let states = self.states();
        states
            .iter()
            .map(|(adapter, state)| BreakerState {
                adapter: adapter.clone(),
                failures: state.failures,
                open_until: state.open_until,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_repeated_failures_and_a_trial_decides() {
        let breakers = Breakers::new(&Policy::default());
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        for _ in 0..4 {
            assert_eq!(breakers.count("pg", false, at(0)), None);
        }
        assert_eq!(breakers.open_until("pg", at(0)), None);
        let opened = Turn::Opened { until: at(300), failures: 5 };
        assert_eq!(breakers.count("pg", false, at(0)), Some(opened));
        assert_eq!(breakers.open_until("pg", at(299)), Some(at(300)));
        assert_eq!(breakers.open_until("pg", at(300)), None, "time for a trial");
        assert_eq!(breakers.admit("pg", at(300)), None);
        assert_eq!(breakers.admit("pg", at(300)), Some(at(310)), "one at a time");
        assert_eq!(breakers.admit("pg", at(310)), None, "a trial without a result is not waited for");
        breakers.count("pg", false, at(300));
        assert_eq!(breakers.open_until("pg", at(599)), Some(at(600)), "one failed trial opens it again");
        assert_eq!(breakers.count("pg", true, at(600)), Some(Turn::Closed));
        assert_eq!(breakers.count("pg", true, at(600)), None, "it was closed");
        assert_eq!(breakers.open_until("pg", at(600)), None);
        assert!(breakers.list().is_empty());
    }
}
