//! What the probe reads of rollouts as their controller leaves them.

use selfheal_contract::FailureKind;
use selfheal_test_kubernetes::ApiDouble;
use serde_json::{Value, json};

use crate::support::{adapter, field, furnish, read, set_status, stable};

#[tokio::test]
async fn a_canary_in_the_middle_of_its_update() {
    let double = ApiDouble::start().await;
    furnish(&double);
    let adapter = adapter(&double);
    let reading = read(&adapter, "web").await.unwrap();
    let stable = stable(&double, "web");
    for (name, expected) in [
        ("phase", json!("Paused")),
        ("message", json!("CanaryPauseStep")),
        ("settled", json!(true)),
        ("strategy", json!("canary")),
        ("updating", json!(true)),
        ("step", json!(1)),
        ("steps", json!(4)),
        ("weight", json!(20)),
        ("paused", json!(false)),
        ("pauses", json!(["CanaryPauseStep"])),
        ("aborted", json!(false)),
        ("stable", json!(stable)),
        ("previous", json!(stable)),
        ("active", Value::Null),
        ("desired", json!(5)),
        ("restarted", Value::Null),
        ("workload", Value::Null),
        ("analysis.phase", Value::Null),
        ("revision", json!(2)),
    ] {
        assert_eq!(reading.field(name), Ok(&expected), "{name}");
    }
    let revisions = reading.field("revisions").unwrap();
    assert_eq!(revisions[0]["images"], json!(["side:1", "shop:2"]));
    assert_eq!(revisions[0]["hash"], *reading.field("current").unwrap());
    assert_eq!((&revisions[1]["revision"], &revisions[1]["hash"]), (&json!(1), &json!(stable)));
}

#[tokio::test]
async fn the_autoscaler_of_a_rollout_is_named() {
    let double = ApiDouble::start().await;
    furnish(&double);
    double.create(json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": { "name": "web-hpa", "namespace": "shop" },
        "spec": { "minReplicas": 2, "maxReplicas": 6,
            "scaleTargetRef": { "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "web" } },
    }));
    let adapter = adapter(&double);
    for (name, of, expected) in [
        ("web", "autoscaler", json!("web-hpa")),
        ("web", "autoscaler_min", json!(2)),
        ("web", "autoscaler_max", json!(6)),
        ("blue", "autoscaler", Value::Null),
        ("blue", "autoscaler_max", Value::Null),
    ] {
        assert_eq!(field(&adapter, name, of).await, expected, "{name} {of}");
    }
}

#[tokio::test]
async fn a_blue_green_one_and_one_that_refers_to_a_deployment() {
    let double = ApiDouble::start().await;
    furnish(&double);
    let adapter = adapter(&double);
    let blue = read(&adapter, "blue").await.unwrap();
    for (name, expected) in [
        ("strategy", json!("blueGreen")),
        ("weight", Value::Null),
        ("steps", json!(0)),
        ("active", json!(stable(&double, "blue"))),
    ] {
        assert_eq!(blue.field(name), Ok(&expected), "{name}");
    }
    assert_eq!(blue.field("preview"), blue.field("current"));
    assert_eq!(field(&adapter, "referring", "workload").await, json!("deployment/pods"));
    assert_eq!(field(&adapter, "referring", "revision").await, json!(2));
}

#[tokio::test]
async fn weights_without_traffic_routing_are_those_of_the_pods() {
    let double = ApiDouble::start().await;
    furnish(&double);
    let adapter = adapter(&double);
    let current = field(&adapter, "web", "current").await;
    set_status(&double, "web", |status| {
        status["canary"] = json!({});
        status["availableReplicas"] = json!(5);
    });
    double.update("replicasets", "shop", &format!("web-{}", current.as_str().unwrap()), |set| {
        set["status"]["availableReplicas"] = json!(2);
    });
    assert_eq!(field(&adapter, "web", "weight").await, json!(40));
    set_status(&double, "web", |status| status["availableReplicas"] = json!(0));
    assert_eq!(field(&adapter, "web", "weight").await, json!(0));
    set_status(&double, "web", |status| status["stableRS"] = current);
    assert_eq!(field(&adapter, "web", "weight").await, json!(0), "no update is under way");
}

#[tokio::test]
async fn a_phase_of_before_the_change_does_not_count() {
    let double = ApiDouble::start().await;
    furnish(&double);
    let adapter = adapter(&double);
    double.update("rollouts", "shop", "web", |rollout| rollout["spec"]["replicas"] = json!(6));
    let reading = read(&adapter, "web").await.unwrap();
    assert_eq!(reading.field("settled"), Ok(&json!(false)));
    assert_eq!(reading.field("phase"), Ok(&json!("Progressing")));
}

#[tokio::test]
async fn the_latest_analysis_of_the_newest_version_is_told() {
    let double = ApiDouble::start().await;
    furnish(&double);
    let adapter = adapter(&double);
    let current = field(&adapter, "web", "current").await;
    let uid = double.get("rollouts", "shop", "web").unwrap()["metadata"]["uid"].clone();
    let run = |name: &str, hash: &Value, owner: &Value, status: Value| {
        double.create(json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisRun",
            "metadata": { "name": name, "namespace": "shop", "labels": { "rollouts-pod-template-hash": hash },
                "ownerReferences": [{ "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "web",
                    "uid": owner, "controller": true }] },
            "spec": {}, "status": status,
        }));
    };
    run("web-1", &current, &uid, json!({ "phase": "Successful" }));
    run("web-2", &current, &uid, json!({ "phase": "Failed", "message": "too many errors" }));
    run("web-3", &json!("other"), &uid, json!({ "phase": "Running" }));
    run("web-4", &current, &json!("somebody-else"), json!({ "phase": "Running" }));
    let reading = read(&adapter, "web").await.unwrap();
    let expected = json!({ "name": "web-2", "phase": "Failed", "message": "too many errors" });
    assert_eq!(reading.field("analysis"), Ok(&expected));
    assert_eq!(reading.field("analyses").unwrap().as_array().unwrap().len(), 2);
    run("web-5", &current, &uid, json!({}));
    assert_eq!(field(&adapter, "web", "analysis.phase").await, json!("Pending"));
}

#[tokio::test]
async fn a_rollout_that_its_controller_has_not_seen_is_read_too() {
    let double = ApiDouble::start().await;
    let adapter = adapter(&double);
    double.create(crate::support::rollout("fresh"));
    let reading = read(&adapter, "fresh").await.unwrap();
    for (name, expected) in [
        ("phase", json!("Progressing")),
        ("settled", json!(false)),
        ("updating", json!(false)),
        ("stable", Value::Null),
        ("current", Value::Null),
        ("revision", json!(0)),
    ] {
        assert_eq!(reading.field(name), Ok(&expected), "{name}");
    }
    let failure = read(&adapter, "missing").await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Refused);
    assert!(failure.what.contains("there is no rollout shop/missing"), "{failure}");
}
