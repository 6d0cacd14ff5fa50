//! Actions that set fields of one object to absolute values: what differs is which, the rest is [`Edit`]'s.

use async_trait::async_trait;
use selfheal_cluster::{Before, Edit, contest};
use selfheal_contract::{
    About, Action, Applied, Assessment, Contest, Effect, Failure, IntentId, Parameters, Preview, Reversal,
    Undone,
};

/// A field by the names on the way to it, as `managedFields` has them: see [`selfheal_cluster::gitops`].
pub(super) type Field = Vec<String>;

/// An action that sets fields of one object.
#[async_trait]
pub(super) trait Setting: Send + Sync + 'static {
    type Parameters: Parameters;

    /// What it says of itself.
    fn about(&self) -> About;

    /// Checks the parameters.
    fn assess(&self, params: &Self::Parameters) -> Result<Assessment, Failure>;

    /// The change.
    fn edit<'a>(&'a self, params: &'a Self::Parameters) -> Result<Edit<'a>, Failure>;

    /// The fields that it sets, for the question who else does.
    async fn fields(&self, params: &Self::Parameters) -> Result<Vec<Field>, Failure>;

    /// Which other targets the change reaches: see [`Action::related`].
    async fn related(&self, _params: &Self::Parameters) -> Result<Vec<String>, Failure> {
        Ok(Vec::new())
    }

    /// Refuses what only other objects can tell; asked before the preview, the capture and the application.
    async fn check(&self, _params: &Self::Parameters) -> Result<(), Failure> {
        Ok(())
    }
}

/// The action that a setting is.
pub(super) struct Set<S>(pub(super) S);

#[async_trait]
impl<S: Setting> Action for Set<S> {
    type Parameters = S::Parameters;
    type Prior = Before;

    fn about(&self) -> About {
        self.0.about()
    }

    fn assess(&self, params: &Self::Parameters) -> Result<Assessment, Failure> {
        self.0.assess(params)
    }

    async fn preview(&self, params: &Self::Parameters) -> Result<Preview, Failure> {
        self.0.check(params).await?;
        self.0.edit(params)?.preview().await
    }

    async fn contest(&self, params: &Self::Parameters) -> Result<Option<Contest>, Failure> {
        let edit = self.0.edit(params)?;
        contest(edit.cluster, edit.of, &self.0.fields(params).await?).await
    }

    async fn related(&self, params: &Self::Parameters) -> Result<Vec<String>, Failure> {
        self.0.related(params).await
    }

    async fn capture(&self, params: &Self::Parameters) -> Result<Before, Failure> {
        self.0.check(params).await?;
        self.0.edit(params)?.capture(&self.0.fields(params).await?).await
    }

    async fn apply(
        &self,
        params: &Self::Parameters,
        before: &Before,
        intent: &IntentId,
    ) -> Result<Applied, Failure> {
        self.0.check(params).await?;
        self.0.edit(params)?.apply(before, intent).await
    }

    async fn effect(
        &self,
        params: &Self::Parameters,
        before: &Before,
        _: &IntentId,
    ) -> Result<Effect, Failure> {
        self.0.edit(params)?.effect(before).await
    }

    async fn undo(
        &self,
        params: &Self::Parameters,
        before: &Before,
        _: &IntentId,
    ) -> Result<Undone, Failure> {
        if self.0.about().reversal == Reversal::Irreversible {
            return Ok(Undone::Irreversible);
        }
        self.0.edit(params)?.undo(before).await
    }
}

/// A field's names.
pub(super) fn path(names: &[&str]) -> Field {
    names.iter().map(|name| (*name).to_owned()).collect()
}
