//! What a write means: preconditions, what clients cannot set, generations, subresources, dry runs, the log of changes.
//!
//! Every write is one call under the store's lock, so that a patch reads and writes the same version.

use crate::{
    changes::{Change, Origin, intent_in},
    checks, managers,
    refusal::Refusal,
    resource::Resource,
    store::{Key, Store},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;

/// Which part of an object a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Whole,
    Status,
    Scale,
}

/// Who writes, and how.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    pub(crate) origin: Origin,
    pub(crate) verb: &'static str,
    pub(crate) path: String,
    pub(crate) user_agent: String,
    pub(crate) field_manager: String,
    pub(crate) intent_sent: Option<String>,
    /// For `managedFields`: the configuration of a server-side apply.
    pub(crate) applied: Option<Value>,
    pub(crate) dry_run: bool,
}

impl Writer {
    pub(crate) fn inside(origin: Origin, verb: &'static str) -> Self {
        let field_manager = if origin == Origin::Controller { "kube-controller-manager" } else { "test" };
        Self {
            origin,
            verb,
            path: String::new(),
            user_agent: String::new(),
            field_manager: field_manager.to_owned(),
            intent_sent: None,
            applied: None,
            dry_run: false,
        }
    }
}

/// The present, as the API writes it: whole seconds.
pub(crate) fn now() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Creates an object; a client's status is dropped where there is a subresource for it.
pub(crate) fn create(
    store: &mut Store,
    resource: &Resource,
    namespace: &str,
    mut object: Value,
    writer: &Writer,
) -> Result<Arc<Value>, Refusal> {
    shape(resource, namespace, &mut object)?;
    let uid = store.next_uid();
    let metadata = &mut object["metadata"];
    if metadata["name"].is_null()
        && let Some(prefix) = metadata["generateName"].as_str()
    {
        metadata["name"] = json!(format!("{prefix}{}", &uid[uid.len() - 5..]));
    }
    let Some(name) = metadata["name"].as_str().filter(|name| !name.is_empty()).map(str::to_owned) else {
        return Err(Refusal::invalid(
            resource,
            "",
            "metadata.name",
            "Required value: name or generateName is required",
        ));
    };
    if writer.origin == Origin::Request
        && metadata["resourceVersion"].as_str().is_some_and(|version| !version.is_empty())
    {
        return Err(Refusal::bad_request("resourceVersion should not be set on objects to be created"));
    }
    let key = Key::new(resource, namespace, &name);
    if let Some(namespaces) = store.resource("", "namespaces")
        && resource.namespaced
        && store.get(&Key::new(namespaces, "", namespace)).is_none()
    {
        return Err(Refusal::not_found(namespaces, namespace));
    }
    if store.get(&key).is_some() {
        return Err(Refusal::already_exists(resource, &name));
    }
    metadata["uid"] = json!(uid);
    metadata["creationTimestamp"] = json!(now());
    drop_null(metadata, "deletionTimestamp");
    if resource.generation {
        metadata["generation"] = json!(1);
    }
    if resource.status && writer.origin == Origin::Request {
        drop_key(&mut object, "status");
    }
    if resource.group == "apps" && resource.scale && object["spec"]["replicas"].is_null() {
        object["spec"]["replicas"] = json!(1);
    }
    checks::check(store, resource, &name, None, &object)?;
    managers::record(&mut object, resource, Part::Whole, writer);
    Ok(commit(store, resource, key, object, Part::Whole, writer))
}

/// Changes an object by a function from what is there to what shall be; for [`Part::Scale`] both are the Scale.
pub(crate) fn change(
    store: &mut Store,
    resource: &Resource,
    namespace: &str,
    name: &str,
    part: Part,
    writer: &Writer,
    edit: impl FnOnce(&Value) -> Result<Value, Refusal>,
) -> Result<Arc<Value>, Refusal> {
    let key = Key::new(resource, namespace, name);
    let before = store.get(&key).cloned().ok_or_else(|| Refusal::not_found(resource, name))?;
    let seen = if part == Part::Scale { scale_of(resource, &before) } else { Value::clone(&before) };
    let mut edited = edit(&seen)?;
    shape_like(resource, namespace, name, part, &mut edited)?;
    // A client's update (PUT) brings the object as a whole, a patch brings parts.
    let whole = writer.origin == Origin::Request && writer.verb == "update";
    preconditions(resource, name, &before, &edited, whole)?;
    let mut after = match part {
        Part::Whole if resource.status && writer.origin == Origin::Request => {
            with(edited, "status", before.get("status"))
        }
        Part::Whole => edited,
        Part::Status => status_only(&before, &edited),
        Part::Scale => {
            let mut after = Value::clone(&before);
            after["spec"]["replicas"] = edited["spec"]["replicas"].clone();
            after
        }
    };
    keep_metadata(resource, &before, &mut after);
    if part != Part::Status {
        checks::check(store, resource, name, Some(&before), &after)?;
    }
    // A write that changes nothing makes no version and no event, as on the real server.
    if after == *before {
        return Ok(before);
    }
    managers::record(&mut after, resource, part, writer);
    let finalized = !after["metadata"]["deletionTimestamp"].is_null() && !has_finalizers(&after);
    let stored = commit(store, resource, key.clone(), after, part, writer);
    if finalized && !writer.dry_run {
        remove(store, resource, &key, &Writer { verb: "delete", ..writer.clone() });
    }
    Ok(stored)
}

