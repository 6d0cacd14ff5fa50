//! The journal as one process sees it: it refuses, takes its time, breaks, and may end the process at any write, which is
//! then on disk or not. What was not acknowledged may be lost; what was acknowledged never is.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use selfheal_core::audit::Key;
use selfheal_core::issue::{IssueId, Outcome};
use selfheal_core::labels::Fingerprint;
use selfheal_core::remediation::RemediationId;
use selfheal_core::success::SuccessRecord;
use selfheal_runtime::ports::journal::{
    Approval, ApprovalFilter, Audit, AuditEntry, Chain, Changed, Delivery, Ending, Horizons, Intent, Issue,
    IssueFilter, NewReceipt, OutboxMessage, Progress, Receipt, ReceiptId, Remediation, RemediationFilter,
    Said, Sighted, Sighting, Story, Tenure, Totals, Waiting, Write,
};
use selfheal_runtime::ports::{Episode, Journal, JournalFault, JournalFaultKind};
use selfheal_runtime::simulation::MemoryJournal;
use serde_json::Value;

use crate::dice::Dice;
use crate::house::Porch;

type Answer<T> = Result<T, JournalFault>;

/// What becomes of one write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Works,
    Refused,
    SlowBefore(Duration),
    SlowAfter(Duration),
    /// The sync fails; whether it is on disk nobody knows.
    Breaks {
        on_disk: bool,
    },
    /// The process dies.
    Dies {
        on_disk: bool,
    },
}

/// At which write a process dies, and whether the write is on disk then; writes count from 1.
pub type Appointment = (u32, bool);

/// The journal behind one process's faults.
pub struct Gate {
    porch: Arc<Porch>,
    journal: Arc<MemoryJournal>,
    dice: Mutex<Dice>,
    writes: AtomicU32,
    death: Option<Appointment>,
}

impl Gate {
    /// Of this process, which may have an appointment with death.
    pub fn new(porch: Arc<Porch>, death: Option<Appointment>) -> Self {
        let dice = porch.dice("journal");
        let journal = Arc::clone(porch.journal());
        Self { porch, journal, dice: Mutex::new(dice), writes: AtomicU32::new(0), death }
    }

    fn fate(&self) -> Fate {
        let number = self.writes.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some((at, on_disk)) = self.death.filter(|(at, _)| *at == number) {
            self.porch.oracle().note("appointed", u64::from(at), || format!("to die at write {at}"));
            return Fate::Dies { on_disk };
        }
        let weather = self.porch.weather();
        if weather.is(|weather| &weather.journal_down) {
            return Fate::Refused;
        }
        if weather.is(|weather| &weather.calm) {
            return Fate::Works;
        }
        let faults = self.porch.faults();
        let mut dice = self.dice.lock().unwrap_or_else(PoisonError::into_inner);
        if dice.chance(faults.dies_at_write) {
            Fate::Dies { on_disk: dice.chance(500) }
        } else if dice.chance(faults.journal_breaks) {
            Fate::Breaks { on_disk: dice.chance(500) }
        } else if dice.chance(faults.journal_refuses) {
            Fate::Refused
        } else if dice.chance(faults.journal_slow) {
            let wait = dice.between(Duration::from_millis(1), Duration::from_secs(7));
            if dice.chance(500) { Fate::SlowBefore(wait) } else { Fate::SlowAfter(wait) }
        } else {
            Fate::Works
        }
    }

    /// One write, with what fate has for it. `made` carries it out, and is told whether it is cut short by death.
    async fn write<T>(&self, made: impl AsyncFnOnce(bool) -> Answer<T>) -> Answer<T> {
        self.porch.life.go_on().await;
        self.porch.pulse().beat();
        let fate = self.fate();
        if fate != Fate::Works {
            self.porch.oracle().journal_is_in_trouble();
            self.porch.oracle().note("fate", 0, || format!("{fate:?}"));
        }
        match fate {
            Fate::Works => made(false).await,
            Fate::Refused => {
                let what = "it cannot be written".to_owned();
                Err(JournalFault { kind: JournalFaultKind::Unavailable, what })
            }
            Fate::SlowBefore(wait) => {
                if self.porch.life.during(self.porch.timeline().sleep(wait)).await.is_none() {
                    // It died meanwhile; the write was under way, and may have arrived.
                    if self.dice.lock().unwrap_or_else(PoisonError::into_inner).chance(500) {
                        let _ = made(true).await;
                    }
                    return std::future::pending().await;
                }
                let answer = made(false).await;
                self.porch.life.go_on().await;
                answer
            }
            Fate::SlowAfter(wait) => {
                let answer = made(false).await;
                self.porch.timeline().sleep(wait).await;
                self.porch.life.go_on().await;
                answer
            }
            Fate::Breaks { on_disk } => {
                if on_disk {
                    made(true).await?;
                }
                self.porch.must_end();
                let what = "a sync has failed".to_owned();
                Err(JournalFault { kind: JournalFaultKind::Broken, what })
            }
            Fate::Dies { on_disk } => {
                if on_disk {
                    let _ = made(true).await;
                }
                self.porch.die("writing the journal").await;
                std::future::pending().await
            }
        }
    }

