//! The ledger in memory, for one process: one mutex, so every operation is one atomic step. After a restart it is filled
//! again from the journal. What it holds is in `state`, how it counts within a window in `window`, and what it takes
//! for the time in `elapsed`.

mod elapsed;
mod state;
mod window;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use selfheal_runtime::ports::ledger::{LedgerReading, Memory};
use selfheal_runtime::ports::{Claim, Ledger, LedgerFault, Reserved};

use state::State;

/// The ledger of a single process, in memory.
///
/// Its time never goes back: when the wall clock is set back, leases, cooldowns and windows go on from where they were.
/// What it holds is bounded by what was granted within the rate window and within the cooldowns; what has expired is
/// dropped.
#[derive(Default)]
pub struct EmbeddedLedger {
    state: Mutex<State>,
    /// Whether it was told what the journal knows.
    told: AtomicBool,
}

impl EmbeddedLedger {
    /// An empty ledger.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in the state can be left half done: whatever may refuse is checked before the first change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Ledger for EmbeddedLedger {
    async fn reserve(&self, claim: &Claim, now: Timestamp) -> Result<Reserved, LedgerFault> {
        Ok(self.state().reserve(claim, now))
    }

    async fn look(&self, claim: &Claim, now: Timestamp) -> Result<LedgerReading, LedgerFault> {
        Ok(self.state().look(claim, now))
    }

    async fn renew(&self, claim: &Claim, now: Timestamp) -> Result<(), LedgerFault> {
        self.state().renew(claim, now)
    }

    async fn release(&self, claim: &Claim, now: Timestamp) -> Result<(), LedgerFault> {
        self.state().release(claim, now);
        Ok(())
    }

    async fn lost(&self) -> Result<Option<Memory>, LedgerFault> {
        Ok((!self.told.load(Ordering::Acquire)).then(|| Memory("of this process".to_owned())))
    }

    async fn restored(&self, _: &Memory) -> Result<(), LedgerFault> {
        self.told.store(true, Ordering::Release);
        Ok(())
    }

    async fn restore(&self, claim: &Claim, granted_at: Timestamp, running: bool) -> Result<(), LedgerFault> {
        self.state().restore(claim, granted_at, running);
        Ok(())
    }

    async fn check(&self) -> Result<(), LedgerFault> {
        Ok(())
    }
}
