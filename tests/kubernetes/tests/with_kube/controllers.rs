//! What stands for controllers, and pods in trouble.

use super::*;
use kube::api::{Patch, PatchParams};
use selfheal_test_kubernetes::PodTrouble;

/// Name, revision and replicas of the ReplicaSets, by revision.
fn sets(double: &ApiDouble, annotation: &str) -> Vec<(String, String, i64)> {
    let row = |set: Value| {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let revision = text(&set["metadata"]["annotations"][annotation]);
        (text(&set["metadata"]["name"]), revision, set["spec"]["replicas"].as_i64().unwrap())
    };
    let mut sets: Vec<_> = double.list("replicasets", "shop").into_iter().map(row).collect();
    sets.sort_by(|one, other| one.1.cmp(&other.1));
    sets
}

#[tokio::test]
async fn deployments_roll_out_and_back() {
    let double = ApiDouble::start().await;
    let created = double.create(deployment("web"));
    double.settle_always(true);
    double.settle("deployments", "shop", "web");
    let api = deployments(&double).await;
    let pp = PatchParams::default();
    let template = |image: &str| {
        Patch::Strategic(
            json!({ "spec": { "template": { "spec": { "containers": [{ "name": "main", "image": image }] } } } }),
        )
    };
    let shape = || {
        sets(&double, "deployment.kubernetes.io/revision")
            .into_iter()
            .map(|(_, revision, replicas)| (revision, replicas))
    };
    let row = |revision: &str, replicas| (revision.to_owned(), replicas);
    assert_eq!(shape().collect::<Vec<_>>(), [row("1", 2)]);
    let first = sets(&double, "deployment.kubernetes.io/revision")[0].0.clone();
    api.patch("web", &pp, &template("main:2")).await.unwrap();
    assert_eq!(shape().collect::<Vec<_>>(), [row("1", 0), row("2", 2)]);
    let old = double.get("replicasets", "shop", &first).unwrap();
    assert_eq!(old["metadata"]["ownerReferences"][0]["uid"], created["metadata"]["uid"]);
    api.patch("web", &pp, &template("main:1")).await.unwrap();
    assert_eq!(shape().collect::<Vec<_>>(), [row("2", 0), row("3", 2)]);
    assert_eq!(sets(&double, "deployment.kubernetes.io/revision")[1].0, first);
    let settled = api.get("web").await.unwrap();
    let status = settled.status.unwrap();
    assert_eq!((status.observed_generation, status.ready_replicas), (settled.metadata.generation, Some(2)));
    assert_eq!(settled.metadata.annotations.unwrap()["deployment.kubernetes.io/revision"], "3");
    let before = double.revision();
    double.settle("deployments", "shop", "web");
    assert_eq!(double.revision(), before, "settling what is settled changes nothing");
}

#[tokio::test]
async fn other_workloads_settle() {
    let double = ApiDouble::start().await;
    for (kind, name) in [("StatefulSet", "db"), ("DaemonSet", "agent")] {
        let mut object = deployment(name);
        object["kind"] = json!(kind);
        double.create(object);
    }
    let mut rollout = deployment("cart");
    rollout["apiVersion"] = json!("argoproj.io/v1alpha1");
    rollout["kind"] = json!("Rollout");
    rollout["spec"]["strategy"] = json!({ "canary": { "steps": [{ "setWeight": 20 }, { "pause": {} }] } });
    double.create(rollout);
    for (plural, name, field, expected) in [
        ("statefulsets", "db", "readyReplicas", json!(2)),
        ("daemonsets", "agent", "numberReady", json!(1)),
        ("rollouts", "cart", "phase", json!("Healthy")),
        ("rollouts", "cart", "currentStepIndex", json!(2)),
    ] {
        double.settle(plural, "shop", name);
        assert_eq!(double.get(plural, "shop", name).unwrap()["status"][field], expected, "{plural} {field}");
    }
    let status = double.get("rollouts", "shop", "cart").unwrap()["status"].clone();
    let name = format!("cart-{}", status["stableRS"].as_str().unwrap());
    assert_eq!(sets(&double, "rollout.argoproj.io/revision"), [(name, "1".to_owned(), 2)]);
    assert_eq!(double.list("controllerrevisions", "shop").len(), 2);
}

#[tokio::test]
async fn pods_get_into_trouble() {
    for (trouble, path, expected) in [
        (PodTrouble::OomKilled, "/status/containerStatuses/0/lastState/terminated/exitCode", json!(137)),
        (PodTrouble::OomKilled, "/status/containerStatuses/0/restartCount", json!(1)),
        (
            PodTrouble::CrashLoopBackOff,
            "/status/containerStatuses/0/state/waiting/reason",
            json!("CrashLoopBackOff"),
        ),
        (PodTrouble::ImagePullBackOff, "/status/phase", json!("Pending")),
        (PodTrouble::Evicted, "/status/reason", json!("Evicted")),
    ] {
        let double = ApiDouble::start().await;
        double.create(pod("a"));
        let pod = double.trouble("shop", "a", "main", trouble);
        assert_eq!(pod.pointer(path), Some(&expected), "{trouble:?}");
        // The types of the API must be able to read it.
        pods(&double).await.get("a").await.unwrap();
    }
}