    async fn ask<T>(&self, question: impl Future<Output = Answer<T>>) -> Answer<T> {
        self.porch.life.go_on().await;
        self.porch.pulse().beat();
        question.await
    }
}

#[async_trait]
impl Audit for Gate {
    async fn chain(&self) -> Answer<Chain> {
        self.ask(self.journal.chain()).await
    }

    async fn links(&self, after: u64, most: usize) -> Answer<Vec<AuditEntry>> {
        self.ask(self.journal.links(after, most)).await
    }

    async fn changed(&self, after: u64, most: usize) -> Answer<Vec<Changed>> {
        self.ask(self.journal.changed(after, most)).await
    }

    async fn unlinked(&self) -> Answer<u64> {
        self.ask(self.journal.unlinked()).await
    }

    async fn endings(&self, after: i64, most: usize) -> Answer<Vec<Ending>> {
        self.ask(self.journal.endings(after, most)).await
    }

    async fn missing_issues(&self, most: usize) -> Answer<Vec<IssueId>> {
        self.ask(self.journal.missing_issues(most)).await
    }
}

#[async_trait]
impl Journal for Gate {
    async fn receive(&self, receipt: NewReceipt) -> Answer<ReceiptId> {
        self.write(async |_| self.journal.receive(receipt).await).await
    }

    async fn expand(&self, sightings: Arc<[Sighting]>, progress: Vec<Progress>) -> Answer<Vec<Sighted>> {
        // How far receipts are done may become durable a little later, and so be lost.
        if sightings.is_empty() {
            // It only goes with the next write, so that nothing stands in its way but the end of the process.
            return self.ask(self.journal.expand(sightings, progress)).await;
        }
        let made = async |cut_short: bool| {
            let progress = if cut_short { Vec::new() } else { progress };
            let seen = self.journal.expand(sightings, progress).await?;
            self.porch.oracle().note("expanded", seen.len() as u64, || format!("{seen:?}"));
            Ok(seen)
        };
        self.write(made).await
    }

    async fn commit(&self, writes: Vec<Write>) -> Answer<()> {
        let made = async |_| {
            self.journal.commit(writes.clone()).await.inspect_err(|fault| {
                self.porch.oracle().note("conflict", 0, || fault.what.clone());
            })?;
            self.porch.oracle().committed(&writes);
            Ok(())
        };
        self.write(made).await
    }

    async fn delivered(&self, deliveries: Vec<(i64, Delivery)>) -> Answer<()> {
        self.write(async |_| self.journal.delivered(deliveries).await).await
    }

    async fn unexpanded(&self, after: ReceiptId, most: usize) -> Answer<Vec<Receipt>> {
        self.ask(self.journal.unexpanded(after, most)).await
    }

    async fn issue(&self, id: IssueId) -> Answer<Option<Issue>> {
        self.ask(self.journal.issue(id)).await
    }

    async fn issues(&self, filter: IssueFilter) -> Answer<Vec<Issue>> {
        self.ask(self.journal.issues(filter)).await
    }

    async fn story(&self, id: IssueId) -> Answer<Option<Story>> {
        self.ask(self.journal.story(id)).await
    }

    async fn take_receipts(&self, now: Timestamp, most: usize) -> Answer<Vec<Receipt>> {
        self.write(async |_| self.journal.take_receipts(now, most).await).await
    }

    async fn take(&self, now: Timestamp, most: usize, held: Vec<IssueId>) -> Answer<Vec<(Issue, Tenure)>> {
        let made = async |_| {
            let taken = self.journal.take(now, most, held.clone()).await?;
            for (issue, tenure) in &taken {
                self.porch.oracle().note("take", issue.id.0.unsigned_abs(), || format!("{tenure:?}"));
            }
            Ok(taken)
        };
        self.write(made).await
    }

