//! How often each action of each rule has helped, by which `best` orders its alternatives.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use selfheal_core::success::SuccessRecord;

use crate::engine::Engine;

/// What the journal has counted, and this process since.
pub(crate) struct Learnt {
    /// By rule and action.
    records: RwLock<HashMap<(String, String), SuccessRecord>>,
    /// Whether alternatives are ordered by it.
    orders: bool,
}

impl Learnt {
    pub(crate) fn new(records: Vec<((String, String), SuccessRecord)>, orders: bool) -> Self {
        Self { records: RwLock::new(records.into_iter().collect()), orders }
    }

    /// Counts a try of an action.
    pub(crate) fn count(&self, rule: &str, action: &str, success: bool) {
        let mut records = self.records.write().unwrap_or_else(PoisonError::into_inner);
        let record = records.entry((rule.to_owned(), action.to_owned())).or_default();
        *(if success { &mut record.successes } else { &mut record.failures }) += 1;
    }

    /// Takes over what the journal has counted.
    pub(crate) fn replace(&self, records: Vec<((String, String), SuccessRecord)>) {
        *self.records.write().unwrap_or_else(PoisonError::into_inner) = records.into_iter().collect();
    }
}

impl Engine {
    /// How often an action of a rule helped, as far as that is to order alternatives.
    pub(crate) fn evidence(&self, rule: &str, action: &str) -> SuccessRecord {
        if self.learnt.orders { self.success(rule, action) } else { SuccessRecord::default() }
    }

    /// How often an action of a rule helped.
    pub fn success(&self, rule: &str, action: &str) -> SuccessRecord {
        let records = self.learnt.records.read().unwrap_or_else(PoisonError::into_inner);
        records.get(&(rule.to_owned(), action.to_owned())).copied().unwrap_or_default()
    }
}
