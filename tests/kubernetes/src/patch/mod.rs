//! The four kinds of patches, as pure functions from an object and a patch to the patched object.
//!
//! Server-side apply is simple: the configuration is merged deeply and its manager recorded. Deliberately absent: conflicts
//! between managers, and removing what a manager applied before and has left out now.

mod strategic;

use crate::{refusal::Refusal, resource::Resource};
use serde_json::Value;

/// How a patch is meant, from its content type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PatchKind {
    Json,
    Merge,
    Strategic,
    Apply,
}

impl PatchKind {
    /// From the content type; custom resources take no strategic merge patch.
    pub(crate) fn parse(content_type: &str, resource: &Resource) -> Result<Self, Refusal> {
        match content_type.split(';').next().unwrap_or_default().trim() {
            "application/json-patch+json" => Ok(Self::Json),
            "application/merge-patch+json" => Ok(Self::Merge),
            "application/strategic-merge-patch+json" if !resource.custom => Ok(Self::Strategic),
            "application/apply-patch+yaml" => Ok(Self::Apply),
            _ if resource.custom => Err(Refusal::unknown_patch(&[
                "application/json-patch+json",
                "application/merge-patch+json",
                "application/apply-patch+yaml",
            ])),
            _ => Err(Refusal::unknown_patch(&[
                "application/json-patch+json",
                "application/merge-patch+json",
                "application/strategic-merge-patch+json",
                "application/apply-patch+yaml",
            ])),
        }
    }

    /// Reads the body of a request.
    pub(crate) fn read(self, body: &[u8]) -> Result<Value, Refusal> {
        let read = match self {
            Self::Apply => std::str::from_utf8(body)
                .map_err(|error| error.to_string())
                .and_then(|text| serde_saphyr::from_str(text).map_err(|error| error.to_string())),
            _ => serde_json::from_slice(body).map_err(|error| error.to_string()),
        };
        read.map_err(|error| Refusal::bad_request(format!("error decoding patch: {error}")))
    }

    /// The patched object.
    pub(crate) fn apply(self, object: &Value, patch: &Value, resource: &Resource) -> Result<Value, Refusal> {
        let mut patched = object.clone();
        match self {
            Self::Json => {
                let operations: json_patch::Patch = serde_json::from_value(patch.clone())
                    .map_err(|error| Refusal::bad_request(format!("error decoding patch: {error}")))?;
                json_patch::patch(&mut patched, &operations).map_err(|_| {
                    let message = "the server rejected our request due to an error in our request";
                    Refusal {
                        details: Value::Object(serde_json::Map::new()),
                        ..Refusal::new(422, "Invalid", message)
                    }
                })?;
            }
            _ if !patch.is_object() => {
                return Err(Refusal::bad_request("error decoding patch: it is not an object"));
            }
            Self::Merge => json_patch::merge(&mut patched, patch),
            Self::Apply if resource.custom => strategic::merge(&mut patched, patch, false),
            Self::Strategic | Self::Apply => strategic::merge(&mut patched, patch, true),
        }
        if patched.is_object() {
            Ok(patched)
        } else {
            Err(Refusal::bad_request("the patch leaves something that is not an object"))
        }
    }
}
