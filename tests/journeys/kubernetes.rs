//! A container is killed for want of memory: from the status of its pod to a doubled limit, once, and not at all where a
//! repository keeps the limit. The process and the watch are real; a double stands for the API server.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use selfheal_test_kubernetes::{ApiDouble, PodTrouble};
use selfheal_test_servers::wait_until;
use serde_json::{Value, json};

use crate::selfheal::{PATIENCE, Selfheal};

/// A cluster with the deployment `web` of one pod, whose workloads settle at once.
fn cluster() -> ApiDouble {
    let double = ApiDouble::start_on(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    double.settle_always(true);
    double.create(json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": "web", "namespace": "shop" },
        "spec": {
            "replicas": 1,
            "selector": { "matchLabels": { "app": "web" } },
            "template": {
                "metadata": { "labels": { "app": "web" } },
                "spec": { "containers": [{ "name": "app", "image": "shop:1", "resources": {
                    "limits": { "memory": "512Mi" }, "requests": { "memory": "256Mi" } } }] },
            },
        },
    }));
    double.create(json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": "web-5d4c-x1", "namespace": "shop", "labels": { "app": "web", "pod-template-hash": "5d4c" },
            "ownerReferences": [{ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d4c", "uid": "set", "controller": true }],
        },
        "spec": { "nodeName": "n1", "containers": [{ "name": "app", "image": "shop:1" }] },
        "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] },
    }));
    double
}

/// selfheal with its watch on the pods of this cluster.
fn watching(double: &ApiDouble) -> Selfheal {
    let clusters = json!({ "default": { "url": double.url() } });
    let mut selfheal = Selfheal::prepare(
        json!({
            "policy": { "settle": "1s" },
            "adapters": {
                "kubernetes": { "clusters": clusters, "events": { "enabled": true } },
                "argo_rollouts": { "clusters": clusters },
            },
        }),
        &[],
    );
    selfheal.start();
    wait_until("the pods are watched", PATIENCE, || double.watches() > 0);
    selfheal
}

fn resources(double: &ApiDouble) -> Value {
    let web = double.get("deployments", "shop", "web").unwrap();
    web["spec"]["template"]["spec"]["containers"][0]["resources"].clone()
}

#[test]
fn memory_is_doubled_once_and_the_issue_is_over() {
    let double = cluster();
    let selfheal = watching(&double);
    let killed = Instant::now();
    double.trouble("shop", "web-5d4c-x1", "app", PodTrouble::OomKilled);
    let changes = || double.changes().by_requests().of("deployments", "shop", "web");
    wait_until("the deployment is changed", PATIENCE, || !changes().is_empty());
    println!("from the status OOMKilled to the patch: {} ms", killed.elapsed().as_millis());
    assert_eq!(
        resources(&double),
        json!({ "limits": { "memory": "1Gi" }, "requests": { "memory": "512Mi" } })
    );
    selfheal.wait_for_issue("the rollout has settled", |issue| issue["outcome"] == "recovered");
    // The rollout has replaced the pod, which the watch hears.
    double.delete("pods", "shop", "web-5d4c-x1");
    let closed = selfheal.wait_for_issue("the issue is closed", |issue| issue["phase"] == "closed");
    assert_eq!(
        (&closed["outcome"], &closed["rule"], &closed["remediations"]),
        (&json!("recovered"), &json!("pod_oom_killed"), &json!(1)),
        "{closed:#}"
    );
    let changes = changes();
    assert_eq!(changes.len(), 1, "{changes:#?}");
    let intent = changes.0[0].intent_sent.clone().expect("a change names its intent");
    assert_eq!(double.changes().for_intent(&intent).len(), 1);
    let expected =
        ["received", "matched", "decided", "applied", "verified", "ended", "resolved", "closed", "outcome"];
    assert_eq!(selfheal.story(&closed), expected);
}

#[test]
fn what_a_repository_keeps_is_left_to_it() {
    let double = cluster();
    double.update("deployments", "shop", "web", |web| {
        web["metadata"]["annotations"] =
            json!({ "argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/web" });
        let limits = json!({ "f:limits": { "f:memory": {} }, "f:requests": { "f:memory": {} } });
        web["metadata"]["managedFields"] = json!([{
            "manager": "argocd-controller", "operation": "Update", "apiVersion": "apps/v1", "fieldsType": "FieldsV1",
            "fieldsV1": { "f:spec": { "f:template": { "f:spec": { "f:containers": {
                "k:{\"name\":\"app\"}": { "f:resources": limits } } } } } },
        }]);
    });
    let selfheal = watching(&double);
    double.trouble("shop", "web-5d4c-x1", "app", PodTrouble::OomKilled);
    let refused = selfheal.wait_for_issue("the plan is refused", |issue| issue["outcome"] == "refused");
    let why = refused["why"].as_str().unwrap();
    assert!(why.contains("ownership") && why.contains("Argo CD shop"), "{why}");
    assert!(double.changes().by_requests().is_empty(), "{:#?}", double.changes().by_requests());
    assert_eq!(resources(&double)["limits"]["memory"], "512Mi");
}
