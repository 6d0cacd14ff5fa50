//! `k8s::cordon` and `k8s::uncordon`: whether a node takes new pods.

use std::sync::Arc;

use async_trait::async_trait;
use selfheal_cluster::{Edit, PatchKind, kinds, right};
use selfheal_contract::{About, Assessment, BlastRadius, Failure, Reversal};
use serde_json::{Value, json};

use super::setting::{Field, Setting, path};
use crate::context::{Context, Place};

selfheal_contract::parameters! {
    /// Which node.
    pub struct Parameters {
        /// Its name.
        pub node: String,
        /// The cluster's name in the configuration; of several, unless given, that of the alert's label cluster, or default.
        pub cluster: Option<String>,
    }
}

pub(super) struct Cordon {
    pub(super) context: Arc<Context>,
    pub(super) unschedulable: bool,
}

impl Cordon {
    fn place<'a>(&'a self, params: &'a Parameters) -> Result<Place<'a>, Failure> {
        self.context.place(&params.cluster, &kinds::NODE, "", &params.node)
    }
}

#[async_trait]
impl Setting for Cordon {
    type Parameters = Parameters;

    fn about(&self) -> About {
        let (name, doc) = if self.unschedulable {
            (
                "cordon",
                "Keeps new pods off a node. Pods that run there stay; nothing is drained or evicted. The undo lets new pods \
                 come again, unless the node was cordoned before.",
            )
        } else {
            (
                "uncordon",
                "Lets a node take new pods again. The undo keeps them off again, if they were before.",
            )
        };
        About {
            name,
            doc,
            reversal: Reversal::Restores,
            permissions: vec![
                right("get", &kinds::NODE, "to read whether the node takes pods"),
                right("patch", &kinds::NODE, "to set whether the node takes pods"),
            ],
        }
    }

    fn assess(&self, params: &Parameters) -> Result<Assessment, Failure> {
        Ok(self.place(params)?.assessment(BlastRadius::Service, Reversal::Restores))
    }

    fn edit<'a>(&'a self, params: &'a Parameters) -> Result<Edit<'a>, Failure> {
        let Place { cluster, of } = self.place(params)?;
        Ok(Edit {
            cluster,
            of,
            subresource: None,
            patch: PatchKind::Merge,
            what: "unschedulable".to_owned(),
            read: Box::new(|node| Ok(json!(node.at("/spec/unschedulable") == true))),
            // The server keeps no `false` here.
            write: Box::new(|value| {
                let value = if *value == true { json!(true) } else { Value::Null };
                json!({ "spec": { "unschedulable": value } })
            }),
            wanted: json!(self.unschedulable),
        })
    }

    async fn fields(&self, _: &Parameters) -> Result<Vec<Field>, Failure> {
        Ok(vec![path(&["spec", "unschedulable"])])
    }
}
