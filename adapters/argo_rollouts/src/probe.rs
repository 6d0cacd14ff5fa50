//! `argo::rollout`: where a rollout and its update stand.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use selfheal_cluster::{Object, kinds, right, template};
use selfheal_contract::{AboutProbe, Failure, FieldSpec, Reading};
use serde_json::{Map, Value, json};

use crate::actions::Which;
use crate::analysis::runs_of;
use crate::context::Context;
use crate::revisions::{Revision, revisions_of};
use crate::rollout::{
    Strategy, current, is_aborted, is_paused, is_settled, is_updating, pauses, phase, stable, step, steps,
};
use crate::workload::{home, referred};

/// Revisions and reasons that are told.
const TOLD_MAX: usize = 20;

pub(crate) struct Probe(pub(crate) Arc<Context>);

const fn field(name: &'static str, doc: &'static str) -> FieldSpec {
    FieldSpec { name, doc }
}

static FIELDS: &[FieldSpec] = &[
    field(
        "phase",
        "Healthy, Progressing, Paused, Degraded or Unknown. Progressing as long as settled is false. A canary that waits at a pause \
         of its steps is Paused.",
    ),
    field("message", "Why it is in this phase; often empty."),
    field("settled", "Whether the controller has seen the newest specification, and that of workloadRef."),
    field("strategy", "canary or blueGreen."),
    field("updating", "Whether one version is being replaced by another: current is not stable."),
    field("step", "The index of a canary's step, from 0; the number of steps when all are behind it."),
    field("steps", "The number of a canary's steps; 0 for blueGreen."),
    field(
        "weight",
        "The share of the traffic that a canary has, in percent: that which was set where traffic is routed, or else that of its \
         pods; 0 while no update is under way, null for blueGreen.",
    ),
    field("paused", "Whether somebody has paused it (spec.paused)."),
    field(
        "pauses",
        "Why the controller has paused it, such as CanaryPauseStep, BlueGreenPause, InconclusiveAnalysis.",
    ),
    field("aborted", "Whether its update was aborted."),
    field("promoting_fully", "Whether its update is being completed without its remaining steps."),
    field("stable", "The hash of the pod template that serves; null before the first was completed."),
    field("current", "The hash of the newest pod template: that of the canary while an update is under way."),
    field("previous", "The hash of the revision before the newest; null when none is kept."),
    field("active", "blueGreen: the hash that the active service leads to; null otherwise."),
    field("preview", "blueGreen: the hash that the preview service leads to; null otherwise."),
    field("desired", "Pods that are wanted."),
    field("replicas", "Pods that there are, of all versions."),
    field("updated", "Pods of the newest version."),
    field("ready", "Pods that are ready."),
    field("available", "Pods that are available."),
    field(
        "autoscaler",
        "The name of the autoscaler that owns its replicas, for k8s::hpa_bounds; null when there is none.",
    ),
    field("autoscaler_min", "The fewest replicas that it may choose; null when there is none."),
    field("autoscaler_max", "The most replicas that it may choose; null when there is none."),
    field("restarted", "When it was restarted last, in seconds since 1970; null when it never was."),
    field("workload", "What it takes its pod template from, as deployment/web; null when it has its own."),
    field(
        "containers",
        "By container, as k8s::workload has them: memory and cpu, each with limit and request, limit_doubled, request_doubled, \
         limit_half_more, request_half_more, limit_units and request_units; empty where another kind than a deployment has the \
         pod template.",
    ),
    field("analysis", "The latest analysis run of the newest version: name, phase, message."),
    field("analysis.name", "The run's name; null when there is none."),
    field(
        "analysis.phase",
        "Pending, Running, Successful, Failed, Error or Inconclusive; null when there is no run.",
    ),
    field("analysis.message", "Why it is in this phase; null when there is no run."),
    field("analyses", "The newest version's analysis runs, the newest first, at most 10; each as analysis."),
    field("revision", "The number of the newest revision; 0 when there is none."),
    field(
        "revisions",
        "The revisions that are kept, the newest first, at most 20; each: revision, hash, images, replicas, ready, available.",
    ),
];

#[async_trait]
impl selfheal_contract::Probe for Probe {
    type Parameters = Which;

    fn about(&self) -> AboutProbe {
        AboutProbe {
            name: "rollout",
            doc: "A rollout: its phase, where its update stands, its analysis, and what it was before. stable, previous and \
                the hashes of revisions are what argo::undo takes.",
            fields: FIELDS,
            main_field: "phase",
            permissions: vec![
                right("get", &kinds::ROLLOUT, "to read the rollout"),
                right("list", &kinds::REPLICA_SET, "to read its revisions"),
                right("get", &kinds::DEPLOYMENT, "to read the pod template of workloadRef"),
                right("list", &kinds::ANALYSIS_RUN, "to read its analysis"),
                right("list", &kinds::AUTOSCALER, "to know whether an autoscaler owns the replicas"),
            ],
        }
    }

