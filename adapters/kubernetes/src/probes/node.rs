//! `k8s::node`: how a node stands.

use std::sync::Arc;

use async_trait::async_trait;
use selfheal_cluster::{kinds, right};
use selfheal_contract::{AboutProbe, Failure, Reading};
use serde_json::{Map, Value, json};

use super::field;
use crate::context::Context;

selfheal_contract::parameters! {
    /// Which node.
    pub struct Parameters {
        /// Its name.
        pub node: String,
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
            name: "node",
            doc: "How a node stands: its conditions, its pressures, and whether it takes new pods.",
            fields: const {
                &[
                    field("ready", "Whether it is ready."),
                    field("unschedulable", "Whether it is cordoned: takes no new pods."),
                    field("pressure", "Whether memory, disk or process numbers run short."),
                    field("conditions", "Its conditions by type: True, False or Unknown."),
                    field("taints", "Its taints as key=value:effect."),
                ]
            },
            main_field: "ready",
            permissions: vec![right("get", &kinds::NODE, "to read the node")],
        }
    }

    fn check(&self, params: &Parameters) -> Result<(), Failure> {
        self.0.place(&params.cluster, &kinds::NODE, "", &params.node).map(drop)
    }

    async fn read(&self, params: &Parameters) -> Result<Reading, Failure> {
        let place = self.0.place(&params.cluster, &kinds::NODE, "", &params.node)?;
        let node = place.cluster.get(place.of).await?;
        let conditions: Map<String, Value> = node
            .items("/status/conditions")
            .iter()
            .filter_map(|condition| {
                Some((condition["type"].as_str()?.to_owned(), condition["status"].clone()))
            })
            .collect();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let taints: Vec<String> = node
            .items("/spec/taints")
            .iter()
            .map(|taint| {
                format!("{}={}:{}", text(&taint["key"]), text(&taint["value"]), text(&taint["effect"]))
            })
            .collect();
        let pressures = ["MemoryPressure", "DiskPressure", "PIDPressure"];
        Ok(Reading::Known(json!({
            "ready": node.condition_holds("Ready"),
            "unschedulable": node.at("/spec/unschedulable") == true,
            "pressure": pressures.into_iter().any(|pressure| node.condition_holds(pressure)),
            "conditions": conditions,
            "taints": taints,
        })))
    }
}
