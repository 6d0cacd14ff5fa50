//! What a patch carries beside its change: the precondition that the object is still in this very state, and what the object
//! tells of the change afterwards.

use serde_json::{Map, Value, json};

use crate::object::Object;

/// The annotation that names the intent of selfheal's latest change of an object.
pub const INTENT_ANNOTATION: &str = "selfheal.dev/intent";

/// The annotation that names who keeps what selfheal's latest change of an object has set, where somebody does:
/// `Argo CD shop`.
pub const CONTEST_ANNOTATION: &str = "selfheal.dev/contested-by";

/// An annotation and its value; null takes it away.
pub(crate) type Mark = (&'static str, Value);

/// Adds to a patch the precondition that the object is still in this very state, and the annotation of the intent: `None`
/// leaves it alone, null takes it away. The patch is an object (merge, strategic) or an array of operations (RFC 6902).
pub fn guarded(patch: Value, object: &Object, intent: Option<Value>) -> Value {
    let marks: Vec<Mark> = intent.into_iter().map(|intent| (INTENT_ANNOTATION, intent)).collect();
    marked(patch, object, &marks)
}

/// As [`guarded`], with these annotations.
pub(crate) fn marked(mut patch: Value, object: &Object, marks: &[Mark]) -> Value {
    if let Value::Array(operations) = &mut patch {
        // Writing a resourceVersion is how a patch of this kind states it as its precondition; it covers the uid.
        let version = object.version();
        operations.push(json!({ "op": "replace", "path": "/metadata/resourceVersion", "value": version }));
        operations.extend(annotating(object, marks));
        return patch;
    }
    let mut metadata = json!({ "uid": object.uid(), "resourceVersion": object.version() });
    if !marks.is_empty() {
        metadata["annotations"] =
            marks.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    }
    merge(&mut patch, &json!({ "metadata": metadata }));
    patch
}

/// The operations that set annotations, or take them away.
fn annotating(object: &Object, marks: &[Mark]) -> Vec<Value> {
    let mut operations = Vec::new();
    let of_none = !object.at("/metadata/annotations").is_object();
    if of_none && marks.iter().any(|(_, value)| !value.is_null()) {
        operations.push(json!({ "op": "add", "path": "/metadata/annotations", "value": {} }));
    }
    for (name, value) in marks {
        let path = format!("/metadata/annotations/{}", name.replace('/', "~1"));
        match (object.annotation(name), value) {
            (None, Value::Null) => {}
            (Some(_), Value::Null) => operations.push(json!({ "op": "remove", "path": path })),
            _ => operations.push(json!({ "op": "add", "path": path, "value": value })),
        }
    }
    operations
}

/// Puts what stands in one object of JSON into another (RFC 7396, but null stays).
pub(crate) fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name.clone()).or_insert_with(|| Value::Object(Map::new())), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_carries_its_precondition() {
        let object =
            Object { json: json!({ "metadata": { "uid": "u", "resourceVersion": "7" } }), date: None };
        let patch = json!({ "spec": { "replicas": 3 } });
        assert_eq!(
            guarded(patch.clone(), &object, Some(json!("i"))),
            json!({ "spec": { "replicas": 3 },
                "metadata": { "uid": "u", "resourceVersion": "7", "annotations": { "selfheal.dev/intent": "i" } } })
        );
        assert_eq!(guarded(patch.clone(), &object, None)["metadata"].get("annotations"), None);
        let removing = guarded(patch, &object, Some(Value::Null));
        assert!(removing["metadata"]["annotations"][INTENT_ANNOTATION].is_null());
    }

    #[test]
    fn operations_carry_it_too() {
        let object = |metadata: Value| Object { json: json!({ "metadata": metadata }), date: None };
        let bare = object(json!({ "resourceVersion": "7" }));
        let marked = object(json!({ "resourceVersion": "7", "annotations": { "selfheal.dev/intent": "i" } }));
        let path = "/metadata/annotations/selfheal.dev~1intent";
        for (object, intent, expected) in [
            (&bare, Value::Null, vec![]),
            (
                &bare,
                json!("j"),
                vec![
                    json!({ "op": "add", "path": "/metadata/annotations", "value": {} }),
                    json!({ "op": "add", "path": path, "value": "j" }),
                ],
            ),
            (&marked, json!("j"), vec![json!({ "op": "add", "path": path, "value": "j" })]),
            (&marked, Value::Null, vec![json!({ "op": "remove", "path": path })]),
        ] {
            let mut wanted =
                vec![json!({ "op": "replace", "path": "/metadata/resourceVersion", "value": "7" })];
            wanted.extend(expected);
            assert_eq!(guarded(json!([]), object, Some(intent)), Value::Array(wanted));
        }
    }
}
