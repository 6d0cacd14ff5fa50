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
    cut_off: AtomicBool,
    hangs: AtomicBool,
    answers: Notify,
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

    /// Cuts it off from the journal, or lets it reach it again.
    pub fn cut_off(&self, cut_off: bool) {
        self.cut_off.store(cut_off, Ordering::Relaxed);
    }

    /// Whether it is cut off from the journal.
    pub fn is_cut_off(&self) -> bool {
        self.cut_off.load(Ordering::Relaxed)
    }

    /// Lets the journal hang, or answer again.
    pub fn hang(&self, hangs: bool) {
        self.hangs.store(hangs, Ordering::Relaxed);
        self.answers.notify_waiters();
    }

    /// Goes on when the journal answers.
    pub async fn answered(&self) {
        while self.hangs.load(Ordering::Relaxed) {
            self.answers.notified().await;
        }
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
