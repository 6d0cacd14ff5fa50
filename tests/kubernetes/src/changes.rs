//! The log of changes: what was stored, by whom, for which intent.

use serde_json::Value;
use std::sync::Arc;

/// The annotation by which a change names the intent that caused it.
pub const INTENT_ANNOTATION: &str = "selfheal.dev/intent";

/// Who made a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A client, over HTTP.
    Request,
    /// The test, through [`ApiDouble`](crate::ApiDouble): a person or another program.
    Test,
    /// What stands for Kubernetes' controllers.
    Controller,
}

/// One change that was stored. Requests that changed nothing (dry runs, refusals, patches without effect) leave none.
#[derive(Debug, Clone)]
pub struct Change {
    /// The version that it made.
    pub revision: u64,
    /// Who made it.
    pub origin: Origin,
    /// `create`, `update`, `patch` or `delete`.
    pub verb: String,
    /// Group of the resource; empty for the core group.
    pub group: String,
    /// Its plural, such as `deployments`.
    pub resource: String,
    /// Empty for the object itself; `status` or `scale`.
    pub subresource: String,
    /// Empty for objects without one.
    pub namespace: String,
    /// The object's name.
    pub name: String,
    /// The path of the request; empty for others.
    pub path: String,
    /// The header of the request.
    pub user_agent: String,
    /// The query's `fieldManager`, or what is before the slash in the user agent.
    pub field_manager: String,
    /// The first [`INTENT_ANNOTATION`] anywhere in the request's body, if it carries one.
    pub intent_sent: Option<String>,
    /// The first [`INTENT_ANNOTATION`] in the object after the change: its own, or one of its pod template. It stays when others
    /// change the object later; `intent_sent` does not.
    pub intent: Option<String>,
    /// What was there before; `None` for a creation.
    pub before: Option<Arc<Value>>,
    /// What is there now; of a deletion, what was there last.
    pub object: Arc<Value>,
}

/// The changes in the order in which they were made.
#[derive(Debug, Clone, Default)]
pub struct Changes(pub Vec<Change>);

impl Changes {
    /// Those made by requests.
    #[must_use]
    pub fn by_requests(self) -> Self {
        Self(self.0.into_iter().filter(|change| change.origin == Origin::Request).collect())
    }

    /// Those of one object.
    #[must_use]
    pub fn of(self, resource: &str, namespace: &str, name: &str) -> Self {
        let same = |change: &Change| {
            change.resource == resource && change.namespace == namespace && change.name == name
        };
        Self(self.0.into_iter().filter(same).collect())
    }

    /// Those whose request carried this intent.
    #[must_use]
    pub fn for_intent(self, intent: &str) -> Self {
        Self(self.0.into_iter().filter(|change| change.intent_sent.as_deref() == Some(intent)).collect())
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The first intent anywhere in a JSON text's maps called `annotations`, or in the operations of a JSON patch.
pub(crate) fn intent_in(value: &Value) -> Option<String> {
    match value {
        Value::Object(map) => {
            let own = map.get(INTENT_ANNOTATION).and_then(Value::as_str);
            let patched = map
                .get("path")
                .and_then(Value::as_str)
                .filter(|path| path.ends_with("/annotations/selfheal.dev~1intent"))
                .and_then(|_| map.get("value")?.as_str());
            own.or(patched).map(str::to_owned).or_else(|| map.values().find_map(intent_in))
        }
        Value::Array(items) => items.iter().find_map(intent_in),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_intent_is_found_where_it_may_be() {
        for (value, expected) in [
            (json!({ "metadata": { "annotations": { INTENT_ANNOTATION: "i1" } } }), Some("i1")),
            (
                json!({ "spec": { "template": { "metadata": { "annotations": { INTENT_ANNOTATION: "i2" } } } } }),
                Some("i2"),
            ),
            (
                json!([{ "op": "add", "path": "/metadata/annotations/selfheal.dev~1intent", "value": "i3" }]),
                Some("i3"),
            ),
            (json!({ "metadata": { "annotations": { "other": "i4" } } }), None),
        ] {
            assert_eq!(intent_in(&value).as_deref(), expected);
        }
    }
}
