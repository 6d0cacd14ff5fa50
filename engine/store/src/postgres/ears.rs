//! What other processes say: a session that listens, so that a look that is called for, or a setting, is known at once.
//!
//! It may miss something while it connects anew; whoever waits asks the journal from time to time as well.

use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_postgres::AsyncMessage;

use super::connection::{Connector, Sql, sql};
use super::fault::Trouble;

/// The channel by which replicas call each other.
const CHANNEL: &str = "selfheal";
/// How long to wait before listening anew.
const RETRY: Duration = Duration::from_secs(1);

/// Tells the other processes.
pub(super) fn tell() -> Sql<'static> {
    sql!("SELECT pg_notify($1, '')", CHANNEL)
}

/// Listens until this is dropped.
pub(super) struct Ears {
    heard: Arc<Notify>,
}

impl Ears {
    /// Starts to listen.
    pub(super) fn open(connector: Arc<Connector>) -> Self {
        let heard = Arc::new(Notify::new());
        tokio::spawn(listen(connector, Arc::downgrade(&heard)));
        Self { heard }
    }

    /// Waits for the next thing that is said.
    pub(super) async fn heard(&self) {
        self.heard.notified().await;
    }
}

async fn listen(connector: Arc<Connector>, heard: Weak<Notify>) {
    while heard.strong_count() > 0 {
        if let Err(trouble) = listen_once(&connector, &heard).await {
            tracing::debug!(fault = %trouble.fault(), "other replicas cannot be heard for a moment");
        }
        sleep(RETRY).await;
    }
}

async fn listen_once(connector: &Connector, heard: &Weak<Notify>) -> Result<(), Trouble> {
    let (client, mut connection) = connector.within(connector.config.connect(connector.tls.clone())).await?;
    let mut listening = pin!(async move {
        client.batch_execute(&format!("LISTEN {CHANNEL}")).await?;
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
                Poll::Ready(Some(Ok(AsyncMessage::Notification(_)))) => match heard.upgrade() {
                    Some(heard) => heard.notify_waiters(),
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
