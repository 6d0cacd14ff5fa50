//! `k8s::hpa`: a horizontal autoscaler, its bounds and where it stands between them.

use std::sync::Arc;

use async_trait::async_trait;
use selfheal_cluster::{kinds, right};
use selfheal_contract::{AboutProbe, Failure, Reading};
use serde_json::json;

use super::field;
use crate::context::Context;

selfheal_contract::parameters! {
    /// Which autoscaler.
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
            name: "hpa",
            doc: "A horizontal autoscaler: its bounds, the replicas it wants, and whether its upper bound holds it back.",
            fields: const {
                &[
                    field("min", "The fewest replicas."),
                    field("max", "The most replicas."),
                    field("current", "Replicas that there are."),
                    field("desired", "Replicas that it wants."),
                    field("at_max", "Whether it wants as many as it may have."),
                    field("limited", "Whether its bounds keep it from what its metrics ask for."),
                    field("able", "Whether it can read its metrics and scale."),
                    field("workload", "What it scales, as the actions take it: deployment/web."),
                ]
            },
            main_field: "desired",
            permissions: vec![right("get", &kinds::AUTOSCALER, "to read the autoscaler")],
        }
    }

    fn check(&self, params: &Parameters) -> Result<(), Failure> {
        self.0.place(&params.cluster, &kinds::AUTOSCALER, &params.namespace, &params.name).map(drop)
    }

    async fn read(&self, params: &Parameters) -> Result<Reading, Failure> {
        let place = self.0.place(&params.cluster, &kinds::AUTOSCALER, &params.namespace, &params.name)?;
        let hpa = place.cluster.get(place.of).await?;
        let number = |pointer: &str| hpa.number(pointer).unwrap_or_default();
        let (max, desired) = (number("/spec/maxReplicas"), number("/status/desiredReplicas"));
        let target = format!(
            "{}/{}",
            hpa.text("/spec/scaleTargetRef/kind").to_lowercase(),
            hpa.text("/spec/scaleTargetRef/name")
        );
        let holds = |condition: &str| hpa.condition_holds(condition);
        Ok(Reading::Known(json!({
            "min": hpa.number("/spec/minReplicas").unwrap_or(1),
            "max": max,
            "current": number("/status/currentReplicas"),
            "desired": desired,
            "at_max": desired >= max,
            "limited": holds("ScalingLimited"),
            "able": holds("AbleToScale") && holds("ScalingActive"),
            "workload": target,
        })))
    }
}
