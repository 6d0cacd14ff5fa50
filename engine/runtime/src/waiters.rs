//! Waiters: issues that another remediation stands in the way of, since it is at work on the same target or since no more
//! may run at a time. When this process gives a claim back, the most urgent of them are looked at then, and not only at their
//! next try; what other processes give back is found at that.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use selfheal_core::issue::IssueId;
use selfheal_core::rule::Priority;

use crate::ports::journal::Issue;

/// The most urgent first, of those the one that came first.
type Turn = (Option<Priority>, Timestamp, IssueId);

/// Who waits, each with the targets of its plan.
#[derive(Default)]
pub(crate) struct Waiters(Mutex<BTreeMap<Turn, Vec<String>>>);

impl Waiters {
    fn all(&self) -> MutexGuard<'_, BTreeMap<Turn, Vec<String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An issue waits.
    pub(crate) fn add(&self, issue: &Issue, targets: Vec<String>) {
        self.all().insert(turn(issue), targets);
    }

    /// An issue is looked at.
    pub(crate) fn remove(&self, issue: &Issue) {
        self.all().remove(&turn(issue));
    }

    /// Whose turn it is when a claim of these targets was given back: one for the targets, one for the place.
    pub(crate) fn next(&self, targets: &[String]) -> Vec<IssueId> {
        let mut all = self.all();
        let wants = |wanted: &Vec<String>| wanted.iter().any(|target| targets.contains(target));
        let find = |for_targets: bool| {
            all.iter().find(|(_, wanted)| wants(wanted) == for_targets).map(|(turn, _)| *turn)
        };
        let turns: Vec<Turn> = [find(true), find(false)].into_iter().flatten().collect();
        turns.iter().for_each(|turn| drop(all.remove(turn)));
        turns.into_iter().map(|(_, _, issue)| issue).collect()
    }
}

fn turn(issue: &Issue) -> Turn {
    (issue.priority, issue.received_at, issue.id)
}
