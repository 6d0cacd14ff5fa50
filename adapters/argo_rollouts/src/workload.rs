//! Where a rollout's pod template stands: in the rollout, or in the deployment that it refers to.

use selfheal_cluster::{Cluster, Object, Reference, kinds, object_name, quoted};
use selfheal_contract::Failure;

/// The name of the deployment that holds the pod template, if the rollout refers to one.
///
/// # Errors
/// `Refused` when it refers to something else: those hold templates that nothing but their owner should change.
pub(crate) fn referred(rollout: &Object) -> Result<Option<String>, Failure> {
    if !rollout.at("/spec/workloadRef").is_object() {
        return Ok(None);
    }
    let name = rollout.text("/spec/workloadRef/name");
    match rollout.text("/spec/workloadRef/kind") {
        "Deployment" => {
            object_name("the deployment of workloadRef", name)?;
            Ok(Some(name.to_owned()))
        }
        kind => Err(Failure::refused(format!(
            "rollout {} takes its pod template from {} {}; expected a Deployment, which is what can be changed",
            rollout.name(),
            quoted(kind),
            quoted(name)
        ))),
    }
}

/// The object that holds the pod template: the deployment of this name, or the rollout itself.
pub(crate) fn home<'a>(rollout: Reference<'a>, deployment: Option<&'a str>) -> Reference<'a> {
    match deployment {
        Some(name) => Reference::new(&kinds::DEPLOYMENT, rollout.namespace, name),
        None => rollout,
    }
}

/// Reads the object that holds the pod template.
pub(crate) async fn read_home(
    cluster: &Cluster,
    of: Reference<'_>,
    rollout: Object,
    deployment: Option<&str>,
) -> Result<Object, Failure> {
    match deployment {
        Some(_) => cluster.get(home(of, deployment)).await,
        None => Ok(rollout),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_deployments_hold_templates_of_others() {
        let of = |kind: &str, name: &str| {
            let json = json!({ "metadata": { "name": "web" }, "spec": { "workloadRef": { "kind": kind, "name": name } } });
            referred(&Object { json, date: None })
        };
        assert_eq!(of("Deployment", "web-pods").unwrap().as_deref(), Some("web-pods"));
        for (kind, name, expected) in
            [("PodTemplate", "x", "expected a Deployment"), ("Deployment", "../x", "is no name")]
        {
            let failure = of(kind, name).unwrap_err();
            assert!(failure.what.contains(expected), "{failure}");
        }
        assert_eq!(referred(&Object { json: json!({ "spec": {} }), date: None }), Ok(None));
    }
}
