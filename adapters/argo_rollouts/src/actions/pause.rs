//! `argo::pause`: an update stops where it is.

use std::sync::Arc;

use async_trait::async_trait;
use selfheal_cluster::{Edit, PatchKind, kinds, right};
use selfheal_contract::{About, Failure, Reversal};
use serde_json::json;

use super::Which;
use super::setting::{Aim, Setting, path};
use crate::context::{Context, Place};
use crate::rollout::is_paused;

pub(super) struct Pause(pub(super) Arc<Context>);

#[async_trait]
impl Setting for Pause {
    type Parameters = Which;

    fn about(&self) -> About {
        About {
            name: "pause",
            doc: "Pauses a rollout (`spec.paused`): an update stops where it is, a canary keeps the share of the traffic that it \
                has, and no new update begins. What runs goes on running, and is still scaled and restarted. The undo lets it go \
                on, unless somebody else has paused it.",
            reversal: Reversal::Restores,
            permissions: vec![
                right("get", &kinds::ROLLOUT, "to read the rollout"),
                right("patch", &kinds::ROLLOUT, "to pause the rollout"),
            ],
        }
    }

    fn place<'a>(&'a self, params: &'a Which) -> Result<Place<'a>, Failure> {
        self.0.rollout(&params.cluster, &params.namespace, &params.name)
    }

    async fn aim(&self, _: &Which, _: Place<'_>) -> Result<Aim, Failure> {
        Ok(Aim { wanted: json!(true), ..Aim::default() })
    }

    fn edit<'a>(&'a self, _: &'a Which, place: Place<'a>, aim: &'a Aim) -> Result<Edit<'a>, Failure> {
        Ok(Edit {
            cluster: place.cluster,
            of: place.of,
            subresource: None,
            patch: PatchKind::Merge,
            what: "spec.paused".to_owned(),
            read: Box::new(|rollout| Ok(json!(is_paused(rollout)))),
            write: Box::new(|paused| json!({ "spec": { "paused": paused } })),
            wanted: aim.wanted.clone(),
        })
    }

    fn fields(&self, _: &Which, _: &Aim) -> Vec<Vec<String>> {
        vec![path(&["spec", "paused"])]
    }

    fn told(&self, _: &Which, of: &str, done: bool) -> String {
        format!("{} {of}", if done { "paused" } else { "pauses" })
    }
}
