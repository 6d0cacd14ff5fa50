//! Actions: what an adapter can change.
//!
//! The runtime calls them in this order: [`assess`](Action::assess) when the plan is made, [`preview`](Action::preview)
//! for people, [`capture`](Action::capture) before the intent is journalled, [`apply`](Action::apply) after it,
//! [`effect`](Action::effect) when a crash or a time-out left open whether it happened, [`undo`](Action::undo) when it
//! did not help.

use std::fmt;

use async_trait::async_trait;
use selfheal_core::policy::{Assessment, Reversal};
use selfheal_core::remediation::IntentId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::failure::Failure;
use crate::parameters::{ParameterSpec, Parameters, read};
use crate::right::Permission;

/// What an action says of itself.
#[derive(Clone, Debug)]
pub struct About {
    /// Its name in rules, after the adapter's: `terminate_idle`.
    pub name: &'static str,
    /// What it does, what it never does, what its undo does; for the reference documentation.
    pub doc: &'static str,
    /// What its undo can do.
    pub reversal: Reversal,
    /// The rights it needs at the target.
    pub permissions: Vec<Permission>,
}

/// Who else decides about what an action would change, and would take the change back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contest {
    /// Who, as people know it: `Argo CD application shop`.
    pub by: String,
    /// What they would put back, for example fields of an object.
    pub what: Vec<String>,
    /// What a person can do so that the change stays.
    pub instead: String,
}

impl fmt::Display for Contest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} would take back {}; {}", self.by, self.what.join(", "), self.instead)
    }
}

/// What an action would do, found out without changing anything.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Preview {
    /// One sentence.
    pub summary: String,
    /// What would change, field by field or item by item; bounded by the adapter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
}

/// One change of a preview.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The field or item.
    pub what: String,
    /// Its value now; null when it is not there.
    pub from: Value,
    /// Its value afterwards; null when it will be gone.
    pub to: Value,
}

/// What an application did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Applied {
    /// One sentence.
    pub summary: String,
    /// Facts for the record.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub facts: Value,
    /// What it left undone, where the action itself can tell: a command that ended with an error, a wall with a gap. A
    /// verification decides whether it helped all the same; without one it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub falls_short: Option<String>,
}

impl Applied {
    /// An application with nothing more to say than one sentence.
    pub fn new(summary: impl Into<String>) -> Self {
        Self { summary: summary.into(), ..Self::default() }
    }

    /// What was done, and what was not.
    pub fn told(&self) -> String {
        match &self.falls_short {
            None => self.summary.clone(),
            Some(short) => format!("{}, but {short}", self.summary),
        }
    }
}

/// What the target shows of an effect that may have happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// It happened.
    Done(Applied),
    /// It did not happen; applying is safe.
    Untouched,
    /// The target cannot tell, or somebody else changed it meanwhile: a person must look.
    Unclear(String),
}

/// What an undo did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "undone", content = "summary", rename_all = "snake_case")]
pub enum Undone {
    /// The prior state is back, or the effect is made up for.
    Reversed(String),
    /// There was nothing to undo: it had not been applied, or was undone before.
    Nothing(String),
    /// The action cannot be undone; what happened stays.
    Irreversible,
}

/// An action, as its author writes it.
///
/// Guarantees that the conformance kit checks: applying twice with the same intent is applying once; undoing twice is
/// undoing once; undo without apply does no harm; apply then undo restores what probes read (unless irreversible);
/// `assess`, `preview`, `capture` and `effect` change nothing; only absolute values reach the target.
#[async_trait]
pub trait Action: Send + Sync + 'static {
    /// Its parameters, declared with [`parameters!`](crate::parameters!).
    type Parameters: Parameters;
    /// What must be known of the target's state before, to recognise the effect and to undo it.
    type Prior: Serialize + DeserializeOwned + Send + Sync;

    /// What it says of itself.
    fn about(&self) -> About;

    /// Checks the parameters and tells the guards what this use means. Pure: the target is not asked.
    ///
    /// # Errors
    /// `Refused`, naming the offending value.
    fn assess(&self, params: &Self::Parameters) -> Result<Assessment, Failure>;

    /// Finds out what would change.
    async fn preview(&self, params: &Self::Parameters) -> Result<Preview, Failure>;

    /// Finds out whether somebody else would take the change back by themselves, such as a GitOps controller. Asked
    /// when the plan is made; the policy decides what follows.
    async fn contest(&self, _params: &Self::Parameters) -> Result<Option<Contest>, Failure> {
        Ok(None)
    }

    /// Finds out which other targets the change reaches, in the form of [`Assessment::target`]: a pod's workload, what an
    /// autoscaler scales. Asked when the plan is made; nobody else works at them meanwhile.
    ///
    /// # Errors
    /// The target cannot be asked. What is not there reaches nothing: whether it may be changed is not asked here.
    async fn related(&self, _params: &Self::Parameters) -> Result<Vec<String>, Failure> {
        Ok(Vec::new())
    }

    /// Reads the prior state.
    async fn capture(&self, params: &Self::Parameters) -> Result<Self::Prior, Failure>;

    /// Makes the change, with a precondition at the target wherever it has one.
    async fn apply(
        &self,
        params: &Self::Parameters,
        prior: &Self::Prior,
        intent: &IntentId,
    ) -> Result<Applied, Failure>;

    /// Looks whether the change of this intent happened.
    async fn effect(
        &self,
        params: &Self::Parameters,
        prior: &Self::Prior,
        intent: &IntentId,
    ) -> Result<Effect, Failure>;

    /// Takes the change back.
    async fn undo(
        &self,
        params: &Self::Parameters,
        prior: &Self::Prior,
        intent: &IntentId,
    ) -> Result<Undone, Failure>;
}

