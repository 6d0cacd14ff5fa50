//! Notifications that are not expanded yet: a log of their own beside the journal, so that a notification never waits for
//! the work that earlier ones have made, and a group of them costs one write and one sync.
//!
//! `record` is one record as bytes, `segment` one file, `log` the files together; here is the one thread that writes, and
//! the questions. There is no index and no query: a receipt is written once, read after a crash, and forgotten when it is
//! expanded.

mod log;
mod record;
mod segment;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use jiff::Timestamp;
use selfheal_core::moment::later;
use selfheal_runtime::ports::journal::{NewReceipt, Progress, RECEIPT_HOLD, Receipt, ReceiptId};
use selfheal_runtime::ports::{JournalFault, JournalFaultKind};
use tokio::sync::{mpsc, oneshot};

use self::log::{Log, Place, Places};
pub(crate) use self::record::Receipt as Stored;
use self::segment::AppendFault;
use crate::breakage::{self, Breakage};
use crate::synced::Synced;

/// So many notes are written although no receipt has come with which they could go.
const NOTES_MAX: usize = 1024;
/// The most requests in one write.
const BATCH_REQUESTS_MAX: usize = 1024;
/// No further request joins a write that carries this much already.
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The most requests that wait for the next write; further ones wait in their callers.
const QUEUE_REQUESTS_MAX: usize = 4096;

/// The inbox. Dropping it waits for what is queued.
pub(crate) struct Inbox {
    queue: Option<mpsc::Sender<Request>>,
    thread: Option<JoinHandle<()>>,
    open: Arc<Mutex<Open>>,
    synced: Arc<Synced>,
    breakage: Breakage,
}

/// What an inbox that nobody uses holds.
pub(crate) struct Content {
    /// Receipts that are not done, in their order, each with how many of its alerts are.
    pub(crate) receipts: Vec<(Stored, u32)>,
    /// The highest number that was ever given.
    pub(crate) highest: i64,
}

impl Content {
    /// Reads an inbox; there is nothing in a folder that does not exist.
    ///
    /// # Errors
    /// It cannot be read, or a notification that was acknowledged is missing from it.
    pub(crate) fn read(directory: &Path) -> io::Result<Self> {
        if !directory.exists() {
            return Ok(Self { receipts: Vec::new(), highest: 0 });
        }
        let (log, places) = Log::open(directory)?;
        let expanded = |number: i64| if number == log.mark.partial.0 { log.mark.partial.1 } else { 0 };
        let read = places.iter().map(|(number, place)| Ok((place.read(*number)?, expanded(*number))));
        let receipts = read
            .filter_map(|read: io::Result<_>| match read {
                Ok((receipt, expanded)) => receipt.map(|receipt| Ok((receipt, expanded))),
                Err(fault) => Some(Err(fault)),
            })
            .collect::<io::Result<Vec<_>>>()?;
        Ok(Self { receipts, highest: log.mark.highest })
    }
}

/// Receipts that are not done.
#[derive(Default)]
struct Open {
    places: Places,
    /// One that is done in part, and how many of its alerts are.
    partial: (i64, u32),
    /// Until when they belong to whoever received or took them, in this process.
    held: HashMap<i64, Timestamp>,
}

enum Request {
    Receive(NewReceipt, oneshot::Sender<Result<ReceiptId, JournalFault>>),
    /// Whether notifications can be stored.
    Check(oneshot::Sender<Result<(), JournalFault>>),
    /// Goes with the next receipts once the transaction with the issues is on the disk: until then, a crash only has the same
    /// alerts expanded again.
    Note(Vec<Progress>, u64),
}

impl Inbox {
    /// Opens the inbox in `directory`, or makes it; the folder that it is in must exist.
    ///
    /// # Errors
    /// It cannot be read or made, or a notification that was acknowledged is missing from it.
    pub(crate) fn open(directory: &Path, synced: &Arc<Synced>, breakage: &Breakage) -> io::Result<Self> {
        match std::fs::create_dir(directory) {
            Err(fault) if fault.kind() != io::ErrorKind::AlreadyExists => return Err(fault),
            _ => {}
        }
        let (log, places) = Log::open(directory)?;
        let open = Arc::new(Mutex::new(Open { places, partial: log.mark.partial, held: HashMap::new() }));
        let (queue, receiver) = mpsc::channel(QUEUE_REQUESTS_MAX);
        let (synced, breakage) = (Arc::clone(synced), Arc::clone(breakage));
        let writer = Writer {
            log,
            open: Arc::clone(&open),
            synced: Arc::clone(&synced),
            breakage: Arc::clone(&breakage),
            failed: None,
        };
        let thread =
            std::thread::Builder::new().name("inbox".to_owned()).spawn(move || writer.run(receiver))?;
        Ok(Self { queue: Some(queue), thread: Some(thread), open, synced, breakage })
    }

