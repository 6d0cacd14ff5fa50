//! Strategic merge: a merge patch that knows the keys of lists.
//!
//! The keys are those of the API's types, so tolerations and HPA metrics are replaced whole. The directives `$patch` (delete,
//! replace), `$retainKeys` and `$deleteFromPrimitiveList` work; `$setElementOrder` is accepted and has no effect.

use serde_json::{Map, Value};

const DELETE_FROM: &str = "$deleteFromPrimitiveList/";

/// Merges `patch` into `target`; without `keyed`, lists are replaced.
pub(super) fn merge(target: &mut Value, patch: &Value, keyed: bool) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else { return };
    match patch.get("$patch").and_then(Value::as_str) {
        Some("replace") => {
            *target = without_directives(patch);
            return;
        }
        Some("delete") => {
            target.clear();
            return;
        }
        _ => {}
    }
    if let Some(Value::Array(keep)) = patch.get("$retainKeys") {
        target.retain(|key, _| keep.iter().any(|kept| kept == key));
    }
    for (key, value) in patch {
        if let Some(list) = key.strip_prefix(DELETE_FROM) {
            if let (Some(Value::Array(items)), Value::Array(gone)) = (target.get_mut(list), value) {
                items.retain(|item| !gone.contains(item));
            }
        } else if key.starts_with('$') {
            continue;
        } else if value.is_null() {
            target.remove(key);
        } else {
            let slot = target.entry(key.clone()).or_insert(Value::Null);
            match value {
                Value::Array(items) if keyed => merge_list(key, slot, items),
                _ => merge(slot, value, keyed),
            }
        }
    }
}

fn merge_list(field: &str, slot: &mut Value, items: &[Value]) {
    let replace = items.iter().any(|item| item.get("$patch").is_some_and(|directive| directive == "replace"));
    if replace || !slot.is_array() {
        *slot = Value::Array(Vec::new());
    }
    let Value::Array(target) = slot else { return };
    if field == "finalizers" {
        for item in items.iter().filter(|item| item.is_string()) {
            if !target.contains(item) {
                target.push(item.clone());
            }
        }
        return;
    }
    let Some(key) = merge_key(field, items) else {
        *target = items.to_vec();
        return;
    };
    for item in items {
        let found =
            target.iter().position(|existing| item.get(key).is_some() && existing.get(key) == item.get(key));
        match (item.get("$patch").and_then(Value::as_str), found) {
            (Some("delete"), Some(at)) => drop(target.remove(at)),
            (Some("delete" | "replace"), _) => {}
            (_, Some(at)) => merge(&mut target[at], item, true),
            (_, None) => {
                let mut new = Value::Null;
                merge(&mut new, item, true);
                target.push(new);
            }
        }
    }
}

/// The field that names an element of a list; `None` for a list that is replaced whole.
fn merge_key(field: &str, items: &[Value]) -> Option<&'static str> {
    match field {
        "containers"
        | "initContainers"
        | "ephemeralContainers"
        | "env"
        | "volumes"
        | "imagePullSecrets"
        | "schedulingGates"
        | "resourceClaims" => Some("name"),
        "volumeMounts" => Some("mountPath"),
        "volumeDevices" => Some("devicePath"),
        "conditions" | "addresses" => Some("type"),
        "hostAliases" | "podIPs" | "hostIPs" => Some("ip"),
        "ownerReferences" => Some("uid"),
        "topologySpreadConstraints" => Some("topologyKey"),
        // Containers name their ports otherwise than services do; those of network policies have neither and are atomic
        // lists inside atomic lists, so that they never get here.
        "ports" if items.iter().any(|item| item.get("containerPort").is_some()) => Some("containerPort"),
        "ports" => Some("port"),
        _ => None,
    }
}

fn without_directives(patch: &Map<String, Value>) -> Map<String, Value> {
    patch
        .iter()
        .filter(|(key, value)| !key.starts_with('$') && !value.is_null())
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lists_are_merged_by_their_keys() {
        let containers = json!({ "containers": [
            { "name": "a", "image": "a:1", "env": [{ "name": "X", "value": "1" }, { "name": "Y", "value": "2" }] },
            { "name": "b", "image": "b:1" },
        ] });
        for (what, target, patch, expected) in [
            (
                "an element is found by its key",
                containers.clone(),
                json!({ "containers": [{ "name": "b", "image": "b:2" }] }),
                json!({ "containers": [containers["containers"][0], { "name": "b", "image": "b:2" }] }),
            ),
            (
                "an element is deleted, inside another",
                containers.clone(),
                json!({ "containers": [{ "name": "a", "env": [{ "name": "X", "$patch": "delete" }] }] }),
                json!({ "containers": [
                    { "name": "a", "image": "a:1", "env": [{ "name": "Y", "value": "2" }] }, { "name": "b", "image": "b:1" },
                ] }),
            ),
            (
                "a new element is appended",
                json!({ "conditions": [{ "type": "Ready", "status": "True" }] }),
                json!({ "conditions": [{ "type": "Resized", "status": "False" }] }),
                json!({ "conditions": [{ "type": "Ready", "status": "True" }, { "type": "Resized", "status": "False" }] }),
            ),
            (
                "tolerations have no key",
                json!({ "tolerations": [{ "key": "a" }] }),
                json!({ "tolerations": [{ "key": "b" }] }),
                json!({ "tolerations": [{ "key": "b" }] }),
            ),
            (
                "a list is replaced when told",
                containers,
                json!({ "containers": [{ "$patch": "replace" }, { "name": "c" }] }),
                json!({ "containers": [{ "name": "c" }] }),
            ),
            (
                "a map is replaced when told, keys retained, null removed",
                json!({ "a": { "x": 1 }, "b": { "x": 1, "y": 2 }, "c": 3 }),
                json!({ "a": { "$patch": "replace", "z": 1 }, "b": { "$retainKeys": ["y", "z"], "z": 3 }, "c": null }),
                json!({ "a": { "z": 1 }, "b": { "y": 2, "z": 3 } }),
            ),
            (
                "finalizers are a set",
                json!({ "finalizers": ["a", "b"] }),
                json!({ "$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": ["b", "c"] }),
                json!({ "finalizers": ["b", "c"] }),
            ),
        ] {
            let mut patched = target;
            merge(&mut patched, &patch, true);
            assert_eq!(patched, expected, "{what}");
        }
    }
}
