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

    /// A further transaction is committed. For the one thread that writes, before anybody is answered.
    pub(crate) fn commit(&self) {
        self.committed.fetch_add(1, Ordering::Release);
    }

    /// How many transactions are not certain to be on the disk.
    pub(crate) fn behind(&self) -> u64 {
        // In this order, since what is on the disk never overtakes what is committed.
        let on_disk = self.on_disk.load(Ordering::Acquire);
        self.committed() - on_disk
    }

    /// This transaction and all before it are on the disk.
    pub(crate) fn reach(&self, transaction: u64) {
        self.on_disk.fetch_max(transaction, Ordering::Release);
    }
}
