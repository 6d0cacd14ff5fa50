//! A journal that takes its process with it: at a chosen write, before or after it is durable.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use jiff::Timestamp;
use selfheal_core::issue::IssueId;
use selfheal_core::labels::Fingerprint;
use selfheal_core::remediation::RemediationId;
use selfheal_core::success::SuccessRecord;
use selfheal_runtime::ports::journal::{
    Approval, Delivery, Intent, Issue, IssueFilter, NewReceipt, OutboxMessage, Progress, Receipt, ReceiptId,
    Remediation, RemediationFilter, Sighted, Sighting, Story, Totals, Write,
};
use selfheal_runtime::ports::{Journal, JournalFault};
use serde_json::Value;

use crate::life::{Life, Pulse};

/// At which write a process dies; they count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// It lives for ever.
    Never,
    /// The write is not carried out.
    Before(u32),
    /// The write is durable, and nobody learns of it.
    After(u32),
}

/// The journal of a process that may die.
pub struct MortalJournal {
    inner: Arc<dyn Journal>,
    death: Death,
    writes: AtomicU32,
    life: Arc<Life>,
    pulse: Arc<Pulse>,
}

impl MortalJournal {
    /// A journal on top of another.
    pub fn new(inner: Arc<dyn Journal>, death: Death, life: Arc<Life>, pulse: Arc<Pulse>) -> Self {
        Self { inner, death, writes: AtomicU32::new(0), life, pulse }
    }

    async fn ask<T>(&self, question: impl Future<Output = T>) -> T {
        self.life.go_on().await;
        let answer = self.pulse.across(question).await;
        self.life.go_on().await;
        answer
    }

    async fn write<T>(&self, write: impl Future<Output = T>) -> T {
        self.life.go_on().await;
        let number = self.writes.fetch_add(1, Ordering::Relaxed) + 1;
        if self.death == Death::Before(number) {
            self.life.end();
            self.life.go_on().await;
        }
        let answer = self.pulse.across(write).await;
        if self.death == Death::After(number) {
            self.life.end();
        }
        self.life.go_on().await;
        answer
    }
}

type Answer<T> = Result<T, JournalFault>;

#[async_trait]
impl Journal for MortalJournal {
    async fn receive(&self, receipt: NewReceipt) -> Answer<ReceiptId> {
        self.write(self.inner.receive(receipt)).await
    }

    async fn expand(&self, sightings: Vec<Sighting>, progress: Vec<Progress>) -> Answer<Vec<Sighted>> {
        self.write(self.inner.expand(sightings, progress)).await
    }

    async fn commit(&self, writes: Vec<Write>) -> Answer<()> {
        self.write(self.inner.commit(writes)).await
    }

    async fn delivered(&self, deliveries: Vec<(i64, Delivery)>) -> Answer<()> {
        self.write(self.inner.delivered(deliveries)).await
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

    async fn wakes(&self, after: Option<(Timestamp, IssueId)>, most: usize) -> Answer<Vec<(Timestamp, IssueId)>> {
        self.ask(self.inner.wakes(after, most)).await
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

    async fn reverts_due(&self, now: Timestamp) -> Answer<Vec<Intent>> {
        self.ask(self.inner.reverts_due(now)).await
    }

    async fn next_revert(&self) -> Answer<Option<Timestamp>> {
        self.ask(self.inner.next_revert()).await
    }

    async fn approval(&self, id: &str) -> Answer<Option<Approval>> {
        self.ask(self.inner.approval(id)).await
    }

    async fn approvals(&self, only_open: bool, limit: u32) -> Answer<Vec<Approval>> {
        self.ask(self.inner.approvals(only_open, limit)).await
    }

    async fn failures_since(&self, rule: &str, resource: &str, since: Timestamp) -> Answer<u32> {
        self.ask(self.inner.failures_since(rule, resource, since)).await
    }

    async fn successes(&self) -> Answer<Vec<((String, String), SuccessRecord)>> {
        self.ask(self.inner.successes()).await
    }

    async fn outbox(&self, now: Timestamp, most: usize) -> Answer<Vec<OutboxMessage>> {
        self.ask(self.inner.outbox(now, most)).await
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
