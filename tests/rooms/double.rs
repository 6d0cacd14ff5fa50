//! The double: a target that keeps numbers by name, does what a test has told it, and writes down every effect.
//!
//! It does not deduplicate: an effect that is repeated is seen twice in its log. All its actions set a number; they
//! differ in what they say of themselves.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use selfheal_contract::{
    About, AboutProbe, AboutWatch, Action, Adapter, Applied, Assessment, BlastRadius, Contest, Effect,
    Failure, FieldSpec, Intake, IntentId, Preview, Probe, Reading, Reversal, Undone, Watch, parameters,
};
use serde_json::json;
use tokio::sync::Notify;

use crate::life::{Life, Pulse};

/// How one call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// As it should.
    Works,
    /// Refused; nothing happens.
    Refused,
    /// A passing fault; nothing happens.
    Transient,
    /// It happens, and the answer is lost.
    LostAfter,
    /// It does not happen, and nobody can tell from the answer.
    LostBefore,
    /// It happens, and there never is an answer.
    HangsAfter,
    /// It does not happen, and there never is an answer.
    HangsBefore,
    /// The answer is lost, and another hand makes the number 99.
    Disturbed,
    /// It does not happen: the adapter panics.
    Panics,
    /// It happens when the test lets it go on, if whoever asked still waits for it.
    Waits,
}

/// One effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// The intent that it belongs to.
    pub intent: IntentId,
    /// `set a=1`, `undo a=0`.
    pub what: String,
}

/// The target; it outlives the processes that use it.
#[derive(Default)]
pub struct Target {
    state: Mutex<State>,
    going_on: Notify,
}

#[derive(Default)]
struct State {
    numbers: BTreeMap<String, i64>,
    log: Vec<Done>,
    /// Calls of `apply`, `undo` and `preview`, whatever became of them.
    calls: Vec<String>,
    applies: HashMap<String, VecDeque<Turn>>,
    undoes: HashMap<String, VecDeque<Turn>>,
    /// What an effect leads to: `(name, value)` makes another number this.
    consequences: Vec<((String, i64), (String, i64))>,
    /// Neither probes nor actions reach it.
    down: bool,
    /// So many readings fail.
    unread: u32,
    /// Probes never get an answer.
    hanging: bool,
    /// `effect` cannot tell.
    blind: bool,
    /// Names about which somebody else decides.
    contested: Vec<String>,
    short: Vec<String>,
    /// It does not say who decides.
    owner_hidden: bool,
    /// Names for which a preview refuses, so.
    unpreviewed: HashMap<String, Failure>,
    /// How often somebody began to listen.
    listened: u32,
    /// Which question panics.
    panics: Option<&'static str>,
}

impl Target {
    /// A preview of setting this number fails so from now on.
    pub fn previews(&self, name: &str, failure: Failure) {
        self.state.lock().unwrap().unpreviewed.insert(name.to_owned(), failure);
    }

    /// One question panics from now on, by the name of the adapter's method; or none does.
    pub fn panics(&self, question: Option<&'static str>) {
        self.state.lock().unwrap().panics = question;
    }

    fn is_asked(&self, question: &str) {
        let panics = self.state.lock().unwrap().panics == Some(question);
        assert!(!panics, "the double panics");
    }

    /// How often somebody began to listen.
    pub fn listened(&self) -> u32 {
        self.state.lock().unwrap().listened
    }

    /// Sets a number by another hand.
    pub fn put(&self, name: &str, value: i64) {
        self.state.lock().unwrap().numbers.insert(name.to_owned(), value);
    }

    /// A number.
    pub fn get(&self, name: &str) -> Option<i64> {
        self.state.lock().unwrap().numbers.get(name).copied()
    }

    /// The next applications for this name end so; later ones work.
    pub fn applies(&self, name: &str, turns: &[Turn]) {
        self.state.lock().unwrap().applies.entry(name.to_owned()).or_default().extend(turns);
    }

    /// The next undoes for this name end so; later ones work.
    pub fn undoes(&self, name: &str, turns: &[Turn]) {
        self.state.lock().unwrap().undoes.entry(name.to_owned()).or_default().extend(turns);
    }

