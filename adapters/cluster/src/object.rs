//! One object as the API server gave it, with the server's time.

use jiff::Timestamp;
use selfheal_contract::Failure;
use serde_json::Value;

/// An object, and when it was read by the server's clock. Adapters have no clock of their own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object {
    /// The object.
    pub json: Value,
    /// The `Date` of the answer, to the second; none when the server, or a proxy, left it out.
    pub date: Option<Timestamp>,
}

impl Object {
    /// A field by its JSON pointer (`/spec/replicas`); `Null` when it is not there.
    pub fn at(&self, pointer: &str) -> &Value {
        self.json.pointer(pointer).unwrap_or(&Value::Null)
    }

    /// A text by its JSON pointer; empty when it is not there.
    pub fn text(&self, pointer: &str) -> &str {
        self.at(pointer).as_str().unwrap_or_default()
    }

    /// A whole number by its JSON pointer.
    pub fn number(&self, pointer: &str) -> Option<i64> {
        self.at(pointer).as_i64()
    }

    /// `metadata.name`.
    pub fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    /// `metadata.uid`: tells it from another object of the same name.
    pub fn uid(&self) -> &str {
        self.text("/metadata/uid")
    }

    /// `metadata.resourceVersion`: tells its states apart.
    pub fn version(&self) -> &str {
        self.text("/metadata/resourceVersion")
    }

    /// One of its annotations.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.json.get("metadata")?.get("annotations")?.get(name)?.as_str()
    }

    /// One of its labels.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.json.get("metadata")?.get("labels")?.get(name)?.as_str()
    }

    /// The items of a list by its JSON pointer; none when it is not there.
    pub fn items(&self, pointer: &str) -> &[Value] {
        self.at(pointer).as_array().map_or(&[], Vec::as_slice)
    }

    /// Its condition of this type in `status.conditions`.
    pub fn condition(&self, kind: &str) -> Option<&Value> {
        self.items("/status/conditions").iter().find(|condition| condition["type"] == kind)
    }

    /// Whether its condition of this type is true.
    pub fn condition_holds(&self, kind: &str) -> bool {
        self.condition(kind).is_some_and(|condition| condition["status"] == "True")
    }

    /// Whether its controller has seen its newest specification; true for objects that do not tell.
    pub fn is_observed(&self) -> bool {
        match (self.number("/metadata/generation"), self.number("/status/observedGeneration")) {
            (Some(generation), Some(observed)) => observed >= generation,
            (Some(_), None) => self.at("/status").is_null(),
            _ => true,
        }
    }

    /// The server's time of the answer.
    ///
    /// # Errors
    /// `Refused` when the answer had none: something between selfheal and the server takes it away.
    pub fn read_at(&self) -> Result<Timestamp, Failure> {
        self.date.ok_or_else(|| {
            Failure::refused(
                "the API server's answer has no Date header; expected one, which its time is taken from: look at the \
                 proxy in between",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_are_found_and_absent_ones_do_no_harm() {
        let object = Object {
            json: json!({
                "metadata": { "name": "web", "uid": "u", "resourceVersion": "7", "generation": 3,
                    "annotations": { "a/b": "c" }, "labels": { "l": "m" } },
                "spec": { "replicas": 2 },
                "status": { "observedGeneration": 2, "conditions": [{ "type": "Available", "status": "True" }] },
            }),
            date: None,
        };
        assert_eq!((object.name(), object.uid(), object.version()), ("web", "u", "7"));
        assert_eq!((object.annotation("a/b"), object.label("l")), (Some("c"), Some("m")));
        assert_eq!((object.number("/spec/replicas"), object.number("/spec/x")), (Some(2), None));
        assert!(object.condition_holds("Available") && !object.condition_holds("Progressing"));
        assert!(!object.is_observed());
        assert!(object.read_at().is_err());
        assert_eq!(object.items("/spec"), &[] as &[Value]);
    }
}
