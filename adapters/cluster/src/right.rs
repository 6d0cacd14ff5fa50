//! Rights at API servers: how adapters name them, and how a cluster is asked for them.

use async_trait::async_trait;
use selfheal_contract::{Failure, KubernetesRight, Permission, Right, Rights};

use crate::cluster::Cluster;
use crate::clusters::Clusters;
use crate::kind::Kind;

/// The right to use a verb on a kind.
pub fn right(verb: &'static str, kind: &'static Kind, purpose: &'static str) -> Permission {
    right_on(verb, kind, kind.plural, purpose)
}

/// The right to use a verb on a subresource, written as roles have it: `deployments/scale`.
pub fn right_on(
    verb: &'static str,
    kind: &'static Kind,
    resource: &'static str,
    purpose: &'static str,
) -> Permission {
    let right = KubernetesRight { group: kind.group, resource, verb, namespaced: kind.namespaced };
    Permission { right: Right::Kubernetes(right), purpose }
}

/// Asks every cluster by SelfSubjectAccessReview: for the whole cluster, and where that is denied for each namespace in
/// which rules act, as far as the configuration names them.
#[async_trait]
impl Rights for Clusters {
    fn places(&self) -> Vec<String> {
        self.all().iter().filter_map(Cluster::place).collect()
    }

    fn namespaces(&self) -> &[String] {
        self.namespaces()
    }

    async fn missing(&self, needed: &[Right]) -> Result<Vec<(Right, String)>, Failure> {
        let mut missing = Vec::new();
        let needed = needed.iter().filter_map(|right| match right {
            Right::Kubernetes(kubernetes) => Some((right, kubernetes)),
            Right::Named(_) => None,
        });
        for (right, KubernetesRight { group, resource, verb, namespaced }) in needed {
            let (resource, subresource) = resource.split_once('/').unwrap_or((*resource, ""));
            for cluster in self.all() {
                if cluster.may(verb, group, resource, subresource, "").await? {
                    continue;
                }
                if !namespaced || self.namespaces().is_empty() {
                    missing.push((right.clone(), cluster.to_string()));
                    continue;
                }
                for namespace in self.namespaces() {
                    if !cluster.may(verb, group, resource, subresource, namespace).await? {
                        missing.push((right.clone(), format!("namespace {namespace} of {cluster}")));
                    }
                }
            }
        }
        Ok(missing)
    }
}