    async fn take_one(&self, issue: IssueId, now: Timestamp) -> Answer<Option<Tenure>> {
        self.write(async |_| self.journal.take_one(issue, now).await).await
    }

    async fn keep(&self, tenures: Vec<Tenure>, now: Timestamp, lease: Duration) -> Answer<Vec<Tenure>> {
        self.write(async |_| self.journal.keep(tenures, now, lease).await).await
    }

    async fn lease(&self, name: &str, holder: &str, now: Timestamp, lease: Duration) -> Answer<bool> {
        self.write(async |_| self.journal.lease(name, holder, now, lease).await).await
    }

    async fn forget(&self, horizons: Horizons, most: usize, key: Option<&Key>) -> Answer<usize> {
        self.write(async |_| self.journal.forget(horizons, most, key).await).await
    }

    async fn free(&self) -> Answer<()> {
        self.write(async |_| self.journal.free().await).await
    }

    async fn forget_messages(&self, but_for: Vec<String>, due_before: Timestamp) -> Answer<u64> {
        self.write(async |_| self.journal.forget_messages(but_for, due_before).await).await
    }

    async fn heard(&self, said: Said) {
        self.journal.heard(said).await;
    }

    async fn next_look(&self, now: Timestamp) -> Answer<Option<Timestamp>> {
        self.ask(self.journal.next_look(now)).await
    }

    async fn due(&self, now: Timestamp, most: usize) -> Answer<usize> {
        self.ask(self.journal.due(now, most)).await
    }

    async fn episodes(&self, since: Timestamp, most: usize) -> Answer<Vec<Episode>> {
        self.ask(self.journal.episodes(since, most)).await
    }

    async fn openings_since(&self, rule: &str, since: Timestamp, most: u32) -> Answer<u32> {
        self.ask(self.journal.openings_since(rule, since, most)).await
    }

    async fn endings_since(&self, since: Timestamp) -> Answer<Vec<(Outcome, u64)>> {
        self.ask(self.journal.endings_since(since)).await
    }

    async fn open_fingerprints(&self) -> Answer<Vec<(Fingerprint, IssueId, Timestamp)>> {
        self.ask(self.journal.open_fingerprints()).await
    }

    async fn remediations(&self, filter: RemediationFilter) -> Answer<Vec<Remediation>> {
        self.ask(self.journal.remediations(filter)).await
    }

    async fn remediation(&self, id: RemediationId) -> Answer<Option<(Remediation, Vec<Intent>)>> {
        self.ask(self.journal.remediation(id)).await
    }

    async fn undone(&self, among: Vec<RemediationId>) -> Answer<Vec<RemediationId>> {
        self.ask(self.journal.undone(among)).await
    }

    async fn reverts_due(&self, now: Timestamp) -> Answer<Vec<Intent>> {
        self.ask(self.journal.reverts_due(now)).await
    }

    async fn next_revert(&self) -> Answer<Option<Timestamp>> {
        self.ask(self.journal.next_revert()).await
    }

    async fn approval(&self, id: &str) -> Answer<Option<Approval>> {
        self.ask(self.journal.approval(id)).await
    }

    async fn approvals(&self, filter: ApprovalFilter) -> Answer<Vec<Approval>> {
        self.ask(self.journal.approvals(filter)).await
    }

    async fn failures_since(&self, rule: &str, resource: &str, since: Timestamp) -> Answer<u32> {
        self.ask(self.journal.failures_since(rule, resource, since)).await
    }

    async fn successes(&self) -> Answer<Vec<((String, String), SuccessRecord)>> {
        self.ask(self.journal.successes()).await
    }

    async fn outbox(&self, sink: &str, now: Timestamp, most: usize) -> Answer<Vec<OutboxMessage>> {
        self.ask(self.journal.outbox(sink, now, most)).await
    }

    async fn next_delivery(&self, sink: &str) -> Answer<Option<Timestamp>> {
        self.ask(self.journal.next_delivery(sink)).await
    }

    async fn waiting(&self) -> Answer<Vec<Waiting>> {
        self.ask(self.journal.waiting()).await
    }

    async fn setting(&self, key: &str) -> Answer<Option<Value>> {
        self.ask(self.journal.setting(key)).await
    }

    async fn totals(&self) -> Answer<Totals> {
        self.ask(self.journal.totals()).await
    }

    async fn check(&self) -> Answer<()> {
        self.ask(self.journal.check()).await
    }
}
