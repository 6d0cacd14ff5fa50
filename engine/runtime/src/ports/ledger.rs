//! The ledger: who treats what at this moment, what is cooling down, how often what was treated in the last hour.
//!
//! A reservation is one atomic step: either everything that it claims is granted and counted, or nothing is. Repeating
//! one with the same `holder` is granted again and counted once. The conformance tests in `store` hold for every
//! implementation.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
pub use selfheal_core::guard::LedgerReading;
use serde::{Deserialize, Serialize};

/// What a remediation wants to reserve before it runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// Who reserves: the remediation's name.
    pub holder: String,
    /// The issue and rule that must not be treated twice at the same time.
    pub duplicate_key: String,
    /// What it changes; each is busy for everybody else until released.
    pub targets: Vec<String>,
    /// The rule, whose cooldown counts for each target.
    pub rule: String,
    /// From now on, for this rule and each target.
    pub cooldown: Duration,
    /// Reservations of one target within `rate_window`, at most.
    pub per_target_max: u32,
    /// Reservations in all within `rate_window`, at most.
    pub in_all_max: u32,
    /// The sliding window of both. A claim with one of nothing is not counted.
    pub rate_window: Duration,
    /// Reservations that are not yet released, at most.
    pub concurrent_max: u32,
    /// How long the place among the running ones and the targets are kept without [`Ledger::renew`].
    pub lease: Duration,
}

/// The answer to a reservation.
#[derive(Clone, Debug, PartialEq)]
pub struct Reserved {
    /// Whether everything was granted.
    pub granted: bool,
    /// What stood in the way, or what the ledger held before.
    pub reading: LedgerReading,
}

/// The ledger could not be asked, or its answer was not understood. Nothing may be done then.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct LedgerFault(pub String);

/// What a ledger remembers with at the moment: names it, so that what was restored counts only where it was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory(pub String);

/// Dedupe claims, cooldowns, rate windows and places among the running remediations.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Grants and counts all of a claim, or nothing.
    async fn reserve(&self, claim: &Claim, now: Timestamp) -> Result<Reserved, LedgerFault>;

    /// What stands in the way of a claim, counting nothing.
    async fn look(&self, claim: &Claim, now: Timestamp) -> Result<LedgerReading, LedgerFault>;

    /// Keeps the targets and the place among the running ones for another `lease`.
    async fn renew(&self, claim: &Claim, now: Timestamp) -> Result<(), LedgerFault>;

    /// Gives back the targets and the place; cooldowns and rates stay counted. Releasing twice is releasing once.
    async fn release(&self, claim: &Claim, now: Timestamp) -> Result<(), LedgerFault>;

    /// The memory that has forgotten, or never knew, claims that the journal knows, if it has: nothing is granted until they
    /// are restored. The journal is read after this was asked.
    async fn lost(&self) -> Result<Option<Memory>, LedgerFault>;

    /// Everything that the journal knows has been restored. Refused when that memory is not the one at work any more.
    async fn restored(&self, memory: &Memory) -> Result<(), LedgerFault>;

    /// Takes in what the journal knows of a claim granted at `granted_at`. What the ledger knows already is not counted
    /// again.
    async fn restore(&self, claim: &Claim, granted_at: Timestamp, running: bool) -> Result<(), LedgerFault>;

    /// Whether it can be used and written, for `/ready`.
    async fn check(&self) -> Result<(), LedgerFault>;
}
