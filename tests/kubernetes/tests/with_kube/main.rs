//! The double as the crate kube sees it.

#![expect(clippy::unwrap_used, reason = "the helpers of tests may fail as tests do")]

mod access;
mod controllers;
mod exec;
mod faults;
mod objects;
mod patches;
mod watches;

use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::{Api, Client, Config, api::DynamicObject, discovery::ApiResource};
use selfheal_test_kubernetes::ApiDouble;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// As the adapters connect: from a kubeconfig.
async fn client(double: &ApiDouble) -> Client {
    // Only the first call can succeed; all want the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let kubeconfig = kube::config::Kubeconfig::from_yaml(&double.kubeconfig()).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &kube::config::KubeConfigOptions::default())
        .await
        .unwrap();
    Client::try_from(config).unwrap()
}

async fn deployments(double: &ApiDouble) -> Api<Deployment> {
    Api::namespaced(client(double).await, "shop")
}

async fn pods(double: &ApiDouble) -> Api<Pod> {
    Api::namespaced(client(double).await, "shop")
}

async fn rollouts(double: &ApiDouble) -> Api<DynamicObject> {
    let kind = kube::core::GroupVersionKind::gvk("argoproj.io", "v1alpha1", "Rollout");
    Api::namespaced_with(client(double).await, "shop", &ApiResource::from_gvk_with_plural(&kind, "rollouts"))
}

fn deployment(name: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": name, "namespace": "shop", "labels": { "app": name } },
        "spec": {
            "replicas": 2, "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": { "containers": [
                    { "name": "main", "image": "main:1", "resources": { "limits": { "memory": "512Mi" } } },
                    { "name": "sidecar", "image": "sidecar:1" },
                ] },
            },
        },
    })
}

fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": name, "namespace": "shop", "labels": { "app": "web" } },
        "spec": { "nodeName": "n1", "containers": [{ "name": "main", "image": "main:1" }] },
        "status": { "phase": "Running" },
    })
}

/// The code and reason of a refusal.
#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, kube::Error>) -> (u16, String) {
    match result.unwrap_err() {
        kube::Error::Api(status) => (status.code, status.reason.clone()),
        other => panic!("expected a Status, got {other:?}"),
    }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < end, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