    fn check(&self, params: &Which) -> Result<(), Failure> {
        self.0.rollout(&params.cluster, &params.namespace, &params.name).map(drop)
    }

    async fn read(&self, params: &Which) -> Result<Reading, Failure> {
        let place = self.0.rollout(&params.cluster, &params.namespace, &params.name)?;
        let rollout = place.cluster.get(place.of).await?;
        let revisions = revisions_of(place.cluster, place.of, &rollout).await?;
        let analyses = runs_of(place.cluster, place.of, &rollout).await?;
        let limits = match referred(&rollout) {
            Ok(None) => template::limits(&rollout),
            Ok(Some(name)) => {
                let of = home(place.of, Some(&name));
                place.cluster.find(of).await?.map_or_else(Map::new, |home| template::limits(&home))
            }
            // What nobody else than its owner should change has no limits to change.
            Err(_) => Map::new(),
        };
        let autoscaler = place.cluster.autoscaler_of(place.of).await?;
        let mut reading = told(&rollout, &revisions, analyses);
        reading["containers"] = Value::Object(limits);
        reading["autoscaler"] = json!(autoscaler.as_ref().map(|autoscaler| &autoscaler.name));
        reading["autoscaler_min"] = json!(autoscaler.as_ref().map(|autoscaler| autoscaler.min));
        reading["autoscaler_max"] = json!(autoscaler.as_ref().map(|autoscaler| autoscaler.max));
        Ok(Reading::Known(reading))
    }
}

fn told(rollout: &Object, revisions: &[Revision], analyses: Vec<Value>) -> Value {
    let (phase, message) = phase(rollout);
    let strategy = Strategy::of(rollout);
    let count = |pointer: &str| rollout.number(pointer).unwrap_or_default();
    let reasons: Vec<&str> =
        pauses(rollout).iter().take(TOLD_MAX).filter_map(|pause| pause["reason"].as_str()).collect();
    let none = json!({ "name": null, "phase": null, "message": null });
    json!({
        "phase": phase,
        "message": message,
        "settled": is_settled(rollout),
        "strategy": strategy.name(),
        "updating": is_updating(rollout),
        "step": step(rollout),
        "steps": steps(rollout),
        "weight": weight(rollout, strategy, revisions),
        "paused": is_paused(rollout),
        "pauses": reasons,
        "aborted": is_aborted(rollout),
        "promoting_fully": rollout.at("/status/promoteFull") == true,
        "stable": or_null(stable(rollout)),
        "current": or_null(current(rollout)),
        "previous": revisions.get(1).map(|revision| &revision.hash),
        "active": or_null(rollout.text("/status/blueGreen/activeSelector")),
        "preview": or_null(rollout.text("/status/blueGreen/previewSelector")),
        "desired": rollout.number("/spec/replicas").unwrap_or(1),
        "replicas": count("/status/replicas"),
        "updated": count("/status/updatedReplicas"),
        "ready": count("/status/readyReplicas"),
        "available": count("/status/availableReplicas"),
        "restarted": seconds(rollout.text("/status/restartedAt")),
        "workload": workload(rollout),
        "analysis": analyses.first().unwrap_or(&none),
        "analyses": analyses,
        "revision": revisions.first().map_or(0, |revision| revision.number),
        "revisions": revisions.iter().take(TOLD_MAX).map(Revision::told).collect::<Vec<_>>(),
    })
}

fn weight(rollout: &Object, strategy: Strategy, revisions: &[Revision]) -> Value {
    if strategy == Strategy::BlueGreen {
        return Value::Null;
    }
    if !is_updating(rollout) {
        return json!(0);
    }
    if let Some(weight) = rollout.number("/status/canary/weights/canary/weight") {
        return json!(weight);
    }
    // Without routing a canary gets the share that its pods have.
    let newest = revisions.iter().find(|revision| revision.hash == current(rollout));
    let available = rollout.number("/status/availableReplicas").unwrap_or_default();
    let share = newest.map_or(0, |newest| newest.available() * 100).checked_div(available);
    json!(share.unwrap_or_default())
}

fn workload(rollout: &Object) -> Value {
    match (rollout.text("/spec/workloadRef/kind"), rollout.text("/spec/workloadRef/name")) {
        ("", _) | (_, "") => Value::Null,
        (kind, name) => json!(format!("{}/{name}", kind.to_lowercase())),
    }
}

fn or_null(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { json!(text) }
}

fn seconds(time: &str) -> Value {
    time.parse::<Timestamp>().map_or(Value::Null, |time| time.as_second().into())
}
