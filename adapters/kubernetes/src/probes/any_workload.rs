//! `k8s::workload`: a deployment, stateful set or daemon set, named as the actions take it or by one of its pods, so that a rule
//! is written once for all kinds and finds its way from an alert about a pod.

use std::sync::Arc;

use async_trait::async_trait;
use selfheal_cluster::{Kind, kinds, right};
use selfheal_contract::{AboutProbe, Failure, Reading};

use super::workload;
use crate::context::{Context, Place};
use crate::workload::workload_of;

/// The kinds that can be read.
static READ: [&Kind; 3] = [&kinds::DEPLOYMENT, &kinds::STATEFUL_SET, &kinds::DAEMON_SET];

selfheal_contract::parameters! {
    /// Which workload, by itself or by one of its pods.
    pub struct Parameters {
        /// Its namespace.
        pub namespace: String,
        /// deployment/NAME, statefulset/NAME or daemonset/NAME; a name alone is a deployment's. pod/NAME is the workload to which that pod belongs.
        pub workload: String,
        /// The cluster's name in the configuration; of several, unless given, that of the alert's label cluster, or default.
        pub cluster: Option<String>,
    }
}

pub(super) struct Probe(pub(super) Arc<Context>);

impl Probe {
    /// The pod that is named, if it is one.
    fn pod<'a>(&'a self, params: &'a Parameters) -> Result<Option<Place<'a>>, Failure> {
        let name = params.workload.strip_prefix("pod/");
        name.map(|name| self.0.place(&params.cluster, &kinds::POD, &params.namespace, name)).transpose()
    }
}

#[async_trait]
impl selfheal_contract::Probe for Probe {
    type Parameters = Parameters;

    fn about(&self) -> AboutProbe {
        let mut permissions = workload::permissions(&READ);
        permissions.push(right("get", &kinds::POD, "to find the workload of a pod"));
        permissions.push(right("get", &kinds::REPLICA_SET, "to find the workload of a pod"));
        AboutProbe {
            name: "workload",
            doc: "How a deployment, stateful set or daemon set stands, named as the actions take it, or by one of its pods. \
                Inconclusive when the pod is gone, belongs to nothing, or belongs to something else, such as an Argo rollout \
                (read that with argo::rollout).",
            fields: workload::FIELDS,
            main_field: "ready",
            permissions,
        }
    }

    fn check(&self, params: &Parameters) -> Result<(), Failure> {
        match self.pod(params)? {
            Some(_) => Ok(()),
            None => self.0.workload(&params.cluster, &params.namespace, &params.workload, &READ).map(drop),
        }
    }

    async fn read(&self, params: &Parameters) -> Result<Reading, Failure> {
        let Parameters { namespace, workload: name, cluster } = params;
        let Some(place) = self.pod(params)? else {
            return workload::read(self.0.workload(cluster, namespace, name, &READ)?).await;
        };
        let Some(pod) = place.cluster.find(place.of).await? else {
            return Ok(Reading::Inconclusive(format!(
                "{} is gone, so that it cannot be told whose it was",
                place.of
            )));
        };
        match workload_of(place.cluster, namespace, &pod).await? {
            Some((kind, name)) if READ.contains(&kind) => {
                workload::read(self.0.place(cluster, kind, namespace, &name)?).await
            }
            Some((kind, name)) => Ok(Reading::Inconclusive(format!(
                "{} belongs to {}/{name}, which is no deployment, stateful set or daemon set",
                place.of, kind.word
            ))),
            None => Ok(Reading::Inconclusive(format!("{} belongs to no workload", place.of))),
        }
    }
}
