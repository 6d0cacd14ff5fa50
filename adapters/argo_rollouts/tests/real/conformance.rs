//! The conformance kit for every action and the probe, with both strategies and `workloadRef`, and with no more rights than
//! they say they need.

use selfheal_contract::conformance::{Trial, describe, try_action, try_probe};
use selfheal_contract::{Permission, Right};
use selfheal_test_kubernetes::{ApiDouble, Right as Granted};
use serde_json::{Map, Value, json};

use crate::support::{ROLLOUTS, action, adapter, furnish, home, params, run_at, set_status, stable};

/// What counts of a rollout and of what it refers to: all but the server's bookkeeping.
fn state(double: &ApiDouble, name: &str) -> Value {
    let (plural, home) = home(name);
    let objects = [("rollouts", name), (plural, home)].map(|(plural, name)| {
        let mut object = double.get(plural, "shop", name).unwrap();
        let metadata = object["metadata"].as_object_mut().unwrap();
        for field in ["managedFields", "resourceVersion", "generation"] {
            metadata.remove(field);
        }
        if metadata.get("annotations") == Some(&json!({})) {
            metadata.remove("annotations");
        }
        // Not to be paused or aborted, and to be so expressly, is the same.
        for (part, field) in [("spec", "paused"), ("status", "abort")] {
            if object[part].get(field) == Some(&json!(false)) {
                object[part].as_object_mut().unwrap().remove(field);
            }
        }
        object
    });
    json!(objects)
}

fn grant(double: &ApiDouble, permissions: &[Permission]) {
    let rights = permissions.iter().map(|permission| match &permission.right {
        Right::Kubernetes(right) => Granted::new(&[right.verb], right.group, &[right.resource]),
        Right::Named(name) => panic!("{name} is no right of a role"),
    });
    double.set_rights(Some(rights.collect()), true);
}

#[tokio::test]
async fn everything_is_documented() {
    let double = ApiDouble::start().await;
    assert_eq!(describe(&adapter(&double)), Vec::<String>::new());
}

