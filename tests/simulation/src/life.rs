//! Life and death of a process, and its clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use selfheal_runtime::ports::Clock;
use selfheal_runtime::simulation::{MemoryJournal, Timeline};
use tokio::sync::Notify;

/// How often the outbox is looked at when nothing calls.
const OUTBOX_LOOK: Duration = Duration::from_secs(1);

/// Whether a process lives. What belongs to a dead one never goes on: its calls do not return.
#[derive(Default)]
pub struct Life {
    over: AtomicBool,
    died: Notify,
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

    /// Goes on only in a living process.
    pub async fn go_on(&self) {
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
    /// What the outbox is looked at for.
    pub outbox: Arc<Outbox>,
}

/// Lets the outbox sleep while there is nothing in it: looking at it every second would be most of a simulation's work.
#[derive(Default)]
pub struct Outbox {
    journal: Arc<MemoryJournal>,
    /// The last look has found nothing, and whoever looked is about to wait for a second.
    empty: AtomicBool,
    news: Notify,
}

impl Outbox {
    /// Of this journal.
    pub fn new(journal: Arc<MemoryJournal>) -> Self {
        Self { journal, empty: AtomicBool::new(false), news: Notify::new() }
    }

    /// A look has found nothing.
    pub fn found_empty(&self) {
        self.empty.store(true, Ordering::Relaxed);
    }

    /// There is news.
    pub fn ring(&self) {
        self.news.notify_waiters();
    }
}

impl HouseClock {
    /// Sleeps for at least as long, and on until there is something to deliver.
    async fn until_news(&self, at_least: Duration) {
        let earliest = self.timeline.elapsed() + at_least;
        loop {
            let mut news = std::pin::pin!(self.outbox.news.notified());
            news.as_mut().enable();
            let Some(due) = self.outbox.journal.next_delivery() else {
                news.await;
                continue;
            };
            let until_due = Duration::try_from(due.duration_since(self.now())).unwrap_or_default();
            let wait = until_due.max(earliest.saturating_sub(self.timeline.elapsed()));
            tokio::select! {
                biased;
                () = self.timeline.sleep(wait) => return,
                () = news => {}
            }
        }
    }
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
        if self.outbox.empty.swap(false, Ordering::Relaxed) && duration == OUTBOX_LOOK {
            self.until_news(duration).await;
        } else {
            self.timeline.sleep(duration).await;
        }
        self.life.go_on().await;
    }
}
