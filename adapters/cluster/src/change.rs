//! An absolute change of named fields of one object: previewed by the server's own dry run, made under a precondition,
//! recognised afterwards, and taken back only while it is still what selfheal made.
//!
//! The precondition is the object's uid and resourceVersion, read just before the patch: what an earlier read decided is
//! checked against that very state. When something else (a controller's status, most often) writes in between, the server
//! says 409, and the state is read and judged anew, a few times.

use std::time::Duration;

use selfheal_contract::{Applied, Effect, Failure, IntentId, Preview, Undone};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::time::sleep;

use crate::cluster::Cluster;
use crate::diff::changes;
use crate::exchange::{PatchKind, Run};
use crate::kind::Reference;
use crate::object::Object;

/// The annotation that names the intent of selfheal's latest change of an object.
pub const INTENT_ANNOTATION: &str = "selfheal.dev/intent";

/// Times that a change is tried when others write at the same moment, with a wait that grows by this much each time.
const TRIES_MAX: u32 = 6;
const PAUSE: Duration = Duration::from_millis(40);

/// What was there before a change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Before {
    /// The object's uid: another object of the same name is another object.
    pub uid: String,
    /// Its resourceVersion, for the record.
    pub version: String,
    /// The values of the fields.
    pub values: Value,
    /// The intent of the change before, so that an undo leaves no trace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<String>,
}

/// How the values of the fields are read from the object.
pub type Read<'a> = Box<dyn Fn(&Object) -> Result<Value, Failure> + Send + Sync + 'a>;

/// How values become a patch; without metadata, which is added.
pub type Write<'a> = Box<dyn Fn(&Value) -> Value + Send + Sync + 'a>;

/// An absolute change of some fields of one object.
pub struct Edit<'a> {
    /// Where.
    pub cluster: &'a Cluster,
    /// Which object.
    pub of: Reference<'a>,
    /// The subresource that is patched; the object itself if there is none. A subresource carries no annotation.
    pub subresource: Option<&'static str>,
    /// How the patch is to be understood.
    pub patch: PatchKind,
    /// What the fields are, in a sentence: "replicas", "the limits of container app".
    pub what: String,
    /// Reads the values; equal values must be equal JSON. Refuses objects that the change does not suit.
    pub read: Read<'a>,
    /// Makes a patch of values.
    pub write: Write<'a>,
    /// The values to be.
    pub wanted: Value,
}

