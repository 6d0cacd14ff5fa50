//! What all actions and the probe share: the clusters, and the checks of parameters.

use std::sync::Arc;

use selfheal_cluster::{Cluster, Clusters, Reference, kinds, label_name, object_name};
use selfheal_contract::{Assessment, BlastRadius, Failure, Reversal};

use crate::workload::referred;

/// What all actions and the probe share.
pub(crate) struct Context {
    clusters: Arc<Clusters>,
}

/// A rollout that a call is about, its names checked.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) of: Reference<'a>,
}

impl Context {
    pub(crate) fn new(clusters: Arc<Clusters>) -> Self {
        Self { clusters }
    }

    /// The rollout of this name.
    pub(crate) fn rollout<'a>(
        &'a self,
        cluster: &Option<String>,
        namespace: &'a str,
        name: &'a str,
    ) -> Result<Place<'a>, Failure> {
        label_name("the namespace", namespace)?;
        object_name("the rollout", name)?;
        let cluster = self.clusters.find(cluster.as_deref())?;
        Ok(Place { cluster, of: Reference::new(&kinds::ROLLOUT, namespace, name) })
    }
}

impl Place<'_> {
    /// The deployment from which the rollout takes its pod template, as a target.
    pub(crate) async fn related(&self) -> Result<Vec<String>, Failure> {
        let rollout = self.cluster.find(self.of).await?;
        let deployment = rollout.and_then(|rollout| referred(&rollout).ok().flatten());
        let target =
            |name: String| self.cluster.target(Reference::new(&kinds::DEPLOYMENT, self.of.namespace, &name));
        Ok(deployment.map(target).into_iter().collect())
    }

    /// What the guards are told: a change of this rollout.
    pub(crate) fn assessment(&self, reversal: Reversal) -> Assessment {
        Assessment {
            target: self.cluster.target(self.of),
            blast_radius: BlastRadius::Object,
            reversal,
            replicas: None,
            approval: None,
            forbidden: self.cluster.forbids(self.of),
        }
    }
}
