//! The ledger in Redis, for several processes that share it: one server, or one of several that stand in for each other.
//!
//! - One Lua script for each operation: Redis runs it as one atomic step, in one round trip.
//! - Leases, cooldowns and windows go by Redis's own clock, which all processes share: were each to use its own, one that
//!   runs ahead would find the leases of the others ended. The caller's time only serves to say, in its terms, until
//!   when it has to wait.
//! - All keys share a hash tag, so that a cluster keeps them together, and every key has a time to live, so that what is
//!   forgotten goes away. For the same reason Redis must not evict: a cooldown that is evicted is a safety limit lost.
//! - A Redis that has lost its memory grants nothing: a key, the mark, names the history of Redis's data that was told
//!   everything that the journal knows. Where that is gone, or another history is being written, after a restart or because a
//!   replica was promoted that may be behind, the claims that still count are restored from the journal. Each script looks
//!   at the mark in its one atomic step, so there is no moment in which a promoted replica grants what it cannot know.
//!
//! `address` reads the URL, `master` finds the server that has the keys, `health` says whether it can be trusted, `scripts` has
//! the Lua.

mod address;
mod health;
mod master;
mod scripts;
mod trouble;

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use selfheal_core::moment::later;
use selfheal_runtime::ports::ledger::{LedgerReading, Memory};
use selfheal_runtime::ports::{Claim, Ledger, LedgerFault, Reserved};

pub use address::{RedisAddress, RedisAddressFault};
use master::Master;
use scripts::{Found, Scripts};
use trouble::Trouble;

/// What is wrong with a ledger's settings.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RedisSettingsFault {
    /// The address cannot be read.
    #[error("ledger: cannot use the URL: {0}")]
    Address(#[from] RedisAddressFault),
    /// The prefix is empty or has braces, which mark the hash tag.
    #[error("ledger: prefix {0:?}: expected some text without braces, such as \"selfheal\"")]
    Prefix(String),
}

/// The ledger of several processes, in Redis.
///
/// Reconnects by itself, to whichever server is the master then; every operation ends within the time-out, with a fault
/// if Redis has not answered. After such a fault it is not known whether the operation took place, and repeating it is
/// safe.
pub struct RedisLedger {
    master: Master,
    scripts: Scripts,
}

impl RedisLedger {
    /// A ledger in the Redis at `url`, of which [`RedisAddress`] has the forms, in keys that begin with `{prefix}:`. It
    /// connects when it is first used, so that selfheal starts while Redis is down.
    ///
    /// Needs a Tokio runtime, and a process-wide rustls provider for TLS.
    ///
    /// # Errors
    /// When the URL or the prefix cannot be used.
    pub fn connect(url: &str, prefix: &str, timeout: Duration) -> Result<Self, RedisSettingsFault> {
        if prefix.is_empty() || prefix.contains(['{', '}']) {
            return Err(RedisSettingsFault::Prefix(prefix.to_owned()));
        }
        let (address, scripts) = (RedisAddress::parse(url)?, Scripts::new(prefix));
        Ok(Self { master: Master::new(address, scripts.mark(), timeout), scripts })
    }

    /// Why this Redis must not be used, if it says so itself; nothing when it cannot be asked.
    pub async fn unfit(&self) -> Option<String> {
        match self.master.check().await {
            Err(Trouble::Unfit(why)) => Some(why),
            _ => None,
        }
    }
}

#[async_trait]
impl Ledger for RedisLedger {
    async fn reserve(&self, claim: &Claim, now: Timestamp) -> Result<Reserved, LedgerFault> {
        let found = self.master.ask(|redis| self.scripts.reserve(redis, claim)).await?;
        Ok(Reserved { granted: found.granted, reading: reading(found, now) })
    }

    async fn look(&self, claim: &Claim, now: Timestamp) -> Result<LedgerReading, LedgerFault> {
        let found = self.master.ask(|redis| self.scripts.look(redis, claim)).await?;
        Ok(reading(found, now))
    }

    async fn renew(&self, claim: &Claim, _: Timestamp) -> Result<(), LedgerFault> {
        let lost = self.master.ask(|redis| self.scripts.renew(redis, claim)).await?;
        lost.map_or(Ok(()), |why| Err(LedgerFault(format!("{}: {why}", claim.holder))))
    }

    async fn release(&self, claim: &Claim, _: Timestamp) -> Result<(), LedgerFault> {
        Ok(self.master.ask(|redis| self.scripts.release(redis, claim)).await?)
    }

    async fn lost(&self) -> Result<Option<Memory>, LedgerFault> {
        // One that has become unfit is given up here, so that nothing is granted by it any more.
        self.master.check().await?;
        Ok(self.master.ask(|redis| self.scripts.lost(redis)).await?.map(Memory))
    }

    async fn restored(&self, memory: &Memory) -> Result<(), LedgerFault> {
        Ok(self.master.ask(|redis| self.scripts.restored(redis, &memory.0)).await?)
    }

    async fn restore(&self, claim: &Claim, granted_at: Timestamp, running: bool) -> Result<(), LedgerFault> {
        // By the wall clock, which this process and Redis agree about well enough for windows of minutes and hours.
        let at = granted_at.as_millisecond();
        Ok(self.master.ask(|redis| self.scripts.restore(redis, claim, at, running)).await?)
    }

    async fn check(&self) -> Result<(), LedgerFault> {
        self.master.check().await?;
        // Whoever may ask how Redis is may still not be let to write the keys.
        Ok(self.master.ask(|redis| self.scripts.check(redis)).await?)
    }
}

/// Says in the caller's time what Redis said in time that remains.
fn reading(found: Found, now: Timestamp) -> LedgerReading {
    let then = |remaining: Option<Duration>| remaining.map(|remaining| later(now, remaining));
    LedgerReading {
        duplicate: found.duplicate,
        busy: found.busy,
        cooling_until: then(found.cooling),
        target_full: found.target_full.map(|(target, remaining)| (target, later(now, remaining))),
        all_full_until: then(found.all_full),
        running: found.running,
    }
}
