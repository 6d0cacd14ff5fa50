//! Alerts that are on disk already. Alertmanager repeats itself; what is known needs no second place in the journal.

use std::sync::{Mutex, PoisonError};

use rustc_hash::FxHashSet;
use selfheal_core::alert::AlertKey;

/// Keys remembered in one half; with both halves about 20 MB.
const KEYS_MAX: usize = 200_000;

/// The latest keys, in two halves: when one is full, the older one is forgotten. To forget costs a row, never an alert.
#[derive(Default)]
pub(crate) struct Known {
    halves: Mutex<Halves>,
}

#[derive(Default)]
struct Halves {
    newer: FxHashSet<AlertKey>,
    older: FxHashSet<AlertKey>,
}

impl Known {
    /// Whether every one of these alerts is on disk.
    pub(crate) fn all(&self, keys: &[AlertKey]) -> bool {
        let mut halves = self.halves.lock().unwrap_or_else(PoisonError::into_inner);
        keys.iter().all(|key| {
            if halves.newer.contains(key) {
                return true;
            }
            // What is still asked for is kept for another while.
            let known = halves.older.contains(key);
            if known {
                halves.add(*key);
            }
            known
        })
    }

    /// These alerts are on disk.
    pub(crate) fn add(&self, keys: &[AlertKey]) {
        let mut halves = self.halves.lock().unwrap_or_else(PoisonError::into_inner);
        keys.iter().for_each(|key| halves.add(*key));
    }
}

impl Halves {
    fn add(&mut self, key: AlertKey) {
        if self.newer.len() >= KEYS_MAX {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(key);
    }
}
