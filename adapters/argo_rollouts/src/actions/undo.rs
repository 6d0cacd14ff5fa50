//! `argo::undo`: a rollout gets the pod template of an earlier revision, pinned by the hash of that template: "the previous
//! one" would go to and fro when it is repeated.

use std::sync::Arc;

use async_trait::async_trait;
use selfheal_cluster::{Edit, PatchKind, Run, kinds, quoted, right};
use selfheal_contract::{About, Failure, Reversal};
use serde_json::{Value, json};

use super::setting::{Aim, Setting, path};
use crate::context::{Context, Place};
use crate::revisions::{Revision, revisions_of};
use crate::workload::{home, referred};

/// Revisions that a refusal names.
const NAMED_MAX: usize = 10;

selfheal_contract::parameters! {
    /// Which rollout, and what to go back to.
    pub struct Parameters {
        /// Its namespace.
        pub namespace: String,
        /// Its name.
        pub name: String,
        /// The hash of the revision's pod template; argo::rollout has it as stable, previous and in revisions.
        pub hash: String,
        /// The cluster's name in the configuration; of several, unless given, that of the alert's label cluster, or default.
        pub cluster: Option<String>,
    }
}

pub(super) struct Undo(pub(super) Arc<Context>);

fn operation(template: &Value) -> Value {
    // Only a replacement takes away what the other template has more.
    json!([{ "op": "replace", "path": "/spec/template", "value": template }])
}

#[async_trait]
impl Setting for Undo {
    type Parameters = Parameters;

    fn about(&self) -> About {
        About {
            name: "undo",
            doc: "Gives a rollout the pod template of an earlier revision, named by its hash, so that repeating it never goes \
                further. Going back to the stable version ends an update at once; any other is rolled out by the rollout's own \
                strategy, step by step. What the controller adds to the pods of a version is left out. With `workloadRef` it is \
                the deployment's template that is changed. Refused when the revision is not kept any more. Nothing but the pod \
                template changes. The undo puts the template back that was there before, unless somebody else has changed it \
                meanwhile, which is an update again.",
            reversal: Reversal::Restores,
            permissions: vec![
                right("get", &kinds::ROLLOUT, "to read the pod template"),
                right("patch", &kinds::ROLLOUT, "to set the pod template"),
                right("list", &kinds::REPLICA_SET, "to read its revisions"),
                right("get", &kinds::DEPLOYMENT, "to read the pod template of workloadRef"),
                right("patch", &kinds::DEPLOYMENT, "to set the pod template of workloadRef"),
            ],
        }
    }

    fn place<'a>(&'a self, params: &'a Parameters) -> Result<Place<'a>, Failure> {
        let Parameters { namespace, name, hash, cluster } = params;
        if !(1..=63).contains(&hash.len()) || !hash.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(Failure::refused(format!(
                "the hash {} cannot be: expected that of a pod template, 1 to 63 letters and digits, as argo::rollout has them",
                quoted(hash)
            )));
        }
        self.0.rollout(cluster, namespace, name)
    }

    async fn aim(&self, params: &Parameters, place: Place<'_>) -> Result<Aim, Failure> {
        let rollout = place.cluster.get(place.of).await?;
        let deployment = referred(&rollout)?;
        let revisions = revisions_of(place.cluster, place.of, &rollout).await?;
        let revision = revisions.iter().find(|revision| revision.hash == params.hash).ok_or_else(|| {
            let kept: Vec<String> = revisions.iter().take(NAMED_MAX).map(Revision::name).collect();
            Failure::refused(format!(
                "{} has no revision {}; it keeps {}",
                place.of,
                params.hash,
                if kept.is_empty() { "none".to_owned() } else { kept.join(", ") }
            ))
        })?;
        // The server has its own form of a template (defaults, fields that it does not know); what it would store is
        // what the effect is recognised by.
        let patch = operation(&revision.template());
        let of = home(place.of, deployment.as_deref());
        let tried = place.cluster.patch(of, None, PatchKind::Json, &patch, Run::Dry).await?;
        Ok(Aim { wanted: tried.at("/spec/template").clone(), deployment, list: None })
    }

    fn edit<'a>(&'a self, _: &'a Parameters, place: Place<'a>, aim: &'a Aim) -> Result<Edit<'a>, Failure> {
        Ok(Edit {
            cluster: place.cluster,
            of: home(place.of, aim.deployment.as_deref()),
            subresource: None,
            patch: PatchKind::Json,
            what: "the pod template".to_owned(),
            read: Box::new(|object| Ok(object.at("/spec/template").clone())),
            write: Box::new(operation),
            wanted: aim.wanted.clone(),
        })
    }

    fn fields(&self, _: &Parameters, _: &Aim) -> Vec<Vec<String>> {
        vec![path(&["spec", "template", "spec"])]
    }

    fn told(&self, params: &Parameters, of: &str, done: bool) -> String {
        format!("{} {of} back to revision {}", if done { "put" } else { "puts" }, params.hash)
    }
}
