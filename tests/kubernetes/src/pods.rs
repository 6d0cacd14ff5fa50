//! The statuses of pods that go wrong, as kubelets write them.

use crate::write::now;
use serde_json::{Value, json};

/// What happens to a container, or to its pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PodTrouble {
    /// The kernel has killed it for its memory: exit code 137, it runs again.
    OomKilled,
    /// It ends with exit code 1 again and again and waits for the next start.
    CrashLoopBackOff,
    /// Its image cannot be had.
    ImagePullBackOff,
    /// The node's kubelet has thrown the pod out for want of memory.
    Evicted,
}

/// The pod's status with this trouble; the container's restart count grows by one where it restarts.
pub(crate) fn status(pod: &Value, container: &str, trouble: PodTrouble) -> Value {
    let mut status = pod["status"].clone();
    if trouble == PodTrouble::Evicted {
        return json!({ "phase": "Failed", "reason": "Evicted", "startTime": status["startTime"],
            "message": "The node was low on resource: memory." });
    }
    let mut containers = match status["containerStatuses"].take() {
        Value::Array(containers) => containers,
        _ => Vec::new(),
    };
    let at = containers.iter().position(|one| one["name"] == container);
    let before = at.map_or_else(|| json!({}), |at| containers.remove(at));
    let restarts = before["restartCount"].as_i64().unwrap_or(0);
    let ended = |code: i64, reason: &str| {
        json!({ "terminated": { "exitCode": code, "reason": reason, "startedAt": now(), "finishedAt": now(),
            "containerID": format!("containerd://{restarts}") } })
    };
    let waiting =
        |reason: &str, message: &str| json!({ "waiting": { "reason": reason, "message": message } });
    let (state, last, restarts, ready) = match trouble {
        PodTrouble::OomKilled => {
            (json!({ "running": { "startedAt": now() } }), ended(137, "OOMKilled"), restarts + 1, true)
        }
        PodTrouble::CrashLoopBackOff => {
            let state = waiting("CrashLoopBackOff", "back-off 10s restarting failed container");
            (state, ended(1, "Error"), restarts + 1, false)
        }
        _ => (waiting("ImagePullBackOff", "Back-off pulling image"), json!({}), restarts, false),
    };
    let image =
        pod["spec"]["containers"].as_array().into_iter().flatten().find(|one| one["name"] == container);
    containers.push(json!({
        "name": container, "image": image.map_or("", |one| one["image"].as_str().unwrap_or_default()), "imageID": "",
        "ready": ready, "started": ready, "restartCount": restarts, "state": state, "lastState": last,
    }));
    status["phase"] = json!(if trouble == PodTrouble::ImagePullBackOff { "Pending" } else { "Running" });
    status["containerStatuses"] = Value::Array(containers);
    status["conditions"] = json!([{ "type": "Ready", "status": if ready { "True" } else { "False" }, "lastTransitionTime": now() }]);
    status
}
