//! `k8s::rollback`: a deployment gets the pod template of an earlier revision, pinned by the hash of that template.

use std::sync::Arc;

use async_trait::async_trait;
use selfheal_cluster::{Before, Edit, PatchKind, contest, kinds, quoted, right};
use selfheal_contract::{
    About, Applied, Assessment, BlastRadius, Contest, Effect, Failure, IntentId, Preview, Reversal, Undone,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::setting::{Field, path};
use crate::context::{Context, Place};
use crate::probes::{Revision, revisions_of};

selfheal_contract::parameters! {
    /// Which deployment, and what to go back to.
    pub struct Parameters {
        /// Its namespace.
        pub namespace: String,
        /// Its name.
        pub deployment: String,
        /// The hash of the revision's pod template (k8s::revisions has it as previous), or the revision's number as text.
        pub revision: String,
        /// The cluster's name in the configuration; of several, unless given, that of the alert's label cluster, or default.
        pub cluster: Option<String>,
    }
}

/// The template that was there, and the one to be: the revision may be gone when it is asked for again.
#[derive(Serialize, Deserialize)]
pub(super) struct Prior {
    before: Before,
    wanted: Value,
}

pub(super) struct Action(pub(super) Arc<Context>);

impl Action {
    fn place<'a>(&'a self, params: &'a Parameters) -> Result<Place<'a>, Failure> {
        let fits = |text: &str| {
            (1..=63).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        if !fits(&params.revision) {
            return Err(Failure::refused(format!(
                "the revision {} cannot be: expected the hash of a pod template or a number",
                quoted(&params.revision)
            )));
        }
        self.0.place(&params.cluster, &kinds::DEPLOYMENT, &params.namespace, &params.deployment)
    }

    fn edit<'a>(&'a self, params: &'a Parameters, wanted: &Value) -> Result<Edit<'a>, Failure> {
        let Place { cluster, of } = self.place(params)?;
        Ok(Edit {
            cluster,
            of,
            subresource: None,
            // Only a replacement takes away what the other template has more.
            patch: PatchKind::Json,
            what: "the pod template".to_owned(),
            read: Box::new(|object| {
                if object.at("/spec/paused") == true {
                    return Err(Failure::refused(format!(
                        "the rollouts of {} are paused: it would not go back; resume it first",
                        object.name()
                    )));
                }
                Ok(object.at("/spec/template").clone())
            }),
            write: Box::new(
                |template| json!([{ "op": "replace", "path": "/spec/template", "value": template }]),
            ),
            wanted: wanted.clone(),
        })
    }

    /// The template to go back to.
    async fn wanted(&self, params: &Parameters) -> Result<Value, Failure> {
        let place = self.place(params)?;
        let deployment = place.cluster.get(place.of).await?;
        let revisions = revisions_of(&place, &deployment).await?;
        let by_hash = revisions.iter().find(|revision| revision.hash == params.revision);
        let by_number = || {
            let number = params.revision.parse::<u64>().ok()?;
            revisions.iter().find(|revision| revision.number == number)
        };
        let revision = by_hash.or_else(by_number).ok_or_else(|| {
            let kept: Vec<String> = revisions.iter().take(10).map(Revision::name).collect();
            Failure::refused(format!(
                "{} has no revision {}; it keeps {}",
                place.of,
                params.revision,
                if kept.is_empty() { "none".to_owned() } else { kept.join(", ") }
            ))
        })?;
        let mut template = revision.set.at("/spec/template").clone();
        // The controller adds it to each of its ReplicaSets; in a deployment it would become part of the template.
        if let Some(labels) = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
            labels.remove("pod-template-hash");
        }
        Ok(template)
    }
}

fn fields() -> [Field; 1] {
    [path(&["spec", "template", "spec"])]
}

impl Revision {
    fn name(&self) -> String {
        format!("{} ({})", self.hash, self.number)
    }
}

#[async_trait]
impl selfheal_contract::Action for Action {
    type Parameters = Parameters;
    type Prior = Prior;

    fn about(&self) -> About {
        About {
            name: "rollback",
            doc: "Gives a deployment the pod template of an earlier revision, by a rollout. The revision is pinned, so that \
                repeating it never goes back further. Refused when the revision is not kept any more, and while the \
                deployment's rollouts are paused. Nothing but the pod template changes: replicas, configuration and data stay. \
                The undo puts the template back that was there before, unless somebody else has changed it meanwhile.",
            reversal: Reversal::Restores,
            permissions: vec![
                right("get", &kinds::DEPLOYMENT, "to read the pod template"),
                right("patch", &kinds::DEPLOYMENT, "to set the pod template"),
                right("list", &kinds::REPLICA_SET, "to read its revisions"),
            ],
        }
    }

    fn assess(&self, params: &Parameters) -> Result<Assessment, Failure> {
        Ok(self.place(params)?.assessment(BlastRadius::Object, Reversal::Restores))
    }

    async fn preview(&self, params: &Parameters) -> Result<Preview, Failure> {
        self.edit(params, &self.wanted(params).await?)?.preview().await
    }

    async fn contest(&self, params: &Parameters) -> Result<Option<Contest>, Failure> {
        let Place { cluster, of } = self.place(params)?;
        contest(cluster, of, &fields()).await
    }

    async fn capture(&self, params: &Parameters) -> Result<Prior, Failure> {
        let wanted = self.wanted(params).await?;
        Ok(Prior { before: self.edit(params, &wanted)?.capture(&fields()).await?, wanted })
    }

    async fn apply(&self, params: &Parameters, prior: &Prior, intent: &IntentId) -> Result<Applied, Failure> {
        let applied = self.edit(params, &prior.wanted)?.apply(&prior.before, intent).await?;
        // Two whole templates are in the prior state already.
        let facts = json!({ "revision": params.revision, "uid": prior.before.uid });
        Ok(Applied { facts, ..applied })
    }

    async fn effect(&self, params: &Parameters, prior: &Prior, _: &IntentId) -> Result<Effect, Failure> {
        self.edit(params, &prior.wanted)?.effect(&prior.before).await
    }

    async fn undo(&self, params: &Parameters, prior: &Prior, _: &IntentId) -> Result<Undone, Failure> {
        self.edit(params, &prior.wanted)?.undo(&prior.before).await
    }
}
