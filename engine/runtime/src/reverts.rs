//! Changes that are meant for a time: takes them back when it is over.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use selfheal_core::issue::IssueId;
use selfheal_core::remediation::{IntentId, IntentState, RemediationId};
use tokio::sync::Notify;

use crate::engine::Engine;
use crate::execute;
use crate::pen::Pen;
use crate::ports::journal::{Intent, Tenure};
use crate::ports::{JournalFault, JournalFaultKind};

/// How long to wait after something stood in the way.
const RETRY: Duration = Duration::from_secs(10);

/// Wakes the room when the journal knows of a new time.
#[derive(Default)]
pub(crate) struct Reverts {
    changed: Notify,
    /// Issues that somebody looked at when a change of theirs was to be taken back.
    waiting: Mutex<HashSet<IssueId>>,
}

impl Reverts {
    /// Something must be taken back at a time that is durable now.
    pub(crate) fn look(&self) {
        self.changed.notify_one();
    }

    fn waiting(&self) -> MutexGuard<'_, HashSet<IssueId>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A look at an issue in this process has ended.
    pub(crate) fn looked_at(&self, issue: IssueId) {
        if self.waiting().remove(&issue) {
            self.look();
        }
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
                biased;
                () = changed => {}
                () = engine.clock.sleep(wait.max(Duration::from_millis(1))) => {}
            },
        }
    }
}

/// Takes back what is due; gives the time of the next look, if there is one to be.
async fn take_back(engine: &Engine) -> Result<Option<Timestamp>, JournalFault> {
    let mut busy = false;
    for due in engine.journal.reverts_due(engine.clock.now()).await? {
        let began = engine.clock.monotonic();
        // Whoever looks at the issue, here or in another process, comes first.
        let Some(tenure) = engine.journal.take_one(due.remediation.issue, engine.clock.now()).await? else {
            busy = true;
            engine.reverts.waiting().insert(due.remediation.issue);
            continue;
        };
        engine.reverts.waiting().remove(&due.remediation.issue);
        engine.holds.add(tenure, began);
        let taken_back = take_back_one(engine, due.remediation, due.id, tenure).await;
        if engine.holds.drop(tenure) {
            engine.journal.keep(vec![tenure], engine.clock.now(), Duration::ZERO).await?;
        }
        // A look at the issue that came meanwhile has had to wait.
        engine.desk.ring(engine.clock.now());
        match taken_back {
            Ok(done) => busy |= !done,
            Err(fault) if fault.kind == JournalFaultKind::Fenced => busy = true,
            Err(fault) => return Err(fault),
        }
    }
    if busy { Ok(Some(engine.clock.after(RETRY))) } else { engine.journal.next_revert().await }
}

/// Takes back one change, unless that has been done meanwhile; false when it has to wait.
async fn take_back_one(
    engine: &Engine,
    remediation: RemediationId,
    intent: IntentId,
    tenure: Tenure,
) -> Result<bool, JournalFault> {
    let Some((remediation, intents)) = engine.journal.remediation(remediation).await? else {
        return Ok(true);
    };
    let now = engine.clock.now();
    let is_due = |intent: &Intent| {
        intent.state == IntentState::Done && intent.revert_at.is_some_and(|revert_at| revert_at <= now)
    };
    let Some(intent) = intents.into_iter().find(|one| one.id == intent).filter(is_due) else {
        return Ok(true);
    };
    // As long as it is under way, its effects are its own; and nobody else may be at work on the target.
    let looked = engine.ledger.look(&remediation.claim, now).await;
    if remediation.ended_at.is_none() || !looked.is_ok_and(|reading| reading.busy.is_none()) {
        return Ok(false);
    }
    tracing::info!(intent = %intent.id.short(), action = %intent.action, "taking back a change whose time is over");
    execute::revert(engine, Pen::new(engine, tenure), intent).await?;
    Ok(true)
}
