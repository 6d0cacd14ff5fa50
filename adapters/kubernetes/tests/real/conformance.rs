//! The conformance kit for every action and every probe, with no more rights than they say they need.

use selfheal_contract::conformance::{Trial, describe, try_action, try_probe};
use selfheal_contract::{Permission, Right};
use selfheal_test_kubernetes::{ApiDouble, ExecAnswer, Right as Granted};
use serde_json::{Map, Value, json};

use crate::support::{action, adapter, furnish, params, roll_out};

/// Each action with parameters that do something, and the object that it changes.
fn uses(hash: &str) -> Vec<(&'static str, Value, [&'static str; 3])> {
    let web = ["deployments", "shop", "web"];
    let db = ["statefulsets", "shop", "db"];
    let agent = ["daemonsets", "shop", "agent"];
    let node = ["nodes", "", "n1"];
    vec![
        ("rollout_restart", json!({ "workload": "web" }), web),
        ("rollout_restart", json!({ "workload": "statefulset/db" }), db),
        ("rollout_restart", json!({ "workload": "daemonset/agent" }), agent),
        ("scale", json!({ "workload": "deployment/web", "replicas": 5 }), web),
        ("scale", json!({ "workload": "statefulset/db", "replicas": 0 }), db),
        (
            "hpa_bounds",
            json!({ "name": "scaled-hpa", "min": 2, "max": 8 }),
            ["horizontalpodautoscalers", "shop", "scaled-hpa"],
        ),
        ("memory", json!({ "workload": "web", "container": "app", "limit": "1Gi", "request": "512Mi" }), web),
        ("memory", json!({ "workload": "daemonset/agent", "container": "app", "limit": "1Gi" }), agent),
        (
            "cpu",
            json!({ "workload": "statefulset/db", "container": "app", "limit": "750m", "request": "1m" }),
            db,
        ),
        ("rollback", json!({ "deployment": "web", "revision": hash }), web),
        ("exec", json!({ "pods": "web-1", "command": "clean_tmp" }), ["pods", "shop", "web-1"]),
        (
            "grow_pvc",
            json!({ "name": "data-fast", "size": "12Gi" }),
            ["persistentvolumeclaims", "shop", "data-fast"],
        ),
        ("quarantine", json!({ "pod": "web-1" }), ["pods", "shop", "web-1"]),
        ("cordon", json!({ "node": "n1" }), node),
        ("renew_certificate", json!({ "name": "tls" }), ["certificates", "shop", "tls"]),
        (
            "sync_application",
            json!({ "namespace": "argocd", "name": "shop" }),
            ["applications", "argocd", "shop"],
        ),
    ]
}

/// What counts of an object: all but the server's bookkeeping, and the network policies of its namespace.
fn state(double: &ApiDouble, [plural, namespace, name]: [&str; 3]) -> Value {
    let mut object = double.get(plural, namespace, name).unwrap_or_default();
    if let Some(metadata) = object["metadata"].as_object_mut() {
        ["managedFields", "resourceVersion", "generation"]
            .iter()
            .for_each(|field| drop(metadata.remove(*field)));
        // An empty map and none are the same.
        for map in ["annotations", "labels"] {
            if metadata.get(map).is_some_and(|map| *map == json!({})) {
                metadata.remove(map);
            }
        }
    }
    let policies: Vec<Value> =
        double.list("networkpolicies", "shop").iter().map(|policy| policy["spec"].clone()).collect();
    json!([object, policies])
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

async fn conforms(double: &ApiDouble, name: &str, json: Value, object: [&'static str; 3]) {
    let adapter = adapter(double);
    let action = action(&adapter, name);
    grant(double, &action.about().permissions);
    let observe = || -> std::pin::Pin<Box<dyn Future<Output = Value> + Send + '_>> {
        Box::pin(std::future::ready(state(double, object)))
    };
    let trial = Trial { action, params: params(json.clone()), observe: &observe };
    if let Err(fault) = try_action(&trial).await {
        panic!("{name} {json}: {fault}");
    }
}

#[tokio::test]
async fn actions_conform_with_the_rights_that_they_name() {
    for index in 0..uses("").len() {
        let double = ApiDouble::start().await;
        furnish(&double);
        let hash = roll_out(&double);
        double.answer_exec("rm", ExecAnswer::default());
        let (name, json, object) = uses(&hash).remove(index);
        conforms(&double, name, json, object).await;
        assert!(
            !double
                .changes()
                .by_requests()
                .0
                .iter()
                .any(|change| { change.verb == "delete" && change.resource != "networkpolicies" })
        );
    }
}

#[tokio::test]
async fn what_ends_a_state_conforms_too() {
    let double = ApiDouble::start().await;
    furnish(&double);
    let start = crate::support::Use::of;
    let adapter = adapter(&double);
    let quarantine = start(&adapter, "quarantine", json!({ "pod": "web-1" }));
    quarantine.apply(&quarantine.capture().await.unwrap()).await.unwrap();
    conforms(&double, "release", json!({ "pod": "web-1" }), ["pods", "shop", "web-1"]).await;
    double.set_rights(None, false);
    let cordon = start(&adapter, "cordon", json!({ "node": "n1" }));
    cordon.apply(&cordon.capture().await.unwrap()).await.unwrap();
    conforms(&double, "uncordon", json!({ "node": "n1" }), ["nodes", "", "n1"]).await;
}

#[tokio::test]
async fn probes_conform_with_the_rights_that_they_name() {
    let double = ApiDouble::start().await;
    furnish(&double);
    roll_out(&double);
    let adapter = adapter(&double);
    let observe = || -> std::pin::Pin<Box<dyn Future<Output = Value> + Send + '_>> {
        Box::pin(std::future::ready(json!(double.changes().by_requests().len())))
    };
    for probe in &adapter.probes {
        let about = probe.about();
        let json = match about.name {
            "deployment" => json!({ "name": "web" }),
            "statefulset" => json!({ "name": "db" }),
            "daemonset" => json!({ "name": "agent" }),
            "workload" => json!({ "workload": "pod/web-1" }),
            "pods" => json!({ "selector": "app=web" }),
            "pod" => json!({ "name": "web-1" }),
            "isolation" => json!({ "pod": "web-1" }),
            "hpa" => json!({ "name": "scaled-hpa" }),
            "pvc" => json!({ "name": "data-fast" }),
            "node" => json!({ "node": "n1" }),
            "events" => json!({ "kind": "Pod", "name": "web-1" }),
            "revisions" => json!({ "deployment": "web" }),
            "certificate" => json!({ "name": "tls" }),
            "application" => json!({ "namespace": "argocd", "name": "shop" }),
            other => panic!("no parameters for {other}"),
        };
        grant(&double, &about.permissions);
        let params: Map<String, Value> = params(json.clone());
        if let Err(fault) = try_probe(probe.as_ref(), &params, &observe).await {
            panic!("{} {json}: {fault}", about.name);
        }
    }
}
