//! `k8s::isolation`: whether a pod is cut off from the network. A probe of its own, so that only rules which ask need the right
//! to read network policies.

use std::sync::Arc;

use async_trait::async_trait;
use selfheal_cluster::{kinds, right};
use selfheal_contract::{AboutProbe, Failure, Reading};
use serde_json::json;

use super::field;
use crate::context::{Context, Place};
use crate::isolation::{Isolation, State};

selfheal_contract::parameters! {
    /// Which pod.
    pub struct Parameters {
        /// Its namespace.
        pub namespace: String,
        /// Its name.
        pub pod: String,
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
            name: "isolation",
            doc: "Whether a pod is cut off from the network: by k8s::quarantine, and by no network policy that permits it something. \
                What the network's plugin makes of policies, and policies of other kinds, are not looked at.",
            fields: const {
                &[
                    field("exists", "Whether the pod is there."),
                    field(
                        "quarantined",
                        "Whether its quarantine is there: the label with the pod's own uid, and the network policy that selects it.",
                    ),
                    field(
                        "permitted_by",
                        "The network policies that permit the pod something, by name, separated by commas; empty when none does.",
                    ),
                ]
            },
            main_field: "quarantined",
            permissions: vec![
                right("get", &kinds::POD, "to read the pod"),
                right("get", &kinds::NETWORK_POLICY, "to find the quarantine's policy"),
                right("list", &kinds::NETWORK_POLICY, "to say what other policies permit the pod"),
            ],
        }
    }

    fn check(&self, params: &Parameters) -> Result<(), Failure> {
        self.0.place(&params.cluster, &kinds::POD, &params.namespace, &params.pod).map(drop)
    }

    async fn read(&self, params: &Parameters) -> Result<Reading, Failure> {
        let Place { cluster, of } =
            self.0.place(&params.cluster, &kinds::POD, &params.namespace, &params.pod)?;
        let Some(pod) = cluster.find(of).await? else {
            let gone = json!({ "exists": false, "quarantined": false, "permitted_by": "" });
            return Ok(Reading::Known(gone));
        };
        let isolation = Isolation { cluster, of, uid: pod.uid() };
        Ok(Reading::Known(json!({
            "exists": true,
            "quarantined": isolation.state_of(&pod).await? == State::Isolated,
            "permitted_by": isolation.permitting(&pod).await?.join(", "),
        })))
    }
}
