//! Requests about objects: get, list, create, replace, patch, delete.

use crate::{
    call::{Call, Place},
    changes::{Origin, intent_in},
    patch::PatchKind,
    refusal::Refusal,
    resource::Resource,
    select::Selector,
    store::{Key, Store},
    write::{self, Part, Writer},
};
use serde_json::{Value, json};
use std::sync::Arc;

/// A status and a body.
pub(crate) type Answer = (u16, Value);

/// Answers a request about objects; watches and exec are answered elsewhere.
pub(crate) fn answer(
    store: &mut Store,
    resource: &Resource,
    place: &Place,
    call: &Call,
) -> Result<Answer, Refusal> {
    let part = part(resource, place)?;
    let writer = writer(place, call)?;
    let namespace = place.namespace.unwrap_or_default();
    let of = |object: &Arc<Value>| match part {
        Part::Scale => write::scale_of(resource, object),
        _ => shown(call, object),
    };
    match (call.method.as_str(), place.name) {
        ("GET", None) => list(store, resource, place, call).map(|list| (200, list)),
        ("GET", Some(name)) => {
            let object = store.get(&Key::new(resource, namespace, name));
            object.map(|object| (200, of(object))).ok_or_else(|| Refusal::not_found(resource, name))
        }
        ("POST", None) => {
            let object = json_body(call)?;
            let writer = Writer { intent_sent: intent_in(&object), ..writer };
            write::create(store, resource, namespace, object, &writer).map(|object| (201, of(&object)))
        }
        ("PUT", Some(name)) => {
            let object = json_body(call)?;
            let writer = Writer { intent_sent: intent_in(&object), ..writer };
            write::change(store, resource, namespace, name, part, &writer, |_| Ok(object))
                .map(|object| (200, of(&object)))
        }
        ("PATCH", Some(name)) => {
            let (code, object) = patch(store, resource, namespace, name, part, writer, call)?;
            Ok((code, of(&object)))
        }
        ("DELETE", Some(name)) => {
            let options = if call.body.is_empty() { json!({}) } else { json_body(call)? };
            let dry_run =
                writer.dry_run || options["dryRun"].as_array().is_some_and(|modes| !modes.is_empty());
            let writer = Writer { dry_run, ..writer };
            let (last, gone) = write::delete(store, resource, namespace, name, &options, &writer)?;
            Ok((200, if gone { deleted(resource, name, &last) } else { shown(call, &last) }))
        }
        ("DELETE", None) => {
            let selector = Selector::parse(call.option("labelSelector"), call.option("fieldSelector"))?;
            let fitting = store.all(resource, place.namespace).filter(|(_, object)| selector.fits(object));
            for key in fitting.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
                write::delete(store, resource, &key.namespace, &key.name, &Value::Null, &writer)?;
            }
            Ok((200, json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success" })))
        }
        _ => Err(Refusal::new(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        )),
    }
}

fn patch(
    store: &mut Store,
    resource: &Resource,
    namespace: &str,
    name: &str,
    part: Part,
    writer: Writer,
    call: &Call,
) -> Result<(u16, Arc<Value>), Refusal> {
    let kind = PatchKind::parse(call.header("content-type"), resource)?;
    let patch = kind.read(&call.body)?;
    let mut writer = Writer { intent_sent: intent_in(&patch), ..writer };
    if kind == PatchKind::Apply {
        if call.option("fieldManager").is_none() {
            let message = "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch";
            return Err(Refusal::new(422, "Invalid", message));
        }
        writer.applied = Some(patch.clone());
        if part == Part::Whole && store.get(&Key::new(resource, namespace, name)).is_none() {
            let mut object = patch;
            object["metadata"]["name"] = json!(name);
            return write::create(store, resource, namespace, object, &writer).map(|object| (201, object));
        }
    }
    let edit = |object: &Value| kind.apply(object, &patch, resource);
    write::change(store, resource, namespace, name, part, &writer, edit).map(|object| (200, object))
}

fn part(resource: &Resource, place: &Place) -> Result<Part, Refusal> {
    match place.subresource {
        "" => Ok(Part::Whole),
        "status" if resource.status => Ok(Part::Status),
        "scale" if resource.scale => Ok(Part::Scale),
        _ => Err(Refusal::no_such_path()),
    }
}

fn writer(place: &Place, call: &Call) -> Result<Writer, Refusal> {
    let agent = call.header("user-agent");
    let manager = call.option("fieldManager").unwrap_or_else(|| agent.split('/').next().unwrap_or_default());
    Ok(Writer {
        origin: Origin::Request,
        verb: call.verb(place),
        path: call.path.clone(),
        user_agent: agent.to_owned(),
        field_manager: manager.to_owned(),
        intent_sent: None,
        applied: None,
        dry_run: call.dry_run()?,
    })
}

fn json_body(call: &Call) -> Result<Value, Refusal> {
    serde_json::from_slice(&call.body)
        .map_err(|error| Refusal::bad_request(format!("the body of the request is not JSON: {error}")))
}

/// The object as the client wants it: whole, or its metadata only.
pub(crate) fn shown(call: &Call, object: &Value) -> Value {
    if !call.header("accept").contains("as=PartialObjectMetadata") {
        return object.clone();
    }
    json!({ "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"] })
}

