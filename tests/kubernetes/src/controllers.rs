//! What stands for Kubernetes' controllers: settling an object once, when a test asks for it, or after every change.
//!
//! Deployments and Rollouts get ReplicaSets with hashes and revisions, StatefulSets and DaemonSets a ControllerRevision, all of
//! them a status as after a rollout that went well; claims get the capacity that they asked for. There are no pods unless a
//! test makes them, no autoscaling, no garbage collection, and no steps of a canary: a Rollout is fully promoted at once, unless
//! it is paused or aborted.

use crate::{
    changes::Origin,
    refusal::Refusal,
    resource::Resource,
    store::{Key, Store},
    write::{self, Part, Writer, now},
};
use serde_json::{Value, json};
use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

/// The names by which one workload's ReplicaSets are known.
struct Marks {
    hash_label: &'static str,
    revision: &'static str,
}

const DEPLOYMENT: Marks =
    Marks { hash_label: "pod-template-hash", revision: "deployment.kubernetes.io/revision" };
const ROLLOUT: Marks =
    Marks { hash_label: "rollouts-pod-template-hash", revision: "rollout.argoproj.io/revision" };

/// Settles everything that was changed after a version.
pub(crate) fn follow(store: &mut Store, after: u64) {
    let changed: Vec<Key> = store
        .events_after(after)
        .into_iter()
        .flatten()
        .filter(|event| !event.deleted)
        .map(|event| event.key.clone())
        .collect();
    for key in changed {
        let resource = store.resources.iter().find(|resource| resource.qualified() == key.resource).cloned();
        if let Some(resource) = resource {
            // What is gone already or cannot be settled stays as it is; a controller would try again later.
            let _ = settle(store, &resource, &key.namespace, &key.name);
        }
    }
}

/// Brings an object to where its controller would bring it.
///
/// # Errors
///
/// 404 when it is not there.
pub(crate) fn settle(
    store: &mut Store,
    resource: &Resource,
    namespace: &str,
    name: &str,
) -> Result<(), Refusal> {
    let object = store
        .get(&Key::new(resource, namespace, name))
        .cloned()
        .ok_or_else(|| Refusal::not_found(resource, name))?;
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("apps", "deployments") => deployment(store, resource, &object),
        ("apps", "statefulsets" | "daemonsets") => revisioned(store, resource, &object),
        ("apps", "replicasets") => {
            let replicas = object["spec"]["replicas"].clone();
            let status = json!({ "observedGeneration": object["metadata"]["generation"],
                "replicas": replicas, "readyReplicas": replicas, "availableReplicas": replicas, "fullyLabeledReplicas": replicas });
            set_status(store, resource, &object, status)
        }
        ("argoproj.io", "rollouts") => rollout(store, resource, &object),
        ("", "persistentvolumeclaims") => {
            let mut status = object["status"].clone();
            status["phase"] = json!("Bound");
            status["accessModes"] = object["spec"]["accessModes"].clone();
            status["capacity"]["storage"] = object["spec"]["resources"]["requests"]["storage"].clone();
            set_status(store, resource, &object, status)
        }
        _ => Ok(()),
    }
}

fn deployment(store: &mut Store, resource: &Resource, object: &Arc<Value>) -> Result<(), Refusal> {
    if object["spec"]["paused"] == true {
        return set_status(
            store,
            resource,
            object,
            merged(
                &object["status"],
                &json!({
                    "observedGeneration": object["metadata"]["generation"],
                }),
            ),
        );
    }
    let (hash, revision) = replica_sets(store, resource, object, &object["spec"]["template"], &DEPLOYMENT)?;
    annotate(store, resource, object, DEPLOYMENT.revision, &revision)?;
    let replicas = object["spec"]["replicas"].clone();
    let condition = |kind: &str, reason: &str, message: String| {
        json!({ "type": kind, "status": "True", "reason": reason, "message": message,
            "lastUpdateTime": now(), "lastTransitionTime": now() })
    };
    let set = format!("{}-{hash}", object["metadata"]["name"].as_str().unwrap_or_default());
    let status = json!({
        "observedGeneration": object["metadata"]["generation"], "replicas": replicas, "updatedReplicas": replicas,
        "readyReplicas": replicas, "availableReplicas": replicas,
        "conditions": [
            condition("Available", "MinimumReplicasAvailable", "Deployment has minimum availability.".to_owned()),
            condition("Progressing", "NewReplicaSetAvailable", format!("ReplicaSet \"{set}\" has successfully progressed.")),
        ],
    });
    set_status(store, resource, object, status)
}

