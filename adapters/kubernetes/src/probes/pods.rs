//! `k8s::pods`: how the pods of a selector stand, counted and one by one.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use selfheal_cluster::{Object, Selection, kinds, label_name, right, selector};
use selfheal_contract::{AboutProbe, Failure, Reading};
use serde_json::{Value, json};

use super::field;
use crate::context::Context;

/// Pods that are looked at, and those that are listed one by one.
const PODS_MAX: u32 = 1_000;
const LISTED_MAX: usize = 50;

selfheal_contract::parameters! {
    /// Which pods.
    pub struct Parameters {
        /// Their namespace.
        pub namespace: String,
        /// A label selector: "app=web,tier!=cache".
        pub selector: String,
        /// The cluster's name in the configuration; the one called default, or the first, unless given.
        pub cluster: Option<String>,
    }
}

pub(super) struct Probe(pub(super) Arc<Context>);

#[async_trait]
impl selfheal_contract::Probe for Probe {
    type Parameters = Parameters;

    fn about(&self) -> AboutProbe {
        AboutProbe {
            name: "pods",
            doc: "How the pods of a selector stand: how many there are and are ready, how often they restarted, why their \
                containers wait and ended. Looks at up to 1000 pods and lists the 50 that restarted most.",
            fields: const {
                &[
                    field("count", "Pods that there are, those that have ended for good left out."),
                    field("ready", "Pods that are ready."),
                    field("restarts", "Restarts of all their containers since the pods began."),
                    field("restarts_max", "The most restarts of one container."),
                    field(
                        "last_reason",
                        "Why the container that ended last did: OOMKilled, Error, Completed; empty if none has.",
                    ),
                    field("last_exit_code", "The exit code of that container; null if none has ended."),
                    field("waiting", "Containers that wait, by reason: CrashLoopBackOff, ImagePullBackOff."),
                    field("ended", "Containers that have ended before, by the reason of their last end."),
                    field(
                        "pods",
                        "Each of up to 50 pods: name, ready, phase, node, restarts, waiting, last_reason, last_exit_code.",
                    ),
                    field("more", "Whether there are more than 1000."),
                ]
            },
            main_field: "ready",
            permissions: vec![right("list", &kinds::POD, "to look at the pods")],
        }
    }

    fn check(&self, params: &Parameters) -> Result<(), Failure> {
        self.0.cluster(&params.cluster)?;
        label_name("the namespace", &params.namespace)?;
        selector(&params.selector)
    }

    async fn read(&self, params: &Parameters) -> Result<Reading, Failure> {
        selfheal_contract::Probe::check(self, params)?;
        let selection = Selection { labels: &params.selector, at_most: PODS_MAX, ..Selection::default() };
        let listed =
            self.0.cluster(&params.cluster)?.list(&kinds::POD, Some(&params.namespace), selection).await?;
        let pods: Vec<PodState> = listed
            .items
            .into_iter()
            .map(|json| PodState::of(&Object { json, date: None }))
            .filter(|pod| !pod.has_ended)
            .collect();
        Ok(Reading::Known(reading(pods, listed.more)))
    }
}

/// What is told of one pod.
#[derive(Debug, Default)]
pub(super) struct PodState {
    pub(super) name: String,
    pub(super) phase: String,
    pub(super) ready: bool,
    pub(super) node: String,
    pub(super) restarts: i64,
    pub(super) restarts_max: i64,
    pub(super) waiting: Vec<String>,
    /// Reason, exit code and time of the end of the container that ended last.
    pub(super) last_end: Option<(String, Value, String)>,
    /// The reasons of the last ends of all containers.
    pub(super) ends: Vec<String>,
    pub(super) has_ended: bool,
}

