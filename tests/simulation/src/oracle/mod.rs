//! The oracles: what must always hold, each with a name, and the log by which two runs are compared.
//!
//! They know the journal only by the transactions that it has taken, and the target only by what happened there.
//! `effects` watches what is done, `remediations` what is allowed, `ending` what is left when everything is calm again.

mod effects;
mod ending;
mod remediations;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use selfheal_core::alert::Alert;
use selfheal_core::issue::IssueId;
use selfheal_core::policy::Policy;
use selfheal_runtime::ports::journal::Write;
use selfheal_runtime::simulation::Timeline;

use effects::Effects;
use remediations::Remediations;

/// The last lines that a failing run shows.
const LINES_MAX: usize = 60;

/// What must always hold; the numbers are those of ARCHITECTURE.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// 1. What was acknowledged is in the journal, and becomes an issue.
    AcknowledgedIsStored,
    /// 2. No effect without a journalled intent.
    EffectHasIntent,
    /// 2. No intent twice, and no effect of one twice.
    NothingTwice,
    /// 2. An effect that may have happened is never repeated blindly.
    NeverBlindly,
    /// 3. No effect without the ledger's lease.
    NoLedgerNoAction,
    /// 3. No effect begins while the switch is off.
    SwitchHolds,
    /// 3. What needs a person runs only with a person's word, for this very plan, in time.
    ApprovalHolds,
    /// 3. Notifications are taken while the journal can be written, whatever else is down.
    NotificationsFailOpen,
    /// 4. No plan exceeds the policy.
    PolicyHolds,
    /// 4. No two remediations for one issue or target at a time.
    OneAtATime,
    /// What is taken back because its time is over is taken back in reverse, and what was there before comes back.
    LastComesFirst,
    /// 5. What dry-run prints is what would run.
    DryRunIsRun,
    /// 5. The same alert and readings give the same plan.
    PlanIsPure,
    /// 6. Every issue ends with an outcome and a reason, and what calls for a person is told.
    EverythingEnds,
    /// 7. A script that does not end does nothing, and nobody waits for it.
    ScriptsAreBounded,
    /// 8. The same seed gives the same run.
    SameSeedSameRun,
    /// The engine goes on: no call hangs for ever, and nothing panics.
    GoesOn,
}

/// An invariant that did not hold.
#[derive(Clone, Debug)]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// When, since the beginning.
    pub after: Duration,
    /// What happened.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} after {:.3} s: {}", self.invariant, self.after.as_secs_f64(), self.what)
    }
}

/// All oracles of one world.
pub struct Oracle {
    state: Mutex<State>,
    timeline: Arc<Timeline>,
    policy: Policy,
}

#[derive(Default)]
struct State {
    effects: Effects,
    remediations: Remediations,
    acknowledged: Vec<Alert>,
    /// Issues that a person must be told of, and those that a person was told of.
    to_be_told: BTreeMap<IssueId, String>,
    told: BTreeSet<IssueId>,
    /// Whether rates and cooldowns may be less than they seem: the wall clock was set, or the ledger forgot.
    inexact: bool,
    /// Whether the ledger ever forgot: then it cannot keep two from one target.
    forgotten: bool,
    /// How often the journal did not do at once what it was asked.
    journal_troubles: u64,
    violation: Option<Violation>,
    hash: u64,
    lines: Option<VecDeque<String>>,
}

