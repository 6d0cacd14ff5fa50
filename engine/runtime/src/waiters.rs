//! Waiters: issues that another remediation stands in the way of, since it is at work on the same target or since no more
//! may run at a time. When this process gives a claim back, the most urgent of them are looked at then, and not only at their
//! next try; what other processes give back is found at that.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use selfheal_core::issue::IssueId;
use selfheal_core::rule::Priority;

/// The most urgent first, of those the one that came first.
pub(crate) type Turn = (Priority, Timestamp, IssueId);

/// Who waits.
#[derive(Default)]
pub(crate) struct Waiters(Mutex<HashMap<IssueId, Waiter>>);

struct Waiter {
    turn: Turn,
    /// The targets of its plan.
    targets: Vec<String>,
    /// When it is looked at in any case, perhaps by another process, of which this one does not hear.
    until: Timestamp,
}

impl Waiters {
    fn all(&self) -> MutexGuard<'_, HashMap<IssueId, Waiter>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An issue waits, until a time.
    pub(crate) fn add(&self, turn: Turn, targets: Vec<String>, until: Timestamp) {
        self.all().insert(turn.2, Waiter { turn, targets, until });
    }

    /// An issue is looked at.
    pub(crate) fn remove(&self, issue: IssueId) {
        self.all().remove(&issue);
    }

    /// Whose turn it is when a claim of these targets was given back: one for the targets, one for the place.
    pub(crate) fn next(&self, targets: &[String], now: Timestamp) -> Vec<IssueId> {
        let mut all = self.all();
        all.retain(|_, waiter| waiter.until > now);
        let wants = |waiter: &Waiter| waiter.targets.iter().any(|target| targets.contains(target));
        let find = |for_targets: bool| {
            let turns = all.values().filter(|waiter| wants(waiter) == for_targets).map(|waiter| waiter.turn);
            turns.min().map(|(.., issue)| issue)
        };
        let issues: Vec<IssueId> = [find(true), find(false)].into_iter().flatten().collect();
        issues.iter().for_each(|issue| drop(all.remove(issue)));
        issues
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_urgent_that_still_waits_is_next() {
        use Priority::{Critical, High};
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let targets = |name: &str| vec![name.to_owned()];
        let waiters = Waiters::default();
        let add = |priority, received: i64, target: &str, until: i64| {
            waiters.add((priority, at(received), IssueId(received)), targets(target), at(until));
        };
        add(High, 1, "a", 99);
        add(Critical, 2, "b", 99);
        add(Critical, 3, "a", 99);
        add(Critical, 4, "c", 99);
        add(Critical, 5, "c", 20);
        // It waits again, with what another rule has made of it.
        add(High, 2, "b", 99);
        waiters.remove(IssueId(4));
        for (now, expected) in [(10, vec![3, 5]), (10, vec![1, 2]), (10, vec![])] {
            let expected: Vec<IssueId> = expected.into_iter().map(IssueId).collect();
            assert_eq!(waiters.next(&targets("a"), at(now)), expected);
        }
        add(Critical, 5, "c", 20);
        assert_eq!(waiters.next(&targets("c"), at(20)), [], "somebody looks at it now");
    }
}
