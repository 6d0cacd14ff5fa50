//! One PostgreSQL server: how probes and actions speak to it.

use std::time::Duration;

use selfheal_contract::Failure;
use tokio_postgres::types::FromSqlOwned;
use tokio_postgres::{Config, Row};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::fault::{Fault, Phase};
use crate::pool::{Limits, Parameter, Pool, Purpose};

/// Between two looks at an effect that shows a moment later.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(10);

/// How long a maintenance statement waits for a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Locks {
    /// As long as a short statement may take: somebody else is at work on the table.
    Short,
    /// As long as the statement may take: a concurrent build waits for other transactions by its nature, and lets
    /// everybody else go on meanwhile.
    Patient,
}

/// A server with the database that a target names.
pub(crate) struct Server {
    /// The target's name.
    pub(crate) name: String,
    /// Users whose sessions no action touches, beside superusers and replication.
    pub(crate) protected_users: Vec<String>,
    pool: Pool,
}

impl Server {
    pub(crate) fn new(
        name: String,
        config: Config,
        tls: MakeRustlsConnect,
        limits: Limits,
        protected_users: Vec<String>,
    ) -> Self {
        Self { name, protected_users, pool: Pool::new(config, tls, limits) }
    }

    /// Asks a question that changes nothing, once more on a new connection when a kept one turns out to be dead.
    ///
    /// # Errors
    /// `Transient` when there was no answer, `Refused` when the server said no.
    pub(crate) async fn read(&self, sql: &str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>, Failure> {
        let answer = match self.read_once(Purpose::Short, sql, parameters).await {
            Err((fault, true)) if fault.is_lost() => {
                self.read_once(Purpose::ShortAfresh, sql, parameters).await
            }
            answer => answer,
        };
        answer.map_err(|(fault, _)| fault.failure(&self.name, Phase::Reading))
    }

    /// The answer, or the fault and whether the connection had been used before.
    async fn read_once(
        &self,
        purpose: Purpose,
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, (Fault, bool)> {
        let mut lease = self.pool.lease(purpose).await.map_err(|fault| (fault, false))?;
        let answer = lease.query(sql, parameters).await;
        answer.map_err(|fault| (fault, lease.is_reused))
    }

    /// Asks a question that has exactly one row as its answer.
    pub(crate) async fn read_one(&self, sql: &str, parameters: &[Parameter<'_>]) -> Result<Row, Failure> {
        let rows = self.read(sql, parameters).await?;
        rows.into_iter().next().ok_or_else(|| {
            Failure::refused(format!("PostgreSQL {}: an answer with one row was empty", self.name))
        })
    }

    /// Runs a statement that has an effect, once.
    ///
    /// # Errors
    /// `Indeterminate` when it was sent and the answer was lost; otherwise nothing happened.
    pub(crate) async fn change(&self, sql: &str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>, Failure> {
        let unsent = |fault: Fault| fault.failure(&self.name, Phase::Reading);
        let mut lease = self.pool.lease(Purpose::Short).await.map_err(unsent)?;
        let answer = match lease.change(sql, parameters).await {
            Err(fault) if fault.is_lost() && lease.is_reused => {
                drop(lease);
                lease = self.pool.lease(Purpose::ShortAfresh).await.map_err(unsent)?;
                lease.change(sql, parameters).await
            }
            answer => answer,
        };
        answer.map_err(unsent)?.map_err(|fault| fault.failure(&self.name, Phase::Changing))
    }

    /// Runs a statement that may take minutes and must not be in a transaction, once, on a connection of its own.
    ///
    /// # Errors
    /// As [`Server::change`]. The connection is new, so that one that cannot be had means that nothing happened.
    pub(crate) async fn maintain(&self, sql: &str, locks: Locks) -> Result<(), Failure> {
        let unsent = |fault: Fault| fault.failure(&self.name, Phase::Reading);
        let mut lease = self.pool.lease(Purpose::Maintenance).await.map_err(unsent)?;
        if locks == Locks::Patient {
            lease.run("SET lock_timeout = 0").await.map_err(unsent)?;
        }
        lease.run(sql).await.map_err(|fault| fault.failure(&self.name, Phase::Changing))
    }

    /// Looks again and again until the answer is yes; false when it was not within one statement's time.
    pub(crate) async fn settles<F>(&self, is_there: impl Fn() -> F + Send) -> Result<bool, Failure>
    where
        F: Future<Output = Result<bool, Failure>> + Send,
    {
        let looking = async {
            while !is_there().await? {
                tokio::time::sleep(LOOK_AGAIN_AFTER).await;
            }
            Ok(true)
        };
        tokio::time::timeout(self.pool.limits.statement, looking).await.unwrap_or(Ok(false))
    }
}

/// A column of a row.
///
/// # Errors
/// `Refused` when the server answered with something else than was asked for.
pub(crate) fn column<T: FromSqlOwned>(row: &Row, name: &str) -> Result<T, Failure> {
    row.try_get(name).map_err(|fault| {
        Failure::refused(format!(
            "PostgreSQL answered {name} in an unexpected form ({fault}); is its version supported?"
        ))
    })
}
