//! The few connections for questions and for changes of one statement: made on first use, kept, and thrown away after
//! anything that leaves their state in doubt.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use selfheal_runtime::ports::JournalFault;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;
use tokio_postgres::Row;

use super::connection::{Answer, Connection, Connector, Sql, sql};
use super::fault::{Reach, Trouble};

/// Connections of one replica for questions and single changes.
const CONNECTIONS_MAX: usize = 6;
/// So many of them may go through much of the journal at a time: whoever looks on leaves the others to those who heal.
const BROWSING_MAX: usize = CONNECTIONS_MAX / 2;

/// The connections.
pub(super) struct Pool {
    connector: Arc<Connector>,
    idle: Mutex<Vec<Connection>>,
    free: Semaphore,
    browsing: Semaphore,
}

impl Pool {
    /// None yet.
    pub(super) fn new(connector: Arc<Connector>) -> Self {
        Self {
            connector,
            idle: Mutex::default(),
            free: Semaphore::new(CONNECTIONS_MAX),
            browsing: Semaphore::new(BROWSING_MAX),
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        // A list of connections is never half changed.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a connection, which goes back when the lease ends, if it is still good. `afresh` makes a new one, after a
    /// kept one turned out to be dead.
    pub(super) async fn lease(&self, afresh: bool) -> Result<Lease<'_>, Trouble> {
        let _permit = self.turn(&self.free).await?;
        let kept = if afresh { None } else { self.take_idle() };
        let is_reused = kept.is_some();
        let connection = match kept {
            Some(connection) => connection,
            None => self.connector.connect().await?,
        };
        Ok(Lease { pool: self, connection: Some(connection), is_reused, _permit })
    }

    async fn turn<'a>(&self, turns: &'a Semaphore) -> Result<SemaphorePermit<'a>, Trouble> {
        let limit = self.connector.limits.connect + self.connector.limits.statement;
        let permit = timeout(limit, turns.acquire()).await.map_err(|_| {
            Trouble::Connect(format!(
                "all of selfheal's connections to PostgreSQL have been busy for {limit:?}; see what they wait for"
            ))
        })?;
        Ok(permit.expect("the semaphore is never closed"))
    }

    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.idle();
        idle.retain(Connection::is_good);
        idle.pop()
    }

    /// Asks one question.
    pub(super) async fn ask(&self, question: Sql<'_>) -> Result<Vec<Row>, JournalFault> {
        let mut answers = self.ask_twice(&[question]).await?;
        Ok(answers.pop().map(|answer| answer.rows).unwrap_or_default())
    }

    /// Asks one question that may go through much of the journal; it waits for others of its kind.
    pub(super) async fn browse(&self, question: Sql<'_>) -> Result<Vec<Row>, JournalFault> {
        let _turn = self.turn(&self.browsing).await.map_err(|trouble| trouble.fault())?;
        self.ask(question).await
    }

    /// Asks several such questions about one moment.
    pub(super) async fn browse_all(&self, questions: Vec<Sql<'_>>) -> Result<Vec<Vec<Row>>, JournalFault> {
        let _turn = self.turn(&self.browsing).await.map_err(|trouble| trouble.fault())?;
        self.ask_all(questions).await
    }

    /// Asks several questions about one moment.
    pub(super) async fn ask_all(&self, questions: Vec<Sql<'_>>) -> Result<Vec<Vec<Row>>, JournalFault> {
        let mut statements = vec![sql!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")];
        statements.extend(questions);
        statements.push(sql!("COMMIT"));
        let mut answers = self.ask_twice(&statements).await?;
        answers.pop();
        Ok(answers.into_iter().skip(1).map(|answer| answer.rows).collect())
    }

    /// Questions that a kept connection did not survive are asked once more on a new one.
    async fn ask_twice(&self, questions: &[Sql<'_>]) -> Result<Vec<Answer>, JournalFault> {
        let mut afresh = false;
        loop {
            let mut lease = self.lease(afresh).await.map_err(|trouble| trouble.fault())?;
            let answers = lease.pipeline(questions).await.and_then(|answers| answers.into_iter().collect());
            match answers {
                Err(trouble) if lease.is_reused && trouble.reach() == Reach::Connection => afresh = true,
                Err(trouble) => {
                    lease.give_up();
                    return Err(trouble.fault());
                }
                Ok(answers) => return Ok(answers),
            }
        }
    }

    /// Makes one change that does no harm when it is made twice: a kept connection may be lost over it.
    pub(super) async fn change(&self, change: Sql<'_>) -> Result<Answer, JournalFault> {
        let mut answers = self.ask_twice(&[change]).await?;
        answers.pop().ok_or_else(|| Trouble::Value("there was no answer".to_owned()).fault())
    }
}

/// A connection in use.
pub(super) struct Lease<'a> {
    pool: &'a Pool,
    connection: Option<Connection>,
    /// Whether it was used before, so that it may have died unnoticed.
    pub(super) is_reused: bool,
    _permit: SemaphorePermit<'a>,
}

impl Lease<'_> {
    /// Does not give the connection back: it may stand within a transaction that failed.
    pub(super) fn give_up(mut self) {
        self.connection = None;
    }
}

impl Deref for Lease<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect("it is there until dropped")
    }
}

impl DerefMut for Lease<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("it is there until dropped")
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take().filter(Connection::is_good) {
            self.pool.idle().push(connection);
        }
    }
}
