//! One SQLite file with the thread that writes it, the thread that moves its log into place, and the connections that
//! read it.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;
use selfheal_runtime::ports::JournalFault;

use super::open::{self, OpenFault, Schema};
use super::readers::Readers;
use super::syncer;
use super::writer::{self, Queue, Work};
use crate::breakage::Breakage;
use crate::synced::Synced;

/// An open file. Dropping it waits for the changes that are queued.
pub(super) struct Database {
    queue: Option<Queue>,
    threads: Vec<JoinHandle<()>>,
    readers: Readers,
}

impl Database {
    /// Opens the file at `path`, or makes it. `lock` is held for as long as anything of it is used; `synced` says how far it
    /// has come; who shares `breakage` with it breaks with it.
    pub(super) fn open(
        path: &Path,
        schema: Schema,
        readers: usize,
        lock: &Arc<File>,
        synced: &Arc<Synced>,
        breakage: &Breakage,
    ) -> Result<Self, OpenFault> {
        let open::Opened { writer, checkpointer, readers } = open::open(path, schema, readers)?;
        let readers = Readers::new(readers, Arc::clone(lock));
        let (nudge, nudged) = sync_channel(1);
        let log = syncer::log_of(path).map_err(|error| open::no_log(path, &error))?;
        let started = || {
            let moving = checkpoints(checkpointer, nudged)?;
            let (disk, syncing) = syncer::start(log, Arc::clone(synced), Arc::clone(breakage))?;
            let (queue, writing) =
                writer::start(writer, nudge, disk, Arc::clone(synced), Arc::clone(breakage))?;
            Ok((queue, vec![writing, syncing, moving]))
        };
        let (queue, threads) = started().map_err(|error| open::no_thread(path, &error))?;
        Ok(Self { queue: Some(queue), threads, readers })
    }

    /// The way to the thread that writes.
    pub(super) fn queue(&self) -> &Queue {
        self.queue.as_ref().expect("the queue is there until the journal is dropped")
    }

    /// Has something written, and waits until it is on disk.
    pub(super) async fn submit<W: Work>(&self, work: W) -> Result<W::Answer, JournalFault> {
        self.queue().submit(work).await
    }

    /// Asks one moment of the file.
    pub(super) async fn query<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, JournalFault> {
        self.queue().unbroken()?;
        self.readers.query(ask).await
    }

    /// Goes through much of one moment of the file.
    pub(super) async fn browse<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, JournalFault> {
        self.queue().unbroken()?;
        self.readers.browse(ask).await
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // The writer ends when its queue does, and the checkpoints with it; the lock must outlive them.
        self.queue = None;
        for thread in self.threads.drain(..) {
            // A writer that panicked has said so to everybody who waited for it.
            let _ = thread.join();
        }
    }
}

/// Tells the checkpoints that there is something to move.
pub(super) type Nudge = SyncSender<()>;

/// Starts the thread that moves the log into place while the writer goes on, so that commits need not wait for it.
fn checkpoints(connection: Connection, nudged: Receiver<()>) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("checkpoint".to_owned()).spawn(move || {
        for () in nudged {
            // What cannot be moved now stays in the log, where it is safe; the writer moves it when the log is long.
            let moved =
                connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get::<_, i64>(0));
            if let Err(fault) = moved {
                tracing::debug!(%fault, "a checkpoint was put off");
            }
        }
    })
}
