//! The ledger in memory, for one process: one mutex, so every operation is one atomic step. After a restart it is filled
//! again from the journal. What it holds is in `state`, how it counts within a window in `window`, and what it takes
//! for the time in `elapsed`.

mod elapsed;
mod state;
mod window;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use selfheal_runtime::ports::ledger::{LedgerReading, Memory};
use selfheal_runtime::ports::{Claim, Clock, Ledger, LedgerFault, Reserved};

use elapsed::Instant;
use state::State;

/// The ledger of a single process, in memory.
///
/// Its time is the monotonic clock's: when the wall clock is set, leases, cooldowns and windows go on from where they were.
/// What it holds is bounded by what was granted within the rate window and within the cooldowns; what has expired is
/// dropped.
pub struct EmbeddedLedger {
    state: Mutex<State>,
    clock: Arc<dyn Clock>,
    /// Whether it was told what the journal knows.
    told: AtomicBool,
}

impl EmbeddedLedger {
    /// An empty ledger, which goes by this clock.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { state: Mutex::default(), clock, told: AtomicBool::default() }
    }

    fn now(&self) -> Instant {
        Instant::now(&*self.clock)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in the state can be left half done: whatever may refuse is checked before the first change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Ledger for EmbeddedLedger {
    async fn reserve(&self, claim: &Claim, now: Timestamp) -> Result<Reserved, LedgerFault> {
        Ok(self.state().reserve(claim, now, self.now()))
    }

    async fn look(&self, claim: &Claim, now: Timestamp) -> Result<LedgerReading, LedgerFault> {
        Ok(self.state().look(claim, now, self.now()))
    }

    async fn renew(&self, claim: &Claim, now: Timestamp) -> Result<(), LedgerFault> {
        self.state().renew(claim, now, self.now())
    }

    async fn release(&self, claim: &Claim, _: Timestamp) -> Result<(), LedgerFault> {
        self.state().release(claim, self.now());
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
        self.state().restore(claim, Instant::of(granted_at, &*self.clock), running);
        Ok(())
    }

    async fn check(&self) -> Result<(), LedgerFault> {
        Ok(())
    }
}