    /// Stores a notification, and waits until it is on the disk. It is stored even if the caller stops waiting.
    pub(crate) async fn receive(&self, receipt: NewReceipt) -> Result<ReceiptId, JournalFault> {
        let (reply, answer) = oneshot::channel();
        self.submit(Request::Receive(receipt, reply)).await?;
        answer.await.unwrap_or_else(|_| Err(self.ended()))
    }

    /// Whether notifications can be stored, as far as that is known: when the last could not be, it is tried whether there is
    /// room for it now. Whoever sends them may be kept away as long as this fails, and then nothing else would find out.
    pub(crate) async fn check(&self) -> Result<(), JournalFault> {
        let (reply, answer) = oneshot::channel();
        self.submit(Request::Check(reply)).await?;
        answer.await.unwrap_or_else(|_| Err(self.ended()))
    }

    /// Notes how far receipts are expanded, in transactions that are committed; a little later.
    pub(crate) async fn note(&self, progress: Vec<Progress>) -> Result<(), JournalFault> {
        self.submit(Request::Note(progress, self.synced.committed())).await
    }

    async fn submit(&self, request: Request) -> Result<(), JournalFault> {
        breakage::unbroken(&self.breakage)?;
        let queue = self.queue.as_ref().expect("the queue is there until the inbox is dropped");
        queue.send(request).await.map_err(|_| self.ended())
    }

    fn ended(&self) -> JournalFault {
        breakage::unbroken(&self.breakage).err().unwrap_or_else(|| breakage::broken("the inbox has ended"))
    }

    /// Receipts after `after` that are not done, oldest first.
    pub(crate) async fn unexpanded(
        &self,
        after: ReceiptId,
        most: usize,
    ) -> Result<Vec<Receipt>, JournalFault> {
        let (places, partial): (Vec<(i64, Place)>, _) = {
            let open = lock(&self.open);
            let later = open.places.range(after.0.saturating_add(1)..).take(most);
            (later.map(|(number, place)| (*number, place.clone())).collect(), open.partial)
        };
        self.read(places, partial).await
    }

    /// Takes receipts that are not done and that nobody holds, oldest first.
    pub(crate) async fn take(&self, now: Timestamp, most: usize) -> Result<Vec<Receipt>, JournalFault> {
        let (places, partial): (Vec<(i64, Place)>, _) = {
            let mut open = lock(&self.open);
            let Open { places, held, partial } = &mut *open;
            let free = |number: &i64| held.get(number).is_none_or(|until| *until <= now);
            let taken: Vec<_> = places.iter().filter(|(number, _)| free(number)).take(most).collect();
            let taken: Vec<(i64, Place)> = taken.into_iter().map(|(n, place)| (*n, place.clone())).collect();
            held.extend(taken.iter().map(|(number, _)| (*number, later(now, RECEIPT_HOLD))));
            (taken, *partial)
        };
        self.read(places, partial).await
    }

    /// Gives back what anybody in this process holds.
    pub(crate) fn free(&self) {
        lock(&self.open).held.clear();
    }

    async fn read(
        &self,
        places: Vec<(i64, Place)>,
        partial: (i64, u32),
    ) -> Result<Vec<Receipt>, JournalFault> {
        breakage::unbroken(&self.breakage)?;
        let unreadable = |what: String| JournalFault { kind: JournalFaultKind::Unavailable, what };
        let read = tokio::task::spawn_blocking(move || {
            let read = places.iter().map(|(number, place)| place.read(*number));
            read.filter_map(Result::transpose).collect::<io::Result<Vec<_>>>()
        });
        let read = read.await.map_err(|lost| unreadable(lost.to_string()))?;
        let receipts = read.map_err(|fault| unreadable(format!("the inbox cannot be read: {fault}")))?;
        let whole = receipts.into_iter().map(|receipt| Receipt {
            id: ReceiptId(receipt.number),
            received_at: receipt.received_at,
            source: receipt.source,
            trace: receipt.trace,
            expanded: if receipt.number == partial.0 { partial.1 } else { 0 },
            body: receipt.body,
        });
        Ok(whole.collect())
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has broken the journal, and everybody who waited knows.
            let _ = thread.join();
        }
    }
}

fn lock(open: &Mutex<Open>) -> MutexGuard<'_, Open> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The one thread that writes.
struct Writer {
    log: Log,
    open: Arc<Mutex<Open>>,
    synced: Arc<Synced>,
    breakage: Breakage,
    /// The bytes for which there was no room at the last write, if so.
    failed: Option<usize>,
}

