//! The same against a real API server, where `KUBECONFIG_E2E` names a kubeconfig for one: no controller, no pods; the test
//! writes the status that a controller would. It makes a namespace of its own and the definitions that are missing, and
//! takes both away again.
//!
//! The journey itself also runs against the stand-in, so that it is known to work where no cluster is.

use std::sync::Arc;
use std::time::Duration;

use kube::api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::GroupVersionKind;
use kube::{Api, Client, Config};
use selfheal_contract::conformance::{Trial, try_action, try_probe};
use selfheal_contract::{Adapter, Effect, FailureKind};
use selfheal_test_kubernetes::ApiDouble;
use serde_json::{Map, Value, json};
use tokio::task::{LocalSet, spawn_local};

use crate::support::{action, adapter_of, intent, template};

/// How long the server may take to serve a new definition, or to finish a namespace.
const PATIENCE: Duration = Duration::from_secs(60);

/// The two versions of the rollout.
const STABLE: &str = "5d4c7f8b9";
const CURRENT: &str = "6b8d9c7f5";

struct Cluster {
    client: Client,
    adapter: Adapter,
    namespace: String,
}

impl Cluster {
    async fn of(kubeconfig: &str, namespace: String) -> Self {
        let file = Kubeconfig::read_from(kubeconfig).unwrap();
        let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap();
        let adapter = adapter_of(json!({ "clusters": { "default": { "kubeconfig": kubeconfig } } }));
        Self { client: Client::try_from(config).unwrap(), adapter, namespace }
    }

    fn api(&self, group: &str, version: &str, kind: &str) -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
    }

    fn of_all(&self, group: &str, version: &str, kind: &str) -> Api<DynamicObject> {
        Api::all_with(
            self.client.clone(),
            &ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind)),
        )
    }

    fn rollouts(&self) -> Api<DynamicObject> {
        self.api("argoproj.io", "v1alpha1", "Rollout")
    }

    /// Makes what is missing of the definitions; gives the names of those that were made.
    async fn define(&self) -> Vec<String> {
        let definitions = self.of_all("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
        let mut made = Vec::new();
        for (plural, kind) in [("rollouts", "Rollout"), ("analysisruns", "AnalysisRun")] {
            let name = format!("{plural}.argoproj.io");
            if definitions.get_opt(&name).await.unwrap().is_some() {
                continue;
            }
            let schema = json!({ "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } });
            let version = json!({ "name": "v1alpha1", "served": true, "storage": true, "schema": schema,
                "subresources": { "status": {} } });
            let definition = json!({
                "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                "metadata": { "name": name, "annotations": {
                    "api-approved.kubernetes.io": "unapproved, for a test" } },
                "spec": { "group": "argoproj.io", "scope": "Namespaced", "versions": [version],
                    "names": { "plural": plural, "singular": kind.to_lowercase(), "kind": kind, "listKind": format!("{kind}List") } },
            });
            definitions.create(&PostParams::default(), &object(definition)).await.unwrap();
            made.push(name);
        }
        made
    }

    /// Waits until the kinds are served.
    async fn wait_until_served(&self) {
        let kinds = ["Rollout", "AnalysisRun"].map(|kind| self.api("argoproj.io", "v1alpha1", kind));
        poll("the definitions are served", async || {
            for kind in &kinds {
                if kind.list(&kube::api::ListParams::default()).await.is_err() {
                    return false;
                }
            }
            true
        })
        .await;
    }

    async fn clean(&self, definitions: &[String]) {
        let background = DeleteParams::background();
        let namespaces = self.of_all("", "v1", "Namespace");
        namespaces.delete(&self.namespace, &background).await.unwrap();
        // Definitions go when their objects are gone, else the namespace could not be emptied.
        poll("the namespace is gone", async || namespaces.get_opt(&self.namespace).await.unwrap().is_none())
            .await;
        let all = self.of_all("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
        for name in definitions {
            all.delete(name, &background).await.unwrap();
        }
    }
}

fn object(json: Value) -> DynamicObject {
    serde_json::from_value(json).unwrap()
}

/// Asks until the answer is yes.
async fn poll(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let asked = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"));
}

/// A rollout with its own pod template, and one that refers to the deployment `pods`.
const ROLLOUTS: [&str; 2] = ["web", "referring"];

/// Brings a rollout to the middle of an update, waiting at a pause.
async fn furnish(cluster: &Cluster, name: &str) {
    let steps = json!({ "canary": { "steps": [{ "setWeight": 20 }, { "pause": {} }, { "setWeight": 50 }] } });
    let mut spec =
        json!({ "replicas": 0, "selector": { "matchLabels": { "app": name } }, "strategy": steps });
    if name == "web" {
        spec["template"] = template(name, "shop:2");
    } else {
        spec["workloadRef"] = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "pods" });
        let deployment = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "pods" },
            "spec": { "replicas": 0, "selector": { "matchLabels": { "app": name } }, "template": template(name, "shop:2") } });
        let deployments = cluster.api("apps", "v1", "Deployment");
        deployments.create(&PostParams::default(), &object(deployment)).await.unwrap();
    }
    let rollout = json!({ "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
        "metadata": { "name": name }, "spec": spec });
    let made = cluster.rollouts().create(&PostParams::default(), &object(rollout)).await.unwrap();
    for (hash, number, image) in [(STABLE, "1", "shop:1"), (CURRENT, "2", "shop:2")] {
        let mut template = template(name, image);
        template["metadata"]["labels"]["rollouts-pod-template-hash"] = json!(hash);
        let labels = template["metadata"]["labels"].clone();
        let set = json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": { "name": format!("{name}-{hash}"), "labels": labels,
                "annotations": { "rollout.argoproj.io/revision": number },
                "ownerReferences": [{ "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": name,
                    "uid": made.metadata.uid, "controller": true }] },
            "spec": { "replicas": 0, "selector": { "matchLabels": labels }, "template": template },
        });
        let sets = cluster.api("apps", "v1", "ReplicaSet");
        sets.create(&PostParams::default(), &object(set)).await.unwrap();
    }
    set_status(cluster, name, json!({})).await;
}

