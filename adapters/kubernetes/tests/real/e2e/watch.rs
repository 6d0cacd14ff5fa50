//! The watch on pods at a real server: statuses are written as a kubelet would.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Place;
use crate::watch::{listen, listen_after};

#[tokio::test]
async fn troubles_become_alerts_at_a_real_server() {
    Place::within("watch", watch).await;
}

fn container(state: Value, last: Value) -> Value {
    json!({ "phase": "Running", "containerStatuses": [{ "name": "app", "image": "shop:1", "imageID": "", "ready": false,
        "restartCount": 1, "state": state, "lastState": last }] })
}

#[expect(clippy::disallowed_methods, reason = "a test that goes by the server's time")]
async fn watch(place: Arc<Place>) {
    for name in ["web-1", "web-2", "web-3"] {
        place.create_pod(name).await;
    }
    let cluster = || json!({ "kubeconfig": place.kubeconfig });
    let events = || json!({ "enabled": true, "namespaces": [place.namespace], "selector": "app=web" });
    let waiting = |reason: &str| json!({ "waiting": { "reason": reason, "message": "again" } });
    let now = jiff::Timestamp::now().to_string();
    let ended = |reason: &str| {
        let times = json!({ "startedAt": now, "finishedAt": now, "exitCode": 137, "reason": reason });
        json!({ "terminated": times })
    };
    let first = listen(cluster(), events());
    place.report("web-1", container(json!({ "running": {} }), ended("OOMKilled"))).await;
    let killed = "KubernetesPodOOMKilled web-1  Firing";
    first.inbox.holds(&[killed]).await;
    place.report("web-2", container(waiting("CrashLoopBackOff"), ended("Error"))).await;
    let looping = "KubernetesPodCrashLooping web-2  Firing";
    first.inbox.holds(&[killed, looping]).await;
    let left = first.inbox.last().unwrap();
    drop(first);

    // Another process goes on: neither the moment in which it runs nor its next crash is news.
    place.report("web-2", container(json!({ "running": {} }), ended("Error"))).await;
    let second = listen_after(vec![left.clone()], cluster(), events());
    second.inbox.holds(&[killed]).await;
    place.report("web-2", container(waiting("CrashLoopBackOff"), ended("Error"))).await;
    place.report("web-3", container(waiting("ImagePullBackOff"), json!({}))).await;
    let pulling = "KubernetesImagePullBackOff web-3  Firing";
    second.inbox.holds(&[killed, pulling]).await;
    let path = place.path("/api/v1", "pods/web-2");
    place.send("DELETE", &path, &Value::Null).await.unwrap();
    second.inbox.holds(&[killed, pulling, "KubernetesPodCrashLooping web-2  Resolved"]).await;
    let over = second.inbox.last().unwrap();
    assert_eq!((over.fingerprint, over.starts_at), (left.fingerprint, left.starts_at));
}
