//! The stage: what stands in place of the targets. Readings come from the test; actions are written down.
//!
//! Adapters are the real ones where they only check: parameters, what an action is, which target it means, how far it
//! reaches. Whatever would speak to a target is answered here.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use selfheal_contract::{
    About, AboutProbe, Adapter, AnyAction, AnyProbe, Applied, Assessment, Catalog, Contest, Effect, Failure,
    IntentId, ParameterSpec, Preview, Reading, Reversal, Undone,
};
use selfheal_core::condition::call_text;
use selfheal_runtime::simulation::{Pulse, Timeline};
use serde_json::{Map, Value};

use super::call::Call;

/// What a probe answers.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    /// A reading, known or not.
    Reading(Reading),
    /// The target cannot be asked.
    Fails(String),
}

/// An answer, and when it is given.
#[derive(Clone, Debug)]
pub(super) struct CannedReading {
    pub(super) call: Call,
    /// From this time on.
    pub(super) from: Duration,
    /// Only once this was applied, and as long as it is not undone.
    pub(super) after: Option<Call>,
    pub(super) answer: Answer,
}

/// How an action ends.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Turn {
    /// Refused: nothing happens, trying again is no use.
    Refused(String),
    /// A passing fault: nothing happens.
    Fails(String),
    /// Nobody can tell whether it happened.
    Unclear(String),
    /// It happens, but cannot be undone.
    UndoFails(String),
    /// It happens, but somebody else would take it back.
    Contested(String),
}

/// When a turn is taken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Moment {
    Contest,
    Apply,
    Undo,
}

impl Turn {
    fn moment(&self) -> Moment {
        match self {
            Self::Refused(_) | Self::Fails(_) | Self::Unclear(_) => Moment::Apply,
            Self::UndoFails(_) => Moment::Undo,
            Self::Contested(_) => Moment::Contest,
        }
    }
}

/// An action that does not simply work.
#[derive(Clone, Debug)]
pub(super) struct CannedAction {
    pub(super) call: Call,
    pub(super) turn: Turn,
    /// So often, the first times; later ones work.
    pub(super) times: u32,
}

/// The stage of one test.
pub(super) struct Stage {
    pub(super) timeline: Arc<Timeline>,
    pub(super) pulse: Arc<Pulse>,
    pub(super) readings: Vec<CannedReading>,
    pub(super) actions: Vec<CannedAction>,
    pub(super) state: Mutex<State>,
}

/// What happened on it.
#[derive(Default)]
pub(super) struct State {
    /// Effects in order, as people read them.
    did: Vec<String>,
    standing: Vec<(String, String, Map<String, Value>)>,
    /// Probe calls for which the test has no answer.
    unanswered: BTreeSet<String>,
    /// How often each of the actions' turns was taken.
    taken: Vec<u32>,
}

impl Stage {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Effects so far.
    pub(super) fn did(&self) -> Vec<String> {
        self.state().did.clone()
    }

    /// Probe calls that the test has no answer for.
    pub(super) fn unanswered(&self) -> Vec<String> {
        self.state().unanswered.iter().cloned().collect()
    }

    /// The adapters of a catalog, on this stage.
    pub(super) fn catalog(self: &Arc<Self>, real: &Catalog) -> Catalog {
        Catalog::new(real.adapters().map(|adapter| {
            let (name, doc) = (adapter.name, adapter.doc);
            let action = |real: &Arc<dyn AnyAction>| -> Arc<dyn AnyAction> {
                Arc::new(StagedAction { adapter: name, real: Arc::clone(real), stage: Arc::clone(self) })
            };
            let probe = |real: &Arc<dyn AnyProbe>| -> Arc<dyn AnyProbe> {
                Arc::new(StagedProbe { adapter: name, real: Arc::clone(real), stage: Arc::clone(self) })
            };
            let actions = adapter.actions.iter().map(action).collect();
            let probes = adapter.probes.iter().map(probe).collect();
            // Nothing is listened to, and no right is asked for: what comes in is the test's.
            Adapter { name, doc, actions, probes, ..Adapter::default() }
        }))
    }

    /// The answer that stands last in the file, of those that hold now.
    fn answer(&self, adapter: &str, probe: &str, params: &Map<String, Value>) -> Option<Answer> {
        let now = self.timeline.elapsed();
        let state = self.state();
        let applied = |call: &Call| {
            state.standing.iter().any(|(adapter, name, params)| call.covers(adapter, name, params))
        };
        let holds = |canned: &&CannedReading| {
            canned.call.covers(adapter, probe, params)
                && canned.from <= now
                && canned.after.as_ref().is_none_or(applied)
        };
        self.readings.iter().rev().find(holds).map(|canned| canned.answer.clone())
    }

