//! Life and death of a process, and its clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use selfheal_runtime::ports::Clock;
use selfheal_runtime::simulation::Timeline;
use tokio::sync::Notify;

/// Whether a process lives. What belongs to a dead one never goes on: its calls do not return. What belongs to a frozen
/// one goes on when it has thawed.
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
        self.died.notify_waiters();
    }

    /// Whether it has ended.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Freezes it, as SIGSTOP would.
    pub fn freeze(&self) {
        self.frozen.store(true, Ordering::Relaxed);
    }

    /// Lets it go on, as SIGCONT would.
    pub fn thaw(&self) {
        self.frozen.store(false, Ordering::Relaxed);
        self.thawed.notify_waiters();
    }

    /// Whether it is frozen.
    pub fn is_frozen(&self) -> bool {
        self.frozen.load(Ordering::Relaxed)
    }

    /// Goes on only in a living process that is not frozen.
    pub async fn go_on(&self) {
        while self.is_frozen() {
            self.thawed.notified().await;
        }
        self.lives().await;
    }

    /// Goes on only in a living process, and is too quick to be frozen: between the last look at the lease and an effect
    /// that is on its way, only the target itself could tell that it comes too late.
    pub async fn lives(&self) {
        if self.is_over() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits for the end.
    pub async fn ended(&self) {
        let mut died = std::pin::pin!(self.died.notified());
        died.as_mut().enable();
        if !self.is_over() {
            died.await;
        }
    }

    /// Does something in a living process; `None` when it ended first.
    pub async fn during<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.ended() => None,
            done = work => Some(done),
        }
    }
}

/// The wall clock of the world, as far as it is off. It can be set, unlike the line of time.
#[derive(Default)]
pub struct WallClock {
    off_by_seconds: AtomicI64,
}

impl WallClock {
    /// Sets it forward or back.
    pub fn set(&self, seconds: i64) {
        self.off_by_seconds.fetch_add(seconds, Ordering::Relaxed);
    }

    /// What it shows at a moment of the line of time.
    pub fn show(&self, moment: Timestamp) -> Timestamp {
        let off = SignedDuration::from_secs(self.off_by_seconds.load(Ordering::Relaxed));
        moment.checked_add(off).unwrap_or(moment)
    }
}

/// The clock of one process.
pub struct HouseClock {
    /// The line of time.
    pub timeline: Arc<Timeline>,
    /// What hangs on the wall.
    pub wall: Arc<WallClock>,
    /// Whose clock it is.
    pub life: Arc<Life>,
}

#[async_trait]
impl Clock for HouseClock {
    fn now(&self) -> Timestamp {
        self.wall.show(self.timeline.now())
    }

    fn monotonic(&self) -> Duration {
        self.timeline.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        self.life.go_on().await;
        self.timeline.sleep(duration).await;
        self.life.go_on().await;
    }
}