    /// Setting a number to a value makes another number that.
    pub fn leads_to(&self, cause: (&str, i64), effect: (&str, i64)) {
        let owned = |(name, value): (&str, i64)| (name.to_owned(), value);
        self.state.lock().unwrap().consequences.push((owned(cause), owned(effect)));
    }

    /// Lets what waits go on.
    pub fn go_on(&self) {
        self.going_on.notify_waiters();
    }

    /// Takes it away or brings it back.
    pub fn down(&self, down: bool) {
        self.state.lock().unwrap().down = down;
    }

    /// The next readings fail.
    pub fn fails_to_read(&self, times: u32) {
        self.state.lock().unwrap().unread = times;
    }

    /// Keeps probes waiting for ever, from the next on.
    pub fn hang(&self, hanging: bool) {
        self.state.lock().unwrap().hanging = hanging;
    }

    /// Applications for this name say that they fell short.
    pub fn falls_short(&self, name: &str) {
        self.state.lock().unwrap().short.push(name.to_owned());
    }

    /// Makes it unable to tell whether an effect happened.
    pub fn blind(&self) {
        self.state.lock().unwrap().blind = true;
    }

    /// Lets somebody else decide about a number.
    pub fn contest(&self, name: &str) {
        self.state.lock().unwrap().contested.push(name.to_owned());
    }

    /// Keeps to itself who decides.
    pub fn hide_owner(&self, hidden: bool) {
        self.state.lock().unwrap().owner_hidden = hidden;
    }

    /// Every effect so far.
    pub fn log(&self) -> Vec<Done> {
        self.state.lock().unwrap().log.clone()
    }

    /// Every effect so far, as text.
    pub fn did(&self) -> Vec<String> {
        self.log().into_iter().map(|done| done.what).collect()
    }

    /// Every call so far: `preview set a=1`, `apply set a=1`, `undo a`.
    pub fn calls(&self) -> Vec<String> {
        self.state.lock().unwrap().calls.clone()
    }
}

impl State {
    fn set(&mut self, name: &str, value: Option<i64>, intent: IntentId, what: String) {
        match value {
            Some(value) => self.numbers.insert(name.to_owned(), value),
            None => self.numbers.remove(name),
        };
        self.log.push(Done { intent, what });
        let caused = |((cause, at), effect): &((String, i64), (String, i64))| {
            (cause == name && Some(*at) == value).then(|| effect.clone())
        };
        let effects: Vec<_> = self.consequences.iter().filter_map(caused).collect();
        self.numbers.extend(effects);
    }
}

