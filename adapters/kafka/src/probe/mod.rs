//! What can be read of a Kafka cluster, one file a probe.

mod group;
mod lag;
mod topic;

use std::sync::Arc;

use selfheal_contract::{AnyProbe, Permission};

use crate::clusters::Clusters;

/// All probes, over these clusters.
pub(crate) fn all(clusters: &Arc<Clusters>) -> Vec<Arc<dyn AnyProbe>> {
    let clusters = || Arc::clone(clusters);
    vec![
        Arc::new(lag::Probe(clusters())),
        Arc::new(group::Probe(clusters())),
        Arc::new(topic::Probe(clusters())),
    ]
}

/// A right in the words of Kafka's access control lists.
pub(crate) fn right(right: &str, purpose: &'static str) -> Permission {
    Permission { right: right.into(), purpose }
}
