//! Unwind: takes back what was applied, in reverse order. An undo that fails calls a person.

use std::time::Duration;

use selfheal_contract::{FailureKind, Undone};
use selfheal_core::issue::Outcome;
use selfheal_core::plan::Step;
use selfheal_core::remediation::IntentState;
use serde_json::{Map, Value, json};

use super::{Run, Turn};
use crate::engine::Engine;
use crate::news;
use crate::pen::Pen;
use crate::ports::journal::{Intent, JournalFault, Record, Write};

/// How often an undo is tried, and the first delay between two tries, which doubles.
const UNDO_TRIES: u32 = 5;
const UNDO_WAIT: Duration = Duration::from_secs(1);
/// How long one undo may take.
const UNDO_TIMEOUT: Duration = Duration::from_secs(30);

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
            if let Err(why) = self.undo(&step, intent).await? {
                let why = format!("undoing {} failed: {why}", step.action.text());
                return Ok(Some(Turn::Halt(Outcome::Stuck, why)));
            }
        }
        Ok(None)
    }

    async fn undo(&mut self, step: &Step, intent: Intent) -> Result<Result<(), String>, JournalFault> {
        let (id, at) = (intent.id, self.engine.clock.now());
        if intent.state != IntentState::Undoing {
            let (from, to, said) = (intent.state, IntentState::Undoing, intent.said.clone());
            self.pen.note(Write::MoveIntent { id, from, to, said, at, revert_at: None });
        }
        self.pen.flush().await?;
        let undone =
            undo(self.engine, &mut self.pen, &step.action.adapter, &step.action.action, &intent).await?;
        let (to, said) = undone
            .clone()
            .map_or_else(|why| (IntentState::UndoFailed, why), |said| (IntentState::Undone, said));
        let (from, at) = (IntentState::Undoing, self.engine.clock.now());
        self.pen.note(Write::MoveIntent { id, from, to, said: said.clone(), at, revert_at: None });
        self.record(to.name(), &said, json!({ "path": step.path }));
        Ok(undone.map(|_| ()))
    }
}

/// Asks the adapter to take an effect back, a few times.
pub(super) async fn undo(
    engine: &Engine,
    pen: &mut Pen<'_>,
    adapter: &str,
    action: &str,
    intent: &Intent,
) -> Result<Result<String, String>, JournalFault> {
    let Some(action) = engine.catalog.action(adapter, action) else {
        return Ok(Err("there is no such action any more".to_owned()));
    };
    let params: Map<String, Value> = intent.params.as_object().cloned().unwrap_or_default();
    let mut wait = UNDO_WAIT;
    for number in 1.. {
        pen.stand().await?;
        let failure = match engine.within(UNDO_TIMEOUT, action.undo(&params, &intent.prior, &intent.id)).await
        {
            Ok(Undone::Reversed(said) | Undone::Nothing(said)) => return Ok(Ok(said)),
            Ok(Undone::Irreversible) => return Ok(Err("the action cannot be undone".to_owned())),
            Err(failure) => failure,
        };
        engine.count_exchange(adapter, failure.kind == FailureKind::Refused);
        if failure.kind == FailureKind::Refused || number >= UNDO_TRIES {
            return Ok(Err(failure.what));
        }
        engine.clock.sleep(wait).await;
        wait *= 2;
    }
    Ok(Err("it was tried too often".to_owned()))
}

/// Takes back an effect that helped but was only meant for a time.
///
/// The time that is journalled with the effect is what announces the undo: until the result is durable it stays due, and
/// a crash in between undoes again, which is undoing once.
pub(crate) async fn revert(engine: &Engine, mut pen: Pen<'_>, intent: Intent) -> Result<(), JournalFault> {
    let id = intent.id;
    let (adapter, action) = intent.action.split_once('.').unwrap_or((intent.action.as_str(), ""));
    let undone = undo(engine, &mut pen, adapter, action, &intent).await?;
    let (to, said) = match undone {
        Ok(said) => (IntentState::Undone, said),
        Err(why) => (IntentState::UndoFailed, why),
    };
    let at = engine.clock.now();
    if intent.state != IntentState::Undoing {
        let (from, to, said) = (intent.state, IntentState::Undoing, intent.said.clone());
        pen.note(Write::MoveIntent { id, from, to, said, at, revert_at: None });
    }
    pen.note(Write::MoveIntent {
        id,
        from: IntentState::Undoing,
        to,
        said: said.clone(),
        at,
        revert_at: None,
    });
    let remediation = intent.remediation;
    pen.note(Write::Record(Record {
        issue: Some(remediation.issue),
        remediation: Some(remediation),
        at,
        kind: "reverted".to_owned(),
        actor: "selfheal".to_owned(),
        summary: format!("its time was over: {said}"),
        facts: json!({ "path": intent.path, "state": to }),
    }));
    if to == IntentState::UndoFailed {
        pen.note_all(news::revert_failed(engine, remediation.issue, remediation, &said));
    }
    pen.finish().await
}