fn deleted(resource: &Resource, name: &str, last: &Value) -> Value {
    let mut details = json!({ "name": name, "kind": resource.plural, "uid": last["metadata"]["uid"] });
    if !resource.group.is_empty() {
        details["group"] = json!(resource.group);
    }
    json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details })
}

/// A list in pages. A page is of the present, not of the version at which the list began; that version is still what the list
/// carries, so that a watch from there misses nothing.
fn list(store: &Store, resource: &Resource, place: &Place, call: &Call) -> Result<Value, Refusal> {
    let selector = Selector::parse(call.option("labelSelector"), call.option("fieldSelector"))?;
    let limit = call
        .option("limit")
        .and_then(|limit| limit.parse().ok())
        .filter(|limit| *limit > 0)
        .unwrap_or(usize::MAX);
    let (revision, after) = match call.option("continue") {
        None => (store.revision(), None),
        Some(token) => {
            let (revision, namespace, name) = continuation(token).ok_or_else(|| {
                Refusal::bad_request("continue key is not valid: it is none that this server gave")
            })?;
            store.check_not_compacted(revision)?;
            (revision, Some((namespace, name)))
        }
    };
    let later = |key: &Key| {
        after.is_none_or(|(namespace, name)| (key.namespace.as_str(), key.name.as_str()) > (namespace, name))
    };
    let mut rest =
        store.all(resource, place.namespace).filter(|(key, object)| later(key) && selector.fits(object));
    let page: Vec<_> = rest.by_ref().take(limit).collect();
    let remaining = rest.count();
    let mut metadata = json!({ "resourceVersion": revision.to_string() });
    if remaining > 0
        && let Some((last, _)) = page.last()
    {
        metadata["continue"] = json!(format!("{revision}~{}~{}", last.namespace, last.name));
        metadata["remainingItemCount"] = json!(remaining);
    }
    let partial = call.header("accept").contains("as=PartialObjectMetadata");
    let item = |object: &Arc<Value>| {
        let mut item = shown(call, object);
        // As on the real server, items of its own types do not say what they are.
        if !resource.custom
            && !partial
            && let Value::Object(fields) = &mut item
        {
            fields.remove("apiVersion");
            fields.remove("kind");
        }
        item
    };
    let items: Vec<Value> = page.iter().map(|(_, object)| item(object)).collect();
    let (kind, version) = if partial {
        ("PartialObjectMetadataList".to_owned(), "meta.k8s.io/v1".to_owned())
    } else {
        (format!("{}List", resource.kind), resource.api_version())
    };
    Ok(json!({ "kind": kind, "apiVersion": version, "metadata": metadata, "items": items }))
}

fn continuation(token: &str) -> Option<(u64, &str, &str)> {
    let (revision, rest) = token.split_once('~')?;
    let (namespace, name) = rest.split_once('~')?;
    Some((revision.parse().ok()?, namespace, name))
}
