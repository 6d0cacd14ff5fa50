//! A journal in memory, for simulations: it passes the journal's conformance tests, answers at once, on the thread that
//! asks, and forgets everything with its process. What it must never be is the journal of a real process.
//!
//! `state` holds the rows and how they are changed, `changes` the way of a transaction that can be taken back,
//! `questions` the answers.

mod changes;
mod questions;
mod state;

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use selfheal_core::issue::IssueId;
use selfheal_core::labels::Fingerprint;
use selfheal_core::remediation::RemediationId;
use selfheal_core::success::SuccessRecord;
use serde_json::Value;

use self::state::State;
use crate::ports::journal::{
    Approval, Delivery, Intent, Issue, IssueFilter, NewReceipt, OutboxMessage, Progress, Receipt, ReceiptId,
    Remediation, RemediationFilter, Sighted, Sighting, Story, Totals, Write,
};
use crate::ports::{Journal, JournalFault};

type Answer<T> = Result<T, JournalFault>;

/// A journal in memory.
#[derive(Default)]
pub struct MemoryJournal {
    state: Mutex<State>,
}

impl MemoryJournal {
    fn state(&self) -> MutexGuard<'_, State> {
        // A transaction that panics is a test that has failed already.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the outbox has something to deliver next, if it holds anything.
    pub fn next_delivery(&self) -> Option<Timestamp> {
        self.state().outbox.values().map(|message| message.next_at).min()
    }
}

#[async_trait]
impl Journal for MemoryJournal {
    async fn receive(&self, receipt: NewReceipt) -> Answer<ReceiptId> {
        Ok(self.state().receive(receipt))
    }

    async fn unexpanded(&self, after: ReceiptId, most: usize) -> Answer<Vec<Receipt>> {
        let beyond = (std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded);
        Ok(self.state().receipts.range(beyond).take(most).map(|(_, receipt)| receipt.clone()).collect())
    }

    async fn expand(&self, sightings: Vec<Sighting>, progress: Vec<Progress>) -> Answer<Vec<Sighted>> {
        let mut state = self.state();
        let seen = sightings.into_iter().map(|sighting| state.see(sighting)).collect();
        progress.into_iter().for_each(|progress| state.progress(progress));
        Ok(seen)
    }

    async fn commit(&self, writes: Vec<Write>) -> Answer<()> {
        self.state().commit(writes)
    }

    async fn issue(&self, id: IssueId) -> Answer<Option<Issue>> {
        Ok(self.state().issues.get(&id).cloned())
    }

    async fn issues(&self, filter: IssueFilter) -> Answer<Vec<Issue>> {
        Ok(self.state().list_issues(&filter))
    }

    async fn story(&self, id: IssueId) -> Answer<Option<Story>> {
        Ok(self.state().story(id))
    }

    async fn wakes(
        &self,
        after: Option<(Timestamp, IssueId)>,
        most: usize,
    ) -> Answer<Vec<(Timestamp, IssueId)>> {
        Ok(self.state().wakes(after, most))
    }

    async fn open_fingerprints(&self) -> Answer<Vec<(Fingerprint, IssueId, Timestamp)>> {
        let state = self.state();
        let firing =
            state.issues.values().filter(|issue| issue.phase.is_open() && issue.resolved_at.is_none());
        Ok(firing.map(|issue| (issue.fingerprint, issue.id, issue.alert.starts_at)).collect())
    }

    async fn remediations(&self, filter: RemediationFilter) -> Answer<Vec<Remediation>> {
        Ok(self.state().list_remediations(&filter))
    }

    async fn remediation(&self, id: RemediationId) -> Answer<Option<(Remediation, Vec<Intent>)>> {
        let state = self.state();
        let found = state.remediations.iter().find(|remediation| remediation.id == id);
        let intents = || state.intents.iter().filter(|intent| intent.remediation == id).cloned().collect();
        Ok(found.map(|remediation| (remediation.clone(), intents())))
    }

    async fn reverts_due(&self, now: Timestamp) -> Answer<Vec<Intent>> {
        Ok(self.state().reverts_due(now))
    }

    async fn next_revert(&self) -> Answer<Option<Timestamp>> {
        Ok(self.state().reverts().map(|(at, _)| at).min())
    }

    async fn approval(&self, id: &str) -> Answer<Option<Approval>> {
        Ok(self.state().approvals.iter().find(|approval| approval.id == id).cloned())
    }

    async fn approvals(&self, only_open: bool, limit: u32) -> Answer<Vec<Approval>> {
        let state = self.state();
        let wanted = state.approvals.iter().rev().filter(|approval| !only_open || approval.answer.is_none());
        Ok(wanted.take(limit as usize).cloned().collect())
    }

    async fn failures_since(&self, rule: &str, resource: &str, since: Timestamp) -> Answer<u32> {
        let state = self.state();
        let since = (rule.to_owned(), resource.to_owned(), since);
        let of_both = state.failures.range(since..).take_while(|(key, _)| key.0 == rule && key.1 == resource);
        Ok(of_both.map(|(_, tries)| tries).sum())
    }

    async fn successes(&self) -> Answer<Vec<((String, String), SuccessRecord)>> {
        Ok(self.state().successes.iter().map(|(key, record)| (key.clone(), *record)).collect())
    }

    async fn outbox(&self, now: Timestamp, most: usize) -> Answer<Vec<OutboxMessage>> {
        Ok(self.state().due_messages(now, most))
    }

    async fn delivered(&self, deliveries: Vec<(i64, Delivery)>) -> Answer<()> {
        let mut state = self.state();
        deliveries.into_iter().for_each(|(id, delivery)| state.delivered(id, delivery));
        Ok(())
    }

    async fn setting(&self, key: &str) -> Answer<Option<Value>> {
        Ok(self.state().settings.get(key).cloned())
    }

    async fn totals(&self) -> Answer<Totals> {
        Ok(self.state().totals())
    }

    async fn check(&self) -> Answer<()> {
        Ok(())
    }
}
