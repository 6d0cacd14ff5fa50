//! The switch: one hand stops all automatic remediation. Its position survives restarts.
//!
//! It also turns itself off when too many remediations fail.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use selfheal_core::guard::later;
use selfheal_core::policy::{Policy, RATE_WINDOW};
use serde::{Deserialize, Serialize};

/// The journal's name for the switch.
pub(crate) const SETTING: &str = "switch";

/// Where the switch stands, since when, and who said so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// Whether automatic remediation is on.
    pub on: bool,
    /// Who turned it.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub why: String,
}

/// The switch, with what it knows of the last hour's remediations.
pub struct Switch {
    position: ArcSwap<Position>,
    results: Mutex<VecDeque<(Timestamp, bool)>>,
}

impl Switch {
    pub(crate) fn new(position: Position) -> Self {
        Self { position: ArcSwap::from_pointee(position), results: Mutex::default() }
    }

    /// Where it stands.
    pub fn position(&self) -> Position {
        Position::clone(&self.position.load())
    }

    /// Why nothing may be done, while it is off.
    pub(crate) fn off(&self) -> Option<String> {
        let position = self.position.load();
        (!position.on).then(|| format!("{} turned it off at {}: {}", position.by, position.at, position.why))
    }

    /// Turns it in this process; the caller has journalled it.
    pub(crate) fn turn(&self, position: Position) {
        if position.on {
            // What failed before a person turned it on again does not turn it off once more.
            self.results.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
        self.position.store(position.into());
    }

    /// Share of successes within the last hour, 0 to 1; 1 when there was none to count.
    pub(crate) fn success_rate(&self) -> f64 {
        let results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        let successes = results.iter().filter(|(_, success)| *success).count();
        if results.is_empty() { 1.0 } else { successes as f64 / results.len() as f64 }
    }

    /// Counts a remediation; gives the reason to turn the switch off, if there is one now.
    pub(crate) fn count(&self, success: bool, now: Timestamp, policy: &Policy) -> Option<String> {
        let mut results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        results.push_back((now, success));
        while results.front().is_some_and(|(at, _)| later(*at, RATE_WINDOW) <= now) {
            results.pop_front();
        }
        let failed = results.iter().filter(|(_, success)| !success).count();
        let share = failed as f64 / results.len() as f64;
        let enough = results.len() >= policy.failure_sample_min as usize;
        (enough && share > policy.failure_share_max && self.position.load().on).then(|| {
            format!(
                "{failed} of {} remediations in the last hour failed, more than {:.0} %",
                results.len(),
                policy.failure_share_max * 100.0
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn switch() -> Switch {
        let position =
            Position { on: true, by: "test".into(), at: Timestamp::UNIX_EPOCH, why: String::new() };
        Switch::new(position)
    }

    #[test]
    fn too_many_failures_turn_it_off() {
        let (switch, policy) = (switch(), Policy::default());
        let at = |minute: i64| Timestamp::from_second(minute * 60).unwrap();
        for minute in 0..9 {
            assert_eq!(switch.count(minute % 2 == 0, at(minute), &policy), None, "too few to say anything");
        }
        assert!(switch.count(true, at(9), &policy).unwrap().starts_with("4 of 10"));
        assert_eq!(switch.count(true, at(200), &policy), None, "an hour later they are forgotten");
    }

    #[test]
    fn thirty_percent_is_not_above_thirty_percent() {
        let (switch, policy) = (switch(), Policy::default());
        let reasons = (0..10).filter_map(|n| switch.count(n >= 3, Timestamp::UNIX_EPOCH, &policy)).count();
        assert_eq!(reasons, 0);
    }
}
