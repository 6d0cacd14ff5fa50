//! The journal in SQLite, for one process. Notifications that are not expanded yet are in the `inbox` beside it.
//!
//! The file is a `database`. Changes go through a queue to the one thread that writes it (`writer`), which commits them in
//! groups: `intake` turns alerts into issues; `commit` carries out the runtime's writes, by `movement` for issues, `effects` for
//! remediations, `holds` for who looks at what, and `people` for approvals and news; `retention` forgets. Questions (`queries`,
//! `history`) go to connections of their own (`readers`), unless `failing` knows the answer.
//! `audit` links every record to those before it. `open` has the lock, the settings and the schema; `fault` says what a failure means.

mod audit;
mod columns;
mod commit;
mod database;
mod effects;
mod failing;
mod fault;
mod history;
mod holds;
mod intake;
mod movement;
mod open;
mod people;
mod queries;
mod readers;
mod retention;
mod rows;
mod statements;
mod syncer;
#[cfg(test)]
mod tests;
mod writer;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::Connection;
use selfheal_core::audit::Key;
use selfheal_core::issue::{IssueId, Outcome};
use selfheal_core::labels::Fingerprint;
use selfheal_core::remediation::RemediationId;
use selfheal_core::success::SuccessRecord;
use selfheal_runtime::ports::journal::{
    Approval, ApprovalFilter, Delivery, Horizons, Intent, Issue, IssueFilter, NewReceipt, OutboxMessage,
    Progress, Receipt, ReceiptId, Remediation, RemediationFilter, Said, Sighted, Sighting, Story, Tenure,
    Totals, Waiting, Write,
};
use selfheal_runtime::ports::{Episode, Journal, JournalFault, JournalFaultKind};
use serde_json::Value;

use crate::breakage::Breakage;
use crate::inbox::{Content, Inbox};
use crate::synced::Synced;
pub use audit::SqliteAudit;
use database::Database;
use failing::Failing;
pub use open::{OpenFault, OpenFaultKind};

/// Connections that answer questions.
const READERS: usize = 4;

/// The journal in a SQLite file and the inbox in a folder beside it, each written by one thread, locked together against
/// other processes.
///
/// - What a call has answered is on disk (WAL, synced after the commit), and every later question sees it. Only what `expand`
///   has answered may be lost with the machine's power, while the inbox still has the notifications that it came from.
/// - Changes take effect in the order in which they are handed over, whole transactions at a time. A call whose caller
///   stops waiting is carried out all the same.
/// - While the disk is full or cannot be written, changes are `Unavailable` and nothing is changed; it goes on by itself
///   as soon as there is space. When a sync fails, or the writer, every later call is `Broken`.
/// - Times are kept in microseconds; only an alert keeps its nanoseconds.
///
/// Needs a Tokio runtime. Dropping it waits for the changes that are queued.
pub struct SqliteJournal {
    // Dropped first: what it has brought to the disk, the inbox may forget.
    journal: Database,
    inbox: Inbox,
    synced: Arc<Synced>,
    failing: Failing,
}

impl SqliteJournal {
    /// Opens the journal at `path`, or makes it; its folder must exist. Notifications are kept beside it, in a folder
    /// with `-inbox` behind its name. Blocks for as long as the disk takes.
    ///
    /// # Errors
    /// When another process uses it, when it is of a newer version, damaged, or cannot be read and written.
    pub fn open(path: &Path) -> Result<Self, OpenFault> {
        let lock = Arc::new(open::lock(path)?);
        let (synced, breakage) = (Arc::new(Synced::default()), Breakage::default());
        let journal = Database::open(path, open::JOURNAL, READERS, &lock, &synced, &breakage)?;
        let folder = inbox(path);
        let inbox =
            Inbox::open(&folder, &synced, &breakage).map_err(|fault| open::no_inbox(&folder, &fault))?;
        Ok(Self { journal, inbox, synced, failing: Failing::of(path)? })
    }

    #[cfg(test)]
    fn queue(&self) -> &writer::Queue {
        self.journal.queue()
    }

    async fn submit<W: writer::Work>(&self, work: W) -> Result<W::Answer, JournalFault> {
        self.journal.submit(work).await
    }

    async fn query<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, JournalFault> {
        self.journal.query(ask).await
    }
}

/// A journal that nobody uses, to be read as it is.
pub(crate) struct Source {
    pub(crate) journal: Connection,
    pub(crate) inbox: Content,
    _lock: File,
}

