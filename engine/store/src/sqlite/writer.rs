//! The one thread that writes: it takes all that is queued, carries it out in order in one transaction, and commits once. Who
//! need not wait for the disk is answered then, the others by `syncer`, when it is there. Nothing lingers.
//!
//! A batch first runs without savepoints, which almost always succeeds. When a request in it cannot be carried out, the
//! batch is rolled back and run again with a savepoint around each request, so that only that request is undone. A
//! failure of the disk undoes the batch; a commit of unknown fate ends the thread, and the journal with it.

use std::sync::Arc;

use rusqlite::Connection;
use selfheal_runtime::ports::JournalFault;
use tokio::sync::{mpsc, oneshot};

use super::database::Nudge;
use super::fault::{Reach, Trouble, commit_is_unknown, unavailable};
use super::statements::Statements;
use super::syncer::ToDisk;
use crate::breakage::{self, BreakOnPanic, Breakage, broken};
use crate::synced::Synced;

/// The most requests in one transaction.
const BATCH_REQUESTS_MAX: usize = 512;
/// No further request joins a transaction that carries this much already.
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How many commits the log gathers before the other thread is told to move them into place.
const COMMITS_BETWEEN_CHECKPOINTS: u32 = 64;
/// After so many transactions for which nobody waited, the disk is brought up to date: the inbox must not grow without end.
const BEHIND_MAX: u64 = 64;
/// The most requests that wait for the next transaction; further ones wait in their callers.
const QUEUE_REQUESTS_MAX: usize = 4096;

/// One change of the journal. It may be carried out more than once, each time after everything that it did was undone.
pub(super) trait Work: Send + 'static {
    /// What the caller is told.
    type Answer: Send + 'static;

    /// Whether the caller is told only when it is on the disk. What does not wait must be made anew from elsewhere after a
    /// loss of power, or do no harm when that has undone it.
    const WAITS_FOR_DISK: bool = true;

    /// Carries it out within the current transaction.
    fn run(&self, statements: &Statements<'_>) -> Result<Self::Answer, Trouble>;

    /// About how much it writes, in bytes.
    fn bytes(&self) -> usize;
}

/// The way to the writer.
pub(super) struct Queue {
    sender: mpsc::Sender<Box<dyn Job>>,
    breakage: Breakage,
}

impl Queue {
    /// Has the writer do something, and waits until that is on disk. The work is done even if the caller stops waiting.
    pub(super) async fn submit<W: Work>(&self, work: W) -> Result<W::Answer, JournalFault> {
        let ended = || self.unbroken().err().unwrap_or_else(|| broken("the writer has ended"));
        self.unbroken()?;
        let (reply, answer) = oneshot::channel();
        let job = Task { work, outcome: None, reply };
        self.sender.send(Box::new(job)).await.map_err(|_| ended())?;
        // The work comes back with the outcome: the one thread that writes need not spend its time on dropping it.
        answer.await.map_or_else(|_| Err(ended()), |(outcome, _work)| outcome)
    }

    /// A fault once the journal is broken.
    pub(super) fn unbroken(&self) -> Result<(), JournalFault> {
        breakage::unbroken(&self.breakage)
    }
}

/// A piece of work on its way through the writer, whatever its answer is.
pub(super) trait Job: Send {
    fn run(&mut self, statements: &Statements<'_>) -> Result<(), Trouble>;
    fn refuse(&mut self, fault: JournalFault);
    fn waits_for_disk(&self) -> bool;
    fn bytes(&self) -> usize;
    fn answer(self: Box<Self>);
}

type Outcome<W> = Result<<W as Work>::Answer, JournalFault>;

struct Task<W: Work> {
    work: W,
    outcome: Option<Outcome<W>>,
    reply: oneshot::Sender<(Outcome<W>, W)>,
}

impl<W: Work> Job for Task<W> {
    fn run(&mut self, statements: &Statements<'_>) -> Result<(), Trouble> {
        self.outcome = Some(Ok(self.work.run(statements)?));
        Ok(())
    }

    fn refuse(&mut self, fault: JournalFault) {
        self.outcome = Some(Err(fault));
    }

    fn waits_for_disk(&self) -> bool {
        W::WAITS_FOR_DISK
    }

    fn bytes(&self) -> usize {
        self.work.bytes()
    }

