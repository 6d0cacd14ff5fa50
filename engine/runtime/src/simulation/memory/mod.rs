//! A journal in memory, for simulations: it passes the journal's conformance tests, answers at once, on the thread that
//! asks, and forgets everything with its process. What it must never be is the journal of a real process.
//!
//! `state` holds the rows and how they are changed, `changes` the way of a transaction that can be taken back, `holds` who
//! looks at what, `questions` the answers; `retention` forgets.

mod changes;
mod holds;
mod questions;
mod retention;
mod state;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use selfheal_core::audit::{Head, Key};
use selfheal_core::issue::{IssueId, Outcome};
use selfheal_core::labels::Fingerprint;
use selfheal_core::remediation::{IntentState, RemediationId};
use selfheal_core::success::SuccessRecord;
use serde_json::Value;

use self::state::State;
use crate::ports::journal::{
    Approval, ApprovalFilter, Audit, AuditEntry, Chain, Changed, Delivery, Ending, Horizons, Intent, Issue,
    IssueFilter, NewReceipt, OutboxMessage, Progress, Receipt, ReceiptId, Remediation, RemediationFilter,
    Said, Sighted, Sighting, Story, Tenure, Totals, Waiting, Write,
};
use crate::ports::{Episode, Journal, JournalFault};

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
}

/// It keeps no chain: by what it says, one has not begun yet.
#[async_trait]
impl Audit for MemoryJournal {
    async fn chain(&self) -> Answer<Chain> {
        Ok(Chain { first: i64::MAX, head: Head::start(i64::MAX) })
    }

    async fn links(&self, _after: u64, _most: usize) -> Answer<Vec<AuditEntry>> {
        Ok(Vec::new())
    }

    async fn changed(&self, _after: u64, _most: usize) -> Answer<Vec<Changed>> {
        Ok(Vec::new())
    }

    async fn unlinked(&self) -> Answer<u64> {
        Ok(0)
    }

    async fn endings(&self, _after: i64, _most: usize) -> Answer<Vec<Ending>> {
        Ok(Vec::new())
    }