impl Edit<'_> {
    /// What would change, by the server's own dry run.
    ///
    /// # Errors
    /// As for [`Cluster::patch`], and what `read` refuses.
    pub async fn preview(&self) -> Result<Preview, Failure> {
        let object = self.cluster.get(self.of).await?;
        let current = (self.read)(&object)?;
        if current == self.wanted {
            return Ok(Preview { summary: self.already(), changes: Vec::new() });
        }
        let patch = guarded((self.write)(&self.wanted), &object, None);
        let (before, after) = match self.subresource {
            None => (object.json, self.try_out(&patch).await?.json),
            // A subresource answers with itself, not with the object.
            Some(_) => {
                let after = self.try_out(&patch).await?;
                let mut before = after.json.clone();
                merge(&mut before, &(self.write)(&current));
                (before, after.json)
            }
        };
        Ok(Preview {
            summary: format!(
                "sets {} of {} from {} to {}",
                self.what,
                self.of,
                plain(&current),
                plain(&self.wanted)
            ),
            changes: changes(&before, &after),
        })
    }

    /// Reads what is there.
    ///
    /// # Errors
    /// As for [`Cluster::get`], and what `read` refuses.
    pub async fn capture(&self) -> Result<Before, Failure> {
        let object = self.cluster.get(self.of).await?;
        Ok(Before {
            uid: object.uid().to_owned(),
            version: object.version().to_owned(),
            values: (self.read)(&object)?,
            intent: object.annotation(INTENT_ANNOTATION).map(str::to_owned),
        })
    }

    /// Makes the change while the fields are as they were.
    ///
    /// # Errors
    /// `Refused` when the object is another one or somebody else changed the fields; as for [`Cluster::patch`].
    pub async fn apply(&self, before: &Before, intent: &IntentId) -> Result<Applied, Failure> {
        let mut tries = Tries::default();
        loop {
            if let Some(applied) = self.try_apply(before, intent).await? {
                return Ok(applied);
            }
            tries.again(self.cluster, self.of).await?;
        }
    }

    async fn try_apply(&self, before: &Before, intent: &IntentId) -> Result<Option<Applied>, Failure> {
        let object = self.same(before).await?;
        let current = (self.read)(&object)?;
        if current == self.wanted {
            return Ok(Some(Applied::new(self.already())));
        }
        if current != before.values {
            return Err(Failure::refused(format!(
                "somebody else set {} of {} to {} meanwhile (it was {}); plan again",
                self.what,
                self.of,
                plain(&current),
                plain(&before.values)
            )));
        }
        let intent = self.subresource.is_none().then(|| json!(intent));
        let patch = guarded((self.write)(&self.wanted), &object, intent);
        let made = self.send(&patch).await?;
        Ok(made.map(|_| Applied {
            summary: format!(
                "set {} of {} from {} to {}",
                self.what,
                self.of,
                plain(&current),
                plain(&self.wanted)
            ),
            facts: json!({ "from": current, "to": self.wanted, "uid": before.uid }),
            ..Applied::default()
        }))
    }

    /// Looks whether the change happened.
    ///
    /// # Errors
    /// As for [`Cluster::get`].
    pub async fn effect(&self, before: &Before) -> Result<Effect, Failure> {
        let Some(object) = self.cluster.find(self.of).await? else {
            return Ok(Effect::Unclear(format!("{} is no longer there", self.of)));
        };
        if object.uid() != before.uid {
            return Ok(Effect::Unclear(format!("{} is another object of the same name now", self.of)));
        }
        let current = (self.read)(&object)?;
        Ok(if current == self.wanted {
            Effect::Done(Applied::new(self.already()))
        } else if current == before.values {
            Effect::Untouched
        } else {
            Effect::Unclear(format!(
                "{} of {} is {}, neither what it was ({}) nor what it was to become ({})",
                self.what,
                self.of,
                plain(&current),
                plain(&before.values),
                plain(&self.wanted)
            ))
        })
    }

    /// Takes the change back while it is still what was made.
    ///
    /// # Errors
    /// As for [`Cluster::patch`].
    pub async fn undo(&self, before: &Before) -> Result<Undone, Failure> {
        let mut tries = Tries::default();
        loop {
            if let Some(undone) = self.try_undo(before).await? {
                return Ok(undone);
            }
            tries.again(self.cluster, self.of).await?;
        }
    }

    async fn try_undo(&self, before: &Before) -> Result<Option<Undone>, Failure> {
        let nothing = |words: String| Ok(Some(Undone::Nothing(words)));
        let Some(object) = self.cluster.find(self.of).await? else {
            return nothing(format!("{} is no longer there", self.of));
        };
        if object.uid() != before.uid {
            return nothing(format!("{} is another object of the same name now", self.of));
        }
        let current = (self.read)(&object)?;
        if current == before.values {
            return nothing(format!("{} of {} is {}, as before", self.what, self.of, plain(&current)));
        }
        if current != self.wanted {
            return nothing(format!(
                "somebody else has set {} of {} to {} since; it is left so",
                self.what,
                self.of,
                plain(&current)
            ));
        }
        let marked = object.annotation(INTENT_ANNOTATION);
        if self.subresource.is_none() && marked == before.intent.as_deref() {
            return nothing(format!(
                "somebody else set {} of {} to the same; it is left so",
                self.what, self.of
            ));
        }
        let intent = self.subresource.is_none().then(|| json!(before.intent));
        let patch = guarded((self.write)(&before.values), &object, intent);
        let made = self.send(&patch).await?;
        Ok(made.map(|_| {
            Undone::Reversed(format!(
                "set {} of {} back from {} to {}",
                self.what,
                self.of,
                plain(&current),
                plain(&before.values)
            ))
        }))
    }

    /// The object, if it is still the one that was read before.
    async fn same(&self, before: &Before) -> Result<Object, Failure> {
        let object = self.cluster.get(self.of).await?;
        same_object(self.of, &object, &before.uid)?;
        Ok(object)
    }

    async fn try_out(&self, patch: &Value) -> Result<Object, Failure> {
        self.cluster.patch(self.of, self.subresource, self.patch, patch, Run::Dry).await
    }

    async fn send(&self, patch: &Value) -> Result<Option<Object>, Failure> {
        self.cluster.try_patch(self.of, self.subresource, self.patch, patch).await
    }

    fn already(&self) -> String {
        format!("{} of {} is {} already", self.what, self.of, plain(&self.wanted))
    }
}

/// Checks that an object is the one that was read before.
///
/// # Errors
/// `Refused` when it is another one of the same name.
pub fn same_object(of: Reference<'_>, object: &Object, uid: &str) -> Result<(), Failure> {
    if object.uid() == uid {
        return Ok(());
    }
    Err(Failure::refused(format!("{of} was replaced by another of the same name meanwhile; plan again")))
}

