//! Changes that are meant for a time: takes them back when it is over.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;

use crate::engine::Engine;
use crate::execute;
use crate::ports::JournalFault;

/// How long to wait after something stood in the way.
const RETRY: Duration = Duration::from_secs(10);

/// Wakes the room when the journal knows of a new time.
#[derive(Default)]
pub(crate) struct Reverts {
    changed: Notify,
}

impl Reverts {
    /// Something must be taken back at a time that is durable now.
    pub(crate) fn look(&self) {
        self.changed.notify_one();
    }
}

/// Takes back what is due, for as long as the process runs. While the switch is off nothing is changed: what is due
/// waits until it is on.
pub(crate) async fn run(engine: Arc<Engine>) {
    loop {
        let changed = engine.reverts.changed.notified();
        let mut wait = None;
        if engine.switch.off().is_some() {
            wait = Some(RETRY);
        } else {
            match take_back(&engine).await {
                Ok(next) => {
                    wait = next.map(|at| {
                        Duration::try_from(at.duration_since(engine.clock.now())).unwrap_or_default()
                    });
                }
                Err(fault) => {
                    tracing::error!(%fault, "cannot take back what is due");
                    wait = wait.or(Some(RETRY));
                }
            }
        }
        match wait {
            None => changed.await,
            Some(wait) => tokio::select! {
                () = changed => {}
                () = engine.clock.sleep(wait.max(Duration::from_millis(1))) => {}
            },
        }
    }
}

/// Takes back what is due; gives the time of the next look, if there is one to be.
async fn take_back(engine: &Engine) -> Result<Option<Timestamp>, JournalFault> {
    let mut busy = false;
    for intent in engine.journal.reverts_due(engine.clock.now()).await? {
        if let Some((remediation, _)) = engine.journal.remediation(intent.remediation).await? {
            // As long as it is under way, its effects are its own; and nobody else may be at work on the target.
            let looked = engine.ledger.look(&remediation.claim, engine.clock.now()).await;
            if remediation.ended_at.is_none() || !looked.is_ok_and(|reading| reading.busy.is_none()) {
                busy = true;
                continue;
            }
        }
        tracing::info!(intent = %intent.id.short(), action = %intent.action, "taking back a change whose time is over");
        execute::revert(engine, intent).await?;
    }
    if busy { Ok(Some(engine.clock.after(RETRY))) } else { engine.journal.next_revert().await }
}
