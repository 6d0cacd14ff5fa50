//! Reading: a few connections of their own on blocking threads, so that no reader waits for a commit. Each query sees
//! one moment of the journal, and everything whose write was answered before the query began.

use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use selfheal_runtime::ports::{JournalFault, JournalFaultKind};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::fault::unavailable;

/// Connections to read with.
pub(super) struct Readers {
    pool: Arc<Pool>,
    free: Arc<Semaphore>,
    /// So many may go through much of the journal at a time: whoever looks on leaves connections to those who heal.
    browsing: Arc<Semaphore>,
}

struct Pool {
    connections: Mutex<Vec<Connection>>,
    /// A query that outlives the journal keeps the next process out until it ends.
    _lock: Arc<File>,
}

impl Pool {
    fn connections(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        // The list is whole whatever happened to a thread that had one of them.
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Readers {
    /// Takes over connections, at least one.
    pub(super) fn new(connections: Vec<Connection>, lock: Arc<File>) -> Self {
        let free = Arc::new(Semaphore::new(connections.len()));
        let browsing = Arc::new(Semaphore::new((connections.len() / 2).max(1)));
        Self { pool: Arc::new(Pool { connections: Mutex::new(connections), _lock: lock }), free, browsing }
    }

    /// Runs queries on one moment of the journal.
    pub(super) async fn query<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, JournalFault> {
        self.run(None, ask).await
    }

    /// Runs queries that may go through much of the journal; they wait for others of their kind.
    pub(super) async fn browse<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, JournalFault> {
        let turn = Arc::clone(&self.browsing).acquire_owned().await.expect("the semaphore is never closed");
        self.run(Some(turn), ask).await
    }

    async fn run<T: Send + 'static>(
        &self,
        turn: Option<OwnedSemaphorePermit>,
        ask: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, JournalFault> {
        let permit = Arc::clone(&self.free).acquire_owned().await.expect("the semaphore is never closed");
        let pool = Arc::clone(&self.pool);
        let task = tokio::task::spawn_blocking(move || {
            let connection = pool.connections().pop().expect("there is a connection for every permit");
            let lent = Lent { pool, connection: Some(connection), _permit: permit, _turn: turn };
            lent.snapshot(ask)
        });
        match task.await {
            Ok(result) => result.map_err(|error| unavailable(&error)),
            Err(error) => Err(JournalFault {
                kind: JournalFaultKind::Unavailable,
                what: format!("a query failed: {error}"),
            }),
        }
    }
}

/// A connection that goes back to the pool even when a query panics, and before its permit does.
struct Lent {
    pool: Arc<Pool>,
    connection: Option<Connection>,
    _permit: OwnedSemaphorePermit,
    // A query goes on when nobody waits for it any more, and its turn with it.
    _turn: Option<OwnedSemaphorePermit>,
}

impl Lent {
    fn snapshot<T>(&self, ask: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let connection = self.connection.as_ref().expect("it is given back on drop only");
        let transaction = connection.unchecked_transaction()?;
        let answer = ask(connection)?;
        transaction.commit()?;
        Ok(answer)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.pool.connections().extend(self.connection.take());
    }
}
