//! `argo::promote_fully`: the new version serves everything, at once.

use std::sync::Arc;

use async_trait::async_trait;
use selfheal_cluster::{Object, kinds, right, right_on};
use selfheal_contract::{About, Failure, IntentId, Reversal, Undone};
use serde_json::{Value, json};

use super::Which;
use super::going_on::{GoingOn, Standing};
use super::promote::check_update;
use crate::context::{Context, Place};
use crate::rollout::stable;

pub(super) struct PromoteFully(pub(super) Arc<Context>);

#[async_trait]
impl GoingOn for PromoteFully {
    type Parameters = Which;

    fn about(&self) -> About {
        About {
            name: "promote_fully",
            doc: "Completes an update without its remaining steps, pauses and analyses (`status.promoteFull`), once the pods of \
                the new version are available. Refused when no update is under way and when it is aborted. It cannot be taken \
                back: argo::undo goes back to the version before.",
            reversal: Reversal::Irreversible,
            permissions: vec![
                right("get", &kinds::ROLLOUT, "to read the rollout"),
                right("patch", &kinds::ROLLOUT, "to lift a pause of somebody"),
                right_on("patch", &kinds::ROLLOUT, "rollouts/status", "to promote it fully"),
            ],
        }
    }

    fn place<'a>(&'a self, params: &'a Which) -> Result<Place<'a>, Failure> {
        self.0.rollout(&params.cluster, &params.namespace, &params.name)
    }

    fn check(&self, _: &Which, rollout: &Object) -> Result<(), Failure> {
        check_update(rollout)
    }

    fn status(&self, _: &Which, before: &Standing, rollout: &Object) -> Option<Value> {
        // The controller takes the mark away when the update is completed.
        let done = stable(rollout) == before.update || rollout.at("/status/promoteFull") == true;
        (!done).then(|| json!({ "status": { "promoteFull": true } }))
    }

    fn told(&self, of: &str, done: bool) -> String {
        format!("{} {of} fully", if done { "promoted" } else { "promotes" })
    }

    async fn undo(&self, _: Place<'_>, _: &Standing, _: &IntentId) -> Result<Undone, Failure> {
        Ok(Undone::Irreversible)
    }
}
