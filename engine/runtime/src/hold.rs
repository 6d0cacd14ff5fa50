//! What this process holds: renewed while it is needed, and known to be held only for as long as that is certain.
//!
//! The journal's clock decides when a lease ends. This process measures from before it asked, by the clock that only goes
//! forward, and takes a quarter off: within that time nobody else can have taken the issue.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::engine::Engine;
use crate::ports::journal::{HOLD, Tenure};

/// How often what is held is renewed.
const RENEW_EVERY: Duration = Duration::from_secs(5);
/// For how long after a renewal it is certain that nobody else holds the issue.
const CERTAIN: Duration = Duration::from_secs(15);

/// The issues that this process holds, each since when that was last confirmed.
#[derive(Default)]
pub(crate) struct Holds {
    confirmed: Mutex<HashMap<Tenure, Duration>>,
}

impl Holds {
    fn confirmed(&self) -> MutexGuard<'_, HashMap<Tenure, Duration>> {
        self.confirmed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An issue was taken by a call that was made at this time.
    pub(crate) fn add(&self, tenure: Tenure, at: Duration) {
        self.confirmed().insert(tenure, at);
    }

    /// It was confirmed by a call that was made at this time that the issue is held, if it still is.
    pub(crate) fn confirm(&self, tenure: Tenure, at: Duration) {
        if let Some(confirmed) = self.confirmed().get_mut(&tenure) {
            *confirmed = at.max(*confirmed);
        }
    }

    /// The issue is not needed any more, or was lost. Says whether it was held.
    pub(crate) fn drop(&self, tenure: Tenure) -> bool {
        self.take(tenure).is_some()
    }

    /// The issue is about to be given back, and not renewed meanwhile. Gives since when it was confirmed, if it was held.
    pub(crate) fn take(&self, tenure: Tenure) -> Option<Duration> {
        self.confirmed().remove(&tenure)
    }

    /// Nothing is needed any more; gives what was held.
    pub(crate) fn drop_all(&self) -> Vec<Tenure> {
        self.confirmed().drain().map(|(tenure, _)| tenure).collect()
    }

    /// Whether nobody else can hold the issue at this time.
    pub(crate) fn is_certain(&self, tenure: Tenure, now: Duration) -> bool {
        self.confirmed().get(&tenure).is_some_and(|at| now.saturating_sub(*at) < CERTAIN)
    }

    fn all(&self) -> Vec<Tenure> {
        self.confirmed().keys().copied().collect()
    }
}

/// Renews what is held, for as long as the process runs.
pub(crate) async fn run(engine: Arc<Engine>) {
    loop {
        engine.clock.sleep(RENEW_EVERY).await;
        let held = engine.holds.all();
        if held.is_empty() {
            continue;
        }
        let began = engine.clock.monotonic();
        match engine.journal.keep(held.clone(), engine.clock.now(), HOLD).await {
            Ok(kept) => {
                kept.iter().for_each(|tenure| engine.holds.confirm(*tenure, began));
                for tenure in held.into_iter().filter(|tenure| !kept.contains(tenure)) {
                    // A look that has just ended has given it back itself.
                    if engine.holds.drop(tenure) {
                        engine.desk.lost(tenure);
                    }
                }
            }
            // Effects wait until it is certain again, or learn that it is lost.
            Err(fault) => tracing::warn!(%fault, issues = held.len(), "what is held could not be renewed"),
        }
    }
}
