//! Storing notifications: two tasks take turns at all that is queued, one statement and one commit for many, so that
//! one batch is sent while the other waits for the disk.
//!
//! When the connection is lost over a batch, it is not known whether it is on disk. Nothing of it is acknowledged then:
//! what was stored all the same is expanded as well, and storing it again changes nothing.

use std::sync::Arc;
use std::time::Duration;

use selfheal_runtime::ports::journal::{NewReceipt, ReceiptId};
use selfheal_runtime::ports::{JournalFault, JournalFaultKind};
use tokio::sync::{Mutex, mpsc, oneshot};

use super::columns::{Columns as _, micros, text};
use super::connection::{Connection, Connector, sql};
use super::fault::{Reach, Trouble};

/// The most notifications in one statement.
const BATCH_RECEIPTS_MAX: usize = 512;
/// No further notification joins a statement that carries this much already.
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The most notifications that wait; further ones wait in their callers.
const QUEUE_RECEIPTS_MAX: usize = 4096;
/// Tasks, each with a connection.
const TASKS: usize = 2;

struct Request {
    receipt: NewReceipt,
    reply: oneshot::Sender<Result<ReceiptId, JournalFault>>,
}

/// The way to those who store.
pub(super) struct Inbox {
    requests: mpsc::Sender<Request>,
}

impl Inbox {
    /// Starts the tasks; they end when this is dropped and nothing is queued any more. Notifications are held for
    /// `hold` by the replica that received them.
    pub(super) fn start(connector: &Arc<Connector>, hold: Duration) -> Self {
        let (requests, receiver) = mpsc::channel(QUEUE_RECEIPTS_MAX);
        let receiver = Arc::new(Mutex::new(receiver));
        for _ in 0..TASKS {
            tokio::spawn(store_all(Arc::clone(connector), Arc::clone(&receiver), hold));
        }
        Self { requests }
    }

    /// Stores a notification; it is on disk when this returns.
    pub(super) async fn receive(&self, receipt: NewReceipt) -> Result<ReceiptId, JournalFault> {
        let ended = |_| JournalFault {
            kind: JournalFaultKind::Broken,
            what: "the tasks that store notifications have ended".to_owned(),
        };
        let (reply, answer) = oneshot::channel();
        self.requests.send(Request { receipt, reply }).await.map_err(|_| ended(()))?;
        answer.await.map_err(|_| ended(()))?
    }
}

async fn store_all(connector: Arc<Connector>, receiver: Arc<Mutex<mpsc::Receiver<Request>>>, hold: Duration) {
    let mut session: Option<Connection> = None;
    loop {
        let batch = gather(&mut *receiver.lock().await).await;
        if batch.is_empty() {
            return;
        }
        session = session.filter(Connection::is_good);
        let reused = session.is_some();
        let mut stored = store(&connector, &mut session, &batch, hold).await;
        // What died before anything was sent has stored nothing; storing twice does no harm either.
        if reused && stored.as_ref().is_err_and(|trouble| trouble.reach() == Reach::Connection) {
            session = None;
            stored = store(&connector, &mut session, &batch, hold).await;
        }
        match stored {
            Ok(ids) => {
                for (request, id) in batch.into_iter().zip(ids) {
                    // The caller may have stopped waiting.
                    let _ = request.reply.send(Ok(id));
                }
            }
            Err(trouble) => {
                let fault = trouble.fault();
                tracing::warn!(%fault, notifications = batch.len(), "nothing is acknowledged");
                for request in batch {
                    let _ = request.reply.send(Err(fault.clone()));
                }
            }
        }
    }
}

/// Waits for a notification and takes all that came with it. None when there will be no more.
async fn gather(receiver: &mut mpsc::Receiver<Request>) -> Vec<Request> {
    let Some(first) = receiver.recv().await else { return Vec::new() };
    let mut bytes = first.receipt.body.len();
    let mut batch = vec![first];
    while batch.len() < BATCH_RECEIPTS_MAX && bytes < BATCH_BYTES_MAX {
        let Ok(next) = receiver.try_recv() else { break };
        bytes += next.receipt.body.len();
        batch.push(next);
    }
    batch
}

async fn store(
    connector: &Connector,
    session: &mut Option<Connection>,
    batch: &[Request],
    hold: Duration,
) -> Result<Vec<ReceiptId>, Trouble> {
    let connection = match session {
        Some(connection) => connection,
        None => session.insert(connector.connect().await?),
    };
    let receipts = || batch.iter().map(|request| &request.receipt);
    let insert = sql!(
        "INSERT INTO receipts (received_at, source, trace, body, held_until)
         SELECT received_at, source, trace, body, clock_timestamp() + $5 * interval '1 second'
         FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bytea[]) AS r (received_at, source, trace, body)
         RETURNING id",
        receipts().map(|receipt| micros(receipt.received_at)).collect::<Vec<_>>(),
        receipts().map(|receipt| receipt.source).collect::<Vec<_>>(),
        receipts().map(|receipt| text(&receipt.trace)).collect::<Vec<_>>(),
        receipts().map(|receipt| receipt.body.as_slice()).collect::<Vec<_>>(),
        hold.as_secs_f64(),
    );
    let rows = connection.rows(insert).await?;
    if rows.len() != batch.len() {
        return Err(Trouble::Value(format!("{} of {} notifications were stored", rows.len(), batch.len())));
    }
    rows.iter().map(|row| row.value("id").map(ReceiptId)).collect()
}
