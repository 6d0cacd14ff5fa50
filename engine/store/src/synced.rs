//! What of the journal's file is certain to be on the disk. Expansions do not wait for it, since the inbox has what they came
//! from; the inbox forgets that only when they are there.

use std::sync::atomic::{AtomicU64, Ordering};

/// How far the journal's transactions, counted from the opening, have come.
#[derive(Debug, Default)]
pub(crate) struct Synced {
    committed: AtomicU64,
    on_disk: AtomicU64,
}

impl Synced {
    /// The last transaction: what a caller has been answered is in it or in an earlier one.
    pub(crate) fn committed(&self) -> u64 {
        self.committed.load(Ordering::Acquire)
    }

    /// Whether a transaction outlasts a machine that loses its power.
    pub(crate) fn is_on_disk(&self, transaction: u64) -> bool {
        transaction <= self.on_disk.load(Ordering::Acquire)
    }

    /// A further transaction is committed, and with `on_disk` it and all before it are there. For the one thread that writes,
    /// before anybody is answered.
    pub(crate) fn commit(&self, on_disk: bool) {
        let number = self.committed() + 1;
        self.committed.store(number, Ordering::Release);
        if on_disk {
            self.on_disk.store(number, Ordering::Release);
        }
    }

    /// How many transactions are not certain to be on the disk.
    pub(crate) fn behind(&self) -> u64 {
        self.committed() - self.on_disk.load(Ordering::Acquire)
    }

    /// All that is committed has come to the disk.
    pub(crate) fn catch_up(&self) {
        self.on_disk.store(self.committed(), Ordering::Release);
    }
}
