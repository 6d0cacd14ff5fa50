//! The clock of a process that may die.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use selfheal_runtime::ports::Clock;
pub use selfheal_runtime::simulation::Timeline;

use crate::life::Life;

/// When every test begins: noon of a Sunday.
pub fn began() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

/// The clock of one process.
pub struct ManualClock {
    /// Its time.
    pub timeline: Arc<Timeline>,
    /// Whose clock it is.
    pub life: Arc<Life>,
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.timeline.now()
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
