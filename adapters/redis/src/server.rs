//! One server: its only connection, shared, made on first use and again after a failure.
//!
//! A change must not fail as "may have happened" only because the server had closed an idle connection. So before every
//! exchange over a connection that has been silent for a while the server is asked to answer a PING; what does not answer
//! is replaced, and only then the question itself is sent, once.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue, Pipeline, RedisResult, pipe};
use selfheal_contract::Failure;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::{Instant, timeout};

use crate::connect::{Address, Driver};
use crate::fault::{self, ConnectFault, Purpose};
use crate::settings::Timeouts;

/// Exchanges at the same time with one server; more wait for their turn.
const EXCHANGES_MAX: usize = 8;

/// For how long an answer shows that the connection is alive.
const FRESH: Duration = Duration::from_secs(1);

/// The name under which selfheal's connections stand in `CLIENT LIST`.
pub(crate) const CLIENT_NAME: &str = "selfheal";

/// One server.
pub(crate) struct Server {
    name: String,
    address: Address,
    timeouts: Timeouts,
    turns: Semaphore,
    link: Mutex<Option<Link>>,
}

#[derive(Clone)]
struct Link {
    connection: MultiplexedConnection,
    /// Its id at the server; none when the login may not ask for it.
    id: Option<u64>,
    heard: Instant,
    driver: Arc<Driver>,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the redis target {:?}", self.name)
    }
}

impl Server {
    pub(crate) fn new(name: String, address: Address, timeouts: Timeouts) -> Self {
        Self { name, address, timeouts, turns: Semaphore::new(EXCHANGES_MAX), link: Mutex::new(None) }
    }

    /// Its name in the configuration.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Asks what changes nothing.
    ///
    /// # Errors
    /// `Refused` when the server says no, `Transient` when there was no answer.
    pub(crate) async fn read<T: FromRedisValue>(&self, question: &Pipeline) -> Result<T, Failure> {
        self.exchange(question, Purpose::Read).await.map(|(answer, _)| answer)
    }

    /// Asks for a change; sends it at most once.
    ///
    /// # Errors
    /// As for [`read`](Self::read), and `Indeterminate` when it was sent and the answer did not come.
    pub(crate) async fn change<T: FromRedisValue>(&self, question: &Pipeline) -> Result<T, Failure> {
        self.exchange(question, Purpose::Change).await.map(|(answer, _)| answer)
    }

    /// As [`read`](Self::read), with the server's id of the connection that asked.
    pub(crate) async fn read_as<T: FromRedisValue>(
        &self,
        question: &Pipeline,
    ) -> Result<(T, Option<u64>), Failure> {
        self.exchange(question, Purpose::Read).await
    }

    async fn exchange<T>(&self, question: &Pipeline, purpose: Purpose) -> Result<(T, Option<u64>), Failure>
    where
        T: FromRedisValue,
    {
        let answer_within = self.timeouts.answer.duration();
        let Ok(turn) = timeout(answer_within, self.turns.acquire()).await else {
            return Err(Failure::transient(format!(
                "{self} is busy with {EXCHANGES_MAX} other questions; try later"
            )));
        };
        let _turn = turn.expect("the semaphore is never closed");
        let mut link = self.link().await?;
        match question.query_async(&mut link.connection).await {
            Ok(answer) => {
                self.heard(&link);
                Ok((answer, link.id))
            }
            Err(fault) => {
                if !fault::leaves_connection(&fault) {
                    self.discard(&link).await;
                }
                Err(fault::exchanging(self, purpose, &fault))
            }
        }
    }

    /// A connection that is known to be alive.
    async fn link(&self) -> Result<Link, Failure> {
        let connect_within = self.timeouts.connect.duration();
        // Whoever holds the lock is connecting or asking for a sign of life; both take at most that long.
        let Ok(mut kept) = timeout(connect_within.saturating_mul(2), self.link.lock()).await else {
            return Err(Failure::transient(format!(
                "{self} cannot be reached: another attempt is still under way"
            )));
        };
        if let Some(link) = kept.as_mut() {
            if link.heard.elapsed() < FRESH {
                return Ok(link.clone());
            }
            let mut ping = pipe();
            ping.cmd("PING").ignore();
            let sign = timeout(connect_within, ping.query_async::<()>(&mut link.connection)).await;
            // A refusal is a sign of life too.
            if sign
                .is_ok_and(|sign| sign.is_ok() || sign.is_err_and(|fault| fault::leaves_connection(&fault)))
            {
                link.heard = Instant::now();
                return Ok(link.clone());
            }
            *kept = None;
        }
        let made = match timeout(connect_within, self.connect()).await {
            Ok(made) => made,
            Err(_) => Err(ConnectFault::Slow(self.timeouts.connect)),
        };
        let link = made.map_err(|fault| fault::connecting(self, &fault))?;
        *kept = Some(link.clone());
        Ok(link)
    }

    async fn connect(&self) -> Result<Link, ConnectFault> {
        let (mut connection, driver) = self.address.connect(self.timeouts.answer.duration()).await?;
        let named: RedisResult<()> =
            pipe().cmd("CLIENT").arg("SETNAME").arg(CLIENT_NAME).ignore().query_async(&mut connection).await;
        let id: RedisResult<(u64,)> = pipe().cmd("CLIENT").arg("ID").query_async(&mut connection).await;
        // A login may be denied both; then only what needs the id is refused, later and in its own words.
        for fault in [named.err(), id.as_ref().err().cloned()].into_iter().flatten() {
            if !fault::denies_command(&fault) {
                return Err(fault.into());
            }
        }
        let id = id.ok().map(|(id,)| id);
        Ok(Link { connection, id, heard: Instant::now(), driver: Arc::new(driver) })
    }

    /// Notes a sign of life. Where somebody is just looking for one, the note is left out rather than waited for.
    fn heard(&self, link: &Link) {
        if let Ok(mut kept) = self.link.try_lock()
            && let Some(kept) = kept.as_mut().filter(|kept| Arc::ptr_eq(&kept.driver, &link.driver))
        {
            kept.heard = Instant::now();
        }
    }

    async fn discard(&self, link: &Link) {
        let mut kept = self.link.lock().await;
        if kept.as_ref().is_some_and(|kept| Arc::ptr_eq(&kept.driver, &link.driver)) {
            *kept = None;
        }
    }
}
