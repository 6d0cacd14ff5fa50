//! A write's nested values as JSON: made by the caller, so that whoever writes need not spend its time on it.

use std::hash::{DefaultHasher, Hash, Hasher};

use selfheal_core::alert::{Alert, AlertStatus};
use selfheal_runtime::ports::journal::Write;
use serde::Serialize;

/// The nested values in the order in which a write's room takes them; the rest is empty.
pub(crate) type Nested = [String; 3];

/// Puts the nested values of writes into JSON.
///
/// # Errors
/// When a value has no form in JSON.
pub(crate) fn encode(writes: Vec<Write>) -> Result<Vec<(Write, Nested)>, serde_json::Error> {
    writes.into_iter().map(|write| nested(&write).map(|nested| (write, nested))).collect()
}

fn nested(write: &Write) -> Result<Nested, serde_json::Error> {
    fn json(value: &impl Serialize) -> Result<String, serde_json::Error> {
        serde_json::to_string(value)
    }
    let none = String::new;
    Ok(match write {
        Write::Record(record) => [json(&record.facts)?, none(), none()],
        Write::Begin(remediation) => [json(&remediation.claim)?, json(&remediation.plan)?, none()],
        Write::Intend(intent) => [json(&intent.params)?, json(&intent.prior)?, json(&intent.before)?],
        Write::Ask(approval) => [json(&approval.plan)?, json(&approval.previews)?, json(&approval.answer)?],
        Write::Answer { answer, .. } => [json(answer)?, none(), none()],
        Write::Notify(notice) => [json(&notice.news)?, none(), none()],
        Write::Set { value, .. } => [json(value)?, none(), none()],
        Write::Move { .. }
        | Write::Hold { .. }
        | Write::Wake { .. }
        | Write::AssignRule { .. }
        | Write::SetLevel { .. }
        | Write::End { .. }
        | Write::MoveIntent { .. }
        | Write::CountFailure { .. }
        | Write::CountResult { .. } => [none(), none(), none()],
    })
}

/// Tells whether a known alert says anything new. Not its generator URL, which differs between the Prometheus servers of
/// a pair, and not the end of a firing alert, which is only a promise. A change of the hash costs one needless update.
pub(crate) fn fingerprint_of_content(alert: &Alert) -> i64 {
    let mut hasher = DefaultHasher::new();
    alert.annotations.hash(&mut hasher);
    alert.starts_at.as_millisecond().hash(&mut hasher);
    alert.status.hash(&mut hasher);
    alert.ends_at.filter(|_| alert.status == AlertStatus::Resolved).hash(&mut hasher);
    hasher.finish().cast_signed()
}
