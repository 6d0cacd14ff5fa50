//! What other processes say: a session that listens, so that a look that is called for, a setting or a record is known at
//! once.
//!
//! It may miss something while it connects anew; whoever waits asks the journal from time to time as well.

use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use selfheal_runtime::ports::journal::Said;
use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_postgres::AsyncMessage;

use super::connection::{Connector, Sql, sql};
use super::fault::Trouble;

/// The channel by which replicas call each other, and the one by which they say that there are new records.
const CALLS: &str = "selfheal";
const RECORDS: &str = "selfheal_records";
/// How long to wait before listening anew.
const RETRY: Duration = Duration::from_secs(1);

/// Tells all processes, this one too.
pub(super) fn tell(said: Said) -> Sql<'static> {
    let channel = match said {
        Said::Call => CALLS,
        Said::Record => RECORDS,
    };
    sql!("SELECT pg_notify($1, '')", channel)
}

/// What waits for each thing to be said.
#[derive(Default)]
struct Waiters {
    calls: Notify,
    records: Notify,
}

/// Listens until this is dropped.
pub(super) struct Ears {
    heard: Arc<Waiters>,
}

impl Ears {
    /// Starts to listen.
    pub(super) fn open(connector: Arc<Connector>) -> Self {
        let heard = Arc::<Waiters>::default();
        tokio::spawn(listen(connector, Arc::downgrade(&heard)));
        Self { heard }
    }

    /// Waits until this is said.
    pub(super) async fn heard(&self, said: Said) {
        match said {
            Said::Call => self.heard.calls.notified().await,
            Said::Record => self.heard.records.notified().await,
        }
    }
}

async fn listen(connector: Arc<Connector>, heard: Weak<Waiters>) {
    while heard.strong_count() > 0 {
        if let Err(trouble) = listen_once(&connector, &heard).await {
            tracing::debug!(fault = %trouble.fault(), "other replicas cannot be heard for a moment");
        }
        sleep(RETRY).await;
    }
}

async fn listen_once(connector: &Connector, heard: &Weak<Waiters>) -> Result<(), Trouble> {
    let (client, mut connection) = connector.within(connector.config.connect(connector.tls.clone())).await?;
    let mut listening = pin!(async move {
        client.batch_execute(&format!("LISTEN {CALLS}; LISTEN {RECORDS}")).await?;
        // The client is kept for as long as its session is to last.
        std::future::pending::<()>().await;
        drop(client);
        Ok::<_, tokio_postgres::Error>(())
    });
    std::future::poll_fn(|context| {
        if let Poll::Ready(Err(error)) = listening.as_mut().poll(context) {
            return Poll::Ready(Err(error.into()));
        }
        loop {
            match connection.poll_message(context) {
                Poll::Ready(Some(Ok(AsyncMessage::Notification(said)))) => match heard.upgrade() {
                    Some(heard) if said.channel() == RECORDS => heard.records.notify_waiters(),
                    Some(heard) => heard.calls.notify_waiters(),
                    None => return Poll::Ready(Ok(())),
                },
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error.into())),
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await
}
