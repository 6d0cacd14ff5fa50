//! `k8s::deployment`, `k8s::statefulset`, `k8s::daemonset`: how a workload stands, and what its containers may use.
//! `k8s::workload` reads them as well, see [`super::any_workload`].

use std::sync::Arc;

use async_trait::async_trait;
use selfheal_cluster::{Autoscaler, Kind, Object, gitops, kinds, right, template};
use selfheal_contract::{AboutProbe, Failure, FieldSpec, Permission, Reading};
use serde_json::{Map, Value, json};

use super::field;
use crate::context::{Context, Place};

selfheal_contract::parameters! {
    /// Which workload.
    pub struct Parameters {
        /// Its namespace.
        pub namespace: String,
        /// Its name.
        pub name: String,
        /// The cluster's name in the configuration; of several, unless given, that of the alert's label cluster, or default.
        pub cluster: Option<String>,
    }
}

pub(super) struct Probe {
    pub(super) context: Arc<Context>,
    pub(super) kind: &'static Kind,
}

pub(super) const FIELDS: &[FieldSpec] = &[
    field("workload", "What it is, as the actions take it: deployment/web."),
    field("kind", "deployment, statefulset or daemonset."),
    field("name", "Its name."),
    field(
        "selector",
        "The label selector of its pods, for k8s::pods and k8s::exec; null when equalities cannot say it.",
    ),
    field("desired", "Replicas that it should have; for a daemonset, nodes that should run it."),
    field("ready", "Replicas that are ready."),
    field("updated", "Replicas with the newest pod template."),
    field("available", "Replicas that have been ready for long enough."),
    field("unavailable", "Replicas that are wanted and not available."),
    field(
        "settled",
        "Whether its controller has seen its newest specification and all replicas have it and are available.",
    ),
    field("paused", "Whether its rollouts are paused."),
    field("conditions", "Its conditions by type: True, False or Unknown."),
    field(
        "stuck",
        "Whether a rollout has made no progress for longer than its deadline; deployments only, else false.",
    ),
    field(
        "revision",
        "Its revision; of a deployment the number, otherwise the name. Empty when it has none yet.",
    ),
    field("image", "The image of its first container."),
    field("images", "The images by container."),
    field(
        "containers",
        "By container, those that initialise its pods and native sidecars too: memory and cpu, each with limit and request as Kubernetes writes them (null when there is none), \
         limit_doubled, request_doubled, limit_half_more, request_half_more (+50 %), limit_units and request_units \
         (bytes, cores).",
    ),
    field("autoscaler", "The name of the autoscaler that owns its replicas; null when there is none."),
    field("autoscaler_min", "The fewest replicas that it may choose; null when there is none."),
    field("autoscaler_max", "The most replicas that it may choose; null when there is none."),
    field("kept_by", "Argo CD or Flux with its object, when one of them keeps it; else null."),
];

#[async_trait]
impl selfheal_contract::Probe for Probe {
    type Parameters = Parameters;

    fn about(&self) -> AboutProbe {
        let (name, doc) = if *self.kind == kinds::DEPLOYMENT {
            (
                "deployment",
                "How a deployment stands: its replicas, its rollout, its containers and their limits.",
            )
        } else if *self.kind == kinds::STATEFUL_SET {
            (
                "statefulset",
                "How a stateful set stands: its replicas, its rollout, its containers and their limits.",
            )
        } else {
            (
                "daemonset",
                "How a daemon set stands: on how many nodes it runs, its rollout, its containers and their limits.",
            )
        };
        AboutProbe { name, doc, fields: FIELDS, main_field: "ready", permissions: permissions(&[self.kind]) }
    }

    fn check(&self, params: &Parameters) -> Result<(), Failure> {
        self.context.place(&params.cluster, self.kind, &params.namespace, &params.name).map(drop)
    }

    async fn read(&self, params: &Parameters) -> Result<Reading, Failure> {
        read(self.context.place(&params.cluster, self.kind, &params.namespace, &params.name)?).await
    }
}

