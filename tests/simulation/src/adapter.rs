//! The adapter through which one process reaches the target, and all that can go wrong on the way: the target is down,
//! says no, is busy, loses its answer before or after the effect, never answers, does it later, or another hand comes in
//! between; and the process may die while it asks.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use selfheal_contract::{
    About, AboutProbe, Action, Adapter, AnyAction, Applied, Assessment, BlastRadius, Effect, Failure,
    FieldSpec, IntentId, Preview, Probe, Reading, Reversal, Undone, parameters,
};
use serde_json::json;

use crate::dice::Dice;
use crate::house::Porch;
use crate::target::Number;
use crate::weather::Weather;

parameters! {
    /// What to change.
    pub struct Setting {
        /// The number's name.
        pub name: String,
        /// Its value, or what is added.
        pub value: i64,
    }
}

parameters! {
    /// What to read.
    pub struct Named {
        /// The number's name.
        pub name: String,
    }
}

/// How one change ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Works,
    Refused,
    Busy,
    LostBefore,
    LostAfter,
    HangsBefore,
    HangsAfter,
    /// It happens when the caller has given up, unless the target has changed meanwhile.
    Late,
    /// It happens, the answer is lost, and another hand changes it.
    Disturbed,
}

/// A process's connection to the target.
pub struct Connection {
    porch: Arc<Porch>,
    dice: Mutex<Dice>,
}

impl Connection {
    /// Of this process.
    pub fn new(porch: Arc<Porch>) -> Arc<Self> {
        let dice = porch.dice("target");
        Arc::new(Self { porch, dice: Mutex::new(dice) })
    }

    /// The adapter.
    pub fn adapter(self: &Arc<Self>) -> Adapter {
        let action = |name, reversal, radius| -> Arc<dyn AnyAction> {
            Arc::new(Change { connection: Arc::clone(self), name, reversal, radius })
        };
        Adapter {
            name: "double",
            doc: "Keeps numbers.",
            actions: vec![
                action("set", Reversal::Restores, BlastRadius::Item),
                action("scale", Reversal::Restores, BlastRadius::Object),
                action("shake", Reversal::Restores, BlastRadius::Cluster),
                action("add", Reversal::Irreversible, BlastRadius::Item),
            ],
            probes: vec![Arc::new(Read { connection: Arc::clone(self) })],
            ..Adapter::default()
        }
    }