/// Each action, with what else it needs to be told, and what the rollout must have come to before.
type Case = (&'static str, Value, fn(&ApiDouble, &str));

fn cases() -> Vec<Case> {
    fn waiting(_: &ApiDouble, _: &str) {}
    fn running(double: &ApiDouble, name: &str) {
        run_at(double, name, 2);
    }
    fn aborted(double: &ApiDouble, name: &str) {
        set_status(double, name, |status| status["abort"] = json!(true));
    }
    fn paused(double: &ApiDouble, name: &str) {
        double.update("rollouts", "shop", name, |rollout| rollout["spec"]["paused"] = json!(true));
        let generation = double.get("rollouts", "shop", name).unwrap()["metadata"]["generation"].clone();
        set_status(double, name, |status| status["observedGeneration"] = json!(generation.to_string()));
    }
    vec![
        ("pause", json!({}), waiting),
        ("pause", json!({}), running),
        ("resume", json!({}), waiting),
        ("resume", json!({}), paused),
        ("abort", json!({}), waiting),
        ("abort", json!({}), running),
        ("retry", json!({}), aborted),
        ("promote", json!({}), waiting),
        ("promote", json!({}), paused),
        ("promote", json!({ "step": 3 }), running),
        ("promote_fully", json!({}), waiting),
        ("promote_fully", json!({}), paused),
        ("undo", json!({ "hash": "stable" }), waiting),
        ("restart", json!({}), waiting),
        ("set_image", json!({ "container": "app", "image": "shop:3" }), waiting),
        ("memory", json!({ "container": "app", "limit": "1Gi", "request": "512Mi" }), waiting),
        ("memory", json!({ "container": "setup", "limit": "64Mi" }), waiting),
        ("cpu", json!({ "container": "app", "limit": "750m" }), waiting),
        ("set_image", json!({ "container": "setup", "image": "setup@sha256:00ff" }), waiting),
    ]
}

#[tokio::test]
async fn actions_conform_with_the_rights_that_they_name() {
    for (name, json, before) in cases() {
        for rollout in ROLLOUTS {
            // Steps are a canary's.
            if rollout == "blue" && json.get("step").is_some() {
                continue;
            }
            let double = ApiDouble::start().await;
            furnish(&double);
            before(&double, rollout);
            let adapter = adapter(&double);
            let action = action(&adapter, name);
            grant(&double, &action.about().permissions);
            let mut params = params(json.clone());
            params.insert("name".to_owned(), json!(rollout));
            if params.contains_key("hash") {
                params.insert("hash".to_owned(), json!(stable(&double, rollout)));
            }
            let observe = || -> std::pin::Pin<Box<dyn Future<Output = Value> + Send>> {
                Box::pin(std::future::ready(state(&double, rollout)))
            };
            let trial = Trial { action, params, observe: &observe };
            if let Err(fault) = try_action(&trial).await {
                panic!("{rollout}: {fault}");
            }
        }
    }
}

/// A deployment that holds a rollout's pod template is named as the actions of `k8s` name it.
#[tokio::test]
async fn what_a_rollout_refers_to_is_reached_too() {
    let double = ApiDouble::start().await;
    furnish(&double);
    let adapter = adapter(&double);
    for (name, json, _) in cases() {
        for rollout in ["web", "referring", "gone"] {
            let mut params = params(json.clone());
            params.insert("name".to_owned(), json!(rollout));
            let expected: &[&str] =
                if rollout == "referring" { &["kubernetes/default/shop/deployment/pods"] } else { &[] };
            assert_eq!(action(&adapter, name).related(&params).await.unwrap(), expected, "{name} {rollout}");
        }
    }
}

#[tokio::test]
async fn the_probe_conforms_with_the_rights_that_it_names() {
    for rollout in ROLLOUTS {
        let double = ApiDouble::start().await;
        furnish(&double);
        let adapter = adapter(&double);
        let probe = adapter.probes[0].as_ref();
        grant(&double, &probe.about().permissions);
        let observe = || -> std::pin::Pin<Box<dyn Future<Output = Value> + Send>> {
            Box::pin(std::future::ready(json!([state(&double, rollout), double.revision()])))
        };
        let params: Map<String, Value> = params(json!({ "name": rollout }));
        if let Err(fault) = try_probe(probe, &params, &observe).await {
            panic!("{rollout}: {fault}");
        }
    }
}

#[tokio::test]
async fn rights_are_no_more_than_needed() {
    let double = ApiDouble::start().await;
    let adapter = adapter(&double);
    let rights = |name: &str| -> Vec<String> {
        let about = action(&adapter, name).about();
        let mut rights: Vec<String> = about
            .permissions
            .iter()
            .filter_map(|permission| match &permission.right {
                Right::Kubernetes(right) => Some(format!("{} {}", right.verb, right.resource)),
                Right::Named(_) => None,
            })
            .collect();
        rights.sort();
        rights
    };
    assert_eq!(rights("pause"), ["get rollouts", "patch rollouts"]);
    assert_eq!(rights("restart"), ["get rollouts", "patch rollouts"]);
    assert_eq!(rights("abort"), ["get rollouts", "patch rollouts/status"]);
    assert_eq!(rights("retry"), ["get rollouts", "patch rollouts/status"]);
    for name in ["resume", "promote", "promote_fully"] {
        assert_eq!(rights(name), ["get rollouts", "patch rollouts", "patch rollouts/status"]);
    }
    let images = ["get deployments", "get rollouts", "patch deployments", "patch rollouts"];
    for name in ["set_image", "memory", "cpu"] {
        assert_eq!(rights(name), images);
    }
    assert_eq!(rights("undo")[..3], ["get deployments", "get rollouts", "list replicasets"]);

    // A right that is missing is named, and so is what grants it.
    furnish(&double);
    double.set_rights(Some(vec![Granted::new(&["get"], "argoproj.io", &["rollouts"])]), true);
    let pause = crate::support::Use::of(&adapter, "pause", json!({ "name": "web" }));
    let prior = pause.capture().await.unwrap();
    let failure = pause.apply(&prior).await.unwrap_err();
    assert!(failure.what.contains("patch rollouts.argoproj.io"), "{failure}");
    assert!(failure.what.contains("selfheal rbac"), "{failure}");
}
