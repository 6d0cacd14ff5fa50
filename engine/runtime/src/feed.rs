//! The feed: what the journal has just taken in, by name, for whoever shows it live.
//!
//! It sits in front of the journal and speaks when that has answered, so that nobody hears of what the end of this process
//! could take back. Speaking never waits: a listener that does not keep up loses its place and must read again ([`Feed::listen`]).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use selfheal_core::audit::Key;
use selfheal_core::issue::{IssueId, Outcome};
use selfheal_core::labels::Fingerprint;
use selfheal_core::remediation::RemediationId;
use selfheal_core::success::SuccessRecord;
use serde_json::Value;
use tokio::sync::{Notify, broadcast};

use crate::outbox::Bells;
use crate::ports::history::Episode;
use crate::ports::journal::{
    Approval, ApprovalFilter, Audit, AuditEntry, Chain, Changed, Delivery, Ending, Horizons, Intent, Issue,
    IssueFilter, Journal, JournalFault, NewReceipt, OutboxMessage, Progress, Receipt, ReceiptId, Remediation,
    RemediationFilter, Said, Sighted, Sighting, Story, Tenure, Totals, Waiting, Write,
};

/// Changes that a listener may be behind before it loses its place.
const BEHIND_MAX: usize = 4096;

/// What one transaction changed. The same name may be there more than once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Issues, or something of their story.
    pub issues: Vec<IssueId>,
    /// Remediations, or their intents.
    pub remediations: Vec<RemediationId>,
    /// Approvals, by id.
    pub approvals: Vec<String>,
    /// Settings, by key.
    pub settings: Vec<String>,
    /// Whether rules were taken into use or refused.
    pub rules: bool,
    /// Whether there was more than could be named.
    pub much: bool,
}

impl Change {
    fn of(writes: &[Write]) -> Self {
        let mut change = Self::default();
        for write in writes {
            match write {
                Write::Move { issue, .. }
                | Write::AssignRule { issue, .. }
                | Write::SetLevel { issue, .. } => change.issues.push(*issue),
                Write::Record(record) => {
                    change.issues.extend(record.issue);
                    change.remediations.extend(record.remediation);
                }
                Write::Begin(remediation) => change.remediations.push(remediation.id),
                Write::End { id, .. } => change.remediations.push(*id),
                Write::Intend(intent) => change.remediations.push(intent.remediation),
                Write::Ask(approval) => change.approvals.push(approval.id.clone()),
                Write::Answer { id, .. } => change.approvals.push(id.clone()),
                Write::Set { key, .. } => change.settings.push(key.clone()),
                // Whoever moves an intent records it, too.
                Write::MoveIntent { .. }
                | Write::Hold { .. }
                | Write::Wake { .. }
                | Write::CountFailure { .. }
                | Write::CountResult { .. }
                | Write::Notify(_) => {}
            }
        }
        change
    }