    fn roll<T>(&self, roll: impl FnOnce(&mut Dice) -> T) -> T {
        roll(&mut self.dice.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn happens(&self, per_mille: u32) -> bool {
        !self.porch.weather().is(|weather| &weather.calm) && self.roll(|dice| dice.chance(per_mille))
    }

    /// A call begins; only a living process makes one, and it may die of it.
    async fn call(&self, kind: &'static str, name: &str) -> Result<(), Failure> {
        self.porch.life.go_on().await;
        self.make(kind, name).await
    }

    async fn make(&self, kind: &'static str, name: &str) -> Result<(), Failure> {
        self.porch.pulse().beat();
        self.porch.oracle().note(kind, 0, || name.to_owned());
        if self.happens(self.porch.faults().dies_at_target) {
            self.porch.die("asking the target").await;
        }
        let down = self.porch.weather().is(|weather: &Weather| &weather.target_down);
        if down { Err(Failure::transient("the double is down")) } else { Ok(()) }
    }

    fn turn(&self) -> Turn {
        let faults = self.porch.faults();
        if self.happens(faults.target_loses) {
            const LOST: &[Turn] =
                &[Turn::LostBefore, Turn::LostAfter, Turn::HangsBefore, Turn::HangsAfter, Turn::Late];
            self.roll(|dice| *dice.pick(LOST))
        } else if self.happens(faults.target_refuses) {
            Turn::Refused
        } else if self.happens(faults.target_busy) {
            Turn::Busy
        } else if self.happens(faults.target_disturbed) {
            Turn::Disturbed
        } else {
            Turn::Works
        }
    }

    /// Makes a change in the way that the dice say.
    async fn change(
        &self,
        turn: Turn,
        name: &str,
        make: impl Fn(&Porch) + Send + Sync + 'static,
    ) -> Result<(), Failure> {
        if matches!(turn, Turn::Works | Turn::LostAfter | Turn::HangsAfter | Turn::Disturbed) {
            make(&self.porch);
        }
        match turn {
            Turn::Works => Ok(()),
            Turn::Refused => Err(Failure::refused("the double refuses")),
            Turn::Busy => Err(Failure::transient("the double is busy")),
            Turn::LostBefore | Turn::LostAfter => Err(Failure::indeterminate("the double's answer is lost")),
            Turn::Disturbed => {
                self.porch.oracle().disturbed(name);
                self.porch.target().disturb(name);
                Err(Failure::indeterminate("the double's answer is lost"))
            }
            Turn::HangsBefore | Turn::HangsAfter => std::future::pending().await,
            Turn::Late => {
                let wait = self.roll(|dice| dice.between(Duration::from_secs(20), Duration::from_secs(60)));
                let (porch, name) = (Arc::clone(&self.porch), name.to_owned());
                let version = porch.target().get(&name).version;
                // What is under way at the target is not bound to the life of whoever asked for it.
                tokio::spawn(async move {
                    porch.timeline().sleep(wait).await;
                    if porch.target().get(&name).version == version {
                        porch.oracle().disturbed(&name);
                        make(&porch);
                    }
                });
                std::future::pending().await
            }
        }
    }
}

struct Change {
    connection: Arc<Connection>,
    name: &'static str,
    reversal: Reversal,
    radius: BlastRadius,
}

impl Change {
    fn adds(&self) -> bool {
        self.name == "add"
    }
}

#[async_trait]
impl Action for Change {
    type Parameters = Setting;
    type Prior = Number;

    fn about(&self) -> About {
        About { name: self.name, doc: "Changes a number.", reversal: self.reversal, permissions: Vec::new() }
    }

    fn assess(&self, params: &Setting) -> Result<Assessment, Failure> {
        Ok(Assessment {
            target: format!("double/{}", params.name),
            blast_radius: self.radius,
            reversal: self.reversal,
            replicas: (self.name == "scale").then(|| u32::try_from(params.value).unwrap_or(u32::MAX)),
            approval: None,
            forbidden: None,
        })
    }

    async fn preview(&self, params: &Setting) -> Result<Preview, Failure> {
        self.connection.call("preview", &params.name).await?;
        Ok(Preview { summary: format!("would make {} {}", params.name, params.value), changes: Vec::new() })
    }

    async fn capture(&self, params: &Setting) -> Result<Number, Failure> {
        self.connection.call("capture", &params.name).await?;
        if self.connection.happens(self.connection.porch.faults().target_busy) {
            return Err(Failure::transient("the double is busy"));
        }
        Ok(self.connection.porch.target().get(&params.name))
    }

    async fn apply(&self, params: &Setting, prior: &Number, intent: &IntentId) -> Result<Applied, Failure> {
        let porch = &self.connection.porch;
        porch.life.lives().await;
        porch.oracle().applies(intent, porch.switch_is_on());
        porch.oracle().unsure(intent, true);
        let (adds, name, value, id) = (self.adds(), params.name.clone(), params.value, *intent);
        let mut answer = self.connection.make("apply", &params.name).await;
        // The precondition at the target: nobody has changed it since it was looked at.
        let moved = porch.target().get(&name) != *prior && porch.target().get(&name).value != value;
        if answer.is_ok() && !adds && moved {
            answer = Err(Failure::refused("somebody has changed it meanwhile"));
        }
        if answer.is_ok() {
            let turn = self.connection.turn();
            // What is added has no precondition; a target that takes it late takes it although it was given up.
            let turn = if adds && turn == Turn::Late { Turn::HangsAfter } else { turn };
            porch.oracle().note("turn", turn as u64, || format!("{turn:?}"));
            let well = self.connection.roll(|dice| dice.chance(600));
            let make = move |porch: &Porch| {
                let changes = if adds {
                    porch.target().add(&name, value, id);
                    true
                } else {
                    porch.target().set(&name, value)
                };
                if changes {
                    porch.oracle().changed(&id, false);
                }
                let health = format!("{}-health", name.trim_end_matches("-b"));
                porch.target().set(&health, i64::from(well));
            };
            answer = self.connection.change(turn, &params.name, make).await;
        }
        if answer.as_ref().is_err_and(|failure| failure.kind != selfheal_contract::FailureKind::Indeterminate)
            || answer.is_ok()
        {
            porch.oracle().unsure(intent, false);
        }
        answer.map(|()| Applied {
            summary: format!("{} is {}", params.name, params.value),
            facts: json!({}),
            ..Applied::default()
        })
    }

    async fn effect(&self, params: &Setting, prior: &Number, intent: &IntentId) -> Result<Effect, Failure> {
        self.connection.call("effect", &params.name).await?;
        let porch = &self.connection.porch;
        if porch.weather().is(|weather| &weather.target_blind) {
            return Ok(Effect::Unclear("the double cannot tell".to_owned()));
        }
        if self.connection.happens(porch.faults().target_busy) {
            return Err(Failure::transient("the double is busy"));
        }
        let now = porch.target().get(&params.name);
        let (done, untouched) = if self.adds() {
            let added = porch.target().has_added(intent);
            (added, !added)
        } else {
            (now.value == params.value, now == *prior)
        };
        if done {
            return Ok(Effect::Done(Applied::new(format!("found {} at {}", params.name, now.value))));
        }
        if untouched {
            porch.oracle().unsure(intent, false);
            return Ok(Effect::Untouched);
        }
        Ok(Effect::Unclear(format!("{} is {}, and was {}", params.name, now.value, prior.value)))
    }

    async fn undo(&self, params: &Setting, prior: &Number, intent: &IntentId) -> Result<Undone, Failure> {
        if self.reversal == Reversal::Irreversible {
            return Ok(Undone::Irreversible);
        }
        let porch = &self.connection.porch;
        porch.life.lives().await;
        let _undoing = porch.oracle().undoes(intent, porch.now());
        self.connection.make("undo", &params.name).await?;
        let now = porch.target().get(&params.name).value;
        if now == prior.value {
            return Ok(Undone::Nothing(format!("{} is {now} already", params.name)));
        }
        if now != params.value {
            return Err(Failure::refused(format!("{} is {now} by another hand", params.name)));
        }
        let turn = match self.connection.turn() {
            Turn::Late => Turn::HangsAfter,
            turn => turn,
        };
        let (name, value, id) = (params.name.clone(), prior.value, *intent);
        let make = move |porch: &Porch| {
            if porch.target().set(&name, value) {
                porch.oracle().changed(&id, true);
            }
        };
        self.connection.change(turn, &params.name, make).await?;
        Ok(Undone::Reversed(format!("{} is {} again", params.name, prior.value)))
    }
}

struct Read {
    connection: Arc<Connection>,
}

#[async_trait]
impl Probe for Read {
    type Parameters = Named;

    fn about(&self) -> AboutProbe {
        AboutProbe {
            name: "read",
            doc: "Reads a number.",
            fields: &[FieldSpec { name: "value", doc: "The number." }],
            main_field: "value",
            permissions: Vec::new(),
        }
    }

    fn check(&self, _params: &Named) -> Result<(), Failure> {
        Ok(())
    }

    async fn read(&self, params: &Named) -> Result<Reading, Failure> {
        self.connection.call("read", &params.name).await?;
        if self.connection.happens(self.connection.porch.faults().probe_fails) {
            return match self.connection.roll(|dice| dice.below(3)) {
                0 => Err(Failure::transient("the double is busy")),
                1 => Ok(Reading::Inconclusive("the double does not say".to_owned())),
                _ => std::future::pending().await,
            };
        }
        let number = self.connection.porch.target().get(&params.name);
        Ok(Reading::Known(json!({ "value": number.value })))
    }
}
