//! What is done at the target, held against the intents that are durable at that moment.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use selfheal_core::remediation::{IntentId, IntentState, RemediationId};
use selfheal_runtime::ports::journal::Write;

use super::{Invariant, Oracle};

/// How long a grant of the ledger holds without being renewed.
const LEASE: Duration = Duration::from_secs(60);
/// How long it certainly holds: the ledger counts from when it was asked, and may have been slow.
const LEASE_MIN: Duration = Duration::from_secs(55);

/// What is known of every effect, and of the ledger's grants.
#[derive(Default)]
pub(super) struct Effects {
    by_intent: BTreeMap<IntentId, Known>,
    /// By holder: when the ledger last granted or renewed.
    granted: BTreeMap<String, Duration>,
    /// By holder: when it first granted.
    granted_first: BTreeMap<String, Duration>,
    /// Targets at which something is taken back at this moment because its time is over, and for which remediation.
    taken_back: BTreeMap<String, RemediationId>,
    /// Targets that another hand has changed, or that took what they had been asked long before.
    disturbed: BTreeSet<String>,
}

impl Effects {
    /// Whether the ledger keeps others from the targets of a remediation at this time. One that was frozen, or whose process
    /// died while nobody could take it up, is under way and keeps nobody; it must be granted its targets anew.
    pub(super) fn is_granted(&self, remediation: RemediationId, now: Duration) -> bool {
        let granted = self.granted.get(&remediation.to_string());
        granted.is_some_and(|at| now.saturating_sub(*at) < LEASE_MIN)
    }

    /// When the ledger first granted a remediation its targets. Cooldowns and rates count from then; a process may die before
    /// it begins, and the next is granted them by the same name.
    pub(super) fn granted_first(&self, remediation: RemediationId) -> Option<Duration> {
        self.granted_first.get(&remediation.to_string()).copied()
    }

    /// For which remediation something is taken back at one of these targets, because its time is over.
    pub(super) fn taken_back_at(&self, targets: &[String]) -> Option<RemediationId> {
        targets.iter().find_map(|target| self.taken_back.get(target).copied())
    }
}

struct Known {
    remediation: RemediationId,
    /// Which of all intents it is, in the order in which they were made.
    number: usize,
    target: String,
    action: String,
    state: IntentState,
    revert_at: Option<Timestamp>,
    applied: u32,
    undone: u32,
    /// Whether it may have happened, as far as anybody but the target can tell.
    unsure: bool,
}

impl Known {
    /// Whether it is or was to be taken back because its time is over.
    fn is_due(&self, now: Timestamp) -> bool {
        self.revert_at.is_some_and(|at| at <= now)
    }
}

/// An undo that is being made.
pub struct Undoing<'o> {
    oracle: &'o Oracle,
    target: Option<String>,
}

impl Drop for Undoing<'_> {
    fn drop(&mut self) {
        if let Some(target) = &self.target {
            self.oracle.state().effects.taken_back.remove(target);
        }
    }
}

impl Oracle {
    pub(super) fn effect_written(&self, write: &Write) {
        let mut state = self.state();
        let by_intent = &mut state.effects.by_intent;
        match write {
            Write::Intend(intent) => {
                let known = Known {
                    remediation: intent.remediation,
                    number: by_intent.len(),
                    target: intent.target.clone(),
                    action: intent.action.clone(),
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
        let effects = &mut self.state().effects;
        effects.granted.insert(holder.to_owned(), at);
        effects.granted_first.entry(holder.to_owned()).or_insert(at);
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

    /// An undo is made, until what is given is dropped.
    pub fn undoes(&self, id: &IntentId, now: Timestamp) -> Undoing<'_> {
        if let Some((invariant, what)) = self.wrong_with_undoing(id, now) {
            self.broken(invariant, what);
        }
        let mut state = self.state();
        let effects = &mut state.effects;
        let known = effects.by_intent.get(id).filter(|known| known.is_due(now));
        let at = known.map(|known| (known.target.clone(), known.remediation));
        effects.taken_back.extend(at.clone());
        Undoing { oracle: self, target: at.map(|(target, _)| target) }
    }

    fn wrong_with_undoing(&self, id: &IntentId, now: Timestamp) -> Option<(Invariant, String)> {
        let state = self.state();
        let short = id.short();
        let Some(known) = state.effects.by_intent.get(id) else {
            return Some((Invariant::EffectHasIntent, format!("intent {short} is not in the journal")));
        };
        let remediation = known.remediation;
        if known.state != IntentState::Undoing {
            let what = format!("intent {short} of {remediation} is undone and is {}", known.state);
            return Some((Invariant::EffectHasIntent, what));
        }
        // Undoing for want of success is part of the remediation; what is taken back later must wait its turn. Neither is done
        // while another is at work there.
        let later = |other: &&Known| {
            (&other.target, &other.action) == (&known.target, &known.action)
                && other.number > known.number
                && other.revert_at.is_some()
                && matches!(other.state, IntentState::Done | IntentState::Undoing)
        };
        let later = known.is_due(now).then(|| state.effects.by_intent.values().find(later)).flatten();
        if let Some(later) = later.filter(|_| !state.forgotten) {
            let what =
                format!("{remediation} is taken back at {} before {}", known.target, later.remediation);
            return Some((Invariant::LastComesFirst, what));
        }
        let granted = |other| state.effects.is_granted(other, self.timeline.elapsed());
        let other = state.remediations.others_at(remediation, &known.target, &granted);
        let other = other.filter(|_| !state.forgotten)?;
        let what = format!("{remediation} is undone at {} while {other} is at work there", known.target);
        Some((Invariant::OneAtATime, what))
    }

    /// A target is not only what intents have made of it.
    pub fn disturbed(&self, name: &str) {
        self.state().effects.disturbed.insert(format!("double/{name}"));
    }

    /// A target at which everything was taken back that was done there, and what is there is not what was there before.
    pub(super) fn not_as_before(&self, shows: impl Fn(&str) -> i64) -> Option<String> {
        let state = self.state();
        if state.forgotten {
            return None;
        }
        let mut undone = BTreeMap::new();
        for known in state.effects.by_intent.values() {
            let all = undone.entry(known.target.as_str()).or_insert(true);
            *all &= match known.state {
                IntentState::Undone => true,
                IntentState::NotApplied => known.applied == 0,
                _ => false,
            };
        }
        let mut undone =
            undone.into_iter().filter(|(target, all)| *all && !state.effects.disturbed.contains(*target));
        undone.find_map(|(target, _)| {
            let value = shows(target.strip_prefix("double/")?);
            (value != 0).then(|| format!("all was taken back at {target}, and it is {value}"))
        })
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
