//! The journal in one SQLite file, for one process.
//!
//! Changes go through a queue to the one thread that writes (`writer`), which commits them in groups: `intake` turns
//! notifications into issues; `commit` carries out the runtime's writes, by `movement` for issues, `effects` for
//! remediations and `people` for approvals and news. Questions (`queries`) go to connections of their own (`readers`).
//! `open` has the lock, the settings and the schema; `fault` says what a failure means.

mod columns;
mod commit;
mod effects;
mod fault;
mod intake;
mod movement;
mod open;
mod people;
mod queries;
mod readers;
mod rows;
mod statements;
#[cfg(test)]
mod tests;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::Connection;
use selfheal_core::issue::IssueId;
use selfheal_core::labels::Fingerprint;
use selfheal_core::remediation::RemediationId;
use selfheal_core::success::SuccessRecord;
use selfheal_runtime::ports::journal::{
    Approval, Delivery, Intent, Issue, IssueFilter, NewReceipt, OutboxMessage, Progress, Receipt, ReceiptId,
    Remediation, RemediationFilter, Sighted, Sighting, Story, Totals, Write,
};
use selfheal_runtime::ports::{Journal, JournalFault, JournalFaultKind};
use serde_json::Value;

pub use open::{OpenFault, OpenFaultKind};
use readers::Readers;
use writer::Queue;

/// Connections that answer questions.
const READERS: usize = 4;

/// The journal in one SQLite file, written by one thread and locked against other processes.
///
/// - What a call has answered is on disk (WAL with `synchronous=FULL`), and every later question sees it.
/// - Changes take effect in the order in which they are handed over, whole transactions at a time. A call whose caller
///   stops waiting is carried out all the same.
/// - While the disk is full or cannot be written, changes are `Unavailable` and nothing is changed; it goes on by itself
///   as soon as there is space. When a sync fails, or the writer, every later call is `Broken`.
/// - Times are kept in microseconds; only an alert keeps its nanoseconds.
///
/// Needs a Tokio runtime. Dropping it waits for the changes that are queued.
pub struct SqliteJournal {
    queue: Option<Queue>,
    writer: Option<JoinHandle<()>>,
    readers: Readers,
}

impl SqliteJournal {
    /// Opens the journal at `path`, or makes it; its folder must exist. Blocks for as long as the disk takes.
    ///
    /// # Errors
    /// When another process uses it, when it is of a newer version, damaged, or cannot be read and written.
    pub fn open(path: &Path) -> Result<Self, OpenFault> {
        let open::Opened { writer, readers, lock } = open::open(path, READERS)?;
        let readers = Readers::new(readers, Arc::new(lock));
        let (queue, writer) = writer::start(writer).map_err(|error| OpenFault {
            kind: OpenFaultKind::Unusable,
            path: path.to_owned(),
            what: format!("cannot start the thread that writes: {error}"),
        })?;
        Ok(Self { queue: Some(queue), writer: Some(writer), readers })
    }

    fn queue(&self) -> &Queue {
        self.queue.as_ref().expect("the queue is there until the journal is dropped")
    }

    async fn query<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, JournalFault> {
        self.queue().unbroken()?;
        self.readers.query(ask).await
    }
}

impl Drop for SqliteJournal {
    fn drop(&mut self) {
        // The writer ends when its queue does; the lock must outlive it.
        self.queue = None;
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has said so to everybody who waited for it.
            let _ = writer.join();
        }
    }
}

#[async_trait]
impl Journal for SqliteJournal {
    async fn receive(&self, receipt: NewReceipt) -> Result<ReceiptId, JournalFault> {
        self.queue().submit(intake::Receive(receipt)).await
    }

    async fn unexpanded(&self, after: ReceiptId, most: usize) -> Result<Vec<Receipt>, JournalFault> {
        self.query(move |connection| queries::unexpanded(connection, after, most)).await
    }

    async fn expand(
        &self,
        sightings: Vec<Sighting>,
        progress: Vec<Progress>,
    ) -> Result<Vec<Sighted>, JournalFault> {
        self.queue().submit(intake::Expand { sightings, progress }).await
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<(), JournalFault> {
        let unwritable = |error: serde_json::Error| JournalFault {
            kind: JournalFaultKind::Unavailable,
            what: format!("a value has no form in JSON: {error}"),
        };
        self.queue().submit(commit::Commit::of(writes).map_err(unwritable)?).await
    }

    async fn issue(&self, id: IssueId) -> Result<Option<Issue>, JournalFault> {
        self.query(move |connection| queries::issue(connection, id)).await
    }

    async fn issues(&self, filter: IssueFilter) -> Result<Vec<Issue>, JournalFault> {
        self.query(move |connection| queries::issues(connection, &filter)).await
    }

    async fn story(&self, id: IssueId) -> Result<Option<Story>, JournalFault> {
        self.query(move |connection| queries::story(connection, id)).await
    }

    async fn wakes(
        &self,
        after: Option<(Timestamp, IssueId)>,
        most: usize,
    ) -> Result<Vec<(Timestamp, IssueId)>, JournalFault> {
        self.query(move |connection| queries::wakes(connection, after, most)).await
    }

    async fn open_fingerprints(&self) -> Result<Vec<(Fingerprint, IssueId, Timestamp)>, JournalFault> {
        self.query(queries::open_fingerprints).await
    }

    async fn remediations(&self, filter: RemediationFilter) -> Result<Vec<Remediation>, JournalFault> {
        self.query(move |connection| queries::remediations(connection, &filter)).await
    }

    async fn remediation(
        &self,
        id: RemediationId,
    ) -> Result<Option<(Remediation, Vec<Intent>)>, JournalFault> {
        self.query(move |connection| queries::remediation(connection, id)).await
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

    async fn approvals(&self, only_open: bool, limit: u32) -> Result<Vec<Approval>, JournalFault> {
        self.query(move |connection| queries::approvals(connection, only_open, limit)).await
    }

    async fn failures_since(
        &self,
        rule: &str,
        resource: &str,
        since: Timestamp,
    ) -> Result<u32, JournalFault> {
        let (rule, resource) = (rule.to_owned(), resource.to_owned());
        self.query(move |connection| queries::failures_since(connection, &rule, &resource, since)).await
    }

    async fn successes(&self) -> Result<Vec<((String, String), SuccessRecord)>, JournalFault> {
        self.query(queries::successes).await
    }

    async fn outbox(&self, now: Timestamp, most: usize) -> Result<Vec<OutboxMessage>, JournalFault> {
        self.query(move |connection| queries::outbox(connection, now, most)).await
    }

    async fn delivered(&self, deliveries: Vec<(i64, Delivery)>) -> Result<(), JournalFault> {
        self.queue().submit(commit::Delivered(deliveries)).await
    }

    async fn setting(&self, key: &str) -> Result<Option<Value>, JournalFault> {
        let key = key.to_owned();
        self.query(move |connection| queries::setting(connection, &key)).await
    }

    async fn totals(&self) -> Result<Totals, JournalFault> {
        self.query(queries::totals).await
    }

    async fn check(&self) -> Result<(), JournalFault> {
        self.queue().submit(commit::Check).await
    }
}
