//! Refusals in the words of the real server: objects of kind `Status`.

use crate::resource::Resource;
use serde_json::{Map, Value, json};

/// A request that was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{code} {reason}: {message}")]
pub struct Refusal {
    /// The HTTP status.
    pub code: u16,
    /// Kubernetes' word for it, such as `Conflict`.
    pub reason: String,
    /// For people.
    pub message: String,
    /// What it is about: name, group, kind, causes.
    pub details: Value,
}

impl Refusal {
    pub(crate) fn new(code: u16, reason: &str, message: impl Into<String>) -> Self {
        Self { code, reason: reason.to_owned(), message: message.into(), details: Value::Null }
    }

    /// Says which resource, and which object of it.
    pub(crate) fn about(mut self, resource: &Resource, name: &str) -> Self {
        self.details = details(resource, name, &resource.plural);
        self
    }

    pub(crate) fn not_found(resource: &Resource, name: &str) -> Self {
        let message = format!("{} \"{name}\" not found", resource.qualified());
        Self::new(404, "NotFound", message).about(resource, name)
    }

    pub(crate) fn no_such_path() -> Self {
        Self {
            details: json!({}),
            ..Self::new(404, "NotFound", "the server could not find the requested resource")
        }
    }

    pub(crate) fn already_exists(resource: &Resource, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", resource.qualified());
        Self::new(409, "AlreadyExists", message).about(resource, name)
    }

    pub(crate) fn conflict(resource: &Resource, name: &str, because: &str) -> Self {
        let message =
            format!("Operation cannot be fulfilled on {} \"{name}\": {because}", resource.qualified());
        Self::new(409, "Conflict", message).about(resource, name)
    }

    pub(crate) fn stale(resource: &Resource, name: &str) -> Self {
        let because =
            "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(resource, name, because)
    }

    pub(crate) fn other_uid(resource: &Resource, name: &str, wanted: &str, found: &str) -> Self {
        let because =
            format!("Precondition failed: UID in precondition: {wanted}, UID in object meta: {found}");
        Self::conflict(resource, name, &because)
    }

    /// One faulty field; `because` begins with the kind of fault, as in `Invalid value: -1: must be ..`.
    pub(crate) fn invalid(resource: &Resource, name: &str, field: &str, because: &str) -> Self {
        let reason = match because {
            text if text.starts_with("Forbidden") => "FieldValueForbidden",
            text if text.starts_with("Required") => "FieldValueRequired",
            _ => "FieldValueInvalid",
        };
        let mut about = details(resource, name, &resource.kind);
        about["causes"] = json!([{ "reason": reason, "message": because, "field": field }]);
        let message = format!("{} \"{name}\" is invalid: {field}: {because}", resource.qualified_kind());
        Self { details: about, ..Self::new(422, "Invalid", message) }
    }

    pub(crate) fn forbidden(resource: &Resource, name: &str, because: &str) -> Self {
        let subject = if name.is_empty() {
            resource.qualified()
        } else {
            format!("{} \"{name}\"", resource.qualified())
        };
        Self::new(403, "Forbidden", format!("{subject} is forbidden: {because}")).about(resource, name)
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(crate) fn expired(asked: u64, oldest: u64) -> Self {
        Self::new(410, "Expired", format!("too old resource version: {asked} ({oldest})"))
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    pub(crate) fn unknown_patch(accepted: &[&str]) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: {}",
            accepted.join(", ")
        );
        Self::new(415, "UnsupportedMediaType", message)
    }

    /// The body that the server sends.
    #[must_use]
    pub fn status(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        });
        if !self.details.is_null() {
            status["details"] = self.details.clone();
        }
        status
    }
}

/// The core group and the name of nobody are left out, as the server does.
fn details(resource: &Resource, name: &str, kind: &str) -> Value {
    let mut details = Map::new();
    for (key, value) in [("name", name), ("group", &resource.group), ("kind", kind)] {
        if !value.is_empty() {
            details.insert(key.to_owned(), json!(value));
        }
    }
    Value::Object(details)
}
