//! `k8s::rollout_restart`: every pod of a workload is replaced, in the manner that the workload's own strategy has.
//!
//! It writes what `kubectl rollout restart` writes, the time, beside the intent: both are fixed before the change, so that
//! repeating it changes nothing. The time is the API server's.

use std::sync::Arc;

use async_trait::async_trait;
use selfheal_cluster::{Before, Edit, INTENT_ANNOTATION, Kind, Object, PatchKind, kinds, right};
use selfheal_contract::{
    About, Applied, Assessment, BlastRadius, Effect, Failure, IntentId, Preview, Reversal, Undone,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::setting::Field;
use crate::context::{Context, Place};

static FITTING: [&Kind; 3] = [&kinds::DEPLOYMENT, &kinds::STATEFUL_SET, &kinds::DAEMON_SET];

/// kubectl's own annotation, so that `kubectl rollout history` and people know it.
const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";

selfheal_contract::parameters! {
    /// Which workload.
    pub struct Parameters {
        /// Its namespace.
        pub namespace: String,
        /// deployment/NAME, statefulset/NAME or daemonset/NAME; a name alone is a deployment's.
        pub workload: String,
        /// The cluster's name in the configuration; of several, unless given, that of the alert's label cluster, or default.
        pub cluster: Option<String>,
    }
}

/// What was there, and the time that will stand for the restart.
#[derive(Serialize, Deserialize)]
pub(super) struct Prior {
    before: Before,
    restart_at: String,
}

pub(super) struct Action(pub(super) Arc<Context>);

impl Action {
    fn place<'a>(&'a self, params: &'a Parameters) -> Result<Place<'a>, Failure> {
        self.0.workload(&params.cluster, &params.namespace, &params.workload, &FITTING)
    }

    fn edit<'a>(&'a self, params: &'a Parameters, wanted: Value) -> Result<Edit<'a>, Failure> {
        let Place { cluster, of } = self.place(params)?;
        Ok(Edit {
            cluster,
            of,
            subresource: None,
            patch: PatchKind::Merge,
            what: "the restart".to_owned(),
            read: Box::new(read),
            write: Box::new(|values| {
                let annotations =
                    json!({ RESTARTED_AT: values["time"], INTENT_ANNOTATION: values["intent"] });
                json!({ "spec": { "template": { "metadata": { "annotations": annotations } } } })
            }),
            wanted,
        })
    }

    fn of_intent<'a>(
        &'a self,
        params: &'a Parameters,
        prior: &Prior,
        intent: &IntentId,
    ) -> Result<Edit<'a>, Failure> {
        self.edit(params, json!({ "time": prior.restart_at, "intent": intent }))
    }
}

fn read(object: &Object) -> Result<Value, Failure> {
    if object.at("/spec/paused") == true {
        return Err(Failure::refused(format!(
            "the rollouts of {} are paused: it would not restart; resume it first",
            object.name()
        )));
    }
    let annotations = object.at("/spec/template/metadata/annotations");
    let of = |name: &str| annotations.get(name).cloned().unwrap_or_default();
    Ok(json!({ "time": of(RESTARTED_AT), "intent": of(INTENT_ANNOTATION) }))
}

/// Whether all pods have been replaced already.
fn is_rolled_out(object: &Object) -> bool {
    let number = |pointers: [&str; 2]| pointers.into_iter().find_map(|pointer| object.number(pointer));
    let desired = number(["/status/desiredNumberScheduled", "/spec/replicas"]);
    let updated = number(["/status/updatedReplicas", "/status/updatedNumberScheduled"]).unwrap_or_default();
    let available = number(["/status/availableReplicas", "/status/numberAvailable"]).unwrap_or_default();
    object.is_observed() && desired.is_some_and(|desired| updated >= desired && available >= desired)
}

#[async_trait]
impl selfheal_contract::Action for Action {
    type Parameters = Parameters;
    type Prior = Prior;

    fn about(&self) -> About {
        let mut permissions = Vec::new();
        for kind in FITTING {
            permissions.push(right("get", kind, "to read the workload"));
            permissions.push(right("patch", kind, "to restart the workload"));
        }
        About {
            name: "rollout_restart",
            doc: "Replaces every pod of a workload by a new one, a few at a time, as the workload's own strategy has it; as \
                `kubectl rollout restart` does. No pod is deleted by selfheal. Refused while the workload's rollouts are paused. \
                A restart that is over cannot be taken back; the undo of one that is stuck puts the pod template back as it \
                was, so that pods that were not replaced yet stay.",
            reversal: Reversal::Compensates,
            permissions,
        }
    }

    fn assess(&self, params: &Parameters) -> Result<Assessment, Failure> {
        Ok(self.place(params)?.assessment(BlastRadius::Object, Reversal::Compensates))
    }

    async fn preview(&self, params: &Parameters) -> Result<Preview, Failure> {
        let Place { cluster, of } = self.place(params)?;
        let object = cluster.get(of).await?;
        // The intent is not known yet; what stands there now stands for it, so that the diff shows the restart alone.
        let mut wanted = read(&object)?;
        wanted["time"] = json!(object.read_at()?.to_string());
        let preview = self.edit(params, wanted)?.preview().await?;
        let replicas = object.number("/spec/replicas");
        let pods = replicas.map_or_else(|| "every pod".to_owned(), |replicas| format!("its {replicas} pods"));
        Ok(Preview { summary: format!("restarts {of}: replaces {pods}"), ..preview })
    }

    async fn capture(&self, params: &Parameters) -> Result<Prior, Failure> {
        let Place { cluster, of } = self.place(params)?;
        let restart_at = cluster.get(of).await?.read_at()?.to_string();
        // An annotation that no repository has: nobody else decides about it.
        let before = self.edit(params, Value::Null)?.capture(&[] as &[Field]).await?;
        Ok(Prior { before, restart_at })
    }

    async fn apply(&self, params: &Parameters, prior: &Prior, intent: &IntentId) -> Result<Applied, Failure> {
        let applied = self.of_intent(params, prior, intent)?.apply(&prior.before, intent).await?;
        let summary = format!("restarted {}", self.place(params)?.of);
        Ok(Applied { summary, ..applied })
    }

    async fn effect(&self, params: &Parameters, prior: &Prior, intent: &IntentId) -> Result<Effect, Failure> {
        self.of_intent(params, prior, intent)?.effect(&prior.before).await
    }

    async fn undo(&self, params: &Parameters, prior: &Prior, intent: &IntentId) -> Result<Undone, Failure> {
        let edit = self.of_intent(params, prior, intent)?;
        if let Some(object) = edit.cluster.find(edit.of).await?
            && read(&object)? == edit.wanted
            && is_rolled_out(&object)
        {
            return Ok(Undone::Nothing(format!("{} is restarted already; its new pods stay", edit.of)));
        }
        edit.undo(&prior.before).await
    }
}
