//! Time that passes only when a simulation says so.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use selfheal_core::moment::later;
use tokio::sync::oneshot;

use super::pulse::Pulse;
use crate::ports::Clock;

/// One line of time, for every process of a simulation.
pub struct Timeline {
    state: Mutex<State>,
    pulse: Arc<Pulse>,
}

struct State {
    /// How time goes on; the wall clock is off by `set`.
    now: Timestamp,
    set: SignedDuration,
    began: Timestamp,
    /// By the time at which they wake, then by the order in which they fell asleep.
    sleepers: BTreeMap<(Timestamp, u64), oneshot::Sender<()>>,
    fell_asleep: u64,
}

impl Timeline {
    /// Begins at a moment.
    pub fn new(now: Timestamp, pulse: Arc<Pulse>) -> Arc<Self> {
        let state =
            State { now, set: SignedDuration::ZERO, began: now, sleepers: BTreeMap::new(), fell_asleep: 0 };
        Arc::new(Self { state: Mutex::new(state), pulse })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time that the wall clock shows.
    pub fn now(&self) -> Timestamp {
        let state = self.state();
        state.now.saturating_add(state.set).unwrap_or(state.now)
    }

    /// Sets the wall clock forward, or back. No time passes.
    pub fn set(&self, by: SignedDuration) {
        self.state().set += by;
    }

    /// Lets time pass: whoever sleeps is woken at exactly his time, and finishes before it goes on.
    pub async fn advance(&self, by: Duration) {
        let end = later(self.state().now, by);
        self.pulse.settle().await;
        while self.wake_next(end) {
            self.pulse.settle().await;
        }
        self.state().now = end;
    }

    /// Lets time pass at once, as for a machine that was suspended: sleepers wake when time goes on.
    pub fn skip(&self, by: Duration) {
        let mut state = self.state();
        state.now = later(state.now, by);
    }

    /// Wakes those whose time comes next, if that is before the end.
    fn wake_next(&self, end: Timestamp) -> bool {
        let mut state = self.state();
        state.sleepers.retain(|_, sleeper| !sleeper.is_closed());
        let Some((&(at, _), _)) = state.sleepers.first_key_value() else { return false };
        if at > end {
            return false;
        }
        state.now = state.now.max(at);
        while let Some(entry) = state.sleepers.first_entry().filter(|entry| entry.key().0 <= at) {
            // One that was given up meanwhile needs no waking.
            let _ = entry.remove().send(());
        }
        true
    }

    /// How much time has passed since it began.
    pub fn elapsed(&self) -> Duration {
        let state = self.state();
        Duration::try_from(state.now.duration_since(state.began)).unwrap_or_default()
    }

    /// Sleeps until time has passed; not at all where there is nothing to wait for.
    pub async fn sleep(&self, duration: Duration) {
        if duration.is_zero() {
            return;
        }
        let woken = {
            let mut state = self.state();
            let (wake, woken) = oneshot::channel();
            state.fell_asleep += 1;
            let key = (later(state.now, duration), state.fell_asleep);
            state.sleepers.insert(key, wake);
            woken
        };
        self.pulse.beat();
        // The line of time outlives everybody who sleeps by it.
        let _ = woken.await;
        self.pulse.beat();
    }
}

#[async_trait]
impl Clock for Timeline {
    fn now(&self) -> Timestamp {
        Self::now(self)
    }

    fn monotonic(&self) -> Duration {
        self.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        Self::sleep(self, duration).await;
    }
}