/// Counts the tries of a change that met a conflict because others wrote at the same moment. Whoever tries reads anew and
/// judges each time:
///
/// ```text
/// let mut tries = Tries::default();
/// loop {
///     if let Some(done) = self.attempt(..).await? { // `None` is a conflict: see `Cluster::try_patch`
///         return Ok(done);
///     }
///     tries.again(cluster, of).await?;
/// }
/// ```
#[derive(Debug, Default)]
pub struct Tries(u32);

impl Tries {
    /// Waits a little before another try.
    ///
    /// # Errors
    /// `Transient` after six tries.
    pub async fn again(&mut self, cluster: &Cluster, of: Reference<'_>) -> Result<(), Failure> {
        self.0 += 1;
        if self.0 >= TRIES_MAX {
            return Err(Failure::transient(format!(
                "{of} of {cluster} was changed by others at every one of {TRIES_MAX} tries; try later"
            )));
        }
        sleep(PAUSE * self.0).await;
        Ok(())
    }
}

/// Adds to a patch the precondition that the object is still in this very state, and the annotation: `None` leaves it
/// alone, null takes it away. The patch is an object (merge, strategic) or an array of operations (RFC 6902).
pub fn guarded(mut patch: Value, object: &Object, intent: Option<Value>) -> Value {
    if let Value::Array(operations) = &mut patch {
        // Writing a resourceVersion is how a patch of this kind states it as its precondition; it covers the uid.
        let version = object.version();
        operations.push(json!({ "op": "replace", "path": "/metadata/resourceVersion", "value": version }));
        operations.extend(intent.and_then(|intent| annotating(object, &intent)));
        return patch;
    }
    let mut metadata = json!({ "uid": object.uid(), "resourceVersion": object.version() });
    if let Some(intent) = intent {
        metadata["annotations"] = json!({ INTENT_ANNOTATION: intent });
    }
    merge(&mut patch, &json!({ "metadata": metadata }));
    patch
}

/// The operation that sets the annotation, or takes it away.
fn annotating(object: &Object, intent: &Value) -> Option<Value> {
    let path = "/metadata/annotations/selfheal.dev~1intent";
    match (object.annotation(INTENT_ANNOTATION), intent) {
        (None, Value::Null) => None,
        (Some(_), Value::Null) => Some(json!({ "op": "remove", "path": path })),
        _ if object.at("/metadata/annotations").is_object() => {
            Some(json!({ "op": "add", "path": path, "value": intent }))
        }
        _ => Some(
            json!({ "op": "add", "path": "/metadata/annotations", "value": { INTENT_ANNOTATION: intent } }),
        ),
    }
}

/// Puts what stands in one object of JSON into another (RFC 7396, but null stays).
fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name.clone()).or_insert_with(|| Value::Object(Map::new())), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

/// Values in a sentence: `3`, `memory limit 1Gi, memory request none`.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        // A pod template is told by what it runs.
        Value::Object(fields) if fields.contains_key("spec") => {
            let containers = value["spec"]["containers"].as_array().map_or(&[][..], Vec::as_slice);
            let images: Vec<&str> =
                containers.iter().filter_map(|container| container["image"].as_str()).collect();
            format!("one with {}", images.join(", "))
        }
        Value::Object(fields) => {
            let parts: Vec<String> = fields
                .iter()
                .map(|(name, value)| format!("{} {}", name.replace('_', " "), plain(value)))
                .collect();
            parts.join(", ")
        }
        other => other.to_string(),
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
            (&bare, Value::Null, None),
            (
                &bare,
                json!("j"),
                Some(json!({ "op": "add", "path": "/metadata/annotations",
                "value": { "selfheal.dev/intent": "j" } })),
            ),
            (&marked, json!("j"), Some(json!({ "op": "add", "path": path, "value": "j" }))),
            (&marked, Value::Null, Some(json!({ "op": "remove", "path": path }))),
        ] {
            let mut wanted =
                vec![json!({ "op": "replace", "path": "/metadata/resourceVersion", "value": "7" })];
            wanted.extend(expected);
            assert_eq!(guarded(json!([]), object, Some(intent)), Value::Array(wanted));
        }
    }

    #[test]
    fn values_are_told_in_words() {
        assert_eq!(
            plain(&json!({ "limit": "1Gi", "memory_request": null })),
            "limit 1Gi, memory request none"
        );
        assert_eq!(plain(&json!(3)), "3");
    }
}
