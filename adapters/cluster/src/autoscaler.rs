//! The horizontal autoscaler that owns the replicas of a workload, of whatever kind.

use serde_json::Value;

use selfheal_contract::Failure;

use crate::cluster::{Cluster, Selection};
use crate::kind::{Reference, kinds};

/// Autoscalers of one namespace that are looked through.
const AUTOSCALERS_MAX: u32 = 500;

/// An autoscaler with its bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Autoscaler {
    /// Its name.
    pub name: String,
    /// The fewest replicas that it may choose.
    pub min: i64,
    /// The most replicas that it may choose.
    pub max: i64,
}

impl Cluster {
    /// The autoscaler that owns the replicas of this workload.
    ///
    /// # Errors
    /// As for [`Cluster::list`].
    pub async fn autoscaler_of(&self, workload: Reference<'_>) -> Result<Option<Autoscaler>, Failure> {
        let selection = Selection { at_most: AUTOSCALERS_MAX, ..Selection::default() };
        let listed = self.list(&kinds::AUTOSCALER, Some(workload.namespace), selection).await?;
        Ok(listed.items.iter().find(|autoscaler| scales(autoscaler, workload)).and_then(read))
    }
}

fn scales(autoscaler: &Value, workload: Reference<'_>) -> bool {
    let target = &autoscaler["spec"]["scaleTargetRef"];
    target["kind"] == workload.kind.kind && target["name"] == workload.name
}

fn read(autoscaler: &Value) -> Option<Autoscaler> {
    let spec = &autoscaler["spec"];
    Some(Autoscaler {
        name: autoscaler["metadata"]["name"].as_str()?.to_owned(),
        // One is what Kubernetes takes when nothing is said.
        min: spec["minReplicas"].as_i64().unwrap_or(1),
        max: spec["maxReplicas"].as_i64().unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_autoscaler_is_that_of_what_it_scales() {
        let autoscaler = json!({ "metadata": { "name": "web-hpa" },
            "spec": { "maxReplicas": 5, "scaleTargetRef": { "kind": "Rollout", "name": "web" } } });
        for (kind, name, expected) in [
            (&kinds::ROLLOUT, "web", true),
            (&kinds::ROLLOUT, "db", false),
            (&kinds::DEPLOYMENT, "web", false),
        ] {
            assert_eq!(scales(&autoscaler, Reference::new(kind, "shop", name)), expected, "{name}");
        }
        let expected = Autoscaler { name: "web-hpa".to_owned(), min: 1, max: 5 };
        assert_eq!(read(&autoscaler), Some(expected));
    }
}
