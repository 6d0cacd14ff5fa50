//! The thread that waits for the disk, so that the one that writes does not: while the log is synced, further transactions are
//! committed to it, and the next sync is for all of them.
//!
//! SQLite itself syncs the log only before it moves its pages into place. A commit is in the log when it returns, and on the disk when a
//! sync that began later has ended.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use super::writer::Job;
use crate::breakage::{BreakOnPanic, Breakage, broken};
use crate::synced::Synced;

/// The way to the thread: jobs that are committed, and are answered when they are on the disk.
pub(super) type ToDisk = Sender<Vec<Box<dyn Job>>>;

/// How the log is brought to the disk.
pub(super) type Sync = Box<dyn FnMut() -> io::Result<()> + Send>;

/// Syncs the log of the journal at `path`, which is there while any connection is.
///
/// # Errors
/// The log cannot be opened.
pub(super) fn log_of(path: &Path) -> io::Result<Sync> {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    let log = File::options().write(true).open(name)?;
    Ok(Box::new(move || log.sync_data()))
}

/// Starts the thread. It ends when nobody writes any more and everybody has been answered.
pub(super) fn start(
    mut sync: Sync,
    synced: Arc<Synced>,
    breakage: Breakage,
) -> io::Result<(ToDisk, JoinHandle<()>)> {
    let (sender, receiver) = channel();
    let thread = std::thread::Builder::new()
        .name("sync".to_owned())
        .spawn(move || sync_all(&mut sync, &receiver, &synced, &breakage))?;
    Ok((sender, thread))
}

fn sync_all(sync: &mut Sync, receiver: &Receiver<Vec<Box<dyn Job>>>, synced: &Synced, breakage: &Breakage) {
    let _on_panic = BreakOnPanic(Arc::clone(breakage));
    while let Ok(mut jobs) = receiver.recv() {
        receiver.try_iter().for_each(|more| jobs.extend(more));
        let committed = synced.committed();
        match sync() {
            // Of what a sync has failed to write, a later one knows nothing.
            Ok(()) if breakage.get().is_some() => {}
            Ok(()) => synced.reach(committed),
            Err(error) => {
                let what = format!("a sync of the journal failed, and what is on disk is not known: {error}");
                tracing::error!(what, "the journal stops");
                // Set before anybody is answered, so that nobody who was told can still be acknowledged.
                let _ = breakage.set(what);
            }
        }
        if let Some(what) = breakage.get() {
            jobs.iter_mut().for_each(|job| job.refuse(broken(what.clone())));
        }
        jobs.into_iter().for_each(Job::answer);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use selfheal_runtime::ports::{JournalFault, JournalFaultKind};

    use super::super::fault::Trouble;
    use super::super::statements::Statements;
    use super::*;

    /// Notes its answer.
    struct Noted {
        outcome: Result<(), JournalFault>,
        answers: Arc<Mutex<Vec<Option<JournalFaultKind>>>>,
    }

    impl Job for Noted {
        fn run(&mut self, _: &Statements<'_>) -> Result<(), Trouble> {
            Ok(())
        }

        fn refuse(&mut self, fault: JournalFault) {
            self.outcome = Err(fault);
        }

        fn waits_for_disk(&self) -> bool {
            true
        }

        fn bytes(&self) -> usize {
            0
        }

        fn answer(self: Box<Self>) {
            self.answers.lock().unwrap().push(self.outcome.err().map(|fault| fault.kind));
        }
    }

    #[test]
    fn after_a_failed_sync_nobody_is_told_that_anything_is_on_the_disk() {
        let (synced, breakage) = (Arc::new(Synced::default()), Breakage::default());
        let mut turn = 0;
        let sync: Sync = Box::new(move || {
            turn += 1;
            if turn == 2 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        });
        let answers = Arc::new(Mutex::new(Vec::new()));
        let (disk, thread) = start(sync, Arc::clone(&synced), Arc::clone(&breakage)).unwrap();
        for number in 1..=3 {
            synced.commit();
            disk.send(vec![Box::new(Noted { outcome: Ok(()), answers: Arc::clone(&answers) })]).unwrap();
            while answers.lock().unwrap().len() < number {
                std::thread::yield_now();
            }
            assert_eq!(synced.is_on_disk(number as u64), number == 1);
        }
        drop(disk);
        thread.join().unwrap();
        let broken = Some(JournalFaultKind::Broken);
        assert_eq!(*answers.lock().unwrap(), [None, broken, broken]);
        assert!(breakage.get().unwrap().contains("what is on disk is not known"));
    }
}