impl PodState {
    pub(super) fn of(pod: &Object) -> Self {
        let mut state = Self {
            name: pod.name().to_owned(),
            phase: pod.text("/status/phase").to_owned(),
            ready: pod.condition_holds("Ready"),
            node: pod.text("/spec/nodeName").to_owned(),
            ..Self::default()
        };
        state.has_ended = matches!(state.phase.as_str(), "Succeeded" | "Failed");
        let of = ["/status/initContainerStatuses", "/status/containerStatuses"];
        for status in of.into_iter().flat_map(|pointer| pod.items(pointer)) {
            let restarts = status["restartCount"].as_i64().unwrap_or_default();
            state.restarts += restarts;
            state.restarts_max = state.restarts_max.max(restarts);
            state.waiting.extend(status["state"]["waiting"]["reason"].as_str().map(str::to_owned));
            let end = [&status["state"]["terminated"], &status["lastState"]["terminated"]];
            if let Some(end) = end.into_iter().find(|end| end.is_object()) {
                let text = |name: &str| end[name].as_str().unwrap_or_default().to_owned();
                state.ends.push(text("reason"));
                let end = (text("reason"), end["exitCode"].clone(), text("finishedAt"));
                // RFC 3339 in UTC, as the API server writes it, sorts as text.
                if state.last_end.as_ref().is_none_or(|known| known.2 <= end.2) {
                    state.last_end = Some(end);
                }
            }
        }
        state
    }

    pub(super) fn last_reason(&self) -> &str {
        self.last_end.as_ref().map_or("", |end| &end.0)
    }

    pub(super) fn last_exit_code(&self) -> Value {
        self.last_end.as_ref().map_or(Value::Null, |end| end.1.clone())
    }
}

fn reading(mut pods: Vec<PodState>, more: bool) -> Value {
    let count = |reasons: &mut dyn Iterator<Item = &String>| {
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        reasons.for_each(|reason| *counts.entry(reason.clone()).or_default() += 1);
        counts
    };
    let last = pods.iter().filter_map(|pod| pod.last_end.as_ref()).max_by(|one, other| one.2.cmp(&other.2));
    let (last_reason, last_exit_code) =
        last.map_or_else(Default::default, |end| (end.0.clone(), end.1.clone()));
    let waiting = count(&mut pods.iter().flat_map(|pod| &pod.waiting));
    let ended = count(&mut pods.iter().flat_map(|pod| &pod.ends));
    let totals = json!({
        "count": pods.len(),
        "ready": pods.iter().filter(|pod| pod.ready).count(),
        "restarts": pods.iter().map(|pod| pod.restarts).sum::<i64>(),
        "restarts_max": pods.iter().map(|pod| pod.restarts_max).max().unwrap_or_default(),
        "last_reason": last_reason,
        "last_exit_code": last_exit_code,
        "waiting": waiting,
        "ended": ended,
        "more": more,
    });
    pods.sort_by_key(|pod| (std::cmp::Reverse(pod.restarts), pod.name.clone()));
    let mut reading = totals;
    reading["pods"] = pods
        .iter()
        .take(LISTED_MAX)
        .map(|pod| {
            json!({ "name": pod.name, "ready": pod.ready, "phase": pod.phase, "node": pod.node,
                "restarts": pod.restarts, "waiting": pod.waiting.first(), "last_reason": pod.last_reason(),
                "last_exit_code": pod.last_exit_code() })
        })
        .collect();
    reading
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_are_counted_and_the_last_end_is_told() {
        let pod = |name: &str, restarts: u32, reason: &str, at: &str| {
            PodState::of(&Object {
                json: json!({ "metadata": { "name": name }, "status": { "phase": "Running",
                    "conditions": [{ "type": "Ready", "status": if restarts == 0 { "True" } else { "False" } }],
                    "containerStatuses": [{ "restartCount": restarts,
                        "state": { "waiting": { "reason": "CrashLoopBackOff" } },
                        "lastState": { "terminated": { "reason": reason, "exitCode": 137, "finishedAt": at } } }] } }),
                date: None,
            })
        };
        let pods = vec![
            pod("a", 0, "Error", "2026-11-22T16:00:00Z"),
            pod("b", 3, "OOMKilled", "2026-11-22T17:00:00Z"),
        ];
        let reading = reading(pods, false);
        assert_eq!((&reading["count"], &reading["ready"]), (&json!(2), &json!(1)));
        assert_eq!((&reading["restarts"], &reading["restarts_max"]), (&json!(3), &json!(3)));
        assert_eq!((&reading["last_reason"], &reading["last_exit_code"]), (&json!("OOMKilled"), &json!(137)));
        assert_eq!(reading["waiting"], json!({ "CrashLoopBackOff": 2 }));
        assert_eq!(reading["pods"][0]["name"], "b", "the one that restarted most comes first");
    }

    #[test]
    fn no_pods_are_a_reading_too() {
        let reading = reading(Vec::new(), false);
        assert_eq!((&reading["count"], &reading["last_exit_code"]), (&json!(0), &Value::Null));
        assert_eq!(reading["last_reason"], "");
    }
}
