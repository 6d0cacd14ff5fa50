//! The few connections to one server: made on first use, kept, and thrown away after anything that leaves their state
//! in doubt.
//!
//! A connection is kept for as long as it lives: when applications have used up all that the server allows, one that
//! is there already is the only way in.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, Row};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::fault::Fault;

/// Connections for short statements.
const CONNECTIONS_MAX: usize = 4;
/// Connections for statements that may take minutes, so that these never keep a short one waiting.
const MAINTENANCE_MAX: usize = 2;
/// The server ends a statement that takes too long by itself; this is for its answer to arrive.
const ANSWER_GRACE: Duration = Duration::from_millis(500);
/// By it selfheal's sessions are recognised, those of other replicas too.
pub(crate) const APPLICATION_NAME: &str = "selfheal";

/// A bound parameter with its type.
pub(crate) type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// To make a connection.
    pub(crate) connect: Duration,
    /// One statement.
    pub(crate) statement: Duration,
    /// One VACUUM, or one build of an index.
    pub(crate) maintenance: Duration,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A short statement; a kept connection will do.
    Short,
    /// A short statement, after a kept connection turned out to be dead.
    ShortAfresh,
    /// A statement that may take minutes, on a connection of its own.
    Maintenance,
}

/// The connections to one server.
pub(crate) struct Pool {
    config: Config,
    tls: MakeRustlsConnect,
    pub(crate) limits: Limits,
    idle: Mutex<Vec<Arc<Client>>>,
    short: Semaphore,
    maintenance: Semaphore,
}

impl Pool {
    pub(crate) fn new(mut config: Config, tls: MakeRustlsConnect, limits: Limits) -> Self {
        config
            .application_name(APPLICATION_NAME)
            .connect_timeout(limits.connect)
            .keepalives_idle(Duration::from_secs(30))
            .tcp_user_timeout(limits.statement.max(Duration::from_secs(30)));
        Self {
            config,
            tls,
            limits,
            idle: Mutex::default(),
            short: Semaphore::new(CONNECTIONS_MAX),
            maintenance: Semaphore::new(MAINTENANCE_MAX),
        }
    }

    /// Takes a connection, which goes back when the lease ends, if it is still good.
    pub(crate) async fn lease(&self, purpose: Purpose) -> Result<Lease<'_>, Fault> {
        let (permits, wait, limit) = match purpose {
            Purpose::Short | Purpose::ShortAfresh => {
                (&self.short, self.limits.connect + self.limits.statement, self.limits.statement)
            }
            Purpose::Maintenance => (&self.maintenance, self.limits.statement, self.limits.maintenance),
        };
        let permit = match timeout(wait, permits.acquire()).await {
            Ok(permit) => permit.expect("the semaphore is never closed"),
            Err(_) => return Err(Fault::Busy(wait)),
        };
        let kept = match purpose {
            Purpose::Short => self.take_idle(),
            Purpose::ShortAfresh | Purpose::Maintenance => None,
        };
        let (client, is_reused) = match kept {
            Some(client) => (client, true),
            None => (self.connect(limit).await?, false),
        };
        let keep = purpose != Purpose::Maintenance;
        let answer_within = limit + ANSWER_GRACE;
        Ok(Lease { pool: self, client, is_reused, keep, in_flight: false, answer_within, _permit: permit })
    }

    fn take_idle(&self) -> Option<Arc<Client>> {
        let mut idle = self.idle();
        idle.retain(|client| !client.is_closed());
        idle.pop()
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Arc<Client>>> {
        // Nothing panics while it is locked, and a list of connections is never half changed.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connects, and sets what every statement of this process relies on. `statement` is the server's own limit for
    /// one statement of the connection.
    async fn connect(&self, statement: Duration) -> Result<Arc<Client>, Fault> {
        let within = self.limits.connect;
        let connecting = async {
            let (client, connection) = self.config.connect(self.tls.clone()).await?;
            // Ends by itself when the client is dropped or the connection breaks; the client then says so.
            tokio::spawn(connection);
            let milliseconds = |limit: Duration| limit.as_millis().to_string();
            client
                .query_typed(
                    SETTINGS,
                    &[
                        (&milliseconds(statement), Type::TEXT),
                        (&milliseconds(self.limits.statement), Type::TEXT),
                    ],
                )
                .await?;
            Ok(Arc::new(client))
        };
        match timeout(within, connecting).await {
            Ok(client) => client.map_err(Fault::Connect),
            Err(_) => Err(Fault::ConnectTimeout(within)),
        }
    }
}

/// Only names of the system's catalog are found without a schema, so that no object of a database's users is ever
/// taken for one of the system's. Settings that the server's version does not know are left out.
const SETTINGS: &str = "
    SELECT pg_catalog.set_config(s.name, v.setting, false)
    FROM pg_catalog.pg_settings s
    JOIN (VALUES ('statement_timeout', $1), ('lock_timeout', $2), ('idle_session_timeout', '0'), ('transaction_timeout', '0'),
                 ('search_path', 'pg_catalog'), ('jit', 'off')) v (name, setting) ON s.name = v.name";

/// A connection in use.
pub(crate) struct Lease<'a> {
    pool: &'a Pool,
    client: Arc<Client>,
    /// Whether it was used before, so that it may have died unnoticed.
    pub(crate) is_reused: bool,
    keep: bool,
    /// A statement was sent and its answer has not been read.
    in_flight: bool,
    answer_within: Duration,
    _permit: SemaphorePermit<'a>,
}

impl Lease<'_> {
    /// Runs one statement in one round trip.
    pub(crate) async fn query(&mut self, sql: &str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>, Fault> {
        let client = Arc::clone(&self.client);
        self.answer(client.query_typed(sql, parameters)).await
    }

    /// Runs one statement in two steps: only when the second fails can it have had an effect.
    pub(crate) async fn change(
        &mut self,
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Result<Vec<Row>, Fault>, Fault> {
        let client = Arc::clone(&self.client);
        let types: Vec<Type> = parameters.iter().map(|(_, of)| of.clone()).collect();
        let values: Vec<&(dyn ToSql + Sync)> = parameters.iter().map(|(value, _)| *value).collect();
        let statement = self.answer(client.prepare_typed(sql, &types)).await?;
        Ok(self.answer(client.query(&statement, &values)).await)
    }

    /// Runs SQL without parameters and without rows, in one transaction unless it is a single statement.
    pub(crate) async fn run(&mut self, sql: &str) -> Result<(), Fault> {
        let client = Arc::clone(&self.client);
        self.answer(client.batch_execute(sql)).await
    }

    async fn answer<T>(
        &mut self,
        statement: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Fault> {
        self.in_flight = true;
        match timeout(self.answer_within, statement).await {
            Ok(answer) => {
                self.in_flight = false;
                answer.map_err(Fault::Statement)
            }
            Err(_) => Err(Fault::StatementTimeout(self.answer_within)),
        }
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if !self.in_flight {
            if self.keep && !self.client.is_closed() {
                self.pool.idle().push(Arc::clone(&self.client));
            }
            return;
        }
        // Nobody waits for the answer any more: the server need not go on, and this connection is of no use. Asking
        // it to stop is a courtesy that may fail; its own limit ends the statement too.
        if let Ok(runtime) = Handle::try_current() {
            let (token, tls, within) =
                (self.client.cancel_token(), self.pool.tls.clone(), self.pool.limits.connect);
            runtime.spawn(async move { timeout(within, token.cancel_query(tls)).await });
        }
    }
}
