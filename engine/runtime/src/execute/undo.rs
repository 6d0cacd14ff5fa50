//! Taking back: the one way in which a change is undone, whatever for. The journal knows of it before, and of what came of
//! it after. An undo that fails calls a person.

use std::time::Duration;

use selfheal_contract::{FailureKind, Undone};
use selfheal_core::issue::Outcome;
use selfheal_core::remediation::IntentState;
use serde_json::{Map, Value, json};

use super::effect::{WAIT_FIRST, WAIT_MAX};
use super::{Run, Turn};
use crate::engine::Engine;
use crate::news;
use crate::pen::Pen;
use crate::ports::LedgerFault;
use crate::ports::journal::{Intent, JournalFault, Record, Write};

/// How often an undo is tried, and the first delay between two tries, which doubles.
const UNDO_TRIES: u32 = 5;
const UNDO_WAIT: Duration = Duration::from_secs(1);
/// How long one undo may take.
const UNDO_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a change is taken back.
#[derive(Clone, Copy)]
pub(crate) enum Cause<'a> {
    /// It did not help, or its plan cannot go on.
    Unwound,
    /// It helped, and was meant for a time that is over.
    TimeIsOver,
    /// This person asked for it.
    Asked(&'a str),
}

impl Run<'_> {
    /// Undoes what was applied after the first `keep`, last first. Gives a halt when an undo fails.
    pub(super) async fn unwind(&mut self, keep: usize) -> Result<Option<Turn>, JournalFault> {
        while self.applied.len() > keep {
            let Some((step, intent)) = self.applied.pop() else { break };
            if intent.state == IntentState::Undone {
                continue;
            }
            if !self.can_be_undone(&step) {
                self.kept = true;
                let summary = format!("{} cannot be undone and stays", step.action.text());
                self.record("kept", &summary, json!({ "path": step.path }));
                continue;
            }
            if let Some(fault) = self.wait_for_targets().await? {
                let why = format!(
                    "{} was not undone, since its target could not be kept: {fault}",
                    step.action.text()
                );
                return Ok(Some(Turn::Halt(Outcome::Stuck, why)));
            }
            if let Err(why) = take_back(self.engine, &mut self.pen, &intent, Cause::Unwound).await? {
                let why = format!("undoing {} failed: {why}", step.action.text());
                return Ok(Some(Turn::Halt(Outcome::Stuck, why)));
            }
        }
        Ok(None)
    }

    /// Waits until the ledger says that the targets are this remediation's: its lease may have ended while nobody renewed it,
    /// and another may be at work there. Gives what it says when the policy has no more patience.
    async fn wait_for_targets(&mut self) -> Result<Option<LedgerFault>, JournalFault> {
        let engine = self.engine;
        let give_up = engine.clock.monotonic() + engine.policy.target_wait;
        let mut wait = WAIT_FIRST;
        loop {
            let Err(fault) = engine.renew(&self.remediation.claim).await else { return Ok(None) };
            if engine.clock.monotonic() >= give_up {
                return Ok(Some(fault));
            }
            self.pen.flush().await?;
            engine.clock.sleep(wait).await;
            wait = (wait * 2).min(WAIT_MAX);
        }
    }
}

/// Takes a change back. Gives what the adapter said; what came of it becomes durable with the pen's next flush. A process
/// that dies in between leaves it as being undone, and whoever finds it so undoes it again, which is undoing it once.
pub(crate) async fn take_back(
    engine: &Engine,
    pen: &mut Pen<'_>,
    intent: &Intent,
    cause: Cause<'_>,
) -> Result<Result<String, String>, JournalFault> {
    let (id, undoing) = (intent.id, IntentState::Undoing);
    if intent.state != undoing {
        let (from, said, at) = (intent.state, intent.said.clone(), engine.clock.now());
        // What is due stays due until it is done.
        let revert_at = intent.revert_at;
        pen.note(Write::MoveIntent { id, from, to: undoing, said, at, revert_at });
    }
    pen.flush().await?;
    let undone = undo(engine, pen, intent).await?;
    let (to, said) = match &undone {
        Ok(said) => (IntentState::Undone, said),
        Err(why) => (IntentState::UndoFailed, why),
    };
    let at = engine.clock.now();
    pen.note(Write::MoveIntent { id, from: undoing, to, said: said.clone(), at, revert_at: None });
    let (kind, actor, summary) = match cause {
        Cause::Unwound => (to.name(), "selfheal", said.clone()),
        Cause::TimeIsOver => ("reverted", "selfheal", format!("its time was over: {said}")),
        Cause::Asked(by) => ("rolled_back", by, format!("{}: {said}", intent.action)),
    };
    let remediation = intent.remediation;
    pen.note(Write::Record(Record {
        issue: Some(remediation.issue),
        remediation: Some(remediation),
        at,
        kind: kind.to_owned(),
        actor: actor.to_owned(),
        summary,
        facts: json!({ "path": intent.path, "state": to }),
    }));
    // A remediation tells by its outcome that it is stuck.
    if undone.is_err() && !matches!(cause, Cause::Unwound) {
        // The journal forgets no issue that has a change to be taken back.
        if let Some(issue) = engine.journal.issue(remediation.issue).await? {
            pen.note_all(news::revert_failed(engine, &issue, intent, said));
        }
    }
    Ok(undone)
}

/// Asks the adapter to take an effect back, a few times.
async fn undo(
    engine: &Engine,
    pen: &mut Pen<'_>,
    intent: &Intent,
) -> Result<Result<String, String>, JournalFault> {
    let (adapter, action) = intent.adapter_and_action();
    let Some(action) = engine.catalog.action(adapter, action) else {
        return Ok(Err("there is no such action any more".to_owned()));
    };
    let params: Map<String, Value> = intent.params.as_object().cloned().unwrap_or_default();
    let (mut wait, mut number) = (UNDO_WAIT, 1);
    loop {
        let undoing = engine.within(UNDO_TIMEOUT, action.undo(&params, &intent.prior, &intent.id));
        let failure = match pen.act(undoing).await? {
            Ok(Undone::Reversed(said) | Undone::Nothing(said)) => return Ok(Ok(said)),
            Ok(Undone::Irreversible) => return Ok(Err("the action cannot be undone".to_owned())),
            Err(failure) => failure,
        };
        engine.count_exchange(adapter, failure.kind == FailureKind::Refused);
        if failure.kind == FailureKind::Refused || number >= UNDO_TRIES {
            return Ok(Err(failure.what));
        }
        engine.clock.sleep(wait).await;
        (wait, number) = (wait * 2, number + 1);
    }
}
