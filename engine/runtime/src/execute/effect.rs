//! One effect: save the prior state, journal the intent, ask the guards once more, apply, find out whether it happened.
//!
//! The intent is durable before the effect, always. An effect that may have happened is looked for at the target, and
//! never repeated blindly.

use std::time::Duration;

use selfheal_contract::{AnyAction, Applied, Effect, Failure, FailureKind, Reading};
use selfheal_core::condition::Readings;
use selfheal_core::issue::Outcome;
use selfheal_core::plan::Step;
use selfheal_core::remediation::{IntentId, IntentState};
use serde_json::{Value, json};

use super::step::Try;
use super::{Grant, Run};
use crate::observe::read_all;
use crate::ports::LedgerFault;
use crate::ports::journal::{Intent, JournalFault, Write};

/// The first delay before a target that could not be reached is tried again; it doubles up to the second.
pub(super) const WAIT_FIRST: Duration = Duration::from_secs(1);
pub(super) const WAIT_MAX: Duration = Duration::from_secs(30);
/// How long the claim that a remediation began with speaks for its first effect. Reading the prior state may take longer
/// than the ledger's lease, which nobody renews while the ledger is down.
const CLAIM_SPEAKS: Duration = Duration::from_secs(10);

impl Grant {
    /// Whether the ledger need not be asked again before an intent.
    fn speaks(&self, now: Duration) -> bool {
        matches!(self, Self::Fresh(at) if now.saturating_sub(*at) < CLAIM_SPEAKS)
    }
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
    /// Saves the prior state and makes the intent durable.
    pub(super) async fn intend(
        &mut self,
        step: &Step,
        action: &dyn AnyAction,
        id: IntentId,
        target: String,
        try_number: u32,
    ) -> Result<Result<Intent, Try>, JournalFault> {
        let prior = match self.patiently(step, || action.capture(&step.action.params)).await? {
            Ok(prior) => prior,
            Err(failure) => return Ok(Err(Try::NotApplied(failure.what))),
        };
        let before = match self.read_before(step).await? {
            Ok(before) => before,
            Err(why) => return Ok(Err(Try::NotApplied(why))),
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
        if let Some(due) = self.due.take() {
            let took = self.engine.clock.now().duration_since(due).as_secs_f64();
            self.engine.metrics.latency_seconds.observe(took.max(0.0));
        }
        if matches!(self.grant, Grant::Fresh(_)) {
            self.grant = Grant::Journalled;
        }
        Ok(Ok(intent))
    }

    /// What a relative verification will be judged by. Where that could not be read it could never hold, so a target that does
    /// not answer is waited for, as long as the policy has patience.
    async fn read_before(&mut self, step: &Step) -> Result<Result<Readings, String>, JournalFault> {
        let engine = self.engine;
        let Some(verify) = step.options.verify.as_ref().filter(|verify| verify.condition.is_relative())
        else {
            return Ok(Ok(Readings::new()));
        };
        let give_up = engine.clock.monotonic() + engine.policy.target_wait;
        let mut wait = WAIT_FIRST;
        loop {
            let seen = read_all(engine, &verify.condition.probes()).await;
            if !seen.unanswered {
                return Ok(Ok(seen.readings));
            }
            if engine.clock.monotonic() >= give_up {
                let silent = seen.readings.into_values().find_map(|reading| match reading {
                    Reading::Inconclusive(why) => Some(why),
                    Reading::Known(_) => None,
                });
                let why = silent.unwrap_or_default();
                return Ok(Err(format!("what it would be verified by could not be read before: {why}")));
            }
            self.pen.flush().await?;
            engine.clock.sleep(wait).await;
            wait = (wait * 2).min(WAIT_MAX);
        }
    }

    /// Whether something stands in the way of the next effect: the switch, an alert that has gone away while nothing of
    /// this remediation stands at the target, or a ledger that cannot be asked.
    async fn may_not_go_on(&mut self) -> Result<Option<(Outcome, String)>, JournalFault> {
        let engine = self.engine;
        let give_up = engine.clock.monotonic() + engine.policy.target_wait;
        let mut wait = WAIT_FIRST;
        loop {
            if let Some(why) = engine.switch.off() {
                return Ok(Some((Outcome::Refused, switched_off(&why))));
            }
            // The claim was granted a moment ago. Whether the alert fires still is asked when the journal knows the claim.
            if self.grant.speaks(engine.clock.monotonic()) {
                return Ok(None);
            }
            // What was begun is carried out to its end.
            if self.applied.is_empty() && self.is_resolved().await? {
                return Ok(Some(self.overtaken()));
            }
            let fault = match self.claim_stands().await {
                Ok(true) => return Ok(None),
                Ok(false) => {
                    let why = "the ledger lost what it had granted, and has granted it to another since";
                    return Ok(Some((Outcome::Refused, why.to_owned())));
                }
                Err(fault) => fault,
            };
            if engine.clock.monotonic() >= give_up {
                return Ok(Some((Outcome::Refused, format!("without the ledger nothing is done: {fault}"))));
            }
            self.pen.flush().await?;
            engine.clock.sleep(wait).await;
            wait = (wait * 2).min(WAIT_MAX);
        }
    }

    /// Whether the alert is resolved. Who has the journal alone has called for another look if that has changed since this one began.
    async fn is_resolved(&self) -> Result<bool, JournalFault> {
        let (engine, id) = (self.engine, self.remediation.id.issue);
        if !engine.shared && !engine.desk.is_called(id) {
            return Ok(self.resolved);
        }
        let issue = engine.journal.issue(id).await?;
        Ok(issue.is_some_and(|issue| issue.resolved_at.is_some()))
    }

    /// What a remediation came to whose alert was resolved before its next try.
    fn overtaken(&self) -> (Outcome, String) {
        let (outcome, why) = if self.kept {
            (
                Outcome::Kept,
                "what did not help in time stays, and the alert was resolved before anything else was tried",
            )
        } else if self.touched {
            (
                Outcome::Unwound,
                "what did not help was taken back, and the alert was resolved before anything else was tried",
            )
        } else {
            (Outcome::Subsided, "the alert was resolved before anything was done")
        };
        (outcome, why.to_owned())
    }

    /// Whether the ledger has the claim at this moment.
    async fn claim_stands(&mut self) -> Result<bool, LedgerFault> {
        let (ledger, claim, now) = (&self.engine.ledger, &self.remediation.claim, self.engine.clock.now());
        if !matches!(self.grant, Grant::Journalled) {
            return ledger.renew(claim, now).await.map(|()| true);
        }
        // Asking again is granted again, unless the first grant was lost and what it gave is taken or limited now.
        let granted = ledger.reserve(claim, now).await?.granted;
        self.grant = Grant::Kept;
        Ok(granted)
    }

    pub(super) async fn apply_and_verify(
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
                let (to, told) = (IntentState::Applied, applied.told());
                self.pen.note(Write::MoveIntent { id, from, to, said: told.clone(), at, revert_at });
                self.record("applied", &told, json!({ "path": step.path, "facts": applied.facts }));
                let intent = Intent { state: to, said: told, applied_at: Some(at), ..intent };
                self.verify(step, intent, applied.falls_short).await
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
        let patience = engine.left_of(engine.policy.target_wait.max(timeout), intent.intended_at);
        let give_up = engine.clock.monotonic() + patience;
        let mut wait = WAIT_FIRST;
        // The guards were asked just before the intent; whenever time has passed since, or the claim has become known to the
        // journal only now, they are asked again.
        let mut asked = !may_have_happened && !matches!(self.grant, Grant::Journalled);
        loop {
            if !may_have_happened && !std::mem::take(&mut asked) {
                if let Some((outcome, why)) = self.may_not_go_on().await? {
                    return Ok(Effected::Stopped(outcome, why));
                }
                if engine.clock.monotonic() >= give_up {
                    return Ok(Effected::Not(Failure::transient(
                        "its time had passed before it could be applied",
                    )));
                }
            }
            // Whoever was frozen for long, or cut off, does nothing before it knows that nobody else does.
            self.pen.stand().await?;
            // Making the intent durable may have taken a while, within which the switch was turned.
            if let Some(why) = engine.switch.off().filter(|_| !may_have_happened) {
                return Ok(Effected::Stopped(Outcome::Refused, switched_off(&why)));
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
                let applying = engine.within(timeout, action.apply(params, &intent.prior, &intent.id));
                match self.pen.act(applying).await? {
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
            if engine.clock.monotonic() >= give_up {
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
        let give_up = engine.clock.monotonic() + engine.policy.target_wait;
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
            if engine.clock.monotonic() >= give_up {
                return Ok(Err(failure));
            }
            // The wait may be long; what was decided must not be lost with it.
            self.pen.flush().await?;
            engine.clock.sleep(wait).await;
            wait = (wait * 2).min(WAIT_MAX);
        }
    }
}

fn switched_off(why: &str) -> String {
    format!("automatic remediation is off: {why}")
}
