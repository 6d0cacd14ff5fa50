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
    /// Its containers: first those that initialise it, native sidecars among them.
    pub(super) containers: Vec<ContainerState>,
    pub(super) has_ended: bool,
}

/// What is told of one container.
#[derive(Debug, Default)]
pub(super) struct ContainerState {
    name: String,
    ready: bool,
    restarts: i64,
    waiting: Option<String>,
    last_end: Option<End>,
}

/// How a container ended last.
#[derive(Debug)]
pub(super) struct End {
    pub(super) reason: String,
    pub(super) exit_code: Value,
    /// RFC 3339 in UTC, as the API server writes it, which sorts as text.
    at: String,
}

impl PodState {
    pub(super) fn of(pod: &Object) -> Self {
        let phase = pod.text("/status/phase");
        let lists = ["initContainers", "containers"];
        let statuses =
            ["initContainerStatuses", "containerStatuses"].map(|list| pod.items(&format!("/status/{list}")));
        let mut containers: Vec<ContainerState> =
            statuses.into_iter().flatten().map(ContainerState::of).collect();
        // One that the kubelet has not told of yet.
        for spec in lists.into_iter().flat_map(|list| pod.items(&format!("/spec/{list}"))) {
            let name = spec["name"].as_str().unwrap_or_default();
            if !containers.iter().any(|known| known.name == name) {
                containers.push(ContainerState { name: name.to_owned(), ..ContainerState::default() });
            }
        }
        Self {
            name: pod.name().to_owned(),
            phase: phase.to_owned(),
            ready: pod.condition_holds("Ready"),
            node: pod.text("/spec/nodeName").to_owned(),
            containers,
            has_ended: matches!(phase, "Succeeded" | "Failed"),
        }
    }

    pub(super) fn restarts(&self) -> i64 {
        self.containers.iter().map(|container| container.restarts).sum()
    }

    /// Why containers wait.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &str> {
        self.containers.iter().filter_map(|container| container.waiting.as_deref())
    }

    /// The last ends of all containers.
    fn ends(&self) -> impl Iterator<Item = &End> {
        self.containers.iter().filter_map(|container| container.last_end.as_ref())
    }

    /// The end of the container that ended last.
    pub(super) fn last_end(&self) -> Option<&End> {
        self.ends().max_by(|one, other| one.at.cmp(&other.at))
    }
}

impl ContainerState {
    fn of(status: &Value) -> Self {
        let ends = [&status["state"]["terminated"], &status["lastState"]["terminated"]];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Self {
            name: text(&status["name"]),
            ready: status["ready"] == true,
            restarts: status["restartCount"].as_i64().unwrap_or_default(),
            waiting: status["state"]["waiting"]["reason"].as_str().map(str::to_owned),
            last_end: ends.into_iter().find(|end| end.is_object()).map(|end| End {
                reason: text(&end["reason"]),
                exit_code: end["exitCode"].clone(),
                at: text(&end["finishedAt"]),
            }),
        }
    }

    /// Its name, and what is told of it.
    pub(super) fn told(&self) -> (String, Value) {
        let (last_reason, last_exit_code) = told(self.last_end.as_ref());
        let told = json!({ "ready": self.ready, "restarts": self.restarts, "waiting": self.waiting,
            "last_reason": last_reason, "last_exit_code": last_exit_code });
        (self.name.clone(), told)
    }
}

/// Reason and exit code of an end; empty and null when there was none.
pub(super) fn told(end: Option<&End>) -> (&str, &Value) {
    end.map_or(("", &Value::Null), |end| (&end.reason, &end.exit_code))
}

fn reading(mut pods: Vec<PodState>, more: bool) -> Value {
    let count = |reasons: &mut dyn Iterator<Item = &str>| {
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        reasons.for_each(|reason| *counts.entry(reason.to_owned()).or_default() += 1);
        counts
    };
    let last = pods.iter().filter_map(PodState::last_end).max_by(|one, other| one.at.cmp(&other.at));
    let (last_reason, last_exit_code) = told(last);
    let waiting = count(&mut pods.iter().flat_map(PodState::waiting));
    let ended = count(&mut pods.iter().flat_map(|pod| pod.ends().map(|end| end.reason.as_str())));
    let restarts_max = pods.iter().flat_map(|pod| &pod.containers).map(|container| container.restarts).max();
    let mut reading = json!({
        "count": pods.len(),
        "ready": pods.iter().filter(|pod| pod.ready).count(),
        "restarts": pods.iter().map(PodState::restarts).sum::<i64>(),
        "restarts_max": restarts_max.unwrap_or_default(),
        "last_reason": last_reason,
        "last_exit_code": last_exit_code,
        "waiting": waiting,
        "ended": ended,
        "more": more,
    });
    pods.sort_by_key(|pod| (std::cmp::Reverse(pod.restarts()), pod.name.clone()));
    reading["pods"] = pods
        .iter()
        .take(LISTED_MAX)
        .map(|pod| {
            let (last_reason, last_exit_code) = told(pod.last_end());
            json!({ "name": pod.name, "ready": pod.ready, "phase": pod.phase, "node": pod.node,
                "restarts": pod.restarts(), "waiting": pod.waiting().next(), "last_reason": last_reason,
                "last_exit_code": last_exit_code })
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
    fn each_container_has_its_own_end() {
        let status = |name: &str, reason: &str, at: &str| {
            json!({ "name": name, "restartCount": 1, "ready": true,
            "lastState": { "terminated": { "reason": reason, "exitCode": 1, "finishedAt": at } } })
        };
        let pod = PodState::of(&Object {
            json: json!({ "spec": { "initContainers": [{ "name": "mesh" }], "containers": [{ "name": "app" }, { "name": "new" }] },
                "status": { "initContainerStatuses": [status("mesh", "Error", "2026-11-22T17:00:00Z")],
                    "containerStatuses": [status("app", "OOMKilled", "2026-11-22T16:00:00Z")] } }),
            date: None,
        });
        assert_eq!(told(pod.last_end()).0, "Error", "the sidecar ended last");
        let containers: BTreeMap<String, Value> = pod.containers.iter().map(ContainerState::told).collect();
        for (name, reason) in [("mesh", "Error"), ("app", "OOMKilled"), ("new", "")] {
            assert_eq!(containers[name]["last_reason"], reason, "{name}");
        }
    }

    #[test]
    fn no_pods_are_a_reading_too() {
        let reading = reading(Vec::new(), false);
        assert_eq!((&reading["count"], &reading["last_exit_code"]), (&json!(0), &Value::Null));
        assert_eq!(reading["last_reason"], "");
    }
}