    fn answer(self: Box<Self>) {
        let outcome = self.outcome.expect("every job of a batch has run or was refused");
        // The caller may have stopped waiting.
        let _ = self.reply.send((outcome, self.work));
    }
}

/// Starts the writer. It ends when the queue is dropped and empty, or when the journal is broken.
pub(super) fn start(
    connection: Connection,
    checkpoints: Nudge,
    disk: ToDisk,
    synced: Arc<Synced>,
    breakage: Breakage,
) -> std::io::Result<(Queue, std::thread::JoinHandle<()>)> {
    let (sender, receiver) = mpsc::channel(QUEUE_REQUESTS_MAX);
    let shared = Arc::clone(&breakage);
    let thread = std::thread::Builder::new()
        .name("journal".to_owned())
        .spawn(move || write_all(&connection, receiver, &shared, &checkpoints, &disk, &synced))?;
    Ok((Queue { sender, breakage }, thread))
}

/// The thread: it ends when there is nothing more to come, or when the journal is broken.
fn write_all(
    connection: &Connection,
    mut receiver: mpsc::Receiver<Box<dyn Job>>,
    breakage: &Breakage,
    checkpoints: &Nudge,
    disk: &ToDisk,
    synced: &Synced,
) {
    let mut commits = 0_u32;
    let _on_panic = BreakOnPanic(Arc::clone(breakage));
    let statements = Statements::on(connection);
    let mut batch: Vec<Box<dyn Job>> = Vec::with_capacity(BATCH_REQUESTS_MAX);
    while breakage.get().is_none() && gather(&mut receiver, &mut batch) {
        match transact(&statements, &mut batch) {
            Ok(()) => {
                synced.commit();
                let (wait, ready): (Vec<_>, Vec<_>) = batch.drain(..).partition(|job| job.waits_for_disk());
                ready.into_iter().for_each(Job::answer);
                // The thread is there for as long as this one is; if it has panicked, the journal is broken and its jobs say so.
                if !wait.is_empty() || synced.behind() >= BEHIND_MAX {
                    let _ = disk.send(wait);
                }
            }
            Err(Failure { reach, fault }) => {
                if reach == Reach::Journal {
                    tracing::error!(%fault, "the journal stops: what is on disk is not known");
                    // Set before anybody is answered, so that nobody who was told can still be acknowledged.
                    let _ = breakage.set(fault.what.clone());
                } else {
                    tracing::warn!(%fault, requests = batch.len(), "nothing was written");
                }
                batch.iter_mut().for_each(|job| job.refuse(fault.clone()));
                batch.drain(..).for_each(Job::answer);
            }
        }
        commits += 1;
        if commits >= COMMITS_BETWEEN_CHECKPOINTS && checkpoints.try_send(()).is_ok() {
            commits = 0;
        }
    }
    // What nobody waited for is there as well when the process ends.
    let _ = disk.send(Vec::new());
}

/// Waits for a request and takes all that came with it. False when there will be no more.
fn gather(receiver: &mut mpsc::Receiver<Box<dyn Job>>, batch: &mut Vec<Box<dyn Job>>) -> bool {
    let Some(first) = receiver.blocking_recv() else { return false };
    let mut bytes = first.bytes();
    batch.push(first);
    while batch.len() < BATCH_REQUESTS_MAX && bytes < BATCH_BYTES_MAX {
        let Ok(next) = receiver.try_recv() else { break };
        bytes += next.bytes();
        batch.push(next);
    }
    true
}

/// Why nothing of a batch was written.
struct Failure {
    reach: Reach,
    fault: JournalFault,
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Trouble::from(error).into()
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        match trouble.reach() {
            Reach::Journal => Self { reach: Reach::Journal, fault: broken(trouble.to_string()) },
            reach => Self { reach, fault: trouble.fault() },
        }
    }
}

/// Carries out a batch in one transaction. With `Ok`, each job has its own outcome and is on disk unless refused.
fn transact(statements: &Statements<'_>, batch: &mut [Box<dyn Job>]) -> Result<(), Failure> {
    let together = attempt(statements, batch, run_together);
    match together {
        Err(failure) if failure.reach == Reach::Request => attempt(statements, batch, run_apart),
        result => result,
    }
}

type Run = fn(&Statements<'_>, &mut [Box<dyn Job>]) -> Result<(), Failure>;

fn attempt(statements: &Statements<'_>, batch: &mut [Box<dyn Job>], run: Run) -> Result<(), Failure> {
    statements.get("BEGIN IMMEDIATE")?.execute([])?;
    if let Err(failure) = run(statements, batch) {
        return Err(roll_back(statements.connection(), failure));
    }
    let committed = statements.get("COMMIT").and_then(|mut commit| commit.execute([]));
    match committed {
        Ok(_) => Ok(()),
        Err(error) if commit_is_unknown(&error) => {
            let fault = broken(format!("commit failed, and what is on disk is not known: {error}"));
            Err(Failure { reach: Reach::Journal, fault })
        }
        Err(error) => Err(roll_back(
            statements.connection(),
            Failure { reach: Reach::Transaction, fault: unavailable(&error) },
        )),
    }
}

fn run_together(statements: &Statements<'_>, batch: &mut [Box<dyn Job>]) -> Result<(), Failure> {
    batch.iter_mut().try_for_each(|job| job.run(statements)).map_err(Failure::from)
}

fn run_apart(statements: &Statements<'_>, batch: &mut [Box<dyn Job>]) -> Result<(), Failure> {
    for job in batch {
        statements.get("SAVEPOINT request")?.execute([])?;
        if let Err(trouble) = job.run(statements) {
            if trouble.reach() != Reach::Request {
                return Err(trouble.into());
            }
            statements.get("ROLLBACK TO request")?.execute([])?;
            job.refuse(trouble.fault());
        }
        statements.get("RELEASE request")?.execute([])?;
    }
    Ok(())
}

/// Undoes the transaction, which SQLite may have done by itself. One that cannot be undone breaks the journal.
fn roll_back(connection: &Connection, failure: Failure) -> Failure {
    if connection.is_autocommit() {
        return failure;
    }
    match connection.execute_batch("ROLLBACK") {
        Ok(()) => failure,
        Err(error) => {
            let fault = broken(format!("{}, and it could not be undone: {error}", failure.fault.what));
            Failure { reach: Reach::Journal, fault }
        }
    }
}
