//! `argo::restart`: every pod of a rollout is replaced by a new one of the same version.

use std::sync::Arc;

use async_trait::async_trait;
use selfheal_cluster::{Edit, Object, PatchKind, kinds, right};
use selfheal_contract::{About, Failure, Reversal};
use serde_json::{Value, json};

use super::Which;
use super::setting::{Aim, Setting, path};
use crate::context::{Context, Place};

pub(super) struct Restart(pub(super) Arc<Context>);

#[async_trait]
impl Setting for Restart {
    type Parameters = Which;

    fn about(&self) -> About {
        About {
            name: "restart",
            doc: "Replaces every pod of a rollout that is older than now (`spec.restartAt`, by the API server's clock, fixed \
                before the change). The rollouts' controller evicts them itself, as many at a time as the strategy's \
                `maxUnavailable` allows, at least one, and minds disruption budgets; paused rollouts are restarted too. A restart \
                that is over cannot be taken back; the undo of one that is under way lets the pods be that were not replaced yet.",
            reversal: Reversal::Compensates,
            permissions: vec![
                right("get", &kinds::ROLLOUT, "to read the rollout"),
                right("patch", &kinds::ROLLOUT, "to restart the rollout"),
            ],
        }
    }

    fn place<'a>(&'a self, params: &'a Which) -> Result<Place<'a>, Failure> {
        self.0.rollout(&params.cluster, &params.namespace, &params.name)
    }

    async fn aim(&self, _: &Which, place: Place<'_>) -> Result<Aim, Failure> {
        let now = place.cluster.get(place.of).await?.read_at()?;
        Ok(Aim { wanted: json!(now.to_string()), ..Aim::default() })
    }

    fn edit<'a>(&'a self, _: &'a Which, place: Place<'a>, aim: &'a Aim) -> Result<Edit<'a>, Failure> {
        Ok(Edit {
            cluster: place.cluster,
            of: place.of,
            subresource: None,
            patch: PatchKind::Merge,
            what: "spec.restartAt".to_owned(),
            read: Box::new(|rollout| Ok(rollout.at("/spec/restartAt").clone())),
            write: Box::new(|time| json!({ "spec": { "restartAt": time } })),
            wanted: aim.wanted.clone(),
        })
    }

    fn fields(&self, _: &Which, _: &Aim) -> Vec<Vec<String>> {
        vec![path(&["spec", "restartAt"])]
    }

    fn told(&self, _: &Which, of: &str, done: bool) -> String {
        format!("{} {of}", if done { "restarted" } else { "restarts" })
    }

    fn is_over(&self, rollout: &Object, aim: &Aim) -> Option<String> {
        let restarted = rollout.at("/status/restartedAt");
        (*restarted != Value::Null && *restarted == aim.wanted)
            .then(|| format!("rollout {} is restarted already; its new pods stay", rollout.name()))
    }
}
