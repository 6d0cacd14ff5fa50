//! Who looks at what: issues are taken in a new epoch, held for a lease by the callers' time, and given back.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use selfheal_core::issue::{IssueId, Phase};
use selfheal_core::moment::later;

use super::state::State;
use crate::ports::journal::{HOLD, Issue, RECEIPT_HOLD, Receipt, ReceiptId, Tenure};

/// What is held by whom, and until when.
#[derive(Default)]
pub(super) struct Holds {
    issues: BTreeMap<IssueId, Held>,
    receipts: BTreeMap<ReceiptId, Timestamp>,
    leases: BTreeMap<String, (String, Timestamp)>,
}

/// How an issue is held.
#[derive(Clone, Copy, Default)]
pub(super) struct Held {
    pub(super) epoch: i64,
    until: Option<Timestamp>,
    /// It was called for since it was taken.
    pub(super) again: bool,
}

impl Held {
    fn is_free(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| until <= now)
    }
}

impl Holds {
    /// How an issue is held, also one that nobody has ever taken.
    pub(super) fn of(&self, issue: IssueId) -> Held {
        self.issues.get(&issue).copied().unwrap_or_default()
    }

    /// As it was before a transaction.
    pub(super) fn put_back(&mut self, issue: IssueId, held: Held) {
        self.issues.insert(issue, held);
    }

    /// A new issue is taken by whoever opens it.
    pub(super) fn take_new(&mut self, issue: IssueId, at: Timestamp) {
        let until = Some(later(at, HOLD));
        self.issues.insert(issue, Held { epoch: 1, until, again: false });
    }

    /// An issue is called for.
    pub(super) fn call(&mut self, issue: IssueId) {
        self.issues.entry(issue).or_default().again = true;
    }

    pub(super) fn forget(&mut self, issue: IssueId) {
        self.issues.remove(&issue);
    }

    /// Whoever receives a notification has it.
    pub(super) fn received(&mut self, receipt: ReceiptId, at: Timestamp) {
        self.receipts.insert(receipt, later(at, RECEIPT_HOLD));
    }

    pub(super) fn finished(&mut self, receipt: ReceiptId) {
        self.receipts.remove(&receipt);
    }

    fn is_free(&self, issue: &Issue, now: Timestamp) -> bool {
        issue.phase.is_open() && self.of(issue.id).is_free(now)
    }

    fn take(&mut self, issue: IssueId, now: Timestamp) -> Tenure {
        let held = self.issues.entry(issue).or_default();
        held.epoch += 1;
        held.until = Some(later(now, HOLD));
        Tenure { issue, epoch: held.epoch }
    }

    /// Holds an issue for a lease, or gives it back; false when it is in another epoch, or was given back in this one.
    pub(super) fn hold(&mut self, tenure: Tenure, at: Timestamp, lease: Duration) -> bool {
        let until = (!lease.is_zero()).then(|| later(at, lease));
        let stands =
            |held: &&mut Held| held.epoch == tenure.epoch && (until.is_none() || held.until.is_some());
        let held = self.issues.get_mut(&tenure.issue).filter(stands);
        held.map(|held| held.until = until).is_some()
    }

    pub(super) fn lease(&mut self, name: &str, holder: &str, now: Timestamp, lease: Duration) -> bool {
        let mine = self.leases.get(name).is_none_or(|(other, until)| other == holder || *until <= now);
        if mine {
            self.leases.insert(name.to_owned(), (holder.to_owned(), later(now, lease)));
        }
        mine
    }

    pub(super) fn free(&mut self) {
        self.issues.values_mut().for_each(|held| held.until = None);
        self.receipts.clear();
        self.leases.clear();
    }
}

impl State {
    pub(super) fn take_receipts(&mut self, now: Timestamp, most: usize) -> Vec<Receipt> {
        let Self { receipts, holds, .. } = self;
        let free = |id: &ReceiptId| holds.receipts.get(id).is_none_or(|until| *until <= now);
        let taken = receipts.values().filter(|receipt| free(&receipt.id)).take(most);
        let taken: Vec<Receipt> = taken.cloned().collect();
        taken.iter().for_each(|receipt| holds.received(receipt.id, now));
        taken
    }

    pub(super) fn take(&mut self, now: Timestamp, most: usize, held: &[IssueId]) -> Vec<(Issue, Tenure)> {
        let free = |issue: &&Issue| self.holds.is_free(issue, now) && !held.contains(&issue.id);
        let mut found: Vec<(Option<Timestamp>, IssueId)> = self
            .issues
            .values()
            .filter(free)
            .filter_map(|issue| match issue.phase {
                Phase::Remediating => Some((None, issue.id)),
                _ => issue.wake_at.filter(|at| *at <= now).map(|at| (Some(at), issue.id)),
            })
            .collect();
        // What is under remediation has no time, which comes before all times.
        found.sort_unstable();
        found.truncate(most);
        let mut taken = Vec::with_capacity(found.len());
        for (_, id) in found {
            let tenure = self.holds.take(id, now);
            self.holds.issues.entry(id).or_default().again = false;
            taken.push((self.issues[&id].clone(), tenure));
        }
        taken
    }

    pub(super) fn take_one(&mut self, issue: IssueId, now: Timestamp) -> Option<Tenure> {
        let free = self.issues.contains_key(&issue) && self.holds.of(issue).is_free(now);
        free.then(|| self.holds.take(issue, now))
    }

    pub(super) fn next_look(&self, now: Timestamp) -> Option<Timestamp> {
        let free = self.issues.values().filter(|issue| self.holds.is_free(issue, now));
        free.filter_map(|issue| issue.wake_at).min()
    }

    pub(super) fn due(&self, now: Timestamp, most: usize) -> usize {
        let free = self.issues.values().filter(|issue| self.holds.is_free(issue, now));
        free.filter(|issue| issue.wake_at.is_some_and(|at| at <= now)).take(most).count()
    }
}