fn rollout(store: &mut Store, resource: &Resource, object: &Arc<Value>) -> Result<(), Refusal> {
    let observed = object["metadata"]["generation"].as_i64().unwrap_or(0).to_string();
    let phase =
        match (&object["spec"]["paused"], &object["status"]["abort"], &object["status"]["pauseConditions"]) {
            (Value::Bool(true), _, _) => Some("Paused"),
            (_, Value::Bool(true), _) => Some("Degraded"),
            (_, _, Value::Array(conditions)) if !conditions.is_empty() => Some("Paused"),
            _ => None,
        };
    if let Some(phase) = phase {
        let status = merged(&object["status"], &json!({ "observedGeneration": observed, "phase": phase }));
        return set_status(store, resource, object, status);
    }
    let template = match object["spec"]["workloadRef"]["name"].as_str() {
        Some(workload) => {
            let deployments =
                store.resource("apps", "deployments").cloned().ok_or_else(Refusal::no_such_path)?;
            let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
            let referred = store.get(&Key::new(&deployments, namespace, workload));
            referred.ok_or_else(|| Refusal::not_found(&deployments, workload))?["spec"]["template"].clone()
        }
        None => object["spec"]["template"].clone(),
    };
    let (hash, revision) = replica_sets(store, resource, object, &template, &ROLLOUT)?;
    annotate(store, resource, object, ROLLOUT.revision, &revision)?;
    let replicas = object["spec"]["replicas"].as_i64().unwrap_or(1);
    let mut status = merged(
        &object["status"],
        &json!({
            "observedGeneration": observed, "phase": "Healthy", "message": "", "currentPodHash": hash, "stableRS": hash,
            "replicas": replicas, "updatedReplicas": replicas, "readyReplicas": replicas, "availableReplicas": replicas,
            "HPAReplicas": replicas, "restartedAt": object["spec"]["restartAt"],
        }),
    );
    if let Some(steps) = object["spec"]["strategy"]["canary"]["steps"].as_array() {
        status["currentStepIndex"] = json!(steps.len());
    }
    if object["spec"]["strategy"]["blueGreen"].is_object() {
        status["blueGreen"] = json!({ "activeSelector": hash, "previewSelector": hash });
    }
    set_status(store, resource, object, status)
}

/// The ReplicaSet of this template has the highest revision and all replicas; the others have none.
fn replica_sets(
    store: &mut Store,
    owner: &Resource,
    object: &Value,
    template: &Value,
    marks: &Marks,
) -> Result<(String, String), Refusal> {
    let sets = store.resource("apps", "replicasets").cloned().ok_or_else(Refusal::no_such_path)?;
    let metadata = &object["metadata"];
    let (namespace, name) = (text(&metadata["namespace"]), text(&metadata["name"]));
    let hash = hash(template);
    let own = format!("{name}-{hash}");
    let owned: Vec<Arc<Value>> = store
        .all(&sets, Some(&namespace))
        .filter(|(_, set)| set["metadata"]["ownerReferences"][0]["uid"] == metadata["uid"])
        .map(|(_, set)| Arc::clone(set))
        .collect();
    let revision_of =
        |set: &Value| text(&set["metadata"]["annotations"][marks.revision]).parse::<u64>().unwrap_or(0);
    let highest = owned.iter().map(|set| revision_of(set)).max().unwrap_or(0);
    let existing = owned.iter().find(|set| set["metadata"]["name"] == own.as_str());
    let revision = match existing.map(|set| revision_of(set)) {
        Some(revision) if revision == highest => revision,
        _ => highest + 1,
    };
    let replicas = object["spec"]["replicas"].as_i64().unwrap_or(1);
    if existing.is_none() {
        let mut template = template.clone();
        template["metadata"]["labels"][marks.hash_label] = json!(hash);
        let mut selector = object["spec"]["selector"].clone();
        selector["matchLabels"][marks.hash_label] = json!(hash);
        let set = json!({
            "metadata": {
                "name": own, "labels": template["metadata"]["labels"], "annotations": { marks.revision: revision.to_string() },
                "ownerReferences": [{ "apiVersion": owner.api_version(), "kind": owner.kind, "name": name,
                    "uid": metadata["uid"], "controller": true, "blockOwnerDeletion": true }],
            },
            "spec": { "replicas": replicas, "selector": selector, "template": template },
        });
        write::create(store, &sets, &namespace, set, &Writer::inside(Origin::Controller, "create"))?;
    }
    for set in owned.iter().map(|set| text(&set["metadata"]["name"])).chain([own.clone()]) {
        let wanted = if set == own { replicas } else { 0 };
        let writer = Writer::inside(Origin::Controller, "update");
        write::change(store, &sets, &namespace, &set, Part::Whole, &writer, |before| {
            let mut after = before.clone();
            after["spec"]["replicas"] = json!(wanted);
            if set == own {
                after["metadata"]["annotations"][marks.revision] = json!(revision.to_string());
            }
            Ok(after)
        })?;
        settle(store, &sets, &namespace, &set)?;
    }
    Ok((hash, revision.to_string()))
}

