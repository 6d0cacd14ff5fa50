//! `k8s::application`: an application of Argo CD, and whether it is as its repository has it.

use std::sync::Arc;

use async_trait::async_trait;
use selfheal_cluster::{kinds, right};
use selfheal_contract::{AboutProbe, Failure, Reading};
use serde_json::json;

use super::field;
use crate::context::Context;

selfheal_contract::parameters! {
    /// Which application.
    pub struct Parameters {
        /// Its namespace, often argocd.
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
            name: "application",
            doc: "An application of Argo CD: whether what runs is what its repository has, and how it stands.",
            fields: const {
                &[
                    field("sync_status", "Synced, OutOfSync or Unknown."),
                    field("in_sync", "Whether it is Synced."),
                    field("health", "Healthy, Progressing, Degraded, Suspended, Missing or Unknown."),
                    field("revision", "The revision that was compared with; empty when none was."),
                    field(
                        "operation",
                        "The phase of its last or present operation: Running, Succeeded, Failed, Error; empty when there was none.",
                    ),
                    field("busy", "Whether an operation runs or waits."),
                    field("automated", "Whether Argo CD syncs it by itself."),
                ]
            },
            main_field: "in_sync",
            permissions: vec![right("get", &kinds::APPLICATION, "to read the application")],
        }
    }

    fn check(&self, params: &Parameters) -> Result<(), Failure> {
        self.0.place(&params.cluster, &kinds::APPLICATION, &params.namespace, &params.name).map(drop)
    }

    async fn read(&self, params: &Parameters) -> Result<Reading, Failure> {
        let place = self.0.place(&params.cluster, &kinds::APPLICATION, &params.namespace, &params.name)?;
        let application = place.cluster.get(place.of).await?;
        let or_unknown = |text: &str| if text.is_empty() { "Unknown".to_owned() } else { text.to_owned() };
        let sync = or_unknown(application.text("/status/sync/status"));
        let phase = application.text("/status/operationState/phase");
        Ok(Reading::Known(json!({
            "in_sync": sync == "Synced",
            "sync_status": sync,
            "health": or_unknown(application.text("/status/health/status")),
            "revision": application.text("/status/sync/revision"),
            "operation": phase,
            "busy": application.at("/operation").is_object() || matches!(phase, "Running" | "Terminating"),
            "automated": application.at("/spec/syncPolicy/automated").is_object(),
        })))
    }
}
