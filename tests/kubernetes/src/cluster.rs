//! What the server's tasks and the test share.

use crate::{access::Access, controllers, exec::Exec, faults::Faults, store::Store, watch::Order};
use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};
use tokio::sync::{broadcast, watch};

/// One cluster that is not there.
#[derive(Debug)]
pub(crate) struct Cluster {
    store: Mutex<Store>,
    access: Mutex<Access>,
    exec: Mutex<Exec>,
    pub(crate) faults: Faults,
    pub(crate) revisions: watch::Sender<u64>,
    pub(crate) watch_orders: broadcast::Sender<Order>,
    pub(crate) controllers: AtomicBool,
}

impl Cluster {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            revisions: watch::Sender::new(store.revision()),
            store: Mutex::new(store),
            access: Mutex::default(),
            exec: Mutex::default(),
            faults: Faults::default(),
            watch_orders: broadcast::Sender::new(64),
            controllers: AtomicBool::new(false),
        }
    }

    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        locked(&self.store)
    }

    pub(crate) fn access(&self) -> MutexGuard<'_, Access> {
        locked(&self.access)
    }

    pub(crate) fn exec(&self) -> MutexGuard<'_, Exec> {
        locked(&self.exec)
    }

    /// Works on the store, lets the controllers follow when they are switched on, and wakes the watches.
    pub(crate) fn write<T>(&self, work: impl FnOnce(&mut Store) -> T) -> T {
        let mut store = self.store();
        let before = store.revision();
        let result = work(&mut store);
        if store.revision() != before && self.controllers.load(Ordering::Relaxed) {
            controllers::follow(&mut store, before);
        }
        let revision = store.revision();
        drop(store);
        self.revisions.send_if_modified(|seen| {
            let modified = *seen != revision;
            *seen = revision;
            modified
        });
        result
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
