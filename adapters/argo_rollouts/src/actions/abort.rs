//! `argo::abort` and `argo::retry`: an update is given up for the stable version, or tried once more.
//!
//! Both write `status.abort`, which stands until somebody else writes it or the pod template changes. The versions between
//! which the update is are pinned, so that an abort that comes late never hits the next update, nor one that is over.

use std::sync::Arc;

use async_trait::async_trait;
use selfheal_cluster::{Edit, Object, PatchKind, kinds, right, right_on};
use selfheal_contract::{About, Failure, Reversal};
use serde_json::{Value, json};

use super::Which;
use super::setting::{Aim, Setting};
use crate::context::{Context, Place};
use crate::rollout::{current, is_aborted, is_updating, stable};

pub(super) struct Abort {
    pub(super) context: Arc<Context>,
    /// Whether the update is to be aborted, or to be tried again.
    pub(super) aborted: bool,
}

fn read(rollout: &Object) -> Value {
    json!({ "aborted": is_aborted(rollout), "stable": stable(rollout), "update": current(rollout) })
}

const ABORT: &str = "Aborts the update of a rollout (`status.abort`): all traffic goes back to the stable version, and a \
    canary's steps begin anew when it is retried. The specification still asks for the new version: argo::undo, or a correction \
    in the repository, ends that. Refused when no update is under way, and before any version was completed, when there is \
    nothing to go back to. The undo retries, which sends traffic to the new version again, from the first step: write \
    `.keep_on_failure()` where an abort that did not help is to stay.";

const RETRY: &str = "Retries an aborted update (`status.abort`): it begins again at its first step. Refused when no update is \
    under way. The undo aborts it again, as long as the same update is under way.";

#[async_trait]
impl Setting for Abort {
    type Parameters = Which;

    fn about(&self) -> About {
        let (name, doc, purpose) = match self.aborted {
            true => ("abort", ABORT, "to abort the update"),
            false => ("retry", RETRY, "to retry the update"),
        };
        About {
            name,
            doc,
            reversal: Reversal::Compensates,
            permissions: vec![
                right("get", &kinds::ROLLOUT, "to read the rollout"),
                right_on("patch", &kinds::ROLLOUT, "rollouts/status", purpose),
            ],
        }
    }

    fn place<'a>(&'a self, params: &'a Which) -> Result<Place<'a>, Failure> {
        self.context.rollout(&params.cluster, &params.namespace, &params.name)
    }

    async fn aim(&self, _: &Which, place: Place<'_>) -> Result<Aim, Failure> {
        let rollout = place.cluster.get(place.of).await?;
        if !is_updating(&rollout) {
            let why = match stable(&rollout) {
                "" => "no version of it was completed yet, so that there is none to go back to",
                _ => "its stable version is its newest",
            };
            return Err(Failure::refused(format!("{} has no update under way: {why}", place.of)));
        }
        let mut wanted = read(&rollout);
        wanted["aborted"] = json!(self.aborted);
        Ok(Aim { wanted, ..Aim::default() })
    }

    fn edit<'a>(&'a self, _: &'a Which, place: Place<'a>, aim: &'a Aim) -> Result<Edit<'a>, Failure> {
        Ok(Edit {
            cluster: place.cluster,
            of: place.of,
            subresource: Some("status"),
            patch: PatchKind::Merge,
            what: "the update".to_owned(),
            read: Box::new(|rollout| Ok(read(rollout))),
            write: Box::new(|values| json!({ "status": { "abort": values["aborted"] } })),
            wanted: aim.wanted.clone(),
        })
    }

    fn fields(&self, _: &Which, _: &Aim) -> Vec<Vec<String>> {
        Vec::new()
    }

    fn told(&self, _: &Which, of: &str, done: bool) -> String {
        let verb = match (self.aborted, done) {
            (true, false) => "aborts",
            (true, true) => "aborted",
            (false, false) => "retries",
            (false, true) => "retried",
        };
        format!("{verb} the update of {of}")
    }
}
