//! What is done at the target, held against the intents that are durable at that moment.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use selfheal_core::remediation::{IntentId, IntentState, RemediationId};
use selfheal_runtime::ports::journal::Write;

use super::{Invariant, Oracle};

/// How long a grant of the ledger holds without being renewed.
const LEASE: Duration = Duration::from_secs(60);

/// What is known of every effect, and of the ledger's grants.
#[derive(Default)]
pub(super) struct Effects {
    by_intent: BTreeMap<IntentId, Known>,
    /// By holder: when the ledger last granted or renewed.
    granted: BTreeMap<String, Duration>,
}

struct Known {
    remediation: RemediationId,
    target: String,
    state: IntentState,
    revert_at: Option<Timestamp>,
    applied: u32,
    undone: u32,
    /// Whether it may have happened, as far as anybody but the target can tell.
    unsure: bool,
}

impl Oracle {
    pub(super) fn effect_written(&self, write: &Write) {
        let mut state = self.state();
        let by_intent = &mut state.effects.by_intent;
        match write {
            Write::Intend(intent) => {
                let known = Known {
                    remediation: intent.remediation,
                    target: intent.target.clone(),
                    state: intent.state,
                    revert_at: None,
                    applied: 0,
                    undone: 0,
                    unsure: false,
                };
                if by_intent.insert(intent.id, known).is_some() {
                    drop(state);
                    let what = format!("intent {} was made twice", intent.id.short());
                    self.broken(Invariant::NothingTwice, what);
                }
            }
            Write::MoveIntent { id, to, revert_at, .. } => {
                if let Some(known) = by_intent.get_mut(id) {
                    known.state = *to;
                    known.revert_at = *revert_at;
                }
            }
            _ => {}
        }
    }

    /// The ledger has granted or renewed.
    pub fn granted(&self, holder: &str) {
        let at = self.timeline.elapsed();
        self.state().effects.granted.insert(holder.to_owned(), at);
    }

    /// An effect is about to be made.
    pub fn applies(&self, id: &IntentId, switch_on: bool) {
        if let Some((invariant, what)) = self.wrong_with_applying(id, switch_on) {
            self.broken(invariant, what);
        }
    }

    fn wrong_with_applying(&self, id: &IntentId, switch_on: bool) -> Option<(Invariant, String)> {
        let state = self.state();
        let short = id.short();
        let Some(known) = state.effects.by_intent.get(id) else {
            return Some((Invariant::EffectHasIntent, format!("intent {short} is not in the journal")));
        };
        let remediation = known.remediation;
        if known.state != IntentState::Executing {
            let what = format!("intent {short} of {remediation} is applied and is {}", known.state);
            return Some((Invariant::EffectHasIntent, what));
        }
        if known.unsure {
            let what = format!("intent {short} of {remediation} may have happened and is applied again");
            return Some((Invariant::NeverBlindly, what));
        }
        if !switch_on {
            let what = format!("intent {short} of {remediation} is applied while the switch is off");
            return Some((Invariant::SwitchHolds, what));
        }
        let granted = state.effects.granted.get(&remediation.to_string()).copied();
        let age = granted.map(|at| self.timeline.elapsed().saturating_sub(at));
        if age.is_none_or(|age| age > LEASE) {
            let what = format!("{remediation} is at work, and the ledger's last grant to it is {age:?} old");
            return Some((Invariant::NoLedgerNoAction, what));
        }
        None
    }

    /// An undo is about to be made.
    pub fn undoes(&self, id: &IntentId, now: Timestamp) {
        if let Some((invariant, what)) = self.wrong_with_undoing(id, now) {
            self.broken(invariant, what);
        }
    }

    fn wrong_with_undoing(&self, id: &IntentId, now: Timestamp) -> Option<(Invariant, String)> {
        let state = self.state();
        let short = id.short();
        let Some(known) = state.effects.by_intent.get(id) else {
            return Some((Invariant::EffectHasIntent, format!("intent {short} is not in the journal")));
        };
        let remediation = known.remediation;
        let due = known.state == IntentState::Done && known.revert_at.is_some_and(|at| at <= now);
        if known.state != IntentState::Undoing && !due {
            let what = format!("intent {short} of {remediation} is undone and is {}", known.state);
            return Some((Invariant::EffectHasIntent, what));
        }
        // Undoing for want of success is part of the remediation; what is taken back later must wait its turn.
        let other =
            state.remediations.others_at(remediation, &known.target).filter(|_| due && !state.forgotten)?;
        let what = format!("{remediation} is taken back at {} while {other} is at work there", known.target);
        Some((Invariant::OneAtATime, what))
    }

    /// The target has changed because of an intent.
    pub fn changed(&self, id: &IntentId, undone: bool) {
        let mut state = self.state();
        let Some(known) = state.effects.by_intent.get_mut(id) else { return };
        let count = if undone { &mut known.undone } else { &mut known.applied };
        *count += 1;
        let (twice, remediation) = (*count > 1, known.remediation);
        drop(state);
        if twice {
            let how = if undone { "undone" } else { "applied" };
            let what = format!("intent {} of {remediation} was {how} twice", id.short());
            self.broken(Invariant::NothingTwice, what);
        }
    }

    /// Whether an effect happened is not known any more, or known again.
    pub fn unsure(&self, id: &IntentId, unsure: bool) {
        if let Some(known) = self.state().effects.by_intent.get_mut(id) {
            known.unsure = unsure;
        }
    }

    /// Effects and undoes so far.
    pub fn effects(&self) -> (u64, u64) {
        let state = self.state();
        let known = state.effects.by_intent.values();
        known.fold((0, 0), |(applied, undone), known| {
            (applied + u64::from(known.applied), undone + u64::from(known.undone))
        })
    }
}
