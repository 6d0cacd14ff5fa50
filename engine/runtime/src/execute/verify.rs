//! Verify: reads until the condition holds or the time is up. What cannot be told is not success.

use std::time::Duration;

use jiff::Timestamp;
use selfheal_core::condition::{Judgement, Readings};
use selfheal_core::moment::later;
use selfheal_core::plan::{Step, Verify};
use selfheal_core::remediation::IntentState;
use serde_json::json;
use tracing::Instrument as _;

use super::Run;
use super::step::Try;
use crate::observe::read_all;
use crate::ports::journal::{Intent, JournalFault, Write};

/// The first delay between two readings of a verification; it doubles up to the second.
const LOOK_FIRST: Duration = Duration::from_millis(200);
const LOOK_MAX: Duration = Duration::from_secs(5);

impl Run<'_> {
    /// Reads until the condition holds or the time is up. Without a condition, what the action says of itself counts.
    pub(super) async fn verify(
        &mut self,
        step: &Step,
        intent: Intent,
        falls_short: Option<String>,
    ) -> Result<Try, JournalFault> {
        let applied_at = intent.applied_at.unwrap_or(intent.changed_at);
        let judged = match &step.options.verify {
            None => falls_short.map_or(Ok(None), Err),
            Some(verify) => {
                // The verification takes time; the application must not be lost with it.
                self.pen.flush().await?;
                let span = tracing::info_span!("verify", condition = %verify.condition);
                let judged = self.watch(verify, applied_at, &intent).instrument(span).await;
                judged.map(Some).map_err(|why| match &falls_short {
                    Some(short) => format!("{why}; {short}"),
                    None => why,
                })
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
    pub(super) fn stands(&mut self, step: &Step, intent: Intent) {
        self.touched = true;
        self.applied.push((step.clone(), intent));
    }

    async fn watch(&self, verify: &Verify, applied_at: Timestamp, intent: &Intent) -> Result<String, String> {
        let engine = self.engine;
        // How long there is at first is told by the wall clock, since the process may have been another then; from here on
        // the clock counts that cannot be set.
        let (watched_from, within) =
            (engine.clock.monotonic(), engine.left_of(verify.within.into(), applied_at));
        // Time in which nobody could tell is no time in which it did not help.
        let (mut unanswered, most) = (Duration::ZERO, engine.policy.target_wait);
        let before: Readings = serde_json::from_value(intent.before.clone()).unwrap_or_default();
        let probes = verify.condition.probes();
        let mut wait = LOOK_FIRST;
        loop {
            let began = engine.clock.monotonic();
            let seen = read_all(engine, &probes).await;
            let why = match verify.condition.judge(&seen.readings, &before) {
                Judgement::Holds(why) => return Ok(why),
                Judgement::Fails(why) => why,
                Judgement::Inconclusive(why) => format!("inconclusive, which is not success: {why}"),
            };
            let watched = engine.clock.monotonic().saturating_sub(watched_from);
            let left = (within + unanswered.min(most)).saturating_sub(watched);
            if left.is_zero() {
                return Err(format!("not within {}: {why}", verify.within));
            }
            engine.clock.sleep(wait.min(left)).await;
            wait = (wait * 2).min(LOOK_MAX);
            if seen.unanswered {
                unanswered += engine.clock.monotonic().saturating_sub(began);
            }
        }
    }
}
