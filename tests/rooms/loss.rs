//! Deaths: a process ends at a chosen write, before or after it is durable.

use std::sync::Arc;

use async_trait::async_trait;
use selfheal_runtime::ports::{JournalFault, JournalFaultKind};
use selfheal_tests::journal::{Call, Watch};

use crate::life::{Flight, Life, Pulse};

/// At which write a process dies; they count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// It lives for ever.
    Never,
    /// The write is not carried out.
    Before(u32),
    /// The write is durable, and nobody learns of it.
    After(u32),
}

/// Ends a life at its time.
pub struct Fate {
    /// When.
    pub death: Death,
    /// Whose.
    pub life: Arc<Life>,
    /// What a test waits by.
    pub pulse: Arc<Pulse>,
}

impl Fate {
    async fn meet(&self, here: bool) {
        if here {
            self.life.end();
        }
        self.life.go_on().await;
    }
}

#[async_trait]
impl Watch for Fate {
    type Flight = Flight;

    async fn before(&self, call: Call) -> Result<Flight, JournalFault> {
        self.life.go_on().await;
        self.meet(matches!((call, self.death), (Call::Write(now), Death::Before(then)) if now == then)).await;
        self.life.answered().await;
        if self.life.is_cut_off() {
            let what = "connection refused".to_owned();
            return Err(JournalFault { kind: JournalFaultKind::Unavailable, what });
        }
        Ok(self.pulse.take_off())
    }

    async fn after(&self, call: Call) {
        self.meet(matches!((call, self.death), (Call::Write(now), Death::After(then)) if now == then)).await;
    }
}
