//! `argo::resume`: a paused rollout goes on, whoever has paused it.

use std::sync::Arc;

use async_trait::async_trait;
use selfheal_cluster::{Object, kinds, right, right_on};
use selfheal_contract::{About, Failure, IntentId, Reversal, Undone};
use serde_json::{Value, json};

use super::Which;
use super::going_on::{GoingOn, Standing, hold};
use crate::context::{Context, Place};
use crate::rollout::{is_paused, pauses};

pub(super) struct Resume(pub(super) Arc<Context>);

/// What is left of these pauses of the controller to lift: nothing when it has gone on, or has paused anew.
pub(super) fn lift(before: &Standing, rollout: &Object) -> Option<Value> {
    let same = !before.pauses.is_empty() && pauses(rollout) == before.pauses;
    same.then(|| json!({ "status": { "pauseConditions": null } }))
}

#[async_trait]
impl GoingOn for Resume {
    type Parameters = Which;

    fn about(&self) -> About {
        About {
            name: "resume",
            doc: "Lets a paused rollout go on: lifts the pause of somebody (`spec.paused`) and that of the controller \
                (`status.pauseConditions`), be it a canary's step, a blue-green promotion or an analysis without conclusion. A \
                later pause is not lifted. Refused when it is not paused. Where it stood cannot be put back; the undo pauses it \
                where it has come to, as long as the same update is under way.",
            reversal: Reversal::Compensates,
            permissions: vec![
                right("get", &kinds::ROLLOUT, "to read the rollout"),
                right("patch", &kinds::ROLLOUT, "to lift a pause of somebody, and to pause again"),
                right_on("patch", &kinds::ROLLOUT, "rollouts/status", "to lift a pause of the controller"),
            ],
        }
    }

    fn place<'a>(&'a self, params: &'a Which) -> Result<Place<'a>, Failure> {
        self.0.rollout(&params.cluster, &params.namespace, &params.name)
    }

    fn check(&self, _: &Which, rollout: &Object) -> Result<(), Failure> {
        if is_paused(rollout) || !pauses(rollout).is_empty() {
            return Ok(());
        }
        Err(Failure::refused(format!("rollout {} is not paused: there is nothing to resume", rollout.name())))
    }

    fn status(&self, _: &Which, before: &Standing, rollout: &Object) -> Option<Value> {
        lift(before, rollout)
    }

    fn told(&self, of: &str, done: bool) -> String {
        format!("{} {of}", if done { "resumed" } else { "resumes" })
    }

    async fn undo(&self, place: Place<'_>, before: &Standing, intent: &IntentId) -> Result<Undone, Failure> {
        hold(place.cluster, place.of, before, intent).await
    }
}
