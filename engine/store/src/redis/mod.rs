//! The ledger in Redis, for several processes that share it.
//!
//! - One Lua script for each operation: Redis runs it as one atomic step, in one round trip.
//! - Leases, cooldowns and windows go by Redis's own clock, which all processes share: were each to use its own, one that
//!   runs ahead would find the leases of the others ended. The caller's time only serves to say, in its terms, until
//!   when it has to wait.
//! - All keys share a hash tag, so that a cluster keeps them together, and every key has a time to live, so that what is
//!   forgotten goes away. For the same reason Redis must not evict: a cooldown that is evicted is a safety limit lost.
//!
//! - A Redis that has lost its memory grants nothing: a key names the run of Redis that was told everything that the journal
//!   knows. Where that is gone, or another run answers, the claims that still count are restored from the journal.
//!
//! `scripts` has the Lua, `health` what `check` looks at.

mod health;
mod scripts;

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::io::tcp::TcpSettings;
use redis::{AsyncCommands as _, Client, ErrorKind, IntoConnectionInfo, RedisError, SetExpiry, SetOptions};
use selfheal_core::guard::later;
use selfheal_runtime::ports::ledger::LedgerReading;
use selfheal_runtime::ports::{Claim, Ledger, LedgerFault, Reserved};

use scripts::{Found, Scripts};

/// The least time between two tries to reach a Redis that does not answer.
const RECONNECT_DELAY_MIN: Duration = Duration::from_millis(50);
/// The most tries that one loss of the connection gives rise to; the next operation begins anew.
const RECONNECTS_MAX: usize = 2;

/// How long Redis is known to know, without anybody looking.
const MEMORY: Duration = Duration::from_secs(7 * 24 * 3600);

/// What is wrong with a ledger's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RedisSettingsFaultKind {
    /// The URL cannot be read.
    Url,
    /// The prefix is empty or has braces, which mark the hash tag.
    Prefix,
}

/// Settings that no ledger can be made of.
#[derive(Clone, Debug, thiserror::Error)]
#[error("ledger: {what}")]
pub struct RedisSettingsFault {
    /// Which of them.
    pub kind: RedisSettingsFaultKind,
    /// What was expected.
    pub what: String,
}

/// The ledger of several processes, in one Redis.
///
/// Reconnects by itself; every operation ends within the time-out, with a fault if Redis has not answered. After such a
/// fault it is not known whether the operation took place, and repeating it is safe.
pub struct RedisLedger {
    connection: ConnectionManager,
    scripts: Scripts,
    timeout: Duration,
}