/// Deletes an object, or marks it when finalizers hold it: `Ok(true)` when it is gone.
pub(crate) fn delete(
    store: &mut Store,
    resource: &Resource,
    namespace: &str,
    name: &str,
    options: &Value,
    writer: &Writer,
) -> Result<(Arc<Value>, bool), Refusal> {
    let key = Key::new(resource, namespace, name);
    let before = store.get(&key).cloned().ok_or_else(|| Refusal::not_found(resource, name))?;
    let wanted = &options["preconditions"];
    let metadata = &before["metadata"];
    if let Some(uid) = wanted["uid"].as_str().filter(|uid| metadata["uid"] != *uid) {
        return Err(Refusal::other_uid(resource, name, uid, metadata["uid"].as_str().unwrap_or_default()));
    }
    if wanted["resourceVersion"].is_string() && wanted["resourceVersion"] != metadata["resourceVersion"] {
        return Err(Refusal::stale(resource, name));
    }
    if has_finalizers(&before) {
        if !metadata["deletionTimestamp"].is_null() {
            return Ok((before, false));
        }
        let mut marked = Value::clone(&before);
        marked["metadata"]["deletionTimestamp"] = json!(now());
        marked["metadata"]["deletionGracePeriodSeconds"] = json!(0);
        return Ok((commit(store, resource, key, marked, Part::Whole, writer), false));
    }
    if !writer.dry_run {
        remove(store, resource, &key, writer);
    }
    Ok((before, true))
}

/// The Scale of an object.
pub(crate) fn scale_of(resource: &Resource, object: &Value) -> Value {
    let metadata = &object["metadata"];
    let selector = match &object["status"]["selector"] {
        Value::String(selector) => selector.clone(),
        _ => {
            let labels = object["spec"]["selector"]["matchLabels"].as_object();
            let pairs = labels.into_iter().flatten();
            pairs
                .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
                .collect::<Vec<_>>()
                .join(",")
        }
    };
    let mut scale = json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": {},
        "spec": { "replicas": object["spec"]["replicas"].as_i64().unwrap_or(0) },
        "status": { "replicas": object["status"]["replicas"].as_i64().unwrap_or(0), "selector": selector },
    });
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if resource.namespaced || field != "namespace" {
            scale["metadata"][field] = metadata[field].clone();
        }
    }
    scale
}

/// Versions and UIDs that a client carries must be those of the object.
fn preconditions(
    resource: &Resource,
    name: &str,
    before: &Value,
    edited: &Value,
    whole: bool,
) -> Result<(), Refusal> {
    let (is, wanted) = (&before["metadata"], &edited["metadata"]);
    if let Some(uid) = wanted["uid"].as_str().filter(|uid| !uid.is_empty() && is["uid"] != *uid) {
        // The real server treats the UID of a PUT as a precondition and that of a patch as a change of an immutable field.
        return Err(if whole {
            Refusal::other_uid(resource, name, uid, is["uid"].as_str().unwrap_or_default())
        } else {
            Refusal::invalid(
                resource,
                name,
                "metadata.uid",
                &format!("Invalid value: \"{uid}\": field is immutable"),
            )
        });
    }
    match wanted["resourceVersion"].as_str().filter(|version| !version.is_empty()) {
        None if whole && resource.custom => {
            let because = "Invalid value: 0: must be specified for an update";
            Err(Refusal::invalid(resource, name, "metadata.resourceVersion", because))
        }
        Some(version) if is["resourceVersion"] != version => Err(Refusal::stale(resource, name)),
        _ => Ok(()),
    }
}

/// Fills in and checks what the path says of an object.
fn shape(resource: &Resource, namespace: &str, object: &mut Value) -> Result<(), Refusal> {
    if !object.is_object() {
        return Err(Refusal::bad_request("the body of the request is not an object"));
    }
    for (field, expected) in [("apiVersion", resource.api_version()), ("kind", resource.kind.clone())] {
        if object[field].as_str().is_some_and(|given| given != expected) {
            let message = format!(
                "{field} of the object ({}) does not match the request's ({expected})",
                object[field]
            );
            return Err(Refusal::bad_request(message));
        }
        object[field] = json!(expected);
    }
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    let metadata = &mut object["metadata"];
    if !resource.namespaced {
        drop_key(metadata, "namespace");
    } else if metadata["namespace"].as_str().is_some_and(|given| !given.is_empty() && given != namespace) {
        let message = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(Refusal::bad_request(message));
    } else {
        metadata["namespace"] = json!(namespace);
    }
    Ok(())
}