impl Oracle {
    /// Watches a world. With `lines`, it remembers what happened.
    pub fn new(timeline: Arc<Timeline>, policy: Policy, lines: bool) -> Self {
        let state = State { lines: lines.then(VecDeque::new), ..State::default() };
        Self { state: Mutex::new(state), timeline, policy }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something happened.
    pub fn note(&self, kind: &'static str, number: u64, text: impl FnOnce() -> String) {
        let at = u64::try_from(self.timeline.elapsed().as_micros()).unwrap_or(u64::MAX);
        let mut state = self.state();
        let mix = |hash: u64, part: u64| (hash ^ part).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
        let kind_hash = kind.bytes().fold(0, |hash, byte| mix(hash, u64::from(byte)));
        state.hash = [at, kind_hash, number].into_iter().fold(state.hash, mix);
        if let Some(lines) = &mut state.lines {
            if lines.len() == LINES_MAX {
                lines.pop_front();
            }
            lines.push_back(format!("{:10.3} s  {kind:<10} {}", at as f64 / 1e6, text()));
        }
    }

    /// An invariant did not hold. The first one counts.
    pub fn broken(&self, invariant: Invariant, what: String) {
        self.note("BROKEN", 0, || format!("{invariant:?}: {what}"));
        let after = self.timeline.elapsed();
        self.state().violation.get_or_insert(Violation { invariant, after, what });
    }

    /// The first invariant that did not hold.
    pub fn violation(&self) -> Option<Violation> {
        self.state().violation.clone()
    }

    /// What tells this run from another.
    pub fn hash(&self) -> u64 {
        self.state().hash
    }

    /// What happened last.
    pub fn lines(&self) -> Vec<String> {
        self.state().lines.iter().flatten().cloned().collect()
    }

    /// A notification was answered with 200.
    pub fn acknowledged(&self, alerts: impl IntoIterator<Item = Alert>) {
        self.state().acknowledged.extend(alerts);
    }

    /// The wall clock was set: nothing is said about rates and cooldowns any more.
    pub fn clock_was_set(&self) {
        self.state().inexact = true;
    }

    /// The ledger has forgotten everything: nothing is said about what it was to remember.
    pub fn ledger_forgot(&self) {
        let mut state = self.state();
        (state.inexact, state.forgotten) = (true, true);
    }

    /// The journal did not do at once what it was asked.
    pub fn journal_is_in_trouble(&self) {
        self.state().journal_troubles += 1;
    }

    /// How often the journal did not do at once what it was asked.
    pub fn journal_troubles(&self) -> u64 {
        self.state().journal_troubles
    }

    /// The journal has taken a transaction, whether anybody learns of it or not.
    pub fn committed(&self, writes: &[Write]) {
        for write in writes {
            self.note("journal", 0, || shown(write));
            self.effect_written(write);
            self.remediation_written(write);
            self.ending_written(write);
        }
    }
}

/// A write in a line.
fn shown(write: &Write) -> String {
    match write {
        Write::Move { issue, event, outcome, why, .. } => format!("{issue} {event:?} {outcome:?}: {why}"),
        Write::Begin(remediation) => format!("begin {} {}", remediation.id, remediation.rule),
        Write::End { id, outcome, why, .. } => format!("end {id} {outcome}: {why}"),
        Write::Intend(intent) => {
            let (id, number) = (intent.id.short(), intent.try_number);
            format!("intend {id} {} try {number} {} {}", intent.remediation, intent.action, intent.target)
        }
        Write::MoveIntent { id, from, to, said, .. } => {
            format!("intent {} {from} -> {to}: {said}", id.short())
        }
        Write::Hold { tenure, lease, .. } => {
            format!("hold {} in epoch {} for {lease:?}", tenure.issue, tenure.epoch)
        }
        Write::Wake { issue, at } => format!("{issue} is to be looked at {at}"),
        Write::Record(record) => format!("record {}: {}", record.kind, record.summary),
        Write::Ask(approval) => format!("ask {} for {}", approval.id, approval.issue),
        Write::Answer { id, answer, .. } => format!("answer {id}: {} by {}", answer.granted, answer.by),
        Write::Notify(notice) => format!("notify {:?} {}", notice.news.kind, notice.news.title),
        Write::SetLevel { issue, level, .. } => format!("{issue} level {level}"),
        Write::AssignRule { issue, rule, .. } => format!("{issue} rule {rule}"),
        Write::CountFailure { rule, resource, .. } => format!("failure of {rule} at {resource}"),
        Write::CountResult { rule, action, success } => format!("{rule} {action} helped: {success}"),
        Write::Set { key, value } => format!("set {key} = {value}"),
    }
}
