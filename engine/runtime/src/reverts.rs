//! Changes that are meant for a time: takes them back when it is over.
//!
//! A change that stands on an earlier one, as the journal tells by target and action, is taken back first, whatever their
//! times; so the last of them brings back what was there before the first.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use selfheal_core::issue::IssueId;
use tokio::sync::Notify;

use crate::engine::Engine;
use crate::execute::{Cause, InTheWay, take_back};
use crate::pen::Pen;
use crate::ports::journal::{Intent, Tenure};
use crate::ports::{JournalFault, JournalFaultKind};

/// Changes that are taken back at the same time, at most.
const AT_ONCE: usize = 8;
/// How long to wait after something stood in the way.
const RETRY: Duration = Duration::from_secs(10);
/// How often to look without being called where the journal is shared: what a process planned that has died since calls
/// nobody here.
const LOOK_SHARED: Duration = Duration::from_secs(10);
/// How often to look without being called where something is to be taken back: its time is one of the wall clock, which may
/// be set, and waiting goes by a clock that may not.
const LOOK_ALONE: Duration = Duration::from_secs(60);

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

/// Takes back what is due, for as long as the process runs: a few at a time, so that a target that does not answer keeps
/// the others waiting for nothing, and one after the other at each target. While the switch is off nothing is changed: what
/// is due waits until it is on.
pub(crate) async fn run(engine: Arc<Engine>) {
    let mut round = Round::default();
    loop {
        let changed = engine.reverts.changed.notified();
        let wait = round.begin(&engine).await.unwrap_or_else(|fault| {
            tracing::error!(%fault, "cannot take back what is due");
            Some(RETRY)
        });
        let wait = if engine.shared {
            Some(wait.unwrap_or(LOOK_SHARED).min(LOOK_SHARED))
        } else {
            wait.map(|wait| wait.min(LOOK_ALONE))
        };
        let sleep = async {
            match wait {
                Some(wait) => engine.clock.sleep(wait.max(Duration::from_millis(1))).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            // What stood in the way may do so no longer.
            () = changed => round.not_before.clear(),
            Some((target, done)) = round.under_way.next() => round.ended(&engine, target, done),
            () = sleep => {}
        }
    }
}

/// What is being taken back.
#[derive(Default)]
struct Round<'e> {
    /// One for each target; each ends with its target and whether it was taken back.
    under_way: FuturesUnordered<BoxFuture<'e, (String, bool)>>,
    busy: Vec<(String, IssueId)>,
    /// Until when, by the monotonic clock, a target is left alone after something stood in the way.
    not_before: HashMap<String, Duration>,
}

impl<'e> Round<'e> {
    /// Begins what is due, as far as there is room; gives how long until the next look, if there is one to be.
    async fn begin(&mut self, engine: &'e Engine) -> Result<Option<Duration>, JournalFault> {
        let now = engine.clock.monotonic();
        self.not_before.retain(|_, until| *until > now);
        let due = engine.journal.reverts_due(engine.clock.now()).await?;
        if !due.is_empty() && engine.switch.off().is_some() {
            return Ok(Some(RETRY));
        }
        for due in due {
            if self.busy.len() >= AT_ONCE {
                break;
            }
            let (target, issue) = (due.target.clone(), due.remediation.issue);
            // An issue is held by one of its changes at a time.
            let is_busy = self.busy.iter().any(|busy| busy.0 == target || busy.1 == issue);
            if !is_busy && !self.not_before.contains_key(&target) {
                self.busy.push((target.clone(), issue));
                self.under_way.push(async move { (target, take_back_aside(engine, due).await) }.boxed());
            }
        }
        if !self.busy.is_empty() || !self.not_before.is_empty() {
            return Ok(Some(RETRY));
        }
        let next = engine.journal.next_revert().await?;
        Ok(next.map(|at| Duration::try_from(at.duration_since(engine.clock.now())).unwrap_or_default()))
    }

    fn ended(&mut self, engine: &Engine, target: String, done: bool) {
        self.busy.retain(|busy| busy.0 != target);
        if !done {
            self.not_before.insert(target, engine.clock.monotonic() + RETRY);
        }
    }
}

/// Takes back one change, with the targets of its remediation claimed and its issue held; false when it has to wait.
async fn take_back_aside(engine: &Engine, due: Intent) -> bool {
    let (id, issue) = (due.remediation, due.remediation.issue);
    engine.reverts.waiting().remove(&issue);
    match take_back_claimed(engine, due).await {
        Ok(Ok(done)) => done,
        Ok(Err(why)) => {
            tracing::debug!(remediation = %id, %why, "a change whose time is over cannot be taken back yet");
            if matches!(why, InTheWay::Looked) {
                engine.reverts.waiting().insert(issue);
            }
            false
        }
        Err(fault) => {
            if fault.kind != JournalFaultKind::Fenced {
                tracing::error!(remediation = %id, %fault, "a change whose time is over cannot be taken back");
            }
            false
        }
    }
}

/// As above; or says what stands in the way.
async fn take_back_claimed(engine: &Engine, due: Intent) -> Result<Result<bool, InTheWay>, JournalFault> {
    let Some((remediation, _)) = engine.journal.remediation(due.remediation).await? else {
        return Ok(Ok(false));
    };
    // As long as it is under way, its effects are its own.
    if remediation.ended_at.is_none() {
        return Ok(Ok(false));
    }
    // What it reaches beside what it changes is reached again.
    let targets = remediation.claim.targets;
    let taken_back =
        engine.aside(remediation.id, targets, |tenure| take_back_due(engine, tenure, due)).await?;
    Ok(taken_back.map(|()| true))
}

/// Takes back one change, unless that has been done meanwhile.
async fn take_back_due(engine: &Engine, tenure: Tenure, due: Intent) -> Result<(), JournalFault> {
    // Only now nobody else changes it, or builds on it.
    let still_due = engine.journal.reverts_due(engine.clock.now()).await?;
    let Some(intent) = still_due.into_iter().find(|intent| intent.id == due.id) else { return Ok(()) };
    tracing::info!(intent = %intent.id.short(), action = %intent.action, "taking back a change whose time is over");
    let mut pen = Pen::new(engine, tenure);
    // What was said is in the journal; who must know of a failure is told.
    let _ = take_back(engine, &mut pen, &intent, Cause::TimeIsOver).await?;
    pen.finish().await
}