/// An action with its types erased: parameters and prior state are JSON.
#[async_trait]
pub trait AnyAction: Send + Sync {
    /// See [`Action::about`].
    fn about(&self) -> About;
    /// The parameters, in the order in which a rule passes them.
    fn parameters(&self) -> &'static [ParameterSpec];
    /// See [`Action::assess`].
    fn assess(&self, params: &Map<String, Value>) -> Result<Assessment, Failure>;
    /// See [`Action::preview`].
    async fn preview(&self, params: &Map<String, Value>) -> Result<Preview, Failure>;
    /// See [`Action::contest`].
    async fn contest(&self, params: &Map<String, Value>) -> Result<Option<Contest>, Failure>;
    /// See [`Action::related`].
    async fn related(&self, params: &Map<String, Value>) -> Result<Vec<String>, Failure>;
    /// See [`Action::capture`].
    async fn capture(&self, params: &Map<String, Value>) -> Result<Value, Failure>;
    /// See [`Action::apply`].
    async fn apply(
        &self,
        params: &Map<String, Value>,
        prior: &Value,
        intent: &IntentId,
    ) -> Result<Applied, Failure>;
    /// See [`Action::effect`].
    async fn effect(
        &self,
        params: &Map<String, Value>,
        prior: &Value,
        intent: &IntentId,
    ) -> Result<Effect, Failure>;
    /// See [`Action::undo`].
    async fn undo(
        &self,
        params: &Map<String, Value>,
        prior: &Value,
        intent: &IntentId,
    ) -> Result<Undone, Failure>;
}

/// Reads a prior state back from the journal. One that cannot be read leaves only a person to decide.
fn prior<P: DeserializeOwned>(name: &str, prior: &Value) -> Result<P, Failure> {
    P::deserialize(prior).map_err(|fault| {
        Failure::indeterminate(format!("{name}: the journalled prior state cannot be read: {fault}"))
    })
}

#[async_trait]
impl<A: Action> AnyAction for A {
    fn about(&self) -> About {
        Action::about(self)
    }

    fn parameters(&self) -> &'static [ParameterSpec] {
        A::Parameters::SPECS
    }

    fn assess(&self, params: &Map<String, Value>) -> Result<Assessment, Failure> {
        Action::assess(self, &read(Action::about(self).name, params)?)
    }

    async fn preview(&self, params: &Map<String, Value>) -> Result<Preview, Failure> {
        Action::preview(self, &read(Action::about(self).name, params)?).await
    }

    async fn contest(&self, params: &Map<String, Value>) -> Result<Option<Contest>, Failure> {
        Action::contest(self, &read(Action::about(self).name, params)?).await
    }

    async fn related(&self, params: &Map<String, Value>) -> Result<Vec<String>, Failure> {
        Action::related(self, &read(Action::about(self).name, params)?).await
    }

    async fn capture(&self, params: &Map<String, Value>) -> Result<Value, Failure> {
        let name = Action::about(self).name;
        let prior = Action::capture(self, &read(name, params)?).await?;
        serde_json::to_value(prior)
            .map_err(|fault| Failure::refused(format!("{name}: the prior state cannot be kept: {fault}")))
    }

    async fn apply(
        &self,
        params: &Map<String, Value>,
        before: &Value,
        intent: &IntentId,
    ) -> Result<Applied, Failure> {
        let name = Action::about(self).name;
        Action::apply(self, &read(name, params)?, &prior(name, before)?, intent).await
    }

    async fn effect(
        &self,
        params: &Map<String, Value>,
        before: &Value,
        intent: &IntentId,
    ) -> Result<Effect, Failure> {
        let name = Action::about(self).name;
        Action::effect(self, &read(name, params)?, &prior(name, before)?, intent).await
    }

    async fn undo(
        &self,
        params: &Map<String, Value>,
        before: &Value,
        intent: &IntentId,
    ) -> Result<Undone, Failure> {
        let name = Action::about(self).name;
        Action::undo(self, &read(name, params)?, &prior(name, before)?, intent).await
    }
}
