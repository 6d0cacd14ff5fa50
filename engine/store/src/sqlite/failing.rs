//! What has ever failed. Before every decision it is asked how often its rule has failed at its resource, and almost nothing ever
//! has: that is known here without a question to the file.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Row;
use selfheal_runtime::ports::journal::Write;

use super::open::{self, OpenFault};
use crate::counted::counted_by;

/// Rules and resources with failures, as hashes: two that share one only have the file asked in vain. What is forgotten in the file
/// stays here until the next start.
pub(super) struct Failing(Mutex<HashSet<u64>>);

impl Failing {
    /// What the file knows of.
    pub(super) fn of(path: &Path) -> Result<Self, OpenFault> {
        let known = open::ask(path, |connection| {
            let mut find = connection.prepare("SELECT DISTINCT rule, resource FROM failures")?;
            let pair = |row: &Row<'_>| Ok(hash(&row.get::<_, String>(0)?, &row.get::<_, String>(1)?));
            find.query_map([], pair)?.collect()
        });
        Ok(Self(Mutex::new(known?)))
    }

    /// These are about to be written.
    pub(super) fn note(&self, writes: &[Write]) {
        for write in writes {
            if let Write::CountFailure { rule, resource, .. } = write {
                self.known().insert(hash(rule, &counted_by(resource)));
            }
        }
    }

    /// False when a rule has never failed at a resource.
    pub(super) fn may_have(&self, rule: &str, resource: &str) -> bool {
        self.known().contains(&hash(rule, &counted_by(resource)))
    }

    fn known(&self) -> MutexGuard<'_, HashSet<u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash(rule: &str, resource: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (rule, resource).hash(&mut hasher);
    hasher.finish()
}