/// What reading these kinds takes.
pub(super) fn permissions(of: &[&'static Kind]) -> Vec<Permission> {
    let mut permissions: Vec<Permission> =
        of.iter().map(|kind| right("get", kind, "to read the workload")).collect();
    if of.iter().any(|kind| **kind != kinds::DAEMON_SET) {
        permissions.push(right(
            "list",
            &kinds::AUTOSCALER,
            "to know whether an autoscaler owns the replicas",
        ));
    }
    permissions
}

/// The reading of a workload.
pub(super) async fn read(place: Place<'_>) -> Result<Reading, Failure> {
    let object = place.cluster.get(place.of).await?;
    let autoscaler = if *place.of.kind == kinds::DAEMON_SET {
        None
    } else {
        place.cluster.autoscaler_of(place.of).await?
    };
    let mut reading = reading(&object, autoscaler);
    let (kind, name) = (place.of.kind.word, place.of.name);
    reading["workload"] = json!(format!("{kind}/{name}"));
    reading["kind"] = json!(kind);
    reading["name"] = json!(name);
    Ok(Reading::Known(reading))
}

/// The selector as text; none when it has expressions, or would select everything.
fn selector(object: &Object) -> Option<String> {
    let selector = object.at("/spec/selector");
    if selector["matchExpressions"].as_array().is_some_and(|expressions| !expressions.is_empty()) {
        return None;
    }
    let labels = selector["matchLabels"].as_object().filter(|labels| !labels.is_empty())?;
    let equal: Option<Vec<String>> =
        labels.iter().map(|(name, value)| Some(format!("{name}={}", value.as_str()?))).collect();
    Some(equal?.join(","))
}

fn reading(object: &Object, autoscaler: Option<Autoscaler>) -> Value {
    let number = |pointer: &str| object.number(pointer);
    let status = |pointers: [&str; 2]| pointers.into_iter().find_map(number).unwrap_or_default();
    // A daemon set counts nodes, and under names of its own.
    let desired = number("/status/desiredNumberScheduled").or(number("/spec/replicas")).unwrap_or(1);
    let ready = status(["/status/readyReplicas", "/status/numberReady"]);
    let updated = status(["/status/updatedReplicas", "/status/updatedNumberScheduled"]);
    let available = status(["/status/availableReplicas", "/status/numberAvailable"]);
    let present = status(["/status/replicas", "/status/currentNumberScheduled"]);
    let images: Map<String, Value> =
        template::containers(object).map(|one| (one.name.to_owned(), one.json["image"].clone())).collect();
    let conditions: Map<String, Value> = object
        .items("/status/conditions")
        .iter()
        .filter_map(|condition| Some((condition["type"].as_str()?.to_owned(), condition["status"].clone())))
        .collect();
    let stuck = object
        .condition("Progressing")
        .is_some_and(|condition| condition["reason"] == "ProgressDeadlineExceeded");
    let revision = object
        .annotation("deployment.kubernetes.io/revision")
        .unwrap_or_else(|| object.text("/status/updateRevision"));
    json!({
        "selector": selector(object),
        "desired": desired,
        "ready": ready,
        "updated": updated,
        "available": available,
        "unavailable": (desired - available).max(0),
        "settled": object.is_observed() && updated == desired && available >= desired && present <= desired,
        "paused": object.at("/spec/paused") == true,
        "conditions": conditions,
        "stuck": stuck,
        "revision": revision,
        "image": object.text("/spec/template/spec/containers/0/image"),
        "images": images,
        "containers": template::limits(object),
        "autoscaler": autoscaler.as_ref().map(|autoscaler| &autoscaler.name),
        "autoscaler_min": autoscaler.as_ref().map(|autoscaler| autoscaler.min),
        "autoscaler_max": autoscaler.as_ref().map(|autoscaler| autoscaler.max),
        "kept_by": gitops(object, &[]).map(|kept| kept.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workload_is_settled_when_all_replicas_are_new_and_available() {
        let with = |status: Value| Object {
            json: json!({ "metadata": { "generation": 2 }, "status": status, "spec": { "replicas": 2, "template": {
                "spec": { "initContainers": [{ "name": "mesh", "restartPolicy": "Always", "resources": {
                    "limits": { "memory": "64Mi" } } }], "containers": [{ "name": "app", "image": "shop:1",
                    "resources": { "limits": { "memory": "512Mi", "cpu": "500m" } } }] } } } }),
            date: None,
        };
        let done =
            json!({ "observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2 });
        for (name, value, settled) in [
            ("observedGeneration", 2, true),
            ("observedGeneration", 1, false),
            ("updatedReplicas", 1, false),
            ("availableReplicas", 1, false),
            ("replicas", 3, false),
        ] {
            let mut status = done.clone();
            status[name] = json!(value);
            assert_eq!(reading(&with(status), None)["settled"], settled, "{name} {value}");
        }
        let reading = reading(&with(done), None);
        assert_eq!(reading["containers"]["app"]["memory"]["limit_doubled"], "1Gi");
        assert_eq!(reading["containers"]["app"]["memory"]["limit_units"], 536_870_912.0);
        assert_eq!(reading["containers"]["app"]["cpu"]["limit_half_more"], "750m");
        assert_eq!(reading["containers"]["mesh"]["memory"]["limit_doubled"], "128Mi");
        assert_eq!(reading["containers"]["app"]["cpu"]["request"], Value::Null);
    }
}