/// Opens a journal to read all of it, bringing its schema up to date.
pub(crate) fn source(path: &Path) -> Result<Source, OpenFault> {
    let lock = open::lock(path)?;
    let journal = open::open(path, open::JOURNAL, 0)?.writer;
    let folder = inbox(path);
    let inbox = Content::read(&folder).map_err(|fault| open::no_inbox(&folder, &fault))?;
    Ok(Source { journal, inbox, _lock: lock })
}

/// The folder of notifications beside a journal: `data/journal-inbox` for `data/journal.sqlite`.
fn inbox(journal: &Path) -> PathBuf {
    let mut name = journal.file_stem().unwrap_or_default().to_owned();
    name.push("-inbox");
    journal.with_file_name(name)
}

#[async_trait]
impl Journal for SqliteJournal {
    async fn receive(&self, receipt: NewReceipt) -> Result<ReceiptId, JournalFault> {
        self.inbox.receive(receipt).await
    }

    async fn take_receipts(&self, now: Timestamp, most: usize) -> Result<Vec<Receipt>, JournalFault> {
        self.inbox.take(now, most).await
    }

    async fn unexpanded(&self, after: ReceiptId, most: usize) -> Result<Vec<Receipt>, JournalFault> {
        self.inbox.unexpanded(after, most).await
    }

