//! Life and death of an engine.

use std::sync::atomic::{AtomicBool, Ordering};

pub use selfheal_runtime::simulation::{Flight, Pulse};
use tokio::sync::Notify;

/// Whether a process lives. What belongs to a dead one never goes on: its calls do not return.
#[derive(Default)]
pub struct Life {
    over: AtomicBool,
    died: Notify,
    frozen: AtomicBool,
    thawed: Notify,
}

impl Life {
    /// Ends it, as SIGKILL would.
    pub fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
        self.died.notify_one();
    }

    /// Whether it has ended.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Freezes it, as SIGSTOP would: whatever it calls or waits for, it does not go on.
    pub fn freeze(&self) {
        self.frozen.store(true, Ordering::Relaxed);
    }

    /// Lets it go on, as SIGCONT would.
    pub fn thaw(&self) {
        self.frozen.store(false, Ordering::Relaxed);
        self.thawed.notify_waiters();
    }

    /// Goes on only in a living process that is not frozen.
    pub async fn go_on(&self) {
        while self.frozen.load(Ordering::Relaxed) {
            self.thawed.notified().await;
        }
        if self.is_over() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits for the end.
    pub async fn ended(&self) {
        while !self.is_over() {
            self.died.notified().await;
        }
    }
}
