//! `k8s::revisions`: what a deployment was before, so that a rule can pin what to go back to.

use std::sync::Arc;

use async_trait::async_trait;
use selfheal_cluster::{Object, Selection, kinds, right};
use selfheal_contract::{AboutProbe, Failure, Reading};
use serde_json::{Value, json};

use super::field;
use crate::context::{Context, Place};
use crate::times::{seconds, time};

/// ReplicaSets that are looked through, and revisions that are told.
const SETS_MAX: u32 = 1_000;
const TOLD_MAX: usize = 20;

selfheal_contract::parameters! {
    /// Of which deployment.
    pub struct Parameters {
        /// Its namespace.
        pub namespace: String,
        /// Its name.
        pub deployment: String,
        /// The cluster's name in the configuration; of several, unless given, that of the alert's label cluster, or default.
        pub cluster: Option<String>,
    }
}

pub(super) struct Probe(pub(super) Arc<Context>);

/// One revision of a deployment: a ReplicaSet of its.
pub(crate) struct Revision {
    pub(crate) number: u64,
    /// The hash of its pod template, which names it for ever; numbers change when a revision comes back.
    pub(crate) hash: String,
    pub(crate) set: Object,
}

/// The revisions of a deployment, the newest first.
pub(crate) async fn revisions_of(place: &Place<'_>, deployment: &Object) -> Result<Vec<Revision>, Failure> {
    let selection = Selection { at_most: SETS_MAX, ..Selection::default() };
    let sets = place.cluster.list(&kinds::REPLICA_SET, Some(place.of.namespace), selection).await?;
    let mut revisions: Vec<Revision> = sets
        .items
        .into_iter()
        .map(|json| Object { json, date: None })
        .filter(|set| {
            let owners = set.items("/metadata/ownerReferences");
            owners.iter().any(|owner| owner["controller"] == true && owner["uid"] == deployment.uid())
        })
        .filter_map(|set| {
            let number = set.annotation("deployment.kubernetes.io/revision")?.parse().ok()?;
            let hash = set.label("pod-template-hash")?.to_owned();
            Some(Revision { number, hash, set })
        })
        .collect();
    revisions.sort_by_key(|revision| std::cmp::Reverse(revision.number));
    Ok(revisions)
}

#[async_trait]
impl selfheal_contract::Probe for Probe {
    type Parameters = Parameters;

    fn about(&self) -> AboutProbe {
        AboutProbe {
            name: "revisions",
            doc: "What a deployment was before: its ReplicaSets, the newest first, at most 20. `previous` is what \
                k8s::rollback takes.",
            fields: const {
                &[
                    field(
                        "current",
                        "The hash of the newest revision's pod template; null when there is none.",
                    ),
                    field("previous", "The hash of the revision before; null when there is none."),
                    field("current_revision", "The number of the newest revision; 0 when there is none."),
                    field("previous_revision", "The number of the revision before; 0 when there is none."),
                    field(
                        "created",
                        "When the newest revision was made, in seconds since 1970; null when there is none.",
                    ),
                    field(
                        "age_seconds",
                        "How old the newest revision is, by the API server's clock; null when there is none. One that came back is as \
                         old as it was.",
                    ),
                    field(
                        "complete",
                        "Whether the newest revision has had all its replicas available once, as the deployment's controller says; \
                         false also where it does not say, for want of a progressDeadlineSeconds.",
                    ),
                    field("count", "Revisions that are kept."),
                    field(
                        "revisions",
                        "Each: revision, hash, images, created (seconds since 1970), replicas, ready.",
                    ),
                ]
            },
            main_field: "current_revision",
            permissions: vec![
                right("get", &kinds::DEPLOYMENT, "to read the deployment"),
                right("list", &kinds::REPLICA_SET, "to read its revisions"),
            ],
        }
    }

    fn check(&self, params: &Parameters) -> Result<(), Failure> {
        self.0.place(&params.cluster, &kinds::DEPLOYMENT, &params.namespace, &params.deployment).map(drop)
    }

    async fn read(&self, params: &Parameters) -> Result<Reading, Failure> {
        let place =
            self.0.place(&params.cluster, &kinds::DEPLOYMENT, &params.namespace, &params.deployment)?;
        let deployment = place.cluster.get(place.of).await?;
        let revisions = revisions_of(&place, &deployment).await?;
        let told: Vec<Value> = revisions.iter().take(TOLD_MAX).map(Revision::told).collect();
        let hash = |index: usize| revisions.get(index).map(|revision| revision.hash.as_str());
        let number = |index: usize| revisions.get(index).map_or(0, |revision| revision.number);
        let made = revisions.first().and_then(|newest| time(newest.set.at("/metadata/creationTimestamp")));
        let age = match made {
            Some(made) => json!(deployment.read_at()?.duration_since(made).as_secs().max(0)),
            None => Value::Null,
        };
        Ok(Reading::Known(json!({
            "current": hash(0),
            "previous": hash(1),
            "current_revision": number(0),
            "previous_revision": number(1),
            "created": told.first().map(|newest| newest["created"].clone()),
            "age_seconds": age,
            "complete": is_complete(&deployment),
            "count": revisions.len(),
            "revisions": told,
        })))
    }
}

/// Whether the newest revision was rolled out to its end once: the controller says so until the template changes again,
/// whatever becomes of the pods.
fn is_complete(deployment: &Object) -> bool {
    let progressing = deployment.condition("Progressing");
    deployment.is_observed()
        && progressing.is_some_and(|condition| condition["reason"] == "NewReplicaSetAvailable")
}

impl Revision {
    fn told(&self) -> Value {
        let containers = self.set.items("/spec/template/spec/containers");
        let images: Vec<&str> =
            containers.iter().filter_map(|container| container["image"].as_str()).collect();
        json!({
            "revision": self.number,
            "hash": self.hash,
            "images": images,
            "created": seconds(self.set.at("/metadata/creationTimestamp")),
            "replicas": self.set.number("/status/replicas").unwrap_or_default(),
            "ready": self.set.number("/status/readyReplicas").unwrap_or_default(),
        })
    }
}
