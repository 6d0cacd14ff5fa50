//! `k8s::pvc`: a claim of storage and whether it can grow. How full it is only the kubelets know; asking them would take the
//! right to reach everything on every node, so rules ask Prometheus (`kubelet_volume_stats_used_bytes`).

use std::sync::Arc;

use async_trait::async_trait;
use selfheal_cluster::{Quantity, Reference, kinds, object_name, right};
use selfheal_contract::{AboutProbe, Failure, Reading};
use serde_json::{Value, json};

use super::field;
use crate::context::Context;

selfheal_contract::parameters! {
    /// Which claim.
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
            name: "pvc",
            doc: "A claim of storage: what it asks for and has, its class, and whether that lets it grow. How full it is tells \
                Prometheus: `kubelet_volume_stats_used_bytes / kubelet_volume_stats_capacity_bytes`.",
            fields: const {
                &[
                    field("phase", "Pending, Bound or Lost."),
                    field("requested", "The size that it asks for, as Kubernetes writes it: 10Gi."),
                    field("requested_bytes", "The same in bytes."),
                    field("capacity_bytes", "The size that it has, in bytes; 0 before it is bound."),
                    field("fifth_more", "A size 20 % larger than requested, for k8s::grow_pvc."),
                    field("class", "Its storage class; empty when it has none."),
                    field("expandable", "Whether the class lets it grow."),
                    field("growing", "Whether it asks for more than it has."),
                ]
            },
            main_field: "capacity_bytes",
            permissions: vec![
                right("get", &kinds::CLAIM, "to read the claim"),
                right("get", &kinds::STORAGE_CLASS, "to know whether it may grow"),
            ],
        }
    }

    fn check(&self, params: &Parameters) -> Result<(), Failure> {
        self.0.place(&params.cluster, &kinds::CLAIM, &params.namespace, &params.name).map(drop)
    }

    async fn read(&self, params: &Parameters) -> Result<Reading, Failure> {
        let place = self.0.place(&params.cluster, &kinds::CLAIM, &params.namespace, &params.name)?;
        let claim = place.cluster.get(place.of).await?;
        let class = claim.text("/spec/storageClassName");
        let expandable = if object_name("the storage class", class).is_ok() {
            let found = place.cluster.find(Reference::of_cluster(&kinds::STORAGE_CLASS, class)).await?;
            found.is_some_and(|class| class.at("/allowVolumeExpansion") == true)
        } else {
            false
        };
        let quantity = |pointer: &str| claim.text(pointer).parse::<Quantity>().ok();
        let requested = quantity("/spec/resources/requests/storage");
        let bytes = |quantity: Option<Quantity>| quantity.map_or(0, Quantity::units);
        let capacity = bytes(quantity("/status/capacity/storage"));
        Ok(Reading::Known(json!({
            "phase": claim.text("/status/phase"),
            "requested": requested.map(|requested| requested.to_string()),
            "requested_bytes": bytes(requested),
            "capacity_bytes": capacity,
            "fifth_more": requested.map_or(Value::Null, |requested| json!(requested.percent(120).to_string())),
            "class": class,
            "expandable": expandable,
            "growing": capacity > 0 && bytes(requested) > capacity,
        })))
    }
}
