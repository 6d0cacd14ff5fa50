//! `k8s::scale`: the number of replicas, through the scale subresource.

use std::sync::Arc;

use async_trait::async_trait;
use selfheal_cluster::{Autoscaler, Edit, Kind, PatchKind, kinds, right, right_on};
use selfheal_contract::{About, Assessment, BlastRadius, Failure, Reversal};
use serde_json::json;

use super::setting::{Field, Setting, path};
use crate::context::{Context, Place};

static FITTING: [&Kind; 2] = [&kinds::DEPLOYMENT, &kinds::STATEFUL_SET];

selfheal_contract::parameters! {
    /// Which workload, and how many replicas.
    pub struct Parameters {
        /// Its namespace.
        pub namespace: String,
        /// deployment/NAME or statefulset/NAME; a name alone is a deployment's.
        pub workload: String,
        /// The number of replicas.
        pub replicas: u32,
        /// The cluster's name in the configuration; of several, unless given, that of the alert's label cluster, or default.
        pub cluster: Option<String>,
    }
}

pub(super) struct Scale(pub(super) Arc<Context>);

impl Scale {
    fn place<'a>(&'a self, params: &'a Parameters) -> Result<Place<'a>, Failure> {
        self.0.workload(&params.cluster, &params.namespace, &params.workload, &FITTING)
    }
}

#[async_trait]
impl Setting for Scale {
    type Parameters = Parameters;

    fn about(&self) -> About {
        About {
            name: "scale",
            doc: "Sets the number of replicas of a deployment or stateful set. Refused when an autoscaler owns them: it would \
                set another number; change its bounds with k8s::hpa_bounds. The undo sets the number that was there before, \
                unless somebody else has set another one meanwhile.",
            reversal: Reversal::Restores,
            permissions: vec![
                right("get", &kinds::DEPLOYMENT, "to read the replicas"),
                right("get", &kinds::STATEFUL_SET, "to read the replicas"),
                right_on("patch", &kinds::DEPLOYMENT, "deployments/scale", "to set the replicas"),
                right_on("patch", &kinds::STATEFUL_SET, "statefulsets/scale", "to set the replicas"),
                right("list", &kinds::AUTOSCALER, "to know whether an autoscaler owns the replicas"),
            ],
        }
    }

    fn assess(&self, params: &Parameters) -> Result<Assessment, Failure> {
        let assessment = self.place(params)?.assessment(BlastRadius::Object, Reversal::Restores);
        Ok(Assessment { replicas: Some(params.replicas), ..assessment })
    }

    fn edit<'a>(&'a self, params: &'a Parameters) -> Result<Edit<'a>, Failure> {
        let Place { cluster, of } = self.place(params)?;
        Ok(Edit {
            cluster,
            of,
            subresource: Some("scale"),
            patch: PatchKind::Merge,
            what: "replicas".to_owned(),
            // The server fills in 1 where none is written.
            read: Box::new(|object| Ok(json!(object.number("/spec/replicas").unwrap_or(1)))),
            write: Box::new(|replicas| json!({ "spec": { "replicas": replicas } })),
            wanted: json!(params.replicas),
        })
    }

    async fn fields(&self, _: &Parameters) -> Result<Vec<Field>, Failure> {
        Ok(vec![path(&["spec", "replicas"])])
    }

    async fn check(&self, params: &Parameters) -> Result<(), Failure> {
        let place = self.place(params)?;
        match place.cluster.autoscaler_of(place.of).await? {
            None => Ok(()),
            Some(Autoscaler { name: autoscaler, .. }) => Err(Failure::refused(format!(
                "the replicas of {} belong to the autoscaler {autoscaler}, which would set another number; change its bounds \
                 with k8s::hpa_bounds({:?}, {autoscaler:?}, min, max)",
                place.of, params.namespace
            ))),
        }
    }
}
