//! The real clock and real randomness: the one place of the project where they are taken from the system.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::Timestamp;
use selfheal_runtime::ports::{Clock, Entropy};

/// The system's clock.
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time begins now.
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    /// Waits in pieces, so that a wall clock that was set is noticed.
    async fn sleep_until(&self, moment: Timestamp) {
        const PIECE: Duration = Duration::from_secs(5);
        loop {
            let remaining = Duration::try_from(moment.duration_since(self.now())).unwrap_or_default();
            if remaining.is_zero() {
                return;
            }
            tokio::time::sleep(remaining.min(PIECE)).await;
        }
    }
}

/// The system's randomness.
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn bytes(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("a system without randomness cannot serve TLS or tokens either");
        bytes
    }
}
