//! A journal in front of a journal, which tells a watch of every call: to count, to hold, to end the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use selfheal_core::audit::Key;
use selfheal_core::issue::{IssueId, Outcome};
use selfheal_core::labels::Fingerprint;
use selfheal_core::remediation::RemediationId;
use selfheal_core::success::SuccessRecord;
use serde_json::Value;

use crate::ports::journal::{
    Approval, ApprovalFilter, Audit, AuditEntry, Chain, Changed, Delivery, Ending, Horizons, Intent, Issue,
    IssueFilter, NewReceipt, OutboxMessage, Progress, Receipt, ReceiptId, Remediation, RemediationFilter,
    Said, Sighted, Sighting, Story, Tenure, Totals, Waiting, Write,
};
use crate::ports::{Episode, Journal, JournalFault};

/// A call of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// It changes nothing.
    Question,
    /// It is durable when it returns; with its number, from 1.
    Write(u32),
}

/// Is told of every call. It may take its time, or never return.
#[async_trait]
pub trait Watch: Send + Sync {
    /// Kept for as long as the call is under way, also when nobody waits for it any more.
    type Flight: Send;

    /// A call is about to be made; with a fault it is not, and that is the answer.
    async fn before(&self, call: Call) -> Result<Self::Flight, JournalFault>;

    /// A call has been answered, and the caller does not know yet.
    async fn after(&self, call: Call);
}

/// A journal that is watched.
pub struct Watched<W> {
    inner: Arc<dyn Journal>,
    watch: W,
    writes: AtomicU32,
}

impl<W: Watch> Watched<W> {
    /// Watches a journal.
    pub fn new(inner: Arc<dyn Journal>, watch: W) -> Self {
        Self { inner, watch, writes: AtomicU32::new(0) }
    }

    async fn ask<T>(&self, question: impl Future<Output = Answer<T>>) -> Answer<T> {
        self.make(Call::Question, question).await
    }

    async fn write<T>(&self, write: impl Future<Output = Answer<T>>) -> Answer<T> {
        let number = self.writes.fetch_add(1, Ordering::Relaxed) + 1;
        self.make(Call::Write(number), write).await
    }

    async fn make<T>(&self, call: Call, made: impl Future<Output = Answer<T>>) -> Answer<T> {
        let flight = self.watch.before(call).await?;
        let answer = made.await;
        drop(flight);
        self.watch.after(call).await;
        answer
    }
}

type Answer<T> = Result<T, JournalFault>;

#[async_trait]
impl<W: Watch> Audit for Watched<W> {
    async fn chain(&self) -> Answer<Chain> {
        self.ask(self.inner.chain()).await
    }

    async fn links(&self, after: u64, most: usize) -> Answer<Vec<AuditEntry>> {
        self.ask(self.inner.links(after, most)).await
    }

    async fn changed(&self, after: u64, most: usize) -> Answer<Vec<Changed>> {
        self.ask(self.inner.changed(after, most)).await
    }

    async fn unlinked(&self) -> Answer<u64> {
        self.ask(self.inner.unlinked()).await
    }

    async fn endings(&self, after: i64, most: usize) -> Answer<Vec<Ending>> {
        self.ask(self.inner.endings(after, most)).await
    }

    async fn missing_issues(&self, most: usize) -> Answer<Vec<IssueId>> {
        self.ask(self.inner.missing_issues(most)).await
    }
}

#[async_trait]
impl<W: Watch> Journal for Watched<W> {
    async fn receive(&self, receipt: NewReceipt) -> Answer<ReceiptId> {
        self.write(self.inner.receive(receipt)).await
    }

    async fn expand(&self, sightings: Arc<[Sighting]>, progress: Vec<Progress>) -> Answer<Vec<Sighted>> {
        self.write(self.inner.expand(sightings, progress)).await
    }

    async fn commit(&self, writes: Vec<Write>) -> Answer<()> {
        self.write(self.inner.commit(writes)).await
    }

    async fn delivered(&self, deliveries: Vec<(i64, Delivery)>) -> Answer<()> {
        self.write(self.inner.delivered(deliveries)).await
    }

    async fn take_receipts(&self, now: Timestamp, most: usize) -> Answer<Vec<Receipt>> {
        self.write(self.inner.take_receipts(now, most)).await
    }

    async fn take(&self, now: Timestamp, most: usize, held: Vec<IssueId>) -> Answer<Vec<(Issue, Tenure)>> {
        self.write(self.inner.take(now, most, held)).await
    }

    async fn take_one(&self, issue: IssueId, now: Timestamp) -> Answer<Option<Tenure>> {
        self.write(self.inner.take_one(issue, now)).await
    }

