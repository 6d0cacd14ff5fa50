//! Others at a real server: whose fields it keeps track of, and what changes, replaces and deletes under a plan.

use std::sync::Arc;

use selfheal_contract::{Effect, FailureKind, Undone};
use serde_json::{Value, json};

use super::Place;
use crate::support::{Use, adapter_with, workload};

#[tokio::test]
async fn what_others_keep_and_do_is_seen_at_a_real_server() {
    Place::within("others", others).await;
}

async fn others(place: Arc<Place>) {
    let adapter = adapter_with(json!({ "kubeconfig": place.kubeconfig }), json!({}));
    let web = place.path("/apis/apps/v1", "deployments/web");
    let mut object = workload("Deployment", "web");
    object["metadata"] = json!({ "name": "web",
        "annotations": { "argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/web" } });
    object["spec"].as_object_mut().unwrap().remove("replicas");
    let keep = format!("{web}?fieldManager=argocd-controller&force=true");
    place.send("PATCH", &keep, &object).await.unwrap();
    let of_web = |name: &'static str, json: Value| Use::of(&adapter, name, place.with(json));
    let scale = of_web("scale", json!({ "workload": "web", "replicas": 3 }));
    let memory = of_web("memory", json!({ "workload": "web", "container": "app", "limit": "1Gi" }));
    assert_eq!(scale.contest().await.unwrap(), None, "the repository leaves the replicas to others");
    let contest = memory.contest().await.unwrap().unwrap();
    assert_eq!(contest.by, "Argo CD shop");
    assert!(contest.what[0].starts_with("spec.template.spec.containers[app].resources"), "{contest:?}");

    // The controller writes the status all the while; another hand sets the same field.
    let prior = scale.capture().await.unwrap();
    place.send("PATCH", &web, &json!({ "spec": { "replicas": 7 } })).await.unwrap();
    let failure = scale.apply(&prior).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Refused, "{failure}");
    assert!(failure.what.contains("somebody else set"), "{failure}");
    let prior = scale.capture().await.unwrap();
    scale.apply(&prior).await.unwrap();
    place.send("PATCH", &web, &json!({ "spec": { "replicas": 9 } })).await.unwrap();
    assert!(matches!(scale.undo(&prior).await.unwrap(), Undone::Nothing(_)));

    let prior = scale.capture().await.unwrap();
    place.send("DELETE", &web, &Value::Null).await.unwrap();
    place.send("PATCH", &keep, &object).await.unwrap();
    let failure = scale.apply(&prior).await.unwrap_err();
    assert!(failure.what.contains("was replaced by another"), "{failure}");
    assert!(matches!(scale.effect(&prior).await.unwrap(), Effect::Unclear(_)));

    // What the server would not take is a refusal already in the preview.
    for (name, json, expected) in [
        (
            "memory",
            json!({ "workload": "web", "container": "app", "limit": "1Mi" }),
            "must be less than or equal to",
        ),
        ("scale", json!({ "workload": "gone", "replicas": 3 }), "there is no deployment"),
    ] {
        let failure = of_web(name, json).preview().await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Refused, "{failure}");
        assert!(failure.what.contains(expected), "{failure}");
    }
}