impl Writer {
    /// Takes all that is queued, writes it at once, and answers everybody. While one write waits for the disk, the next
    /// gathers; nothing lingers but notes.
    fn run(mut self, mut receiver: mpsc::Receiver<Request>) {
        let _on_panic = breakage::BreakOnPanic(Arc::clone(&self.breakage));
        let mut batch = Batch::default();
        while self.breakage.get().is_none() {
            let Some(first) = receiver.blocking_recv() else {
                // What is not noted is expanded again, which changes nothing.
                let _ = self.log.append(&[], &batch.ready(&self.synced));
                return;
            };
            let mut next = Some(first);
            while let Some(request) = next.take() {
                if let Request::Note(progress, _) = &request {
                    self.forget(progress);
                }
                if let Some(asked) = batch.add(request) {
                    // Who asked may have stopped waiting.
                    let _ = asked.send(self.check());
                }
                if batch.receipts.len() < BATCH_REQUESTS_MAX && batch.bytes < BATCH_BYTES_MAX {
                    next = receiver.try_recv().ok();
                }
            }
            let ready = batch.ready(&self.synced);
            if !batch.receipts.is_empty() || ready.len() >= NOTES_MAX {
                self.write(&mut batch, &ready);
            }
        }
    }

    fn check(&mut self) -> Result<(), JournalFault> {
        let Some(bytes) = self.failed else { return Ok(()) };
        self.log.probe(bytes).map_err(|fault| self.explain(fault))?;
        tracing::info!("notifications can be stored again");
        self.failed = None;
        Ok(())
    }

    fn write(&mut self, batch: &mut Batch, ready: &[Progress]) {
        let answer = self.log.append(&batch.receipts, ready).map_err(|fault| self.explain(fault));
        self.failed = answer.is_err().then(|| log::needed(&batch.receipts));
        match answer {
            Ok(places) => {
                let numbers: Vec<i64> = places.iter().map(|(number, _)| *number).collect();
                let until = batch.receipts.iter().map(|receipt| later(receipt.received_at, RECEIPT_HOLD));
                let held = numbers.iter().copied().zip(until);
                {
                    let mut open = lock(&self.open);
                    open.held.extend(held);
                    open.places.extend(places);
                }
                batch.notes.drain(..ready.len());
                for (reply, number) in batch.replies.drain(..).zip(numbers) {
                    // The caller may have stopped waiting.
                    let _ = reply.send(Ok(ReceiptId(number)));
                }
            }
            // The notes stay for the next write.
            Err(fault) => batch.replies.drain(..).for_each(|reply| drop(reply.send(Err(fault.clone())))),
        }
        batch.receipts.clear();
        batch.bytes = 0;
    }

    /// What is done is not asked for again.
    fn forget(&self, progress: &[Progress]) {
        let mut open = lock(&self.open);
        for Progress { receipt, expanded, finished } in progress {
            if *finished {
                open.places.remove(&receipt.0);
                open.held.remove(&receipt.0);
            } else {
                open.partial = (receipt.0, *expanded);
            }
        }
    }

    fn explain(&self, fault: AppendFault) -> JournalFault {
        match fault {
            AppendFault::NotWritten(fault) => {
                tracing::warn!(%fault, "no notification can be stored");
                let advice = match fault.kind() {
                    io::ErrorKind::StorageFull
                    | io::ErrorKind::FileTooLarge
                    | io::ErrorKind::QuotaExceeded => {
                        "; free space where the journal is, it then goes on by itself"
                    }
                    _ => "",
                };
                let what = format!("the inbox cannot be written: {fault}{advice}");
                JournalFault { kind: JournalFaultKind::Unavailable, what }
            }
            AppendFault::Unknown(fault) => {
                let what = format!("a sync of the inbox failed, and what is on disk is not known: {fault}");
                tracing::error!(what, "the journal stops");
                // Set before anybody is answered, so that nobody who was told can still be acknowledged.
                let _ = self.breakage.set(what.clone());
                breakage::broken(what)
            }
        }
    }
}

/// What goes into one write.
#[derive(Default)]
struct Batch {
    receipts: Vec<NewReceipt>,
    replies: Vec<oneshot::Sender<Result<ReceiptId, JournalFault>>>,
    bytes: usize,
    /// How far receipts are expanded, each with the transaction that must be on the disk first.
    notes: VecDeque<(Progress, u64)>,
}

impl Batch {
    /// Takes a request in; one that only asks is given back.
    fn add(&mut self, request: Request) -> Option<oneshot::Sender<Result<(), JournalFault>>> {
        match request {
            Request::Check(reply) => return Some(reply),
            Request::Receive(receipt, reply) => {
                self.bytes += receipt.body.len();
                self.receipts.push(receipt);
                self.replies.push(reply);
            }
            Request::Note(progress, transaction) => {
                self.notes.extend(progress.into_iter().map(|progress| (progress, transaction)));
            }
        }
        None
    }

    /// The first of the notes, as far as they may be written.
    fn ready(&self, synced: &Synced) -> Vec<Progress> {
        let ready = self.notes.iter().take_while(|(_, transaction)| synced.is_on_disk(*transaction));
        ready.map(|(progress, _)| *progress).collect()
    }
}
