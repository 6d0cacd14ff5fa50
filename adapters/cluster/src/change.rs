//! An absolute change of named fields of one object: previewed by the server's own dry run, made under a precondition,
//! recognised afterwards, and taken back only while it is still what selfheal made.
//!
//! The precondition is the object's uid and resourceVersion, read just before the patch: what an earlier read decided is
//! checked against that very state. When something else (a controller's status, most often) writes in between, the server
//! says 409, and the state is read and judged anew, a few times.

use std::time::Duration;

use selfheal_contract::{Applied, Effect, Failure, IntentId, Preview, Undone};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::cluster::Cluster;
use crate::diff::changes;
use crate::exchange::{PatchKind, Run};
use crate::gitops::contested_by;
use crate::kind::Reference;
use crate::mark::{CONTEST_ANNOTATION, INTENT_ANNOTATION, Mark, guarded, marked, merge};
use crate::object::Object;

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
    /// Who would set the fields back, so that the object tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contested_by: Option<String>,
    /// Whom the change before has named so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contest_told: Option<String>,
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

    /// Reads what is there, and who keeps these fields; the form of a field is that of [`crate::gitops`].
    ///
    /// # Errors
    /// As for [`Cluster::get`], and what `read` refuses.
    pub async fn capture(&self, fields: &[Vec<impl AsRef<str>>]) -> Result<Before, Failure> {
        let object = self.cluster.get(self.of).await?;
        Ok(Before {
            uid: object.uid().to_owned(),
            version: object.version().to_owned(),
            values: (self.read)(&object)?,
            intent: object.annotation(INTENT_ANNOTATION).map(str::to_owned),
            contested_by: contested_by(&object, fields),
            contest_told: object.annotation(CONTEST_ANNOTATION).map(str::to_owned),
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
        let marks = self.marks(&object, json!(intent), before.contested_by.as_deref());
        let patch = marked((self.write)(&self.wanted), &object, &marks);
        let made = self.send(&patch, before).await?;
        let mut facts = json!({ "from": current, "to": self.wanted, "uid": before.uid });
        if let Some(by) = &before.contested_by {
            facts["contested_by"] = json!(by);
        }
        Ok(made.map(|_| Applied {
            summary: format!(
                "set {} of {} from {} to {}{}",
                self.what,
                self.of,
                plain(&current),
                plain(&self.wanted),
                before.contest()
            ),
            facts,
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
        let told = object.annotation(INTENT_ANNOTATION);
        if self.subresource.is_none() && told == before.intent.as_deref() {
            return nothing(format!(
                "somebody else set {} of {} to the same; it is left so",
                self.what, self.of
            ));
        }
        let marks = self.marks(&object, json!(before.intent), before.contest_told.as_deref());
        let patch = marked((self.write)(&before.values), &object, &marks);
        let made = self.send(&patch, before).await?;
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

    async fn send(&self, patch: &Value, before: &Before) -> Result<Option<Object>, Failure> {
        let run = if before.contested_by.is_some() { Run::Contesting } else { Run::Real };
        self.cluster.try_run(self.of, self.subresource, self.patch, patch, run).await
    }

    /// What the object tells of the change.
    fn marks(&self, object: &Object, intent: Value, contested_by: Option<&str>) -> Vec<Mark> {
        if self.subresource.is_some() {
            return Vec::new();
        }
        let mut marks = vec![(INTENT_ANNOTATION, intent)];
        if object.annotation(CONTEST_ANNOTATION) != contested_by {
            marks.push((CONTEST_ANNOTATION, json!(contested_by)));
        }
        marks
    }

    fn already(&self) -> String {
        format!("{} of {} is {} already", self.what, self.of, plain(&self.wanted))
    }
}

impl Before {
    /// For the end of a sentence about the change: who would set it back.
    pub fn contest(&self) -> String {
        self.contested_by.as_ref().map_or(String::new(), |by| format!(", which {by} keeps and may set back"))
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
    fn values_are_told_in_words() {
        assert_eq!(
            plain(&json!({ "limit": "1Gi", "memory_request": null })),
            "limit 1Gi, memory request none"
        );
        assert_eq!(plain(&json!(3)), "3");
    }
}