    async fn missing_issues(&self, _most: usize) -> Answer<Vec<IssueId>> {
        Ok(Vec::new())
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

    async fn expand(&self, sightings: Arc<[Sighting]>, progress: Vec<Progress>) -> Answer<Vec<Sighted>> {
        let mut state = self.state();
        let seen = sightings.iter().map(|sighting| state.see(sighting.clone())).collect();
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

    async fn take_receipts(&self, now: Timestamp, most: usize) -> Answer<Vec<Receipt>> {
        Ok(self.state().take_receipts(now, most))
    }

    async fn take(&self, now: Timestamp, most: usize, held: Vec<IssueId>) -> Answer<Vec<(Issue, Tenure)>> {
        Ok(self.state().take(now, most, &held))
    }

    async fn take_one(&self, issue: IssueId, now: Timestamp) -> Answer<Option<Tenure>> {
        Ok(self.state().take_one(issue, now))
    }

    async fn keep(&self, mut tenures: Vec<Tenure>, now: Timestamp, lease: Duration) -> Answer<Vec<Tenure>> {
        let mut state = self.state();
        tenures.retain(|tenure| state.holds.hold(*tenure, now, lease));
        Ok(tenures)
    }

    async fn next_look(&self, now: Timestamp) -> Answer<Option<Timestamp>> {
        Ok(self.state().next_look(now))
    }

    async fn due(&self, now: Timestamp, most: usize) -> Answer<usize> {
        Ok(self.state().due(now, most))
    }

    async fn lease(&self, name: &str, holder: &str, now: Timestamp, lease: Duration) -> Answer<bool> {
        Ok(self.state().holds.lease(name, holder, now, lease))
    }

    async fn forget(&self, horizons: Horizons, most: usize, _key: Option<&Key>) -> Answer<usize> {
        Ok(self.state().forget(horizons, most))
    }

    async fn free(&self) -> Answer<()> {
        self.state().holds.free();
        Ok(())
    }

    async fn heard(&self, _: Said) {
        // Whoever shares it asks from time to time, which is what must suffice.
        std::future::pending().await
    }

    async fn episodes(&self, since: Timestamp, most: usize) -> Answer<Vec<Episode>> {
        Ok(self.state().episodes(since, most))
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

    async fn undone(&self, mut among: Vec<RemediationId>) -> Answer<Vec<RemediationId>> {
        let state = self.state();
        let undone = state.intents.iter().filter(|intent| intent.state == IntentState::Undone);
        let undone: BTreeSet<RemediationId> = undone.map(|intent| intent.remediation).collect();
        among.retain(|id| undone.contains(id));
        Ok(among)
    }

    async fn reverts_due(&self, now: Timestamp) -> Answer<Vec<Intent>> {
        Ok(self.state().reverts_due(now))
    }

    async fn next_revert(&self) -> Answer<Option<Timestamp>> {
        Ok(self.state().last_reverts().map(|(at, _)| at).min())
    }

    async fn approval(&self, id: &str) -> Answer<Option<Approval>> {
        Ok(self.state().approvals.iter().find(|approval| approval.id == id).cloned())
    }

    async fn approvals(&self, filter: ApprovalFilter) -> Answer<Vec<Approval>> {
        let state = self.state();
        let end = match &filter.before {
            None => state.approvals.len(),
            Some(before) => state.approvals.iter().position(|approval| approval.id == *before).unwrap_or(0),
        };
        let wanted = state.approvals[..end]
            .iter()
            .rev()
            .filter(|approval| !filter.only_open || approval.answer.is_none());
        Ok(wanted.take(filter.limit as usize).cloned().collect())
    }

    async fn failures_since(&self, rule: &str, resource: &str, since: Timestamp) -> Answer<u32> {
        let state = self.state();
        let since = (rule.to_owned(), resource.to_owned(), since);
        let of_both = state.failures.range(since..).take_while(|(key, _)| key.0 == rule && key.1 == resource);
        Ok(of_both.map(|(_, tries)| tries).sum())
    }

    async fn openings_since(&self, rule: &str, since: Timestamp, most: u32) -> Answer<u32> {
        Ok(self.state().openings_since(rule, since).min(most))
    }

    async fn endings_since(&self, since: Timestamp) -> Answer<Vec<(Outcome, u64)>> {
        Ok(self.state().endings_since(since))
    }

    async fn successes(&self) -> Answer<Vec<((String, String), SuccessRecord)>> {
        Ok(self.state().successes.iter().map(|(key, record)| (key.clone(), *record)).collect())
    }

    async fn outbox(&self, sink: &str, now: Timestamp, most: usize) -> Answer<Vec<OutboxMessage>> {
        Ok(self.state().due_messages(sink, now, most))
    }

    async fn next_delivery(&self, sink: &str) -> Answer<Option<Timestamp>> {
        Ok(self.state().first_messages(sink).map(|message| message.next_at).min())
    }

    async fn waiting(&self) -> Answer<Vec<Waiting>> {
        let mut waiting: BTreeMap<String, Waiting> = BTreeMap::new();
        for message in self.state().outbox.values() {
            let sink = message.sink.clone();
            let of =
                waiting.entry(sink.clone()).or_insert(Waiting { sink, count: 0, oldest_at: message.news.at });
            of.count += 1;
        }
        Ok(waiting.into_values().collect())
    }

    async fn forget_messages(&self, but_for: Vec<String>, due_before: Timestamp) -> Answer<u64> {
        let mut state = self.state();
        let before = state.outbox.len();
        state.outbox.retain(|_, message| message.next_at >= due_before || but_for.contains(&message.sink));
        Ok((before - state.outbox.len()) as u64)
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