/// Writes the status as the controller leaves it, with these differences.
async fn set_status(cluster: &Cluster, name: &str, differing: Value) {
    let rollout = cluster.rollouts().get(name).await.unwrap();
    let generation = rollout.metadata.generation.unwrap_or_default().to_string();
    let mut status = json!({
        "observedGeneration": generation, "phase": "Paused", "message": "CanaryPauseStep", "controllerPause": true,
        "stableRS": STABLE, "currentPodHash": CURRENT, "currentStepIndex": 1, "abort": false, "promoteFull": false,
        "pauseConditions": [{ "reason": "CanaryPauseStep", "startTime": "2026-11-22T16:00:00Z" }],
    });
    let Value::Object(differing) = differing else { panic!("a status is an object") };
    differing.into_iter().for_each(|(name, value)| status[name] = value);
    let patch = Patch::Merge(json!({ "status": status }));
    cluster.rollouts().patch_status(name, &PatchParams::default(), &patch).await.unwrap();
}

/// What counts of a rollout, and of the pod template that it refers to.
async fn state(cluster: &Cluster, name: &str) -> Value {
    let rollout = cluster.rollouts().get(name).await.unwrap();
    let deployment = cluster.api("apps", "v1", "Deployment").get_opt("pods").await.unwrap();
    let template = deployment.map(|deployment| deployment.data["spec"]["template"]["spec"].clone());
    let intent =
        rollout.metadata.annotations.as_ref().and_then(|all| all.get("selfheal.dev/intent").cloned());
    let mut data = rollout.data;
    // Not to be paused, and to be so expressly, is the same.
    if data["spec"].get("paused") == Some(&json!(false)) {
        data["spec"].as_object_mut().unwrap().remove("paused");
    }
    json!([data, intent, template])
}

fn with_names(cluster: &Cluster, name: &str, json: Value) -> Map<String, Value> {
    let Value::Object(mut params) = json else { panic!("parameters are an object") };
    params.insert("namespace".to_owned(), json!(cluster.namespace));
    params.insert("name".to_owned(), json!(name));
    params
}