impl RedisLedger {
    /// A ledger in the Redis at `url` (`redis://` or `rediss://`, with user, password and database), in keys that begin
    /// with `{prefix}:`. It connects when it is first used, so that selfheal starts while Redis is down.
    ///
    /// Needs a Tokio runtime, and a process-wide rustls provider for `rediss://`.
    ///
    /// # Errors
    /// When the URL or the prefix cannot be used.
    pub fn connect(url: &str, prefix: &str, timeout: Duration) -> Result<Self, RedisSettingsFault> {
        if prefix.is_empty() || prefix.contains(['{', '}']) {
            let what = format!("prefix {prefix:?}: expected some text without braces, such as \"selfheal\"");
            return Err(RedisSettingsFault { kind: RedisSettingsFaultKind::Prefix, what });
        }
        // The URL may hold a password, so the text names only what is wrong with it.
        let unreadable = |error: RedisError| {
            let what = format!(
                "cannot use the URL, expected redis://[user:password@]host[:port][/database]: {error}"
            );
            RedisSettingsFault { kind: RedisSettingsFaultKind::Url, what }
        };
        let info = url.into_connection_info().map_err(unreadable)?;
        // A script is one small packet each way; to wait for more would only delay it.
        let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(timeout))
            .set_response_timeout(Some(timeout))
            .set_min_delay(RECONNECT_DELAY_MIN)
            .set_max_delay(timeout)
            .set_number_of_retries(RECONNECTS_MAX);
        let connection = Client::open(info)
            .and_then(|client| ConnectionManager::new_lazy_with_config(client, config))
            .map_err(unreadable)?;
        Ok(Self { connection, scripts: Scripts::new(prefix), timeout })
    }

    /// Why this Redis must not be used, if it says so itself; nothing when it cannot be asked.
    pub async fn unfit(&self) -> Option<String> {
        let report = self.within(health::ask(&mut self.connection.clone())).await.ok()?;
        health::judge(&report).err()
    }

    /// The run of Redis that was told everything, and the one that answers now. After a restart without persistence the
    /// first is gone; after one with it, or a fail-over to a replica that may be behind, the two differ.
    async fn memory(&self) -> redis::RedisResult<(Option<String>, String)> {
        let mut connection = self.connection.clone();
        let (known, server): (Option<String>, String) = redis::pipe()
            .cmd("GET")
            .arg(self.scripts.memory())
            .cmd("INFO")
            .arg("server")
            .query_async(&mut connection)
            .await?;
        let run = server.lines().find_map(|line| line.trim_end().strip_prefix("run_id:")).unwrap_or_default();
        Ok((known, run.to_owned()))
    }

    /// Runs one operation within the time-out.
    async fn within<T>(
        &self,
        operation: impl Future<Output = redis::RedisResult<T>>,
    ) -> Result<T, LedgerFault> {
        match tokio::time::timeout(self.timeout, operation).await {
            Ok(result) => result.map_err(|error| fault(&error)),
            Err(_) => Err(LedgerFault(format!("Redis has not answered within {:?}", self.timeout))),
        }
    }
}

fn fault(error: &RedisError) -> LedgerFault {
    LedgerFault(match error.kind() {
        ErrorKind::Io => format!("Redis cannot be reached: {error}"),
        _ => format!("Redis says: {error}"),
    })
}

#[async_trait]
impl Ledger for RedisLedger {
    async fn reserve(&self, claim: &Claim, now: Timestamp) -> Result<Reserved, LedgerFault> {
        let found = self.within(self.scripts.reserve(&mut self.connection.clone(), claim)).await?;
        Ok(Reserved { granted: found.granted, reading: reading(found, now) })
    }

    async fn look(&self, claim: &Claim, now: Timestamp) -> Result<LedgerReading, LedgerFault> {
        let found = self.within(self.scripts.look(&mut self.connection.clone(), claim)).await?;
        Ok(reading(found, now))
    }

    async fn renew(&self, claim: &Claim, _: Timestamp) -> Result<(), LedgerFault> {
        let lost = self.within(self.scripts.renew(&mut self.connection.clone(), claim)).await?;
        lost.map_or(Ok(()), |why| Err(LedgerFault(format!("{}: {why}", claim.holder))))
    }

    async fn release(&self, claim: &Claim, _: Timestamp) -> Result<(), LedgerFault> {
        self.within(self.scripts.release(&mut self.connection.clone(), claim)).await
    }

    async fn is_lost(&self) -> Result<bool, LedgerFault> {
        let (known, run) = self.within(self.memory()).await?;
        if known.as_deref() != Some(run.as_str()) {
            return Ok(true);
        }
        // What knows lives as long as somebody looks.
        self.restored().await?;
        Ok(false)
    }

    async fn restored(&self) -> Result<(), LedgerFault> {
        let (_, run) = self.within(self.memory()).await?;
        let options = SetOptions::default().with_expiration(SetExpiry::EX(MEMORY.as_secs()));
        let mut connection = self.connection.clone();
        self.within(connection.set_options(self.scripts.memory(), run, options)).await
    }

    async fn restore(&self, claim: &Claim, granted_at: Timestamp, running: bool) -> Result<(), LedgerFault> {
        // By the wall clock, which this process and Redis agree about well enough for windows of minutes and hours.
        let at = granted_at.as_millisecond();
        self.within(self.scripts.restore(&mut self.connection.clone(), claim, at, running)).await
    }

    async fn check(&self) -> Result<(), LedgerFault> {
        let report = self.within(health::ask(&mut self.connection.clone())).await?;
        health::judge(&report).map_err(LedgerFault)
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