    /// How this use of an action ends, if not well.
    fn turn(&self, adapter: &str, action: &str, params: &Map<String, Value>, moment: Moment) -> Option<Turn> {
        let mut state = self.state();
        state.taken.resize(self.actions.len(), 0);
        let meant = |canned: &CannedAction| {
            canned.call.covers(adapter, action, params) && canned.turn.moment() == moment
        };
        let (index, canned) = self
            .actions
            .iter()
            .enumerate()
            .find(|(index, canned)| meant(canned) && state.taken[*index] < canned.times)?;
        state.taken[index] += 1;
        Some(canned.turn.clone())
    }
}

struct StagedProbe {
    adapter: &'static str,
    real: Arc<dyn AnyProbe>,
    stage: Arc<Stage>,
}

#[async_trait]
impl AnyProbe for StagedProbe {
    fn about(&self) -> AboutProbe {
        self.real.about()
    }

    fn parameters(&self) -> &'static [ParameterSpec] {
        self.real.parameters()
    }

    fn check(&self, params: &Map<String, Value>) -> Result<(), Failure> {
        self.real.check(params)
    }

    async fn read(&self, params: &Map<String, Value>) -> Result<Reading, Failure> {
        self.stage.pulse.beat();
        let name = self.real.about().name;
        match self.stage.answer(self.adapter, name, params) {
            Some(Answer::Reading(reading)) => Ok(reading),
            Some(Answer::Fails(why)) => Err(Failure::transient(why)),
            None => {
                self.stage.state().unanswered.insert(call_text(self.adapter, name, params));
                Err(Failure::refused("the test has no reading for this call"))
            }
        }
    }
}

struct StagedAction {
    adapter: &'static str,
    real: Arc<dyn AnyAction>,
    stage: Arc<Stage>,
}

impl StagedAction {
    fn text(&self, params: &Map<String, Value>) -> String {
        call_text(self.adapter, self.real.about().name, params)
    }

    fn turn(&self, params: &Map<String, Value>, moment: Moment) -> Option<Turn> {
        self.stage.turn(self.adapter, self.real.about().name, params, moment)
    }
}

#[async_trait]
impl AnyAction for StagedAction {
    fn about(&self) -> About {
        self.real.about()
    }

    fn parameters(&self) -> &'static [ParameterSpec] {
        self.real.parameters()
    }

    fn assess(&self, params: &Map<String, Value>) -> Result<Assessment, Failure> {
        self.real.assess(params)
    }

    async fn preview(&self, params: &Map<String, Value>) -> Result<Preview, Failure> {
        Ok(Preview { summary: format!("would do {}", self.text(params)), changes: Vec::new() })
    }

    async fn contest(&self, params: &Map<String, Value>) -> Result<Option<Contest>, Failure> {
        Ok(match self.turn(params, Moment::Contest) {
            Some(Turn::Contested(by)) => {
                let (what, instead) = (vec!["the change".to_owned()], "change it there instead".to_owned());
                Some(Contest { by, what, instead })
            }
            _ => None,
        })
    }

    async fn related(&self, _params: &Map<String, Value>) -> Result<Vec<String>, Failure> {
        Ok(Vec::new())
    }

    async fn capture(&self, _params: &Map<String, Value>) -> Result<Value, Failure> {
        Ok(Value::Null)
    }

    async fn apply(&self, params: &Map<String, Value>, _: &Value, _: &IntentId) -> Result<Applied, Failure> {
        self.stage.pulse.beat();
        match self.turn(params, Moment::Apply) {
            Some(Turn::Refused(why)) => return Err(Failure::refused(why)),
            Some(Turn::Fails(why)) => return Err(Failure::transient(why)),
            Some(Turn::Unclear(why)) => return Err(Failure::indeterminate(why)),
            Some(Turn::UndoFails(_) | Turn::Contested(_)) | None => {}
        }
        let text = self.text(params);
        let mut state = self.stage.state();
        state.standing.push((self.adapter.to_owned(), self.real.about().name.to_owned(), params.clone()));
        state.did.push(text.clone());
        Ok(Applied::new(format!("did {text}")))
    }

    async fn effect(&self, params: &Map<String, Value>, _: &Value, _: &IntentId) -> Result<Effect, Failure> {
        Ok(Effect::Unclear(format!("the test does not tell whether {} happened", self.text(params))))
    }

    async fn undo(&self, params: &Map<String, Value>, _: &Value, _: &IntentId) -> Result<Undone, Failure> {
        self.stage.pulse.beat();
        if self.real.about().reversal == Reversal::Irreversible {
            return Ok(Undone::Irreversible);
        }
        if let Some(Turn::UndoFails(why)) = self.turn(params, Moment::Undo) {
            return Err(Failure::refused(why));
        }
        let (text, name) = (self.text(params), self.real.about().name);
        let mut state = self.stage.state();
        let own = |(adapter, action, given): &(String, String, Map<String, Value>)| {
            adapter == self.adapter && action == name && given == params
        };
        if let Some(at) = state.standing.iter().rposition(own) {
            state.standing.remove(at);
        }
        state.did.push(format!("undo {text}"));
        Ok(Undone::Reversed(format!("took {text} back")))
    }
}
