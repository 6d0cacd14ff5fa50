//! One step: save the prior state, journal the intent, apply, journal the result, verify, try again.
//!
//! The intent is durable before the effect, always. An effect that may have happened is looked for at the target, and
//! never repeated blindly.

use std::time::Duration;

use jiff::Timestamp;
use selfheal_contract::{AnyAction, Applied, Effect, Failure, FailureKind, Reversal};
use selfheal_core::condition::{Judgement, Readings};
use selfheal_core::guard::later;
use selfheal_core::issue::Outcome;
use selfheal_core::plan::{Step, Verify};
use selfheal_core::remediation::{IntentState, intent_id};
use serde_json::{Value, json};
use tracing::Instrument as _;

use super::{Run, Turn};
use crate::decide::read_all;
use crate::ports::journal::{Intent, JournalFault, Record, Write};

/// The first delay before a target that could not be reached is tried again; it doubles up to the second.
const WAIT_FIRST: Duration = Duration::from_secs(1);
const WAIT_MAX: Duration = Duration::from_secs(30);
/// The first delay between two readings of a verification; it doubles up to the second.
const LOOK_FIRST: Duration = Duration::from_millis(200);
const LOOK_MAX: Duration = Duration::from_secs(5);

/// How one try ended.
enum Try {
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

/// What became of an application.
enum Effected {
    Applied(Applied),
    Not(Failure),
    /// A guard stood in the way before it happened.
    Stopped(Outcome, String),
    Unknown(String),
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
                Try::NotApplied(why) => {
                    (Some(false), Some(Turn::Failed(format!("{}: {why}", step.action.text()))))
                }
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
                    (outcome.success(), Some(Turn::Halt(outcome, format!("{}: {why}", step.action.text()))))
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
        self.engine.count_try(&rule, &action, success);
        self.pen.note(Write::CountResult { rule, action, success });
    }

