//! What can be changed at a Kafka cluster, one file an action.

mod partitions;
mod topic_config;

use std::sync::Arc;

use selfheal_contract::AnyAction;

use crate::clusters::Clusters;

/// All actions, over these clusters.
pub(crate) fn all(clusters: &Arc<Clusters>) -> Vec<Arc<dyn AnyAction>> {
    vec![
        Arc::new(partitions::Action(Arc::clone(clusters))),
        Arc::new(topic_config::Action(Arc::clone(clusters))),
    ]
}
