//! What processes that share a journal have in common: where the switch stands, how often actions helped, how many new
//! issues a rule has; and what only one of them does at a time.
//!
//! A process that has its journal alone knows all of this by itself, and asks nothing. [`follow`](crate::follow) tells what
//! the others do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::engine::Engine;
use crate::ports::journal::Said;
use crate::switch;

/// How often the journal is asked where the switch stands, when nobody says that it was turned.
const LOOK: Duration = Duration::from_secs(1);
/// How often the counts of helpful actions are read again.
const LEARN_EVERY: Duration = Duration::from_secs(60);
/// How long a task that only one process does at a time is this one's without asking again.
const LEASE: Duration = Duration::from_secs(30);

/// The tasks that are this process's, each with when that was last confirmed.
#[derive(Default)]
pub(crate) struct Leads {
    confirmed: Mutex<BTreeMap<String, Duration>>,
}

impl Leads {
    /// How long ago, by the monotonic clock, a task was confirmed to be this process's.
    fn age(&self, task: &str, now: Duration) -> Option<Duration> {
        let confirmed = self.confirmed.lock().unwrap_or_else(PoisonError::into_inner);
        confirmed.get(task).map(|at| now.saturating_sub(*at))
    }
}

/// Keeps what is shared up to date, for as long as the process runs.
pub(crate) async fn run(engine: Arc<Engine>) {
    let mut stored = None;
    let mut learnt = engine.clock.monotonic();
    loop {
        if let Err(fault) = switch::refresh(&engine, &mut stored).await {
            tracing::warn!(%fault, "cannot read where the switch stands");
        }
        if let Err(fault) = engine.follow_maintenance().await {
            tracing::warn!(%fault, "cannot read which maintenance windows stand");
        }
        if engine.clock.monotonic().saturating_sub(learnt) >= LEARN_EVERY {
            learnt = engine.clock.monotonic();
            match engine.journal.successes().await {
                Ok(successes) => engine.learnt.replace(successes),
                Err(fault) => tracing::warn!(%fault, "cannot read how often actions helped"),
            }
        }
        tokio::select! {
            biased;
            () = engine.journal.heard(Said::Call) => {}
            () = engine.clock.sleep(LOOK) => {}
        }
    }
}

impl Engine {
    /// Whether a task is this process's to do: one at a time among those that share the journal.
    pub(crate) async fn leads(&self, task: &str) -> bool {
        if !self.shared {
            return true;
        }
        let now = self.clock.monotonic();
        if self.leads.age(task, now).is_some_and(|age| age < LEASE / 2) {
            return true;
        }
        let led = self.journal.lease(task, &self.replica, self.clock.now(), LEASE).await;
        let mut leads = self.leads.confirmed.lock().unwrap_or_else(PoisonError::into_inner);
        match led {
            Ok(true) => drop(leads.insert(task.to_owned(), now)),
            Ok(false) => drop(leads.remove(task)),
            Err(ref fault) => tracing::warn!(task, %fault, "it cannot be told whose task it is"),
        }
        led.unwrap_or(false)
    }

    /// Whether a task is certain to be this process's for some time yet, up to half of the lease of [`Self::leads`].
    pub(crate) fn leads_on(&self, task: &str, time: Duration) -> bool {
        !self.shared || self.leads.age(task, self.clock.monotonic()).is_some_and(|age| age + time < LEASE)
    }

    /// Gives back all tasks of this process.
    pub(crate) async fn resign(&self) {
        let tasks = std::mem::take(&mut *self.leads.confirmed.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks.into_keys() {
            let given = self.journal.lease(&task, &self.replica, self.clock.now(), Duration::ZERO).await;
            if let Err(fault) = given {
                tracing::warn!(task, %fault, "a task could not be given back; its lease ends by itself");
                return;
            }
        }
    }
}