    async fn keep(&self, tenures: Vec<Tenure>, now: Timestamp, lease: Duration) -> Answer<Vec<Tenure>> {
        self.write(self.inner.keep(tenures, now, lease)).await
    }

    async fn lease(&self, name: &str, holder: &str, now: Timestamp, lease: Duration) -> Answer<bool> {
        self.write(self.inner.lease(name, holder, now, lease)).await
    }

    async fn forget(&self, horizons: Horizons, most: usize, key: Option<&Key>) -> Answer<usize> {
        self.write(self.inner.forget(horizons, most, key)).await
    }

    async fn free(&self) -> Answer<()> {
        self.write(self.inner.free()).await
    }

    async fn unexpanded(&self, after: ReceiptId, most: usize) -> Answer<Vec<Receipt>> {
        self.ask(self.inner.unexpanded(after, most)).await
    }

    async fn issue(&self, id: IssueId) -> Answer<Option<Issue>> {
        self.ask(self.inner.issue(id)).await
    }

    async fn issues(&self, filter: IssueFilter) -> Answer<Vec<Issue>> {
        self.ask(self.inner.issues(filter)).await
    }

    async fn story(&self, id: IssueId) -> Answer<Option<Story>> {
        self.ask(self.inner.story(id)).await
    }

    async fn next_look(&self, now: Timestamp) -> Answer<Option<Timestamp>> {
        self.ask(self.inner.next_look(now)).await
    }

    async fn due(&self, now: Timestamp, most: usize) -> Answer<usize> {
        self.ask(self.inner.due(now, most)).await
    }

    async fn heard(&self, said: Said) {
        // It may wait for ever, which nobody is to be told of.
        self.inner.heard(said).await;
    }

    async fn episodes(&self, since: Timestamp, most: usize) -> Result<Vec<Episode>, JournalFault> {
        self.ask(self.inner.episodes(since, most)).await
    }

    async fn open_fingerprints(&self) -> Answer<Vec<(Fingerprint, IssueId, Timestamp)>> {
        self.ask(self.inner.open_fingerprints()).await
    }

    async fn remediations(&self, filter: RemediationFilter) -> Answer<Vec<Remediation>> {
        self.ask(self.inner.remediations(filter)).await
    }

    async fn remediation(&self, id: RemediationId) -> Answer<Option<(Remediation, Vec<Intent>)>> {
        self.ask(self.inner.remediation(id)).await
    }

    async fn undone(&self, among: Vec<RemediationId>) -> Answer<Vec<RemediationId>> {
        self.ask(self.inner.undone(among)).await
    }

    async fn reverts_due(&self, now: Timestamp) -> Answer<Vec<Intent>> {
        self.ask(self.inner.reverts_due(now)).await
    }

    async fn next_revert(&self) -> Answer<Option<Timestamp>> {
        self.ask(self.inner.next_revert()).await
    }

    async fn approval(&self, id: &str) -> Answer<Option<Approval>> {
        self.ask(self.inner.approval(id)).await
    }

    async fn approvals(&self, filter: ApprovalFilter) -> Answer<Vec<Approval>> {
        self.ask(self.inner.approvals(filter)).await
    }

    async fn failures_since(&self, rule: &str, resource: &str, since: Timestamp) -> Answer<u32> {
        self.ask(self.inner.failures_since(rule, resource, since)).await
    }

    async fn openings_since(&self, rule: &str, since: Timestamp, most: u32) -> Answer<u32> {
        self.ask(self.inner.openings_since(rule, since, most)).await
    }

    async fn endings_since(&self, since: Timestamp) -> Answer<Vec<(Outcome, u64)>> {
        self.ask(self.inner.endings_since(since)).await
    }

    async fn successes(&self) -> Answer<Vec<((String, String), SuccessRecord)>> {
        self.ask(self.inner.successes()).await
    }

    async fn outbox(&self, sink: &str, now: Timestamp, most: usize) -> Answer<Vec<OutboxMessage>> {
        self.ask(self.inner.outbox(sink, now, most)).await
    }

    async fn next_delivery(&self, sink: &str) -> Answer<Option<Timestamp>> {
        self.ask(self.inner.next_delivery(sink)).await
    }

    async fn waiting(&self) -> Answer<Vec<Waiting>> {
        self.ask(self.inner.waiting()).await
    }

    async fn forget_messages(&self, but_for: Vec<String>, due_before: Timestamp) -> Answer<u64> {
        self.ask(self.inner.forget_messages(but_for, due_before)).await
    }

    async fn setting(&self, key: &str) -> Answer<Option<Value>> {
        self.ask(self.inner.setting(key)).await
    }

    async fn totals(&self) -> Answer<Totals> {
        self.ask(self.inner.totals()).await
    }

    async fn check(&self) -> Answer<()> {
        self.ask(self.inner.check()).await
    }
}
