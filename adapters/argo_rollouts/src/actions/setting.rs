//! Actions that set fields of one object to absolute values: what differs is which, the rest is [`Edit`]'s.
//!
//! What is to be is found out before the intent and kept with the prior state ([`Aim`]), so that repeating the action after
//! a crash asks for the same, whatever the rollout has come to since.

use async_trait::async_trait;
use selfheal_cluster::{Before, Edit, Object, contest};
use selfheal_contract::{
    About, Action, Applied, Assessment, Contest, Effect, Failure, IntentId, Parameters, Preview, Undone,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::context::Place;

/// What is to be.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Aim {
    /// The deployment that is changed in the rollout's place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) deployment: Option<String>,
    /// The list that the change is in, where that decides who else keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) list: Option<String>,
    /// The values to be.
    pub(super) wanted: Value,
}

/// What was there, and what is to be.
#[derive(Serialize, Deserialize)]
pub(super) struct Prior {
    before: Before,
    aim: Aim,
}

/// An action that sets fields of one object.
#[async_trait]
pub(super) trait Setting: Send + Sync + 'static {
    type Parameters: Parameters;

    /// What it says of itself.
    fn about(&self) -> About;

    /// The rollout, with all parameters checked.
    fn place<'a>(&'a self, params: &'a Self::Parameters) -> Result<Place<'a>, Failure>;

    /// Finds out what is to be; refuses what does not suit the rollout as it is.
    async fn aim(&self, params: &Self::Parameters, place: Place<'_>) -> Result<Aim, Failure>;

    /// The change.
    fn edit<'a>(
        &'a self,
        params: &'a Self::Parameters,
        place: Place<'a>,
        aim: &'a Aim,
    ) -> Result<Edit<'a>, Failure>;

    /// The fields that it sets, for the question who else does; none for a status, which nobody else keeps.
    fn fields(&self, params: &Self::Parameters, aim: &Aim) -> Vec<Vec<String>>;

    /// What it does, or has done, to the rollout that is named: "pauses rollout shop/web", "paused ..".
    fn told(&self, params: &Self::Parameters, of: &str, done: bool) -> String;

    /// Why an undo would do nothing more about it, if so.
    fn is_over(&self, _object: &Object, _aim: &Aim) -> Option<String> {
        None
    }
}

/// The action that a setting is.
pub(super) struct Set<S>(pub(super) S);

#[async_trait]
impl<S: Setting> Action for Set<S> {
    type Parameters = S::Parameters;
    type Prior = Prior;

    fn about(&self) -> About {
        self.0.about()
    }

    fn assess(&self, params: &Self::Parameters) -> Result<Assessment, Failure> {
        Ok(self.0.place(params)?.assessment(self.0.about().reversal))
    }

    async fn preview(&self, params: &Self::Parameters) -> Result<Preview, Failure> {
        let place = self.0.place(params)?;
        let aim = self.0.aim(params, place).await?;
        let preview = self.0.edit(params, place, &aim)?.preview().await?;
        if preview.changes.is_empty() {
            return Ok(preview);
        }
        Ok(Preview { summary: self.0.told(params, &place.of.to_string(), false), ..preview })
    }

    async fn contest(&self, params: &Self::Parameters) -> Result<Option<Contest>, Failure> {
        let place = self.0.place(params)?;
        let aim = self.0.aim(params, place).await?;
        let fields = self.0.fields(params, &aim);
        if fields.is_empty() {
            return Ok(None);
        }
        let edit = self.0.edit(params, place, &aim)?;
        contest(edit.cluster, edit.of, &fields).await
    }

    async fn related(&self, params: &Self::Parameters) -> Result<Vec<String>, Failure> {
        self.0.place(params)?.related().await
    }

    async fn capture(&self, params: &Self::Parameters) -> Result<Prior, Failure> {
        let place = self.0.place(params)?;
        let aim = self.0.aim(params, place).await?;
        let before = self.0.edit(params, place, &aim)?.capture(&self.0.fields(params, &aim)).await?;
        Ok(Prior { before, aim })
    }

    async fn apply(
        &self,
        params: &Self::Parameters,
        Prior { before, aim }: &Prior,
        intent: &IntentId,
    ) -> Result<Applied, Failure> {
        let place = self.0.place(params)?;
        let applied = self.0.edit(params, place, aim)?.apply(before, intent).await?;
        if applied.facts.is_null() {
            return Ok(applied);
        }
        let told = self.0.told(params, &place.of.to_string(), true);
        Ok(Applied { summary: format!("{told}{}", before.contest()), ..applied })
    }

    async fn effect(
        &self,
        params: &Self::Parameters,
        Prior { before, aim }: &Prior,
        _: &IntentId,
    ) -> Result<Effect, Failure> {
        self.0.edit(params, self.0.place(params)?, aim)?.effect(before).await
    }

    async fn undo(
        &self,
        params: &Self::Parameters,
        Prior { before, aim }: &Prior,
        _: &IntentId,
    ) -> Result<Undone, Failure> {
        let edit = self.0.edit(params, self.0.place(params)?, aim)?;
        if let Some(object) = edit.cluster.find(edit.of).await?
            && object.uid() == before.uid
            && let Some(over) = self.0.is_over(&object, aim)
        {
            return Ok(Undone::Nothing(over));
        }
        edit.undo(before).await
    }
}

/// A field's names.
pub(super) fn path(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
