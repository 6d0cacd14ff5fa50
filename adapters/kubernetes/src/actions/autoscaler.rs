//! `k8s::hpa_bounds`: the bounds of a horizontal autoscaler.

use std::sync::Arc;

use async_trait::async_trait;
use selfheal_cluster::{Edit, PatchKind, Reference, kinds, right};
use selfheal_contract::{About, Assessment, BlastRadius, Failure, Reversal};
use serde_json::json;

use super::setting::{Field, Setting, path};
use crate::context::{Context, Place};
use crate::workload::WORKLOADS;

selfheal_contract::parameters! {
    /// Which autoscaler, and its bounds.
    pub struct Parameters {
        /// Its namespace.
        pub namespace: String,
        /// Its name; the reading of k8s::deployment has it as autoscaler.
        pub name: String,
        /// The fewest replicas, at least 1.
        pub min: u32,
        /// The most replicas, at least min.
        pub max: u32,
        /// The cluster's name in the configuration; of several, unless given, that of the alert's label cluster, or default.
        pub cluster: Option<String>,
    }
}

pub(super) struct Bounds(pub(super) Arc<Context>);

impl Bounds {
    fn place<'a>(&'a self, params: &'a Parameters) -> Result<Place<'a>, Failure> {
        if params.min == 0 || params.max < params.min {
            return Err(Failure::refused(format!(
                "the bounds {} to {} cannot be: expected 1 or more, and the upper not below the lower",
                params.min, params.max
            )));
        }
        self.0.place(&params.cluster, &kinds::AUTOSCALER, &params.namespace, &params.name)
    }
}

#[async_trait]
impl Setting for Bounds {
    type Parameters = Parameters;

    fn about(&self) -> About {
        About {
            name: "hpa_bounds",
            doc: "Sets the fewest and the most replicas that a horizontal autoscaler may choose. It never touches the replicas \
                themselves. The undo sets the bounds that were there before, unless somebody else has set others meanwhile; the \
                autoscaler then goes back below the upper bound by itself.",
            reversal: Reversal::Restores,
            permissions: vec![
                right("get", &kinds::AUTOSCALER, "to read the bounds"),
                right("patch", &kinds::AUTOSCALER, "to set the bounds"),
            ],
        }
    }

    fn assess(&self, params: &Parameters) -> Result<Assessment, Failure> {
        let assessment = self.place(params)?.assessment(BlastRadius::Object, Reversal::Restores);
        Ok(Assessment { replicas: Some(params.max), ..assessment })
    }

    fn edit<'a>(&'a self, params: &'a Parameters) -> Result<Edit<'a>, Failure> {
        let Place { cluster, of } = self.place(params)?;
        Ok(Edit {
            cluster,
            of,
            subresource: None,
            patch: PatchKind::Merge,
            what: "the bounds".to_owned(),
            read: Box::new(|object| {
                let min = object.number("/spec/minReplicas").unwrap_or(1);
                Ok(json!({ "min": min, "max": object.at("/spec/maxReplicas") }))
            }),
            write: Box::new(
                |bounds| json!({ "spec": { "minReplicas": bounds["min"], "maxReplicas": bounds["max"] } }),
            ),
            wanted: json!({ "min": params.min, "max": params.max }),
        })
    }

    /// What it scales.
    async fn related(&self, params: &Parameters) -> Result<Vec<String>, Failure> {
        let Place { cluster, of } = self.place(params)?;
        let Some(autoscaler) = cluster.find(of).await? else { return Ok(Vec::new()) };
        let scaled = autoscaler.at("/spec/scaleTargetRef");
        let kind = WORKLOADS.iter().find(|kind| scaled["kind"] == kind.kind);
        let target = kind.zip(scaled["name"].as_str());
        let target = target.map(|(kind, name)| cluster.target(Reference::new(kind, &params.namespace, name)));
        Ok(target.into_iter().collect())
    }

    async fn fields(&self, _: &Parameters) -> Result<Vec<Field>, Failure> {
        Ok(vec![path(&["spec", "minReplicas"]), path(&["spec", "maxReplicas"])])
    }
}
