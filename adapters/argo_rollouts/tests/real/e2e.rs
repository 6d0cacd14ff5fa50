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

/// Brings the rollout to the middle of an update, waiting at a pause.
async fn furnish(cluster: &Cluster) {
    let made = cluster
        .rollouts()
        .create(
            &PostParams::default(),
            &object(json!({
                "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": { "name": "web" },
                "spec": { "replicas": 0, "selector": { "matchLabels": { "app": "web" } }, "template": template("web", "shop:2"),
                    "strategy": { "canary": { "steps": [{ "setWeight": 20 }, { "pause": {} }, { "setWeight": 50 }] } } },
            })),
        )
        .await
        .unwrap();
    for (hash, number, image) in [(STABLE, "1", "shop:1"), (CURRENT, "2", "shop:2")] {
        let mut template = template("web", image);
        template["metadata"]["labels"]["rollouts-pod-template-hash"] = json!(hash);
        let labels = template["metadata"]["labels"].clone();
        let set = json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": { "name": format!("web-{hash}"), "labels": labels,
                "annotations": { "rollout.argoproj.io/revision": number },
                "ownerReferences": [{ "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "web",
                    "uid": made.metadata.uid, "controller": true }] },
            "spec": { "replicas": 0, "selector": { "matchLabels": labels }, "template": template },
        });
        let sets = cluster.api("apps", "v1", "ReplicaSet");
        sets.create(&PostParams::default(), &object(set)).await.unwrap();
    }
    set_status(cluster, json!({})).await;
}

/// Writes the status as the controller leaves it, with these differences.
async fn set_status(cluster: &Cluster, differing: Value) {
    let rollout = cluster.rollouts().get("web").await.unwrap();
    let generation = rollout.metadata.generation.unwrap_or_default().to_string();
    let mut status = json!({
        "observedGeneration": generation, "phase": "Paused", "message": "CanaryPauseStep", "controllerPause": true,
        "stableRS": STABLE, "currentPodHash": CURRENT, "currentStepIndex": 1, "abort": false, "promoteFull": false,
        "pauseConditions": [{ "reason": "CanaryPauseStep", "startTime": "2026-11-22T16:00:00Z" }],
    });
    let Value::Object(differing) = differing else { panic!("a status is an object") };
    differing.into_iter().for_each(|(name, value)| status[name] = value);
    let patch = Patch::Merge(json!({ "status": status }));
    cluster.rollouts().patch_status("web", &PatchParams::default(), &patch).await.unwrap();
}

/// What counts of the rollout.
async fn state(cluster: &Cluster) -> Value {
    let rollout = cluster.rollouts().get("web").await.unwrap();
    let intent =
        rollout.metadata.annotations.as_ref().and_then(|all| all.get("selfheal.dev/intent").cloned());
    let mut data = rollout.data;
    // Not to be paused, and to be so expressly, is the same.
    if data["spec"].get("paused") == Some(&json!(false)) {
        data["spec"].as_object_mut().unwrap().remove("paused");
    }
    json!([data, intent])
}

fn with_namespace(cluster: &Cluster, json: Value) -> Map<String, Value> {
    let Value::Object(mut params) = json else { panic!("parameters are an object") };
    params.insert("namespace".to_owned(), json!(cluster.namespace));
    params.insert("name".to_owned(), json!("web"));
    params
}

/// Every action and the probe once, and a stale change.
async fn journey(cluster: &Cluster) {
    furnish(cluster).await;
    let observe =
        || -> std::pin::Pin<Box<dyn Future<Output = Value> + Send + '_>> { Box::pin(state(cluster)) };
    let params = |json: Value| with_namespace(cluster, json);
    try_probe(cluster.adapter.probes[0].as_ref(), &params(json!({})), &observe).await.unwrap();
    for (name, json, status) in [
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
    ] {
        let unpause = Patch::Merge(json!({ "spec": { "paused": null } }));
        cluster.rollouts().patch("web", &PatchParams::default(), &unpause).await.unwrap();
        set_status(cluster, status).await;
        let trial = Trial { action: action(&cluster.adapter, name), params: params(json), observe: &observe };
        if let Err(fault) = try_action(&trial).await {
            panic!("{name}: {fault}");
        }
    }

    let pause = action(&cluster.adapter, "pause");
    let prior = pause.capture(&params(json!({}))).await.unwrap();
    cluster.rollouts().delete("web", &DeleteParams::background()).await.unwrap();
    poll("the rollout is gone", async || cluster.rollouts().get_opt("web").await.unwrap().is_none()).await;
    let failure = pause.apply(&params(json!({})), &prior, &intent()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Refused, "{failure}");
    let effect = pause.effect(&params(json!({})), &prior, &intent()).await.unwrap();
    assert!(matches!(effect, Effect::Unclear(_)), "{effect:?}");
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
