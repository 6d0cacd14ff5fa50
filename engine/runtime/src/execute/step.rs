//! One step with its tries: make the effect (`effect.rs`), verify (`verify.rs`), undo what did not help (`undo.rs`), try
//! again. What an earlier walk has settled is taken over.

use selfheal_contract::{Failure, Reversal};
use selfheal_core::issue::Outcome;
use selfheal_core::plan::Step;
use selfheal_core::remediation::{IntentState, intent_id};
use serde_json::Value;
use tracing::Instrument as _;

use super::{Run, Turn};
use crate::observe::PROBE_TIMEOUT;
use crate::ports::journal::{Intent, JournalFault, Record, Write};

/// How one try ended.
pub(super) enum Try {
    Helped {
        verified: bool,
        why: String,
    },
    DidNotHelp(String),
    /// It certainly did not happen, and trying again is of no use.
    NotApplied(String),
    /// An earlier walk has begun to take it back, for whatever reason.
    TakenBack(String),
    Halt(Outcome, String),
}

impl Run<'_> {
    /// Carries out one step with all its tries.
    pub(super) async fn step(&mut self, step: &Step) -> Result<Turn, JournalFault> {
        let tries = 1 + step.options.retry.map_or(0, |retry| retry.times);
        let mut whys = Vec::new();
        for number in 1..=tries {
            let span = tracing::info_span!("step", path = %step.path, action = %step.action.name(), number);
            // What an earlier walk has settled, it has counted, too.
            let settled =
                self.past.get(&(step.path.clone(), number)).is_some_and(|intent| is_settled(intent.state));
            let ended = self.one_try(step, number).instrument(span).await?;
            let (success, turn) = match ended {
                Try::Helped { verified, why } => (Some(true), Some(Turn::Helped { verified, why })),
                Try::DidNotHelp(why) => {
                    whys.push(why);
                    (Some(false), None)
                }
                // Nothing happened, which says nothing of how well the action helps.
                Try::NotApplied(why) => (None, Some(Turn::Failed(format!("{}: {why}", step.action.text())))),
                Try::TakenBack(why) => {
                    if let Some(halt) = self.unwind(self.applied.len().saturating_sub(1)).await? {
                        return Ok(halt);
                    }
                    whys.push(why);
                    if self.past.contains_key(&(step.path.clone(), number + 1)) {
                        continue;
                    }
                    // Whether it was to be tried again is not known; to stop here does nothing twice.
                    return Ok(Turn::Failed(format!("{}: {}", step.action.text(), whys.join("; "))));
                }
                Try::Halt(outcome, why) => {
                    let success = (outcome == Outcome::Unknown).then_some(false);
                    (success, Some(Turn::Halt(outcome, format!("{}: {why}", step.action.text()))))
                }
            };
            if let Some(success) = success.filter(|_| !settled) {
                self.count_try(step, success);
            }
            if let Some(turn) = turn {
                return Ok(turn);
            }
            if let Some(halt) = self.unwind_failed_try(step).await? {
                return Ok(halt);
            }
            if let Some(retry) = step.options.retry.filter(|retry| number <= retry.times) {
                self.pen.flush().await?;
                self.engine.clock.sleep(retry.delay(number)).await;
            }
        }
        Ok(Turn::Failed(format!("{}: {}", step.action.text(), whys.join("; "))))
    }

    /// A try that did not help is undone before anything else is tried, unless the rule says to keep it.
    async fn unwind_failed_try(&mut self, step: &Step) -> Result<Option<Turn>, JournalFault> {
        if step.options.keep_on_failure {
            self.applied.pop();
            self.kept = true;
            return Ok(None);
        }
        self.unwind(self.applied.len().saturating_sub(1)).await
    }

    fn count_try(&mut self, step: &Step, success: bool) {
        let (rule, action) = (self.remediation.rule.clone(), step.action.name());
        let at = self.engine.clock.now();
        if !success {
            let resource = self.resource.clone();
            self.pen.note(Write::CountFailure { rule: rule.clone(), resource, at });
        }
        // What nothing has verified says nothing of how well the action helps.
        let is_evidence = !success || step.options.verify.is_some();
        self.engine.count_try(&rule, &action, success, is_evidence);
        if is_evidence {
            self.pen.note(Write::CountResult { rule, action, success });
        }
    }

    async fn one_try(&mut self, step: &Step, number: u32) -> Result<Try, JournalFault> {
        let call = &step.action;
        let past = match self.past.remove(&(step.path.clone(), number)) {
            Some(intent) if is_settled(intent.state) => return Ok(self.take_over(step, intent)),
            past => past,
        };
        let action = self.engine.catalog.action(&call.adapter, &call.action).cloned();
        let usable = async {
            let action = action.ok_or_else(|| Failure::refused("there is no such action any more"))?;
            Ok((action.assess(&call.params)?.target, action))
        };
        let (target, action) = match self.engine.ask(PROBE_TIMEOUT, usable).await {
            Ok(usable) => usable,
            Err(failure) if past.is_none() => return Ok(Try::NotApplied(failure.what)),
            Err(failure) => {
                return Ok(Try::Halt(Outcome::Unknown, format!("it was under way, and {failure}")));
            }
        };
        match past {
            Some(intent) if intent.state == IntentState::Applied => self.verify(step, intent, None).await,
            Some(intent) => self.apply_and_verify(step, &*action, intent, true).await,
            // What is left of an earlier walk comes later in the plan: that walk has passed here, and nothing happened. To try
            // now what it could not would leave behind what it did instead.
            None if !self.past.is_empty() => Ok(Try::NotApplied(
                "it was given up before the process ended, and something else was begun".to_owned(),
            )),
            None => {
                let id = intent_id(self.remediation.id, &self.remediation.rule, step, &target, number);
                match self.intend(step, &*action, id, target, number).await? {
                    Ok(intent) => self.apply_and_verify(step, &*action, intent, false).await,
                    Err(ended) => Ok(ended),
                }
            }
        }
    }

    /// Takes over what an earlier walk has settled.
    fn take_over(&mut self, step: &Step, intent: Intent) -> Try {
        let (state, why) = (intent.state, intent.said.clone());
        match state {
            IntentState::NotApplied | IntentState::Executing | IntentState::Applied => {
                return Try::NotApplied(why);
            }
            IntentState::Unknown => return Try::Halt(Outcome::Unknown, why),
            IntentState::UndoFailed => return Try::Halt(Outcome::Stuck, why),
            IntentState::Done | IntentState::Unhelpful | IntentState::Undoing | IntentState::Undone => {}
        }
        self.stands(step, intent);
        match state {
            IntentState::Done => Try::Helped { verified: step.options.verify.is_some(), why },
            IntentState::Unhelpful => Try::DidNotHelp(why),
            // Unwinding finishes what was begun, and passes over what is done.
            _ => Try::TakenBack(why),
        }
    }

    pub(super) fn can_be_undone(&self, step: &Step) -> bool {
        let action = self.engine.catalog.action(&step.action.adapter, &step.action.action);
        action.is_some_and(|action| action.about().reversal != Reversal::Irreversible)
    }

    pub(super) fn record(&mut self, kind: &str, summary: &str, facts: Value) {
        self.pen.note(Write::Record(Record {
            issue: Some(self.remediation.id.issue),
            remediation: Some(self.remediation.id),
            at: self.engine.clock.now(),
            kind: kind.to_owned(),
            actor: "selfheal".to_owned(),
            summary: summary.to_owned(),
            facts,
        }));
    }
}

/// Whether a walk has come to an end with an intent, and counted it.
fn is_settled(state: IntentState) -> bool {
    !matches!(state, IntentState::Executing | IntentState::Applied)
}
