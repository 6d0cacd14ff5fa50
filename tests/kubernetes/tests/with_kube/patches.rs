//! The four kinds of patches, and what the log of changes keeps of them.

use super::*;
use kube::api::{Patch, PatchParams};
use selfheal_test_kubernetes::INTENT_ANNOTATION;

#[tokio::test]
async fn patches_of_all_kinds_change_what_they_name() {
    let memory = json!({ "spec": { "template": { "spec": { "containers": [
        { "name": "main", "resources": { "limits": { "memory": "1Gi" }, "requests": { "memory": "1Gi" } } },
    ] } } } });
    let test = |value: &str| {
        json_patch::Patch(vec![
            serde_json::from_value(
                json!({ "op": "test", "path": "/spec/template/spec/containers/0/image", "value": value }),
            )
            .unwrap(),
            serde_json::from_value(json!({ "op": "replace", "path": "/spec/replicas", "value": 6 })).unwrap(),
        ])
    };
    let apply = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "spec": { "replicas": 6 } });
    let count = |object: &Value| object["spec"]["template"]["spec"]["containers"].as_array().unwrap().len();
    let pp = PatchParams { field_manager: Some("selfheal".to_owned()), ..PatchParams::default() };
    for (what, patch, expected) in [
        ("strategic keeps other containers", Patch::Strategic(memory.clone()), Ok((2, 2))),
        ("merge replaces the list", Patch::Merge(memory.clone()), Ok((1, 2))),
        ("json with a test that holds", Patch::Json(test("main:1")), Ok((2, 6))),
        ("json with a test that does not", Patch::Json(test("main:2")), Err(422)),
        ("apply", Patch::Apply(apply), Ok((2, 6))),
    ] {
        let double = ApiDouble::start().await;
        double.create(deployment("web"));
        let patched = deployments(&double).await.patch("web", &pp, &patch).await;
        let object = double.get("deployments", "shop", "web").unwrap();
        match expected {
            Ok((containers, replicas)) => {
                patched.unwrap();
                assert_eq!(
                    (count(&object), &object["spec"]["replicas"]),
                    (containers, &json!(replicas)),
                    "{what}"
                );
                let managers = object["metadata"]["managedFields"].as_array().unwrap();
                let operation = if what == "apply" { "Apply" } else { "Update" };
                let entry =
                    |entry: &&Value| entry["manager"] == "selfheal" && entry["operation"] == operation;
                assert!(managers.iter().any(|one| entry(&one)), "{what}");
            }
            Err(code) => {
                assert_eq!(refused(patched).0, code, "{what}");
                assert_eq!(object["metadata"]["generation"], 1, "{what}");
            }
        }
    }
}

#[tokio::test]
async fn faulty_patches_are_refused() {
    let double = ApiDouble::start().await;
    double.create(deployment("web"));
    double.create(json!({ "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
        "metadata": { "name": "web", "namespace": "shop" }, "spec": {} }));
    let api = deployments(&double).await;
    let pp = PatchParams::default();
    let requests = json!({ "spec": { "template": { "spec": { "containers": [
        { "name": "main", "resources": { "requests": { "memory": "1Gi" } } },
    ] } } } });
    for (patch, code) in [
        (Patch::Strategic(requests), 422),
        (Patch::Merge(json!({ "spec": { "selector": { "matchLabels": { "app": "b" } } } })), 422),
        (Patch::Merge(json!({ "metadata": { "name": "b" } })), 400),
        (Patch::Merge(json!({ "metadata": { "namespace": "b" } })), 400),
        (Patch::Merge(json!([])), 400),
    ] {
        assert_eq!(refused(api.patch("web", &pp, &patch).await).0, code, "{patch:?}");
    }
    let strategic = Patch::Strategic(json!({ "spec": { "paused": true } }));
    assert_eq!(refused(rollouts(&double).await.patch("web", &pp, &strategic).await).0, 415);
    assert_eq!(refused(api.patch("none", &pp, &strategic).await), (404, "NotFound".to_owned()));
}

#[tokio::test]
async fn apply_creates_what_is_missing() {
    let double = ApiDouble::start().await;
    double.create(deployment("web"));
    let policy = json!({ "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": { "name": "quarantine" },
        "spec": { "podSelector": {}, "policyTypes": ["Ingress", "Egress"] } });
    let api: Api<k8s_openapi::api::networking::v1::NetworkPolicy> =
        Api::namespaced(client(&double).await, "shop");
    for _ in 0..2 {
        api.patch("quarantine", &PatchParams::apply("selfheal").force(), &Patch::Apply(&policy))
            .await
            .unwrap();
    }
    assert_eq!(double.changes().of("networkpolicies", "shop", "quarantine").len(), 1);
}

#[tokio::test]
async fn changes_name_their_intent() {
    let double = ApiDouble::start().await;
    double.create(deployment("web"));
    let api = deployments(&double).await;
    let restart = |intent: &str| {
        Patch::Merge(
            json!({ "spec": { "template": { "metadata": { "annotations": { INTENT_ANNOTATION: intent } } } } }),
        )
    };
    let pp = PatchParams { field_manager: Some("selfheal".to_owned()), ..PatchParams::default() };
    for intent in ["i1", "i1", "i2"] {
        api.patch("web", &pp, &restart(intent)).await.unwrap();
    }
    api.patch("web", &pp, &Patch::Merge(json!({ "spec": { "replicas": 4 } }))).await.unwrap();
    let changes = double.changes().by_requests();
    let kept = |change: &selfheal_test_kubernetes::Change| {
        (change.verb.clone(), change.field_manager.clone(), change.intent_sent.clone(), change.intent.clone())
    };
    let row = |sent: Option<&str>, there: &str| {
        ("patch".to_owned(), "selfheal".to_owned(), sent.map(str::to_owned), Some(there.to_owned()))
    };
    let expected = vec![row(Some("i1"), "i1"), row(Some("i2"), "i2"), row(None, "i2")];
    assert_eq!(changes.0.iter().map(kept).collect::<Vec<_>>(), expected);
    assert_eq!(changes.for_intent("i1").len(), 1);
}