    fn seen(sighted: &[Sighted]) -> Self {
        let issues = sighted.iter().filter_map(|sighted| match sighted {
            Sighted::Opened(issue) | Sighted::Refired(issue) | Sighted::Resolved(issue) => Some(*issue),
            Sighted::Known(_) | Sighted::Stale => None,
        });
        Self { issues: issues.collect(), ..Self::default() }
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Where changes are told.
#[derive(Clone)]
pub struct Feed {
    sender: broadcast::Sender<Arc<Change>>,
    /// Rings when somebody begins to listen.
    wanted: Arc<Notify>,
}

impl Default for Feed {
    fn default() -> Self {
        Self { sender: broadcast::Sender::new(BEHIND_MAX), wanted: Arc::default() }
    }
}

impl Feed {
    /// Hears every change from now on. Who falls more than a few thousand behind is told that it lagged.
    pub fn listen(&self) -> broadcast::Receiver<Arc<Change>> {
        let changes = self.sender.subscribe();
        self.wanted.notify_one();
        changes
    }

    /// Waits until somebody listens.
    pub(crate) async fn wanted(&self) {
        while !self.is_heard() {
            self.wanted.notified().await;
        }
    }

    pub(crate) fn tell(&self, change: Change) {
        if !change.is_empty() {
            // Without a listener there is nobody to tell.
            let _ = self.sender.send(Arc::new(change));
        }
    }

    pub(crate) fn is_heard(&self) -> bool {
        self.sender.receiver_count() > 0
    }
}

/// A journal that tells what it has taken in.
pub(crate) struct Telling {
    pub(crate) inner: Arc<dyn Journal>,
    pub(crate) feed: Feed,
    pub(crate) bells: Arc<Bells>,
    /// Whether [`follow`](crate::follow) tells of issues and remediations, of this process's as of all others'.
    pub(crate) shared: bool,
}

impl Telling {
    fn told(&self, change: Change) -> Change {
        if self.shared { Change { issues: Vec::new(), remediations: Vec::new(), ..change } } else { change }
    }
}

#[async_trait]
impl Audit for Telling {
    async fn chain(&self) -> Result<Chain, JournalFault> {
        self.inner.chain().await
    }

    async fn links(&self, after: u64, most: usize) -> Result<Vec<AuditEntry>, JournalFault> {
        self.inner.links(after, most).await
    }

    async fn changed(&self, after: u64, most: usize) -> Result<Vec<Changed>, JournalFault> {
        self.inner.changed(after, most).await
    }

    async fn unlinked(&self) -> Result<u64, JournalFault> {
        self.inner.unlinked().await
    }

    async fn endings(&self, after: i64, most: usize) -> Result<Vec<Ending>, JournalFault> {
        self.inner.endings(after, most).await
    }

    async fn missing_issues(&self, most: usize) -> Result<Vec<IssueId>, JournalFault> {
        self.inner.missing_issues(most).await
    }
}

#[async_trait]
impl Journal for Telling {
    async fn receive(&self, receipt: NewReceipt) -> Result<ReceiptId, JournalFault> {
        self.inner.receive(receipt).await
    }

    async fn take_receipts(&self, now: Timestamp, most: usize) -> Result<Vec<Receipt>, JournalFault> {
        self.inner.take_receipts(now, most).await
    }

    async fn unexpanded(&self, after: ReceiptId, most: usize) -> Result<Vec<Receipt>, JournalFault> {
        self.inner.unexpanded(after, most).await
    }

    async fn expand(
        &self,
        sightings: Arc<[Sighting]>,
        progress: Vec<Progress>,
    ) -> Result<Vec<Sighted>, JournalFault> {
        let sighted = self.inner.expand(Arc::clone(&sightings), progress).await?;
        if self.feed.is_heard() {
            self.feed.tell(self.told(Change::seen(&sighted)));
        }
        let opened =
            sightings.iter().zip(&sighted).filter(|(_, sighted)| matches!(sighted, Sighted::Opened(_)));
        self.bells.ring_all(opened.flat_map(|(sighting, _)| &sighting.opening.told));
        Ok(sighted)
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<(), JournalFault> {
        let change = if self.feed.is_heard() { self.told(Change::of(&writes)) } else { Change::default() };
        let told = Bells::of(&writes);
        self.inner.commit(writes).await?;
        self.feed.tell(change);
        told.iter().for_each(|sink| self.bells.ring(sink));
        Ok(())
    }

    async fn issue(&self, id: IssueId) -> Result<Option<Issue>, JournalFault> {
        self.inner.issue(id).await
    }

    async fn issues(&self, filter: IssueFilter) -> Result<Vec<Issue>, JournalFault> {
        self.inner.issues(filter).await
    }

    async fn story(&self, id: IssueId) -> Result<Option<Story>, JournalFault> {
        self.inner.story(id).await
    }

    async fn take(
        &self,
        now: Timestamp,
        most: usize,
        held: Vec<IssueId>,
    ) -> Result<Vec<(Issue, Tenure)>, JournalFault> {
        self.inner.take(now, most, held).await
    }

    async fn take_one(&self, issue: IssueId, now: Timestamp) -> Result<Option<Tenure>, JournalFault> {
        self.inner.take_one(issue, now).await
    }

    async fn keep(
        &self,
        tenures: Vec<Tenure>,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Vec<Tenure>, JournalFault> {
        self.inner.keep(tenures, now, lease).await
    }

    async fn next_look(&self, now: Timestamp) -> Result<Option<Timestamp>, JournalFault> {
        self.inner.next_look(now).await
    }

    async fn due(&self, now: Timestamp, most: usize) -> Result<usize, JournalFault> {
        self.inner.due(now, most).await
    }

    async fn lease(
        &self,
        name: &str,
        holder: &str,
        now: Timestamp,
        lease: Duration,
    ) -> Result<bool, JournalFault> {
        self.inner.lease(name, holder, now, lease).await
    }

    async fn free(&self) -> Result<(), JournalFault> {
        self.inner.free().await
    }

    async fn heard(&self, said: Said) {
        self.inner.heard(said).await;
    }

    async fn forget(
        &self,
        horizons: Horizons,
        most: usize,
        key: Option<&Key>,
    ) -> Result<usize, JournalFault> {
        self.inner.forget(horizons, most, key).await
    }

    async fn openings_since(&self, rule: &str, since: Timestamp, most: u32) -> Result<u32, JournalFault> {
        self.inner.openings_since(rule, since, most).await
    }

    async fn endings_since(&self, since: Timestamp) -> Result<Vec<(Outcome, u64)>, JournalFault> {
        self.inner.endings_since(since).await
    }

    async fn episodes(&self, since: Timestamp, most: usize) -> Result<Vec<Episode>, JournalFault> {
        self.inner.episodes(since, most).await
    }

    async fn open_fingerprints(&self) -> Result<Vec<(Fingerprint, IssueId, Timestamp)>, JournalFault> {
        self.inner.open_fingerprints().await
    }

    async fn remediations(&self, filter: RemediationFilter) -> Result<Vec<Remediation>, JournalFault> {
        self.inner.remediations(filter).await
    }

    async fn remediation(
        &self,
        id: RemediationId,
    ) -> Result<Option<(Remediation, Vec<Intent>)>, JournalFault> {
        self.inner.remediation(id).await
    }

    async fn undone(&self, among: Vec<RemediationId>) -> Result<Vec<RemediationId>, JournalFault> {
        self.inner.undone(among).await
    }

    async fn reverts_due(&self, now: Timestamp) -> Result<Vec<Intent>, JournalFault> {
        self.inner.reverts_due(now).await
    }

    async fn next_revert(&self) -> Result<Option<Timestamp>, JournalFault> {
        self.inner.next_revert().await
    }

    async fn approval(&self, id: &str) -> Result<Option<Approval>, JournalFault> {
        self.inner.approval(id).await
    }

    async fn approvals(&self, filter: ApprovalFilter) -> Result<Vec<Approval>, JournalFault> {
        self.inner.approvals(filter).await
    }

    async fn failures_since(
        &self,
        rule: &str,
        resource: &str,
        since: Timestamp,
    ) -> Result<u32, JournalFault> {
        self.inner.failures_since(rule, resource, since).await
    }

    async fn successes(&self) -> Result<Vec<((String, String), SuccessRecord)>, JournalFault> {
        self.inner.successes().await
    }

    async fn outbox(
        &self,
        sink: &str,
        now: Timestamp,
        most: usize,
    ) -> Result<Vec<OutboxMessage>, JournalFault> {
        self.inner.outbox(sink, now, most).await
    }

    async fn next_delivery(&self, sink: &str) -> Result<Option<Timestamp>, JournalFault> {
        self.inner.next_delivery(sink).await
    }

    async fn waiting(&self) -> Result<Vec<Waiting>, JournalFault> {
        self.inner.waiting().await
    }

    async fn forget_messages(
        &self,
        but_for: Vec<String>,
        due_before: Timestamp,
    ) -> Result<u64, JournalFault> {
        self.inner.forget_messages(but_for, due_before).await
    }

    async fn delivered(&self, deliveries: Vec<(i64, Delivery)>) -> Result<(), JournalFault> {
        self.inner.delivered(deliveries).await
    }

    async fn setting(&self, key: &str) -> Result<Option<Value>, JournalFault> {
        self.inner.setting(key).await
    }

    async fn totals(&self) -> Result<Totals, JournalFault> {
        self.inner.totals().await
    }

    async fn check(&self) -> Result<(), JournalFault> {
        self.inner.check().await
    }
}
