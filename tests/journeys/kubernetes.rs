//! A container is killed for want of memory: from the status of its pod to a doubled limit, once, and not at all where a
//! repository keeps the limit, unless the policy says so. The process and the watch are real; the API server is a stand-in,
//! and where `KUBECONFIG_E2E` names one, a real one.

use std::time::Instant;

use selfheal_test_servers::{poll, wait_until};
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::selfheal::{PATIENCE, Selfheal};

/// selfheal with its watch on the pods of this cluster's namespace, where alone it may act.
fn watching(cluster: &Cluster, contested: &str) -> Selfheal {
    let kubernetes = json!({
        "clusters": { "default": cluster.settings() },
        "namespaces": [cluster.namespace()],
        "events": { "enabled": true },
    });
    let mut selfheal = Selfheal::prepare(
        json!({ "policy": { "settle": "1s", "contested": contested }, "adapters": { "kubernetes": kubernetes } }),
        &[],
    );
    selfheal.start();
    if let Some(double) = cluster.stands_in() {
        wait_until("the pods are watched", PATIENCE, || double.watches() > 0);
    }
    selfheal
}

fn resources(web: &Value) -> &Value {
    &web["spec"]["template"]["spec"]["containers"][0]["resources"]
}

fn annotation<'w>(web: &'w Value, name: &str) -> &'w Value {
    &web["metadata"]["annotations"][name]
}

/// The story of an issue in its summaries.
fn told(selfheal: &Selfheal, issue: &Value) -> String {
    let story = selfheal.api(&format!("/issues/{}", issue["id"].as_str().unwrap())).unwrap();
    let entries = story["story"].as_array().unwrap();
    entries.iter().map(|entry| format!("{}\n", entry["summary"].as_str().unwrap())).collect()
}

#[test]
fn memory_is_doubled_once_and_the_issue_is_over() {
    double_once(&Cluster::stand_in());
}

#[test]
fn memory_is_doubled_once_at_a_real_server() {
    if let Some(cluster) = Cluster::real("memory") {
        double_once(&cluster);
    }
}

fn double_once(cluster: &Cluster) {
    let selfheal = watching(cluster, "refuse");
    let killed = Instant::now();
    cluster.kill_for_memory();
    let doubled = json!({ "limits": { "memory": "1Gi" }, "requests": { "memory": "512Mi" } });
    let web = poll(PATIENCE, || Some(cluster.web()).filter(|web| *resources(web) == doubled));
    let web = web.unwrap_or_else(|| panic!("not doubled: {:#?}\n{}", selfheal.issues(), selfheal.log()));
    println!("from the status OOMKilled to the patch: {} ms", killed.elapsed().as_millis());
    assert!(annotation(&web, "selfheal.dev/intent").is_string(), "{web:#}");
    assert!(annotation(&web, "selfheal.dev/contested-by").is_null(), "{web:#}");
    selfheal.wait_for_issue("the rollout has settled", |issue| issue["outcome"] == "recovered");
    // The rollout has replaced the pod, which the watch hears.
    cluster.replace_pod();
    let closed = selfheal.wait_for_issue("the issue is closed", |issue| issue["phase"] == "closed");
    assert_eq!(
        (&closed["outcome"], &closed["rule"], &closed["remediations"]),
        (&json!("recovered"), &json!("pod_oom_killed"), &json!(1)),
        "{closed:#}"
    );
    assert_eq!(*resources(&cluster.web()), doubled);
    if let Some(double) = cluster.stands_in() {
        let intent = annotation(&web, "selfheal.dev/intent").as_str().unwrap();
        let changes = double.changes().for_intent(intent);
        assert_eq!(changes.len(), 1, "{changes:#?}");
    }
    let expected =
        ["received", "matched", "decided", "applied", "verified", "ended", "resolved", "closed", "outcome"];
    let mut story = selfheal.story(&closed);
    // Real controllers may replace the pod before the rollout counts as settled.
    story.sort();
    let mut expected = expected.map(str::to_owned);
    expected.sort();
    assert_eq!(story, expected);
}

#[test]
fn what_a_repository_keeps_is_left_to_it() {
    leave_to_repository(&Cluster::stand_in());
}

#[test]
fn what_a_repository_keeps_is_left_to_it_at_a_real_server() {
    if let Some(cluster) = Cluster::real("kept") {
        leave_to_repository(&cluster);
    }
}

/// Whoever has set the field last is not who keeps it.
fn leave_to_repository(cluster: &Cluster) {
    cluster.give_to_argo_and_take_memory();
    let selfheal = watching(cluster, "refuse");
    cluster.kill_for_memory();
    let refused = selfheal.wait_for_issue("the plan is refused", |issue| issue["outcome"] == "refused");
    let why = refused["why"].as_str().unwrap();
    assert!(why.contains("ownership") && why.contains("Argo CD shop"), "{why}");
    let web = cluster.web();
    assert_eq!(resources(&web)["limits"]["memory"], "600Mi");
    assert!(annotation(&web, "selfheal.dev/intent").is_null(), "{web:#}");
}

#[test]
fn what_a_repository_keeps_is_changed_all_the_same_where_the_policy_says_so() {
    act_all_the_same(&Cluster::stand_in());
}

#[test]
fn what_a_repository_keeps_is_changed_all_the_same_at_a_real_server() {
    if let Some(cluster) = Cluster::real("contested") {
        act_all_the_same(&cluster);
    }
}

fn act_all_the_same(cluster: &Cluster) {
    cluster.give_to_argo_and_take_memory();
    let selfheal = watching(cluster, "act");
    cluster.kill_for_memory();
    let recovered = selfheal.wait_for_issue("it is healed", |issue| issue["outcome"] == "recovered");
    let web = cluster.web();
    assert_eq!(resources(&web)["limits"]["memory"], "1200Mi");
    assert_eq!(annotation(&web, "selfheal.dev/contested-by"), "Argo CD shop", "{web:#}");
    let story = told(&selfheal, &recovered);
    let parts = ["the policy says to act all the same", "which Argo CD shop keeps and may set back"];
    assert!(parts.iter().all(|part| story.contains(part)), "{story}");
}