fn shape_like(
    resource: &Resource,
    namespace: &str,
    name: &str,
    part: Part,
    edited: &mut Value,
) -> Result<(), Refusal> {
    if part == Part::Scale {
        let replicas = &edited["spec"]["replicas"];
        if !replicas.is_i64() {
            return Err(Refusal::bad_request(format!(
                "spec.replicas of a Scale is a whole number, not {replicas}"
            )));
        }
        return Ok(());
    }
    shape(resource, namespace, edited)?;
    match edited["metadata"]["name"].as_str() {
        Some(given) if given != name => Err(Refusal::bad_request(format!(
            "the name of the object ({given}) does not match the name on the URL ({name})"
        ))),
        _ => {
            edited["metadata"]["name"] = json!(name);
            Ok(())
        }
    }
}

/// What the server alone sets stays; the generation counts.
fn keep_metadata(resource: &Resource, before: &Value, after: &mut Value) {
    for field in [
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "generation",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ] {
        match before["metadata"].get(field) {
            Some(value) => after["metadata"][field] = value.clone(),
            None => drop_key(&mut after["metadata"], field),
        }
    }
    if after["metadata"]["managedFields"].is_null()
        && let Some(entries) = before["metadata"].get("managedFields")
    {
        after["metadata"]["managedFields"] = entries.clone();
    }
    drop_null(&mut after["metadata"], "managedFields");
    if resource.generation && meant(before) != meant(after) {
        let generation = before["metadata"]["generation"].as_i64().unwrap_or(0) + 1;
        after["metadata"]["generation"] = json!(generation);
    }
}

/// An object without metadata and status: a change of the rest is a new generation.
fn meant(object: &Value) -> Vec<(&String, &Value)> {
    let fields = object.as_object().into_iter().flatten();
    fields.filter(|(field, _)| *field != "metadata" && *field != "status").collect()
}

/// A write to the subresource `status` changes the status, and annotations and labels of objects that are not custom.
fn status_only(before: &Value, edited: &Value) -> Value {
    with(before.clone(), "status", edited.get("status"))
}

fn with(mut object: Value, field: &str, value: Option<&Value>) -> Value {
    match value {
        Some(value) => object[field] = value.clone(),
        None => drop_key(&mut object, field),
    }
    object
}

fn drop_key(object: &mut Value, field: &str) {
    if let Value::Object(map) = object {
        map.remove(field);
    }
}

fn drop_null(object: &mut Value, field: &str) {
    if object[field].is_null() {
        drop_key(object, field);
    }
}

fn has_finalizers(object: &Value) -> bool {
    object["metadata"]["finalizers"].as_array().is_some_and(|finalizers| !finalizers.is_empty())
}

/// Stores and logs, or only says what would be stored.
fn commit(
    store: &mut Store,
    resource: &Resource,
    key: Key,
    object: Value,
    part: Part,
    writer: &Writer,
) -> Arc<Value> {
    if writer.dry_run {
        return Arc::new(object);
    }
    let before = store.get(&key).cloned();
    let stored = store.put(key.clone(), object);
    log(store, resource, key, before, Arc::clone(&stored), part, writer);
    stored
}

fn remove(store: &mut Store, resource: &Resource, key: &Key, writer: &Writer) {
    let before = store.get(key).cloned();
    if let Some(last) = store.remove(key) {
        log(store, resource, key.clone(), before, last, Part::Whole, writer);
    }
}

fn log(
    store: &mut Store,
    resource: &Resource,
    key: Key,
    before: Option<Arc<Value>>,
    object: Arc<Value>,
    part: Part,
    writer: &Writer,
) {
    let subresource = match part {
        Part::Whole => "",
        Part::Status => "status",
        Part::Scale => "scale",
    };
    let change = Change {
        revision: store.revision(),
        origin: writer.origin,
        verb: writer.verb.to_owned(),
        group: resource.group.clone(),
        resource: resource.plural.clone(),
        subresource: subresource.to_owned(),
        namespace: key.namespace,
        name: key.name,
        path: writer.path.clone(),
        user_agent: writer.user_agent.clone(),
        field_manager: writer.field_manager.clone(),
        intent_sent: writer.intent_sent.clone(),
        intent: intent_in(&object),
        before,
        object,
    };
    store.changes.push(change);
}