/// Every action and the probe once, and a stale change.
async fn journey(cluster: &Cluster) {
    for name in ROLLOUTS {
        furnish(cluster, name).await;
        every_action(cluster, name).await;
    }
    let params = |json: Value| with_names(cluster, "web", json);
    let pause = action(&cluster.adapter, "pause");
    let prior = pause.capture(&params(json!({}))).await.unwrap();
    cluster.rollouts().delete("web", &DeleteParams::background()).await.unwrap();
    poll("the rollout is gone", async || cluster.rollouts().get_opt("web").await.unwrap().is_none()).await;
    let failure = pause.apply(&params(json!({})), &prior, &intent()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Refused, "{failure}");
    let effect = pause.effect(&params(json!({})), &prior, &intent()).await.unwrap();
    assert!(matches!(effect, Effect::Unclear(_)), "{effect:?}");
}

async fn every_action(cluster: &Cluster, name: &str) {
    let observe =
        || -> std::pin::Pin<Box<dyn Future<Output = Value> + Send + '_>> { Box::pin(state(cluster, name)) };
    let params = |json: Value| with_names(cluster, name, json);
    try_probe(cluster.adapter.probes[0].as_ref(), &params(json!({})), &observe).await.unwrap();
    for (of, json, status) in [
        ("pause", json!({}), json!({})),
        ("resume", json!({}), json!({})),
        ("abort", json!({}), json!({})),
        ("retry", json!({}), json!({ "abort": true })),
        ("promote", json!({}), json!({})),
        ("promote", json!({ "step": 2 }), json!({ "pauseConditions": null, "controllerPause": false })),
        ("promote_fully", json!({}), json!({})),
        ("undo", json!({ "hash": STABLE }), json!({})),
        ("restart", json!({}), json!({})),
        ("set_image", json!({ "container": "app", "image": "shop:3" }), json!({})),
        ("memory", json!({ "container": "app", "limit": "1Gi", "request": "0.5Gi" }), json!({})),
        ("cpu", json!({ "container": "app", "limit": "0.75" }), json!({})),
    ] {
        let unpause = Patch::Merge(json!({ "spec": { "paused": null } }));
        cluster.rollouts().patch(name, &PatchParams::default(), &unpause).await.unwrap();
        set_status(cluster, name, status).await;
        let trial = Trial { action: action(&cluster.adapter, of), params: params(json), observe: &observe };
        if let Err(fault) = try_action(&trial).await {
            panic!("{name}: {fault}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journey_works_with_the_stand_in() {
    let double = ApiDouble::start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kubeconfig");
    double.write_kubeconfig(&path).unwrap();
    let cluster = Cluster::of(path.to_str().unwrap(), "e2e".to_owned()).await;
    namespace(&cluster).await;
    cluster.wait_until_served().await;
    journey(&cluster).await;
}

async fn namespace(cluster: &Cluster) {
    let json = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": cluster.namespace } });
    cluster.of_all("", "v1", "Namespace").create(&PostParams::default(), &object(json)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "the environment names the cluster of a test")]
async fn the_journey_works_with_a_real_api_server() {
    let Ok(kubeconfig) = std::env::var("KUBECONFIG_E2E") else {
        println!(
            "SKIPPED: set KUBECONFIG_E2E to a kubeconfig for a cluster in which this test may define rollouts"
        );
        return;
    };
    let namespace_name = format!("selfheal-argo-{}", std::process::id());
    let cluster = Arc::new(Cluster::of(&kubeconfig, namespace_name).await);
    let made = cluster.define().await;
    namespace(&cluster).await;
    // In a task of its own, so that what was made is taken away whatever comes of it.
    let on = Arc::clone(&cluster);
    let outcome = LocalSet::new()
        .run_until(async move {
            let journey = spawn_local(async move {
                on.wait_until_served().await;
                journey(&on).await;
            });
            journey.await
        })
        .await;
    cluster.clean(&made).await;
    outcome.unwrap();
}
