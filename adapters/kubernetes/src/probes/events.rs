//! `k8s::events`: what the cluster has lately said about an object.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use selfheal_cluster::{Selection, kinds, label_name, object_name, quoted, right};
use selfheal_contract::{AboutProbe, Failure, Reading};
use serde_json::{Value, json};

use super::field;
use crate::context::Context;

/// Events that are looked at, and characters of the newest one's message.
const EVENTS_MAX: u32 = 200;
const MESSAGE_CHARS_MAX: usize = 500;

selfheal_contract::parameters! {
    /// Of which object.
    pub struct Parameters {
        /// Its namespace.
        pub namespace: String,
        /// Its kind as objects have it: Pod, Deployment, Node.
        pub kind: String,
        /// Its name.
        pub name: String,
        /// The cluster's name in the configuration; of several, unless given, that of the alert's label cluster, or default.
        pub cluster: Option<String>,
    }
}

pub(super) struct Probe(pub(super) Arc<Context>);

#[async_trait]
impl selfheal_contract::Probe for Probe {
    type Parameters = Parameters;

    fn about(&self) -> AboutProbe {
        AboutProbe {
            name: "events",
            doc: "What the cluster has lately said about an object (events are kept for an hour, as a rule): how often for which \
                reason, and the newest. Looks at up to 200 events.",
            fields: const {
                &[
                    field("count", "Events, repetitions counted."),
                    field("warnings", "Those of type Warning, repetitions counted."),
                    field("reasons", "How often for which reason."),
                    field("newest_reason", "The reason of the newest; empty if there is none."),
                    field("newest_message", "Its message, at most 500 characters."),
                    field("more", "Whether there are more than 200."),
                ]
            },
            main_field: "count",
            permissions: vec![right("list", &kinds::EVENT, "to read the events")],
        }
    }

    fn check(&self, params: &Parameters) -> Result<(), Failure> {
        self.0.cluster(&params.cluster)?;
        label_name("the namespace", &params.namespace)?;
        object_name("the object", &params.name)?;
        let is_kind = |kind: &str| {
            (1..=63).contains(&kind.len()) && kind.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        if !is_kind(&params.kind) {
            let kind = quoted(&params.kind);
            return Err(Failure::refused(format!(
                "{kind} is no kind: expected one such as Pod or Deployment"
            )));
        }
        Ok(())
    }

    async fn read(&self, params: &Parameters) -> Result<Reading, Failure> {
        selfheal_contract::Probe::check(self, params)?;
        let fields = format!("involvedObject.kind={},involvedObject.name={}", params.kind, params.name);
        let selection = Selection { fields: &fields, at_most: EVENTS_MAX, ..Selection::default() };
        let cluster = self.0.cluster(&params.cluster)?;
        let listed = cluster.list(&kinds::EVENT, Some(&params.namespace), selection).await?;
        Ok(Reading::Known(reading(&listed.items, listed.more)))
    }
}

fn reading(events: &[Value], more: bool) -> Value {
    let times =
        |event: &Value| event["series"]["count"].as_u64().or(event["count"].as_u64()).unwrap_or(1).max(1);
    let seen = |event: &Value| {
        let of = [&event["series"]["lastObservedTime"], &event["lastTimestamp"], &event["eventTime"]];
        of.into_iter().find_map(Value::as_str).unwrap_or_default().to_owned()
    };
    let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
    for event in events {
        *reasons.entry(event["reason"].as_str().unwrap_or_default()).or_default() += times(event);
    }
    let newest = events.iter().max_by_key(|event| seen(event)).unwrap_or(&Value::Null);
    let message: String =
        newest["message"].as_str().unwrap_or_default().chars().take(MESSAGE_CHARS_MAX).collect();
    json!({
        "count": reasons.values().sum::<u64>(),
        "warnings": events.iter().filter(|event| event["type"] == "Warning").map(times).sum::<u64>(),
        "reasons": reasons,
        "newest_reason": newest["reason"].as_str().unwrap_or_default(),
        "newest_message": message,
        "more": more,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_counted_with_their_repetitions() {
        let events = [
            json!({ "type": "Warning", "reason": "BackOff", "count": 7, "lastTimestamp": "2026-11-22T16:00:00Z", "message": "b" }),
            json!({ "type": "Normal", "reason": "Pulled", "eventTime": "2026-11-22T17:00:00Z", "message": "p" }),
        ];
        let found = reading(&events, false);
        assert_eq!((&found["count"], &found["warnings"]), (&json!(8), &json!(7)));
        assert_eq!((&found["newest_reason"], &found["newest_message"]), (&json!("Pulled"), &json!("p")));
        assert_eq!(reading(&[], false)["newest_reason"], "");
    }
}