parameters! {
    /// What to set.
    pub struct Setting {
        /// The number's name.
        pub name: String,
        /// Its value.
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

/// A process's connection to the target.
#[derive(Clone)]
pub struct Connection {
    /// The target.
    pub target: Arc<Target>,
    /// Whose connection it is.
    pub life: Arc<Life>,
    /// What a test waits by.
    pub pulse: Arc<Pulse>,
}

impl Connection {
    /// The adapter.
    pub fn adapter(&self) -> Adapter {
        let set = |name, reversal, radius, approval| -> Arc<dyn selfheal_contract::AnyAction> {
            Arc::new(Set { connection: self.clone(), name, reversal, radius, approval })
        };
        Adapter {
            name: "double",
            doc: "Keeps numbers.",
            actions: vec![
                set("set", Reversal::Restores, BlastRadius::Item, None),
                set("scale", Reversal::Restores, BlastRadius::Object, None),
                set("fire", Reversal::Irreversible, BlastRadius::Item, None),
                set("shake", Reversal::Restores, BlastRadius::Cluster, None),
                set("ask", Reversal::Restores, BlastRadius::Item, Some("it asks for itself")),
            ],
            probes: vec![Arc::new(Read { connection: self.clone() })],
            watches: vec![Arc::new(Listen { connection: self.clone() })],
            ..Adapter::default()
        }
    }

    /// A call begins; only a living process makes one.
    async fn call(&self, what: String) -> Result<(), Failure> {
        self.life.go_on().await;
        self.pulse.beat();
        let mut state = self.target.state.lock().unwrap();
        state.calls.push(what);
        if state.down { Err(Failure::transient("the double is down")) } else { Ok(()) }
    }

    /// Makes a change in the way that the test has told.
    async fn change(&self, turn: Turn, name: &str, make: impl FnOnce(&mut State)) -> Result<(), Failure> {
        if turn == Turn::Waits {
            self.target.going_on.notified().await;
        }
        if matches!(turn, Turn::Works | Turn::LostAfter | Turn::HangsAfter | Turn::Waits) {
            make(&mut self.target.state.lock().unwrap());
        }
        match turn {
            Turn::Works | Turn::Waits => Ok(()),
            Turn::Refused => Err(Failure::refused("the double refuses")),
            Turn::Transient => Err(Failure::transient("the double is busy")),
            Turn::Disturbed => {
                self.target.put(name, 99);
                Err(Failure::indeterminate("the double's answer is lost"))
            }
            Turn::LostAfter | Turn::LostBefore => Err(Failure::indeterminate("the double's answer is lost")),
            Turn::HangsAfter | Turn::HangsBefore => std::future::pending().await,
            Turn::Panics => panic!("the double panics"),
        }
    }
}

/// Hears nothing, alone.
struct Listen {
    connection: Connection,
}

#[async_trait]
impl Watch for Listen {
    fn about(&self) -> AboutWatch {
        AboutWatch { name: "double", alone: true, doc: "Hears nothing.", permissions: Vec::new() }
    }

    async fn run(&self, _intake: Arc<dyn Intake>) {
        self.connection.target.state.lock().unwrap().listened += 1;
        std::future::pending().await
    }
}

struct Set {
    connection: Connection,
    name: &'static str,
    reversal: Reversal,
    radius: BlastRadius,
    approval: Option<&'static str>,
}

impl Set {
    fn text(&self, params: &Setting) -> String {
        format!("{} {}={}", self.name, params.name, params.value)
    }
}

#[async_trait]
impl Action for Set {
    type Parameters = Setting;
    type Prior = Option<i64>;

    fn about(&self) -> About {
        let doc = "Sets a number.";
        About { name: self.name, doc, reversal: self.reversal, permissions: Vec::new() }
    }

    fn assess(&self, params: &Setting) -> Result<Assessment, Failure> {
        self.connection.target.is_asked("assess");
        if params.name.is_empty() {
            return Err(Failure::refused("a number needs a name"));
        }
        Ok(Assessment {
            target: format!("double/{}", params.name),
            blast_radius: self.radius,
            reversal: self.reversal,
            replicas: (self.name == "scale").then(|| u32::try_from(params.value).unwrap_or(u32::MAX)),
            approval: self.approval.map(str::to_owned),
            forbidden: None,
        })
    }

    async fn preview(&self, params: &Setting) -> Result<Preview, Failure> {
        self.connection.target.is_asked("preview");
        self.connection.call(format!("preview {}", self.text(params))).await?;
        let fails = self.connection.target.state.lock().unwrap().unpreviewed.get(&params.name).cloned();
        if let Some(failure) = fails {
            return Err(failure);
        }
        Ok(Preview { summary: format!("would {}", self.text(params)), changes: Vec::new() })
    }

    async fn contest(&self, params: &Setting) -> Result<Option<Contest>, Failure> {
        self.connection.target.is_asked("contest");
        let state = self.connection.target.state.lock().unwrap();
        if state.owner_hidden {
            return Err(Failure::transient("the double does not say who decides"));
        }
        Ok(state.contested.contains(&params.name).then(|| Contest {
            by: "Flux".to_owned(),
            what: vec![params.name.clone()],
            instead: "change it in its repository".to_owned(),
        }))
    }

    /// A number `a/b` is a part of `a`.
    async fn related(&self, params: &Setting) -> Result<Vec<String>, Failure> {
        self.connection.target.is_asked("related");
        Ok(params.name.split_once('/').map(|(whole, _)| format!("double/{whole}")).into_iter().collect())
    }

    async fn capture(&self, params: &Setting) -> Result<Option<i64>, Failure> {
        self.connection.call(format!("capture {}", params.name)).await?;
        Ok(self.connection.target.get(&params.name))
    }

    async fn apply(
        &self,
        params: &Setting,
        _prior: &Option<i64>,
        intent: &IntentId,
    ) -> Result<Applied, Failure> {
        self.connection.call(format!("apply {}", self.text(params))).await?;
        let turn = {
            let mut state = self.connection.target.state.lock().unwrap();
            state.applies.get_mut(&params.name).and_then(VecDeque::pop_front).unwrap_or(Turn::Works)
        };
        let (text, intent) = (self.text(params), *intent);
        let (name, value) = (params.name.clone(), Some(params.value));
        self.connection.change(turn, &params.name, |state| state.set(&name, value, intent, text)).await?;
        let short = self.connection.target.state.lock().unwrap().short.contains(&params.name);
        Ok(Applied {
            summary: format!("did {}", self.text(params)),
            facts: json!({ "value": params.value }),
            falls_short: short.then(|| "it fell short".to_owned()),
        })
    }

    async fn effect(
        &self,
        params: &Setting,
        prior: &Option<i64>,
        _intent: &IntentId,
    ) -> Result<Effect, Failure> {
        self.connection.call(format!("effect {}", self.text(params))).await?;
        if self.connection.target.state.lock().unwrap().blind {
            return Ok(Effect::Unclear("the double cannot tell".to_owned()));
        }
        let now = self.connection.target.get(&params.name);
        Ok(if now == Some(params.value) {
            Effect::Done(Applied::new(format!("found {}", self.text(params))))
        } else if now == *prior {
            Effect::Untouched
        } else {
            Effect::Unclear(format!("{} is {now:?}, and was {prior:?}", params.name))
        })
    }

    async fn undo(
        &self,
        params: &Setting,
        prior: &Option<i64>,
        intent: &IntentId,
    ) -> Result<Undone, Failure> {
        self.connection.call(format!("undo {}", params.name)).await?;
        if self.reversal == Reversal::Irreversible {
            return Ok(Undone::Irreversible);
        }
        let turn = {
            let mut state = self.connection.target.state.lock().unwrap();
            state.undoes.get_mut(&params.name).and_then(VecDeque::pop_front).unwrap_or(Turn::Works)
        };
        let now = self.connection.target.get(&params.name);
        if now != Some(params.value) && now != *prior {
            return Ok(Undone::Nothing(format!("{} is {now:?} by another hand", params.name)));
        }
        let shown = prior.map_or("gone".to_owned(), |value| value.to_string());
        let (text, name) = (format!("undo {}={shown}", params.name), params.name.clone());
        let (prior, intent) = (*prior, *intent);
        self.connection.change(turn, &params.name, |state| state.set(&name, prior, intent, text)).await?;
        Ok(Undone::Reversed(format!("{} is {shown} again", params.name)))
    }
}

struct Read {
    connection: Connection,
}

#[async_trait]
impl Probe for Read {
    type Parameters = Named;

    fn about(&self) -> AboutProbe {
        AboutProbe {
            name: "read",
            doc: "Reads a number; one that is not there proves nothing.",
            fields: &[FieldSpec { name: "value", doc: "The number." }],
            main_field: "value",
            permissions: Vec::new(),
        }
    }

    fn check(&self, _params: &Named) -> Result<(), Failure> {
        Ok(())
    }

    async fn read(&self, params: &Named) -> Result<Reading, Failure> {
        self.connection.call(format!("read {}", params.name)).await?;
        self.connection.target.is_asked("read");
        let (hanging, fails) = {
            let mut state = self.connection.target.state.lock().unwrap();
            let fails = state.unread > 0;
            state.unread = state.unread.saturating_sub(1);
            (state.hanging, fails)
        };
        if hanging {
            return std::future::pending().await;
        }
        if fails {
            return Err(Failure::transient("the double does not let itself be read"));
        }
        Ok(match self.connection.target.get(&params.name) {
            Some(value) => Reading::Known(json!({ "value": value })),
            None => Reading::Inconclusive(format!("there is no {}", params.name)),
        })
    }
}