/// StatefulSets and DaemonSets: the template is kept in a ControllerRevision.
fn revisioned(store: &mut Store, resource: &Resource, object: &Arc<Value>) -> Result<(), Refusal> {
    let revisions =
        store.resource("apps", "controllerrevisions").cloned().ok_or_else(Refusal::no_such_path)?;
    let metadata = &object["metadata"];
    let (namespace, template) = (text(&metadata["namespace"]), &object["spec"]["template"]);
    let hash = hash(template);
    let name = format!("{}-{hash}", text(&metadata["name"]));
    let owned = || {
        store
            .all(&revisions, Some(&namespace))
            .map(|(_, one)| one)
            .filter(|one| one["metadata"]["ownerReferences"][0]["uid"] == metadata["uid"])
    };
    let number = owned().filter_map(|one| one["revision"].as_i64()).max().unwrap_or(0);
    let found = owned()
        .find(|one| one["metadata"]["name"] == name.as_str())
        .map(|one| one["revision"].as_i64() == Some(number));
    let writer = Writer::inside(Origin::Controller, "update");
    match found {
        Some(true) => {}
        Some(false) => {
            let raise = |before: &Value| Ok(merged(before, &json!({ "revision": number + 1 })));
            write::change(store, &revisions, &namespace, &name, Part::Whole, &writer, raise)?;
        }
        None => {
            let mut kept = template.clone();
            kept["$patch"] = json!("replace");
            let mut labels = object["spec"]["selector"]["matchLabels"].clone();
            labels["controller-revision-hash"] = json!(hash);
            let revision = json!({
                "metadata": { "name": name, "labels": labels, "ownerReferences": [{ "apiVersion": resource.api_version(),
                    "kind": resource.kind, "name": metadata["name"], "uid": metadata["uid"], "controller": true }] },
                "data": { "spec": { "template": kept } }, "revision": number + 1,
            });
            write::create(store, &revisions, &namespace, revision, &writer)?;
        }
    }
    let generation = &metadata["generation"];
    let status = if resource.plural == "daemonsets" {
        let nodes = store.resource("", "nodes").map_or(1, |nodes| store.all(nodes, None).count().max(1));
        json!({ "observedGeneration": generation, "desiredNumberScheduled": nodes, "currentNumberScheduled": nodes,
            "updatedNumberScheduled": nodes, "numberReady": nodes, "numberAvailable": nodes, "numberMisscheduled": 0 })
    } else {
        let replicas = &object["spec"]["replicas"];
        json!({ "observedGeneration": generation, "replicas": replicas, "readyReplicas": replicas, "currentReplicas": replicas,
            "updatedReplicas": replicas, "availableReplicas": replicas, "currentRevision": name, "updateRevision": name })
    };
    set_status(store, resource, object, status)
}

fn annotate(
    store: &mut Store,
    resource: &Resource,
    object: &Value,
    key: &str,
    value: &str,
) -> Result<(), Refusal> {
    let metadata = &object["metadata"];
    let writer = Writer::inside(Origin::Controller, "update");
    let (namespace, name) = (text(&metadata["namespace"]), text(&metadata["name"]));
    let patch = json!({ "metadata": { "annotations": { key: value } } });
    let edit = |before: &Value| Ok(merged(before, &patch));
    write::change(store, resource, &namespace, &name, Part::Whole, &writer, edit).map(drop)
}

/// Sets the status; conditions keep the times of their last change, so that settling twice changes nothing.
fn set_status(
    store: &mut Store,
    resource: &Resource,
    object: &Value,
    mut status: Value,
) -> Result<(), Refusal> {
    let metadata = &object["metadata"];
    let known = |condition: &Value| {
        let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
        let same = |other: &&Value| {
            ["type", "status", "reason", "message"].iter().all(|field| other[field] == condition[field])
        };
        conditions.into_iter().find(same).cloned()
    };
    for condition in status["conditions"].as_array_mut().into_iter().flatten() {
        if let Some(known) = known(condition) {
            *condition = known;
        }
    }
    let writer = Writer::inside(Origin::Controller, "update");
    let (namespace, name) = (text(&metadata["namespace"]), text(&metadata["name"]));
    write::change(store, resource, &namespace, &name, Part::Status, &writer, |before| {
        let mut after = before.clone();
        after["status"] = status;
        Ok(after)
    })
    .map(drop)
}

fn merged(object: &Value, patch: &Value) -> Value {
    let mut merged = object.clone();
    json_patch::merge(&mut merged, patch);
    merged
}

/// Ten characters that depend on the template alone.
fn hash(template: &Value) -> String {
    let mut hasher = DefaultHasher::new();
    template.to_string().hash(&mut hasher);
    format!("{:010x}", hasher.finish() & 0xff_ffff_ffff)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
