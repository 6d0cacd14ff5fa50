//! The checks of the real server that healing can run into. It has many more; an object that passes here may be refused there.

use crate::{
    quantity,
    refusal::Refusal,
    resource::Resource,
    store::{Key, Store},
};
use serde_json::Value;

/// Whether an object may be stored.
///
/// # Errors
///
/// 422 for values that the API forbids, 403 for volumes that must not grow.
pub(crate) fn check(
    store: &Store,
    resource: &Resource,
    name: &str,
    before: Option<&Value>,
    after: &Value,
) -> Result<(), Refusal> {
    let invalid = |field: &str, because: &str| Err(Refusal::invalid(resource, name, field, because));
    if resource.scale
        && let Some(replicas) = after["spec"]["replicas"].as_i64().filter(|replicas| *replicas < 0)
    {
        return invalid(
            "spec.replicas",
            &format!("Invalid value: {replicas}: must be greater than or equal to 0"),
        );
    }
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("apps", "deployments" | "statefulsets" | "daemonsets" | "replicasets") => {
            limits(resource, name, after)?;
            if before.is_some_and(|before| before["spec"]["selector"] != after["spec"]["selector"]) {
                return invalid("spec.selector", "Invalid value: field is immutable");
            }
        }
        ("autoscaling", _) => {
            let bound = |field| after["spec"][field].as_i64();
            let (least, most) = (bound("minReplicas").unwrap_or(1), bound("maxReplicas").unwrap_or(0));
            if most < least {
                let because =
                    format!("Invalid value: {most}: must be greater than or equal to `minReplicas`");
                return invalid("spec.maxReplicas", &because);
            }
        }
        ("", "persistentvolumeclaims") => {
            if let Some(before) = before {
                volume(store, resource, name, before, after)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// A container's requests are not above its limits.
fn limits(resource: &Resource, name: &str, object: &Value) -> Result<(), Refusal> {
    let containers = object["spec"]["template"]["spec"]["containers"].as_array();
    for (index, container) in containers.into_iter().flatten().enumerate() {
        let resources = &container["resources"];
        for (unit, requested) in resources["requests"].as_object().into_iter().flatten() {
            let above = |limit: &str| {
                quantity::milli(requested.as_str().unwrap_or_default()) > quantity::milli(limit)
            };
            if let Some(limit) = resources["limits"][unit].as_str().filter(|limit| above(limit)) {
                let field = format!("spec.template.spec.containers[{index}].resources.requests");
                let because = format!(
                    "Invalid value: {requested}: must be less than or equal to {unit} limit of {limit}"
                );
                return Err(Refusal::invalid(resource, name, &field, &because));
            }
        }
    }
    Ok(())
}

/// A claim's request grows where its class allows it, and never shrinks.
fn volume(
    store: &Store,
    resource: &Resource,
    name: &str,
    before: &Value,
    after: &Value,
) -> Result<(), Refusal> {
    let asked = |object: &Value| {
        object["spec"]["resources"]["requests"]["storage"]
            .as_str()
            .and_then(quantity::milli)
            .unwrap_or_default()
    };
    let (old, new) = (asked(before), asked(after));
    if new < old {
        let because = "Forbidden: field can not be less than previous value";
        return Err(Refusal::invalid(resource, name, "spec.resources.requests.storage", because));
    }
    if new == old {
        return Ok(());
    }
    if before["status"]["phase"].as_str().is_some_and(|phase| phase != "Bound") {
        let because = "Forbidden: spec is immutable after creation except resources.requests and \
                       volumeAttributesClassName for bound claims";
        return Err(Refusal::invalid(resource, name, "spec", because));
    }
    let class = before["spec"]["storageClassName"].as_str().unwrap_or_default();
    let grows = store
        .resource("storage.k8s.io", "storageclasses")
        .and_then(|classes| store.get(&Key::new(classes, "", class)))
        .is_some_and(|class| class["allowVolumeExpansion"] == true);
    if grows {
        return Ok(());
    }
    let because = "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must \
                   support resize";
    Err(Refusal::forbidden(resource, name, because))
}
