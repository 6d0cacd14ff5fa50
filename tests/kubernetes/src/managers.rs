//! `managedFields`: who wrote last, one entry for each manager, operation and subresource.
//!
//! Entries of server-side apply name the maps and fields of the applied configuration, lists as a whole; those of updates name
//! no fields. Kept for recognising owners, not for deciding conflicts.

use crate::{
    resource::Resource,
    write::{Part, Writer, now},
};
use serde_json::{Map, Value, json};

/// Notes the writer in the object.
pub(crate) fn record(object: &mut Value, resource: &Resource, part: Part, writer: &Writer) {
    if writer.field_manager.is_empty() {
        return;
    }
    let operation = if writer.applied.is_some() { "Apply" } else { "Update" };
    let mut entry = json!({
        "manager": writer.field_manager, "operation": operation, "apiVersion": resource.api_version(), "time": now(),
        "fieldsType": "FieldsV1", "fieldsV1": writer.applied.as_ref().map_or_else(|| json!({}), fields),
    });
    match part {
        Part::Whole => {}
        Part::Status => entry["subresource"] = json!("status"),
        Part::Scale => entry["subresource"] = json!("scale"),
    }
    let same = |other: &Value| {
        ["manager", "operation", "subresource"].iter().all(|field| other[field] == entry[field])
    };
    let mut entries = match object["metadata"]["managedFields"].take() {
        Value::Array(entries) => entries,
        _ => Vec::new(),
    };
    entries.retain(|other| !same(other));
    entries.push(entry);
    object["metadata"]["managedFields"] = Value::Array(entries);
}

fn fields(applied: &Value) -> Value {
    let Value::Object(map) = applied else { return json!({}) };
    let named =
        map.iter().filter(|(key, _)| !matches!(key.as_str(), "apiVersion" | "kind" | "name" | "namespace"));
    Value::Object(named.map(|(key, value)| (format!("f:{key}"), fields(value))).collect::<Map<_, _>>())
}