    async fn one_try(&mut self, step: &Step, number: u32) -> Result<Try, JournalFault> {
        let call = &step.action;
        let past = match self.past.remove(&(step.path.clone(), number)) {
            Some(intent) if is_settled(intent.state) => return Ok(self.take_over(step, intent)),
            past => past,
        };
        let action = self.engine.catalog.action(&call.adapter, &call.action).cloned();
        let action = action.ok_or_else(|| Failure::refused("there is no such action any more"));
        let (target, action) =
            match action.and_then(|action| Ok((action.assess(&call.params)?.target, action))) {
                Ok(usable) => usable,
                Err(failure) if past.is_none() => return Ok(Try::NotApplied(failure.what)),
                Err(failure) => {
                    return Ok(Try::Halt(Outcome::Unknown, format!("it was under way, and {failure}")));
                }
            };
        match past {
            Some(intent) if intent.state == IntentState::Applied => self.verify(step, intent).await,
            Some(intent) => self.apply_and_verify(step, &*action, intent, true).await,
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

    /// Saves the prior state and makes the intent durable.
    async fn intend(
        &mut self,
        step: &Step,
        action: &dyn AnyAction,
        id: selfheal_core::remediation::IntentId,
        target: String,
        try_number: u32,
    ) -> Result<Result<Intent, Try>, JournalFault> {
        let prior = match self.patiently(step, || action.capture(&step.action.params)).await? {
            Ok(prior) => prior,
            Err(failure) => return Ok(Err(Try::NotApplied(failure.what))),
        };
        let before = match step.options.verify.as_ref().filter(|verify| verify.condition.is_relative()) {
            Some(verify) => read_all(self.engine, &verify.condition.probes()).await,
            None => Readings::new(),
        };
        // Reading the prior state may have taken a long time.
        if let Some((outcome, why)) = self.may_not_go_on().await? {
            return Ok(Err(Try::Halt(outcome, why)));
        }
        let now = self.engine.clock.now();
        let intent = Intent {
            id,
            remediation: self.remediation.id,
            path: step.path.clone(),
            try_number,
            action: step.action.name(),
            params: Value::Object(step.action.params.clone()),
            target,
            prior,
            before: serde_json::to_value(before).unwrap_or_default(),
            state: IntentState::Executing,
            said: String::new(),
            intended_at: now,
            applied_at: None,
            changed_at: now,
            revert_at: None,
        };
        self.pen.note(Write::Intend(Box::new(intent.clone())));
        self.pen.flush().await?;
        Ok(Ok(intent))
    }

    /// Whether something stands in the way of the next effect: the switch, an alert that has gone away before anything
    /// was done, or a ledger that cannot be asked.
    async fn may_not_go_on(&mut self) -> Result<Option<(Outcome, String)>, JournalFault> {
        let engine = self.engine;
        let fresh = std::mem::take(&mut self.fresh);
        let give_up = engine.clock.after(engine.policy.target_wait);
        let mut wait = WAIT_FIRST;
        loop {
            if let Some(why) = engine.switch.off() {
                return Ok(Some((Outcome::Refused, format!("automatic remediation is off: {why}"))));
            }
            if fresh {
                // The claim was granted a moment ago, for an alert that fires.
                return Ok(None);
            }
            if !self.touched {
                let issue = engine.journal.issue(self.remediation.id.issue).await?;
                if issue.is_some_and(|issue| issue.resolved_at.is_some()) {
                    return Ok(Some((
                        Outcome::Subsided,
                        "the alert was resolved before anything was done".to_owned(),
                    )));
                }
            }
            let Err(fault) = engine.ledger.renew(&self.remediation.claim, engine.clock.now()).await else {
                return Ok(None);
            };
            if engine.clock.now() >= give_up {
                return Ok(Some((Outcome::Refused, format!("without the ledger nothing is done: {fault}"))));
            }
            self.pen.flush().await?;
            engine.clock.sleep(wait).await;
            wait = (wait * 2).min(WAIT_MAX);
        }
    }

    async fn apply_and_verify(
        &mut self,
        step: &Step,
        action: &dyn AnyAction,
        intent: Intent,
        may_have_happened: bool,
    ) -> Result<Try, JournalFault> {
        let now = |run: &Self| run.engine.clock.now();
        let from = IntentState::Executing;
        let effected = self.effect(step, action, &intent, may_have_happened).await?;
        let at = now(self);
        let (id, revert_at) = (intent.id, None);
        match effected {
            Effected::Applied(applied) => {
                let to = IntentState::Applied;
                let said = applied.summary.clone();
                self.pen.note(Write::MoveIntent { id, from, to, said, at, revert_at });
                self.record(
                    "applied",
                    &applied.summary,
                    json!({ "path": step.path, "facts": applied.facts }),
                );
                let intent = Intent { state: to, said: applied.summary, applied_at: Some(at), ..intent };
                self.verify(step, intent).await
            }
            Effected::Not(failure) => {
                let (to, said) = (IntentState::NotApplied, failure.what.clone());
                self.pen.note(Write::MoveIntent { id, from, to, said, at, revert_at });
                self.record("not_applied", &failure.what, json!({ "path": step.path, "kind": failure.kind }));
                Ok(Try::NotApplied(failure.what))
            }
            Effected::Stopped(outcome, why) => {
                let (to, said) = (IntentState::NotApplied, why.clone());
                self.pen.note(Write::MoveIntent { id, from, to, said, at, revert_at });
                self.record("not_applied", &why, json!({ "path": step.path }));
                Ok(Try::Halt(outcome, why))
            }
            Effected::Unknown(why) => {
                let (to, said) = (IntentState::Unknown, why.clone());
                self.pen.note(Write::MoveIntent { id, from, to, said, at, revert_at });
                self.record("unknown", &why, json!({ "path": step.path }));
                Ok(Try::Halt(Outcome::Unknown, why))
            }
        }
    }

    /// Applies until it is known whether it happened. Waits for a target that is down, as long as the policy has
    /// patience.
    async fn effect(
        &mut self,
        step: &Step,
        action: &dyn AnyAction,
        intent: &Intent,
        mut may_have_happened: bool,
    ) -> Result<Effected, JournalFault> {
        let engine = self.engine;
        let params = &step.action.params;
        let (timeout, adapter) = (Duration::from(step.options.timeout), &step.action.adapter);
        let give_up = later(intent.intended_at, engine.policy.target_wait.max(timeout));
        let mut wait = WAIT_FIRST;
        // The guards were asked just before the intent; whenever time has passed since, they are asked again.
        let mut asked = !may_have_happened;
        loop {
            if !may_have_happened && !std::mem::take(&mut asked) {
                if let Some((outcome, why)) = self.may_not_go_on().await? {
                    return Ok(Effected::Stopped(outcome, why));
                }
                if engine.clock.now() >= give_up {
                    return Ok(Effected::Not(Failure::transient(
                        "its time had passed before it could be applied",
                    )));
                }
            }
            let failure = if may_have_happened {
                match engine.within(timeout, action.effect(params, &intent.prior, &intent.id)).await {
                    Ok(Effect::Done(applied)) => return Ok(Effected::Applied(applied)),
                    Ok(Effect::Unclear(why)) => return Ok(Effected::Unknown(why)),
                    Ok(Effect::Untouched) => {
                        may_have_happened = false;
                        continue;
                    }
                    Err(failure) => failure,
                }
            } else {
                match engine.within(timeout, action.apply(params, &intent.prior, &intent.id)).await {
                    Ok(applied) => {
                        engine.count_exchange(adapter, true);
                        return Ok(Effected::Applied(applied));
                    }
                    Err(failure) if failure.kind == FailureKind::Refused => {
                        return Ok(Effected::Not(failure));
                    }
                    Err(failure) => {
                        may_have_happened = failure.kind == FailureKind::Indeterminate;
                        failure
                    }
                }
            };
            engine.count_exchange(adapter, false);
            if engine.clock.now() >= give_up {
                return Ok(if may_have_happened {
                    Effected::Unknown(format!("it may have happened and cannot be told: {failure}"))
                } else {
                    Effected::Not(failure)
                });
            }
            engine.clock.sleep(wait).await;
            wait = (wait * 2).min(WAIT_MAX);
        }
    }

    /// Asks a target that changes nothing, again and again while it is down, as long as the policy has patience.
    async fn patiently<T, F>(
        &mut self,
        step: &Step,
        ask: impl Fn() -> F,
    ) -> Result<Result<T, Failure>, JournalFault>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let engine = self.engine;
        let (timeout, adapter) = (Duration::from(step.options.timeout), &step.action.adapter);
        let give_up = engine.clock.after(engine.policy.target_wait);
        let mut wait = WAIT_FIRST;
        loop {
            let failure = match engine.within(timeout, ask()).await {
                Ok(answer) => {
                    engine.count_exchange(adapter, true);
                    return Ok(Ok(answer));
                }
                Err(failure) if failure.kind == FailureKind::Refused => return Ok(Err(failure)),
                Err(failure) => failure,
            };
            engine.count_exchange(adapter, false);
            if engine.clock.now() >= give_up {
                return Ok(Err(failure));
            }
            // The wait may be long; what was decided must not be lost with it.
            self.pen.flush().await?;
            engine.clock.sleep(wait).await;
            wait = (wait * 2).min(WAIT_MAX);
        }
    }

    /// Reads until the condition holds or the time is up.
    async fn verify(&mut self, step: &Step, intent: Intent) -> Result<Try, JournalFault> {
        let applied_at = intent.applied_at.unwrap_or(intent.changed_at);
        let judged = match &step.options.verify {
            None => Ok(None),
            Some(verify) => {
                // The verification takes time; the application must not be lost with it.
                self.pen.flush().await?;
                let span = tracing::info_span!("verify", condition = %verify.condition);
                self.watch(verify, applied_at, &intent).instrument(span).await.map(Some)
            }
        };
        let (to, said) = match &judged {
            Ok(None) => (IntentState::Done, intent.said.clone()),
            Ok(Some(said)) => (IntentState::Done, said.clone()),
            Err(said) => (IntentState::Unhelpful, said.clone()),
        };
        let at = self.engine.clock.now();
        let revert_at = step
            .options
            .revert_after
            .filter(|_| to == IntentState::Done && self.can_be_undone(step))
            .map(|after| later(applied_at, after.into()));
        let (id, from) = (intent.id, IntentState::Applied);
        self.pen.note(Write::MoveIntent { id, from, to, said: said.clone(), at, revert_at });
        if step.options.verify.is_some() {
            let kind = if to == IntentState::Done { "verified" } else { "not_verified" };
            self.record(kind, &said, json!({ "path": step.path }));
        }
        self.timed |= revert_at.is_some();
        self.stands(step, Intent { state: to, said: said.clone(), revert_at, ..intent });
        Ok(match judged {
            Ok(verified) => Try::Helped { verified: verified.is_some(), why: said },
            Err(why) => Try::DidNotHelp(why),
        })
    }

    /// Notes that an effect stands at the target, or stood there.
    fn stands(&mut self, step: &Step, intent: Intent) {
        self.touched = true;
        self.applied.push((step.clone(), intent));
    }

    async fn watch(&self, verify: &Verify, applied_at: Timestamp, intent: &Intent) -> Result<String, String> {
        let engine = self.engine;
        let deadline = later(applied_at, verify.within.into());
        let before: Readings = serde_json::from_value(intent.before.clone()).unwrap_or_default();
        let probes = verify.condition.probes();
        let mut wait = LOOK_FIRST;
        loop {
            let now = read_all(engine, &probes).await;
            let why = match verify.condition.judge(&now, &before) {
                Judgement::Holds(why) => return Ok(why),
                Judgement::Fails(why) => why,
                Judgement::Inconclusive(why) => format!("inconclusive, which is not success: {why}"),
            };
            let left = Duration::try_from(deadline.duration_since(engine.clock.now())).unwrap_or_default();
            if left.is_zero() {
                return Err(format!("not within {}: {why}", verify.within));
            }
            engine.clock.sleep(wait.min(left)).await;
            wait = (wait * 2).min(LOOK_MAX);
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
