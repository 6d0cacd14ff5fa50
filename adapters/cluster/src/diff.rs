//! What a change would do, field by field: an object against the server's own dry run of the change.

use selfheal_contract::Change;
use serde_json::{Map, Value};

/// Changes that a preview shows.
const CHANGES_MAX: usize = 50;

/// Bytes of a value that a preview shows; a longer one is cut.
const VALUE_BYTES_MAX: usize = 512;

/// The server's own bookkeeping: it changes with every write and says nothing about it.
const BOOKKEEPING: [&str; 5] = [
    "metadata.managedFields",
    "metadata.resourceVersion",
    "metadata.generation",
    "metadata.uid",
    "metadata.selfLink",
];

/// The fields in which two states of an object differ, in the order of their names; at most 50, and a line that says how
/// many more there are. Items of lists that have a `name` (containers, ports, variables) or a `type` (conditions) are
/// compared with their namesakes.
pub fn changes(before: &Value, after: &Value) -> Vec<Change> {
    let mut found = Vec::new();
    walk(&mut String::new(), before, after, &mut found);
    if found.len() > CHANGES_MAX {
        let more = found.len() - (CHANGES_MAX - 1);
        found.truncate(CHANGES_MAX - 1);
        found.push(Change { what: format!("and {more} more"), from: Value::Null, to: Value::Null });
    }
    found
}

fn walk(path: &mut String, before: &Value, after: &Value, found: &mut Vec<Change>) {
    if before == after || BOOKKEEPING.contains(&path.as_str()) {
        return;
    }
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => maps(path, before, after, found),
        // Something new or gone is shown by its leaves, which read better than a block of JSON.
        (Value::Object(before), Value::Null) if !before.is_empty() => maps(path, before, &Map::new(), found),
        (Value::Null, Value::Object(after)) if !after.is_empty() => maps(path, &Map::new(), after, found),
        (Value::Array(before), Value::Array(after)) => lists(path, before, after, found),
        _ => found.push(Change { what: path.clone(), from: shown(before), to: shown(after) }),
    }
}

fn maps(path: &mut String, before: &Map<String, Value>, after: &Map<String, Value>, found: &mut Vec<Change>) {
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let length = path.len();
        if !path.is_empty() {
            path.push('.');
        }
        // A key with dots or slashes is that of a label or an annotation.
        if name.contains(['.', '/']) {
            path.truncate(length);
            path.push_str(&format!("[{name}]"));
        } else {
            path.push_str(name);
        }
        let of = |map: &Map<String, Value>| map.get(name).cloned().unwrap_or_default();
        walk(path, &of(before), &of(after), found);
        path.truncate(length);
    }
}

fn lists(path: &mut String, before: &[Value], after: &[Value], found: &mut Vec<Change>) {
    let Some(key) = ["name", "type", "key", "ip"].into_iter().find(|key| is_key(key, before, after)) else {
        if before.len() == after.len() {
            for (index, (before, after)) in before.iter().zip(after).enumerate() {
                item(path, &index.to_string(), before, after, found);
            }
        } else {
            let whole = |list: &[Value]| shown(&Value::Array(list.to_vec()));
            found.push(Change { what: path.clone(), from: whole(before), to: whole(after) });
        }
        return;
    };
    let named = |list: &[Value], name: &Value| {
        list.iter().find(|item| &item[key] == name).cloned().unwrap_or_default()
    };
    for old in before {
        item(path, old[key].as_str().unwrap_or_default(), old, &named(after, &old[key]), found);
    }
    for new in after.iter().filter(|new| named(before, &new[key]).is_null()) {
        item(path, new[key].as_str().unwrap_or_default(), &Value::Null, new, found);
    }
}

fn item(path: &mut String, name: &str, before: &Value, after: &Value, found: &mut Vec<Change>) {
    let length = path.len();
    path.push_str(&format!("[{name}]"));
    walk(path, before, after, found);
    path.truncate(length);
}

/// Whether this field names every item of both lists, and each once.
fn is_key(key: &str, before: &[Value], after: &[Value]) -> bool {
    [before, after].into_iter().all(|list| {
        let mut names: Vec<&str> = list.iter().filter_map(|item| item.get(key)?.as_str()).collect();
        let all = names.len() == list.len();
        names.sort_unstable();
        all && names.windows(2).all(|pair| pair[0] != pair[1])
    })
}

fn shown(value: &Value) -> Value {
    let text = value.to_string();
    if text.len() <= VALUE_BYTES_MAX {
        return value.clone();
    }
    let end = text.floor_char_boundary(VALUE_BYTES_MAX);
    Value::String(format!("{}... ({} bytes)", &text[..end], text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn changes_are_told_field_by_field() {
        let cases = [
            (
                json!({ "spec": { "replicas": 2 } }),
                json!({ "spec": { "replicas": 3 } }),
                vec!["spec.replicas: 2 -> 3"],
            ),
            (
                json!({ "spec": { "containers": [{ "name": "a", "image": "x" }, { "name": "b" }] } }),
                json!({ "spec": { "containers": [{ "name": "b" }, { "name": "a", "image": "y" }] } }),
                vec!["spec.containers[a].image: \"x\" -> \"y\""],
            ),
            (
                json!({ "metadata": { "resourceVersion": "1", "generation": 1, "managedFields": [1] } }),
                json!({ "metadata": { "resourceVersion": "2", "generation": 2, "managedFields": [2] } }),
                vec![],
            ),
            (
                json!({ "metadata": {} }),
                json!({ "metadata": { "annotations": { "selfheal.dev/intent": "i" } } }),
                vec!["metadata.annotations[selfheal.dev/intent]: null -> \"i\""],
            ),
            (json!({ "a": [1, 2] }), json!({ "a": [1, 3] }), vec!["a[1]: 2 -> 3"]),
            (json!({ "a": [1] }), json!({ "a": [1, 3] }), vec!["a: [1] -> [1,3]"]),
            (json!({ "a": { "b": 1 } }), json!({}), vec!["a.b: 1 -> null"]),
            (json!({ "a": [{ "name": "x" }] }), json!({ "a": [] }), vec!["a[x].name: \"x\" -> null"]),
        ];
        for (before, after, expected) in cases {
            let found: Vec<String> = changes(&before, &after)
                .iter()
                .map(|change| format!("{}: {} -> {}", change.what, change.from, change.to))
                .collect();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_preview_is_bounded() {
        let many: Map<String, Value> =
            (0..200).map(|number| (format!("k{number:03}"), json!(number))).collect();
        let found = changes(&json!({}), &Value::Object(many));
        assert_eq!((found.len(), found[49].what.as_str()), (50, "and 151 more"));
        let long = changes(&json!({ "a": "" }), &json!({ "a": "ä".repeat(1_000) }));
        assert!(long[0].to.as_str().unwrap().ends_with("... (2002 bytes)"));
    }
}
