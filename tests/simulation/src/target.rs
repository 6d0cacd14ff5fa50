//! The target: numbers by name, each with a version, as an API server keeps them. It outlives the processes that use it,
//! and does not deduplicate what is not deduplicated at real targets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use selfheal_contract::IntentId;
use serde::{Deserialize, Serialize};

/// A number, and how often it was changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Number {
    /// Its value.
    pub value: i64,
    /// Grows with every change.
    pub version: u64,
}

/// The target.
#[derive(Default)]
pub struct Target {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    numbers: BTreeMap<String, Number>,
    /// What was added, by the intent that it was added for.
    added: BTreeSet<IntentId>,
    hands: i64,
}

impl Target {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number; 0 until it is changed.
    pub fn get(&self, name: &str) -> Number {
        self.state().numbers.get(name).copied().unwrap_or_default()
    }

    /// Makes a number this. Gives whether that changes anything.
    pub fn set(&self, name: &str, value: i64) -> bool {
        let mut state = self.state();
        let number = state.numbers.entry(name.to_owned()).or_default();
        let changes = number.value != value;
        if changes {
            *number = Number { value, version: number.version + 1 };
        }
        changes
    }

    /// Adds to a number, for an intent, however often it is asked.
    pub fn add(&self, name: &str, value: i64, intent: IntentId) {
        let mut state = self.state();
        state.added.insert(intent);
        let number = state.numbers.entry(name.to_owned()).or_default();
        *number = Number { value: number.value + value, version: number.version + 1 };
    }

    /// Whether something was added for an intent.
    pub fn has_added(&self, intent: &IntentId) -> bool {
        self.state().added.contains(intent)
    }

    /// Another hand sets a number, to a value that nobody else sets.
    pub fn disturb(&self, name: &str) {
        let value = {
            let mut state = self.state();
            state.hands += 1;
            1000 + state.hands
        };
        self.set(name, value);
    }
}
