//! The pulse by which a simulation knows that nothing moves any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Polls without any event after which everything has come to rest: far longer than any chain of tasks that wake each
/// other without touching the clock, the journal or the target.
const QUIET_POLLS: usize = 16;

/// Counts what happens, and what another thread is at work on.
#[derive(Default)]
pub struct Pulse {
    events: AtomicU64,
    in_flight: AtomicUsize,
    landed: Notify,
}

impl Pulse {
    /// Something happened.
    pub fn beat(&self) {
        self.events.fetch_add(1, Ordering::Relaxed);
    }

    /// Another thread is at work, until what is returned is dropped.
    pub fn take_off(self: &Arc<Self>) -> Flight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Flight(Arc::clone(self))
    }

    /// Waits until every task of this thread waits for the clock, for an event of a test, or for ever.
    pub async fn settle(&self) {
        loop {
            let before = self.events.load(Ordering::Relaxed);
            for _ in 0..QUIET_POLLS {
                tokio::task::yield_now().await;
                while self.in_flight.load(Ordering::Relaxed) > 0 {
                    self.landed.notified().await;
                }
            }
            if self.events.load(Ordering::Relaxed) == before {
                return;
            }
        }
    }
}

/// Something that another thread is at work on.
pub struct Flight(Arc<Pulse>);

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.0.beat();
        self.0.landed.notify_one();
    }
}
