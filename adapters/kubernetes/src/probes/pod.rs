//! `k8s::pod`: one pod, and the workload that it belongs to, so that a rule finds its way from an alert about a pod to what
//! can be changed.

use std::sync::Arc;

use async_trait::async_trait;
use selfheal_cluster::{kinds, right};
use selfheal_contract::{AboutProbe, Failure, Reading};
use serde_json::{Map, Value, json};

use super::field;
use super::pods::{ContainerState, PodState, told};
use crate::context::Context;
use crate::times::seconds;
use crate::workload::workload_of;

selfheal_contract::parameters! {
    /// Which pod.
    pub struct Parameters {
        /// Its namespace.
        pub namespace: String,
        /// Its name.
        pub name: String,
        /// The cluster's name in the configuration; of several, unless given, that of the alert's label cluster, or default.
        pub cluster: Option<String>,
    }
}

pub(super) struct Probe(pub(super) Arc<Context>);

#[async_trait]
impl selfheal_contract::Probe for Probe {
    type Parameters = Parameters;

    fn about(&self) -> AboutProbe {
        AboutProbe {
            name: "pod",
            doc: "One pod: how it stands, why its containers wait or ended, and its workload, found through its ReplicaSet. \
                A pod that is gone is a reading with exists false.",
            fields: const {
                &[
                    field("exists", "Whether it is there."),
                    field(
                        "phase",
                        "Pending, Running, Succeeded, Failed or Unknown; empty when it is not there.",
                    ),
                    field("reason", "Why it failed, for example Evicted; else empty."),
                    field("ready", "Whether it is ready."),
                    field("node", "The node that it runs on; empty before it is placed."),
                    field("restarts", "Restarts of all its containers since it began."),
                    field(
                        "waiting",
                        "Why its first waiting container waits: CrashLoopBackOff; null if none waits.",
                    ),
                    field(
                        "last_reason",
                        "Why the container that ended last did: OOMKilled; empty if none has. An alert about a container asks \
                         for containers.NAME.last_reason.",
                    ),
                    field("last_exit_code", "Its exit code; null if none has ended."),
                    field(
                        "workload",
                        "Its workload as the actions take it: deployment/web; null when it has none.",
                    ),
                    field(
                        "workload_kind",
                        "deployment, statefulset, daemonset or rollout; null when it has none.",
                    ),
                    field("workload_name", "The name of that; null when it has none."),
                    field(
                        "containers",
                        "By container, those that initialise it and native sidecars too: ready, restarts, waiting, last_reason and \
                         last_exit_code, as above.",
                    ),
                    field("created", "When it was made, in seconds since 1970; null when it is not there."),
                ]
            },
            main_field: "ready",
            permissions: vec![
                right("get", &kinds::POD, "to read the pod"),
                right("get", &kinds::REPLICA_SET, "to find the pod's workload"),
            ],
        }
    }

    fn check(&self, params: &Parameters) -> Result<(), Failure> {
        self.0.place(&params.cluster, &kinds::POD, &params.namespace, &params.name).map(drop)
    }

    async fn read(&self, params: &Parameters) -> Result<Reading, Failure> {
        let place = self.0.place(&params.cluster, &kinds::POD, &params.namespace, &params.name)?;
        let found = place.cluster.find(place.of).await?;
        let exists = found.is_some();
        let pod = found.unwrap_or_default();
        let workload = workload_of(place.cluster, &params.namespace, &pod).await?;
        let state = PodState::of(&pod);
        let (last_reason, last_exit_code) = told(state.last_end());
        let containers: Map<String, Value> = state.containers.iter().map(ContainerState::told).collect();
        Ok(Reading::Known(json!({
            "exists": exists,
            "phase": state.phase,
            "reason": pod.text("/status/reason"),
            "ready": state.ready,
            "node": state.node,
            "restarts": state.restarts(),
            "waiting": state.waiting().next(),
            "last_reason": last_reason,
            "last_exit_code": last_exit_code,
            "workload": workload.as_ref().map(|(kind, name)| format!("{}/{name}", kind.word)),
            "workload_kind": workload.as_ref().map(|(kind, _)| kind.word),
            "workload_name": workload.as_ref().map(|(_, name)| name),
            "containers": containers,
            "created": seconds(pod.at("/metadata/creationTimestamp")),
        })))
    }
}
