//! Alerts that are on disk already. Alertmanager repeats itself; what is known needs no second place in the journal.

use std::sync::{Mutex, PoisonError};

use rustc_hash::FxHashMap;
use selfheal_core::alert::AlertKey;
use selfheal_core::labels::Fingerprint;

/// Alerts remembered in one half; with both halves about 30 MB.
const ALERTS_MAX: usize = 200_000;

/// What was last said of the latest alerts, in two halves: when one is full, the older one is forgotten. To forget costs a
/// row, never an alert.
#[derive(Default)]
pub(crate) struct Known {
    halves: Mutex<Halves>,
}

#[derive(Default)]
struct Halves {
    newer: FxHashMap<Fingerprint, AlertKey>,
    older: FxHashMap<Fingerprint, AlertKey>,
}

impl Known {
    /// Whether each of these is the last that is on disk of its alert. What was said before that is no repetition: an alert
    /// that was resolved may fire again with the start of before.
    pub(crate) fn all(&self, keys: &[AlertKey]) -> bool {
        let mut halves = self.halves();
        keys.iter().all(|key| {
            if let Some(last) = halves.newer.get(&key.fingerprint) {
                return last == key;
            }
            // What is still asked for is kept for another while.
            let known = halves.older.get(&key.fingerprint) == Some(key);
            if known {
                halves.add(*key);
            }
            known
        })
    }

    /// These alerts are on disk.
    pub(crate) fn add(&self, keys: &[AlertKey]) {
        let mut halves = self.halves();
        keys.iter().for_each(|key| halves.add(*key));
    }

    /// What was said last came to nothing now; said again later it may.
    pub(crate) fn forget(&self, fingerprint: Fingerprint) {
        let mut halves = self.halves();
        halves.newer.remove(&fingerprint);
        halves.older.remove(&fingerprint);
    }

    fn halves(&self) -> std::sync::MutexGuard<'_, Halves> {
        self.halves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Halves {
    fn add(&mut self, key: AlertKey) {
        if self.newer.len() >= ALERTS_MAX && !self.newer.contains_key(&key.fingerprint) {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(key.fingerprint, key);
    }
}
