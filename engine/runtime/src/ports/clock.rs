//! Time as an argument.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use selfheal_core::moment::later;

/// The clock that everything goes by.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The wall clock, for records and for what must survive a restart.
    fn now(&self) -> Timestamp;

    /// A clock that only goes forward, from some moment in the past: for durations within this process.
    fn monotonic(&self) -> Duration;

    /// Waits.
    async fn sleep(&self, duration: Duration);

    /// Waits until a moment of the wall clock; returns at once when it has passed.
    async fn sleep_until(&self, moment: Timestamp) {
        let remaining = Duration::try_from(moment.duration_since(self.now())).unwrap_or_default();
        self.sleep(remaining).await;
    }

    /// The moment some time from now.
    fn after(&self, duration: Duration) -> Timestamp {
        later(self.now(), duration)
    }
}
