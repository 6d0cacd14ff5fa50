//! `argo::promote`: an update goes on to its next step.
//!
//! A step that is paused is left by lifting the pause, upon which the controller counts on by itself; any other is left by
//! writing the index of the next one. Doing both would leave out a step.

use std::sync::Arc;

use async_trait::async_trait;
use selfheal_cluster::{Object, kinds, right, right_on};
use selfheal_contract::{About, Failure, IntentId, Reversal, Undone};
use serde_json::{Value, json};

use super::going_on::{GoingOn, Standing};
use super::resume::lift;
use crate::context::{Context, Place};
use crate::rollout::{Strategy, is_aborted, is_paused, is_updating, pauses, stable, step, steps};

selfheal_contract::parameters! {
    /// Which rollout, and which step.
    pub struct Parameters {
        /// Its namespace.
        pub namespace: String,
        /// Its name.
        pub name: String,
        /// The index of the step that a canary is to come to, from 0: `seen.rollout.step + 1`. Unless given, the one after that at which it stands when the change begins.
        pub step: Option<u32>,
        /// The cluster's name in the configuration; of several, unless given, that of the alert's label cluster, or default.
        pub cluster: Option<String>,
    }
}

pub(super) struct Promote(pub(super) Arc<Context>);

/// Refuses when there is no update that could go on.
pub(super) fn check_update(rollout: &Object) -> Result<(), Failure> {
    let name = rollout.name();
    if !is_updating(rollout) {
        return Err(Failure::refused(format!(
            "rollout {name} has no update under way: there is nothing to promote"
        )));
    }
    if is_aborted(rollout) {
        return Err(Failure::refused(format!(
            "the update of rollout {name} is aborted; argo::retry begins it again"
        )));
    }
    Ok(())
}

#[async_trait]
impl GoingOn for Promote {
    type Parameters = Parameters;

    fn about(&self) -> About {
        About {
            name: "promote",
            doc: "Lets an update go on to its next step, as `kubectl argo rollouts promote` does: lifts the pause at which a canary \
                or a blue-green promotion stands, or takes a canary from the step at which it is to the next. Repeating it goes no \
                further. Refused when no update is under way, when it is aborted, when all steps are behind it, when a blue-green \
                update does not wait for its promotion, and when it stands more than one step before the one that is named. What \
                was promoted cannot be taken back: argo::abort and argo::undo end the update.",
            reversal: Reversal::Irreversible,
            permissions: vec![
                right("get", &kinds::ROLLOUT, "to read the rollout"),
                right("patch", &kinds::ROLLOUT, "to lift a pause of somebody"),
                right_on("patch", &kinds::ROLLOUT, "rollouts/status", "to go on to the next step"),
            ],
        }
    }

    fn place<'a>(&'a self, params: &'a Parameters) -> Result<Place<'a>, Failure> {
        self.0.rollout(&params.cluster, &params.namespace, &params.name)
    }

    fn check(&self, params: &Parameters, rollout: &Object) -> Result<(), Failure> {
        check_update(rollout)?;
        let refused = |why: String| Err(Failure::refused(format!("rollout {}: {why}", rollout.name())));
        let is_held = is_paused(rollout) || !pauses(rollout).is_empty();
        if Strategy::of(rollout) == Strategy::BlueGreen {
            return match (params.step, is_held) {
                (Some(_), _) => refused("a blue-green update has no steps; leave the step out".to_owned()),
                (None, false) => refused("it does not wait for its promotion".to_owned()),
                (None, true) => Ok(()),
            };
        }
        let (at, count) = (step(rollout), steps(rollout));
        if at >= count && !is_held {
            return refused(format!(
                "all {count} steps are behind it: it waits for its pods to be available"
            ));
        }
        match params.step.map(i64::from) {
            Some(wanted) if wanted > count => {
                refused(format!("there is no step {wanted}: expected at most {count}, the end"))
            }
            Some(wanted) if wanted > at + 1 => refused(format!(
                "it stands at step {at}, more than one before step {wanted}; promote it step by step, or fully"
            )),
            _ => Ok(()),
        }
    }

    fn status(&self, params: &Parameters, before: &Standing, rollout: &Object) -> Option<Value> {
        // The update is completed.
        if stable(rollout) == before.update {
            return None;
        }
        let is_canary = Strategy::of(rollout) == Strategy::Canary;
        // It was there when the change began.
        if is_canary && params.step.is_some_and(|wanted| before.step >= i64::from(wanted)) {
            return None;
        }
        if !is_canary || !before.pauses.is_empty() && !before.inconclusive {
            return lift(before, rollout);
        }
        let next = (before.step + 1).min(steps(rollout));
        if step(rollout) >= next {
            return None;
        }
        let mut status = json!({ "pauseConditions": null, "currentStepIndex": next });
        if before.inconclusive {
            status["controllerPause"] = json!(false);
        }
        Some(json!({ "status": status }))
    }

    fn told(&self, of: &str, done: bool) -> String {
        format!("{} {of} to its next step", if done { "promoted" } else { "promotes" })
    }

    async fn undo(&self, _: Place<'_>, _: &Standing, _: &IntentId) -> Result<Undone, Failure> {
        Ok(Undone::Irreversible)
    }
}