    async fn expand(
        &self,
        sightings: Arc<[Sighting]>,
        progress: Vec<Progress>,
    ) -> Result<Vec<Sighted>, JournalFault> {
        let seen = match sightings.is_empty() {
            true => Vec::new(),
            false => self.submit(intake::Expand(sightings)).await?,
        };
        if let Err(fault) = self.inbox.note(progress).await {
            tracing::warn!(%fault, "notifications that are expanded stay in the inbox until the next start");
        }
        Ok(seen)
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<(), JournalFault> {
        let unwritable = |error: serde_json::Error| JournalFault {
            kind: JournalFaultKind::Unavailable,
            what: format!("a value has no form in JSON: {error}"),
        };
        self.failing.note(&writes);
        self.submit(commit::Commit::of(writes).map_err(unwritable)?).await
    }

    async fn issue(&self, id: IssueId) -> Result<Option<Issue>, JournalFault> {
        self.query(move |connection| queries::issue(connection, id)).await
    }

    async fn issues(&self, filter: IssueFilter) -> Result<Vec<Issue>, JournalFault> {
        self.journal.browse(move |connection| queries::issues(connection, &filter)).await
    }

    async fn story(&self, id: IssueId) -> Result<Option<Story>, JournalFault> {
        self.journal.browse(move |connection| queries::story(connection, id)).await
    }

    async fn take(
        &self,
        now: Timestamp,
        most: usize,
        held: Vec<IssueId>,
    ) -> Result<Vec<(Issue, Tenure)>, JournalFault> {
        self.submit(holds::Take { now, most, held: held.into_iter().collect() }).await
    }

    async fn take_one(&self, issue: IssueId, now: Timestamp) -> Result<Option<Tenure>, JournalFault> {
        self.submit(holds::TakeOne { issue, now }).await
    }

    async fn keep(
        &self,
        tenures: Vec<Tenure>,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Vec<Tenure>, JournalFault> {
        self.submit(holds::Keep { tenures, until: holds::until(now, lease) }).await
    }

    async fn next_look(&self, now: Timestamp) -> Result<Option<Timestamp>, JournalFault> {
        self.query(move |connection| queries::next_look(connection, now)).await
    }

    async fn due(&self, now: Timestamp, most: usize) -> Result<usize, JournalFault> {
        self.query(move |connection| queries::due(connection, now, most)).await
    }

    async fn lease(
        &self,
        name: &str,
        holder: &str,
        now: Timestamp,
        lease: Duration,
    ) -> Result<bool, JournalFault> {
        self.submit(holds::Lease { name: name.to_owned(), holder: holder.to_owned(), now, lease }).await
    }

    async fn forget(
        &self,
        horizons: Horizons,
        most: usize,
        key: Option<&Key>,
    ) -> Result<usize, JournalFault> {
        self.submit(retention::Forget { horizons, most, key: key.cloned() }).await
    }

    async fn free(&self) -> Result<(), JournalFault> {
        self.inbox.free();
        self.submit(holds::Free).await
    }

    async fn heard(&self, _: Said) {
        // One process has the file, and hears itself.
        std::future::pending().await
    }

    async fn episodes(&self, since: Timestamp, most: usize) -> Result<Vec<Episode>, JournalFault> {
        self.journal.browse(move |connection| history::episodes(connection, since, most)).await
    }

    async fn open_fingerprints(&self) -> Result<Vec<(Fingerprint, IssueId, Timestamp)>, JournalFault> {
        self.query(queries::open_fingerprints).await
    }

    async fn remediations(&self, filter: RemediationFilter) -> Result<Vec<Remediation>, JournalFault> {
        self.journal.browse(move |connection| queries::remediations(connection, &filter)).await
    }

    async fn remediation(
        &self,
        id: RemediationId,
    ) -> Result<Option<(Remediation, Vec<Intent>)>, JournalFault> {
        self.query(move |connection| queries::remediation(connection, id)).await
    }

    async fn undone(&self, among: Vec<RemediationId>) -> Result<Vec<RemediationId>, JournalFault> {
        self.query(move |connection| queries::undone(connection, &among)).await
    }

    async fn reverts_due(&self, now: Timestamp) -> Result<Vec<Intent>, JournalFault> {
        self.query(move |connection| queries::reverts_due(connection, now)).await
    }

    async fn next_revert(&self) -> Result<Option<Timestamp>, JournalFault> {
        self.query(queries::next_revert).await
    }

    async fn approval(&self, id: &str) -> Result<Option<Approval>, JournalFault> {
        let id = id.to_owned();
        self.query(move |connection| queries::approval(connection, &id)).await
    }

    async fn approvals(&self, filter: ApprovalFilter) -> Result<Vec<Approval>, JournalFault> {
        self.journal.browse(move |connection| queries::approvals(connection, &filter)).await
    }

    async fn failures_since(
        &self,
        rule: &str,
        resource: &str,
        since: Timestamp,
    ) -> Result<u32, JournalFault> {
        if !self.failing.may_have(rule, resource) {
            self.journal.queue().unbroken()?;
            return Ok(0);
        }
        let (rule, resource) = (rule.to_owned(), resource.to_owned());
        self.query(move |connection| queries::failures_since(connection, &rule, &resource, since)).await
    }

    async fn openings_since(&self, rule: &str, since: Timestamp, most: u32) -> Result<u32, JournalFault> {
        let rule = rule.to_owned();
        self.query(move |connection| queries::openings_since(connection, &rule, since, most)).await
    }

    async fn endings_since(&self, since: Timestamp) -> Result<Vec<(Outcome, u64)>, JournalFault> {
        self.query(move |connection| queries::endings_since(connection, since)).await
    }

    async fn successes(&self) -> Result<Vec<((String, String), SuccessRecord)>, JournalFault> {
        self.query(queries::successes).await
    }

    async fn outbox(
        &self,
        sink: &str,
        now: Timestamp,
        most: usize,
    ) -> Result<Vec<OutboxMessage>, JournalFault> {
        let sink = sink.to_owned();
        self.query(move |connection| queries::outbox(connection, &sink, now, most)).await
    }

    async fn waiting(&self) -> Result<Vec<Waiting>, JournalFault> {
        self.journal.browse(queries::waiting).await
    }

    async fn next_delivery(&self, sink: &str) -> Result<Option<Timestamp>, JournalFault> {
        let sink = sink.to_owned();
        self.query(move |connection| queries::next_delivery(connection, &sink)).await
    }

    async fn forget_messages(
        &self,
        but_for: Vec<String>,
        due_before: Timestamp,
    ) -> Result<u64, JournalFault> {
        self.submit(commit::Forget { but_for, due_before }).await
    }

    async fn delivered(&self, deliveries: Vec<(i64, Delivery)>) -> Result<(), JournalFault> {
        self.submit(commit::Delivered(deliveries)).await
    }

    async fn setting(&self, key: &str) -> Result<Option<Value>, JournalFault> {
        let key = key.to_owned();
        self.query(move |connection| queries::setting(connection, &key)).await
    }

    async fn totals(&self) -> Result<Totals, JournalFault> {
        self.journal.browse(queries::totals).await
    }

    async fn check(&self) -> Result<(), JournalFault> {
        self.submit(commit::Check).await?;
        self.inbox.check().await
    }
}
