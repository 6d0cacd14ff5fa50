//! The ledger as one process sees it: it cannot be asked, takes its time, or has forgotten. It may be of the process
//! alone, or outlive it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use selfheal_core::guard::LedgerReading;
use selfheal_runtime::ports::ledger::Memory;
use selfheal_runtime::ports::{Claim, Clock, Ledger, LedgerFault, Reserved};
use selfheal_store::EmbeddedLedger;

use crate::dice::Dice;
use crate::house::Porch;

/// A ledger that outlives processes, and can be made to forget.
pub struct Shared {
    clock: Arc<dyn Clock>,
    ledger: Mutex<Arc<EmbeddedLedger>>,
}

impl Shared {
    /// One that goes by this clock.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { ledger: Mutex::new(Arc::new(EmbeddedLedger::new(Arc::clone(&clock)))), clock }
    }

    /// What it is at the moment.
    fn current(&self) -> Arc<EmbeddedLedger> {
        Arc::clone(&self.ledger.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Forgets everything, as a Redis without persistence does when it is started again.
    pub fn forget(&self) {
        *self.ledger.lock().unwrap_or_else(PoisonError::into_inner) =
            Arc::new(EmbeddedLedger::new(Arc::clone(&self.clock)));
    }
}

/// The ledger behind one process's faults.
pub struct FaultyLedger {
    porch: Arc<Porch>,
    inner: Arc<Shared>,
    dice: Mutex<Dice>,
}

impl FaultyLedger {
    /// Of this process.
    pub fn new(porch: Arc<Porch>, inner: Arc<Shared>) -> Self {
        let dice = porch.dice("ledger");
        Self { porch, inner, dice: Mutex::new(dice) }
    }

    /// Asks it, if it can be asked.
    async fn reached(&self) -> Result<Arc<EmbeddedLedger>, LedgerFault> {
        self.porch.life.go_on().await;
        self.porch.pulse().beat();
        let weather = self.porch.weather();
        let faults = self.porch.faults();
        let (mut refuses, mut wait) = (weather.is(|weather| &weather.ledger_down), None);
        if !weather.is(|weather| &weather.calm) {
            let mut dice = self.dice.lock().unwrap_or_else(PoisonError::into_inner);
            refuses |= dice.chance(faults.ledger_refuses);
            wait = dice
                .chance(faults.ledger_slow)
                .then(|| dice.between(Duration::from_millis(1), Duration::from_secs(3)));
        }
        if let Some(wait) = wait {
            self.porch.timeline().sleep(wait).await;
            self.porch.life.go_on().await;
        }
        if refuses { Err(LedgerFault("connection refused".to_owned())) } else { Ok(self.inner.current()) }
    }
}

#[async_trait]
impl Ledger for FaultyLedger {
    async fn reserve(&self, claim: &Claim, now: Timestamp) -> Result<Reserved, LedgerFault> {
        let reserved = self.reached().await?.reserve(claim, now).await?;
        if reserved.granted {
            self.porch.oracle().granted(&claim.holder);
        }
        self.porch
            .oracle()
            .note("reserve", u64::from(reserved.granted), || format!("{}: {reserved:?}", claim.holder));
        Ok(reserved)
    }

    async fn look(&self, claim: &Claim, now: Timestamp) -> Result<LedgerReading, LedgerFault> {
        self.reached().await?.look(claim, now).await
    }

    async fn renew(&self, claim: &Claim, now: Timestamp) -> Result<(), LedgerFault> {
        let renewed = match self.reached().await {
            Ok(ledger) => ledger.renew(claim, now).await,
            Err(fault) => Err(fault),
        };
        self.porch
            .oracle()
            .note("renew", u64::from(renewed.is_ok()), || format!("{}: {renewed:?}", claim.holder));
        if renewed.is_ok() {
            self.porch.oracle().granted(&claim.holder);
        }
        renewed
    }

    async fn release(&self, claim: &Claim, now: Timestamp) -> Result<(), LedgerFault> {
        self.porch.oracle().note("release", 0, || claim.holder.clone());
        self.reached().await?.release(claim, now).await
    }

    async fn lost(&self) -> Result<Option<Memory>, LedgerFault> {
        self.porch.life.go_on().await;
        self.inner.current().lost().await
    }

    async fn restored(&self, memory: &Memory) -> Result<(), LedgerFault> {
        self.porch.life.go_on().await;
        self.inner.current().restored(memory).await
    }

    async fn restore(&self, claim: &Claim, granted_at: Timestamp, running: bool) -> Result<(), LedgerFault> {
        // It is filled while the process starts, before anything else is asked of it.
        self.porch.life.go_on().await;
        self.inner.current().restore(claim, granted_at, running).await
    }

    async fn check(&self) -> Result<(), LedgerFault> {
        self.reached().await?.check().await
    }
}
