//! What ails a pod: pure judgement of one state of it.

use std::time::Duration;

use jiff::Timestamp;

use super::pod::{Container, Pod, time};

/// What can ail a pod; each is an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ailment {
    OomKilled,
    CrashLooping,
    ImagePull,
    Evicted,
}

impl Ailment {
    const ALL: [Self; 4] = [Self::OomKilled, Self::CrashLooping, Self::ImagePull, Self::Evicted];

    /// The one that an alert of this name is.
    pub(crate) fn of(alert: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|ailment| ailment.alert() == alert)
    }

    /// The alert's name, that of the shipped Prometheus rule.
    pub(crate) fn alert(self) -> &'static str {
        match self {
            Self::OomKilled => "KubernetesPodOOMKilled",
            Self::CrashLooping => "KubernetesPodCrashLooping",
            Self::ImagePull => "KubernetesImagePullBackOff",
            Self::Evicted => "KubernetesPodEvicted",
        }
    }

    /// The alert's severity, that of the shipped Prometheus rule.
    pub(crate) fn severity(self) -> &'static str {
        match self {
            Self::OomKilled | Self::CrashLooping => "critical",
            Self::ImagePull | Self::Evicted => "high",
        }
    }

    /// How long it is held after it was last seen: as long as the shipped Prometheus rule looks back, since a container
    /// that starts again is well for a moment.
    fn held_for(self) -> Duration {
        match self {
            Self::OomKilled => Duration::from_secs(600),
            Self::CrashLooping => Duration::from_secs(300),
            Self::ImagePull | Self::Evicted => Duration::ZERO,
        }
    }
}

/// Something that ails a pod now.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Symptom {
    pub(crate) ailment: Ailment,
    /// The container; empty for the pod as a whole.
    pub(crate) container: String,
    /// Since when, as far as the pod tells.
    pub(crate) since: Timestamp,
    /// Until when it holds if nothing more is seen of it; none while it is there to be seen.
    pub(crate) until: Option<Timestamp>,
    /// What the pod says about it, for people.
    pub(crate) detail: String,
}

/// Everything that ails a pod at a time of the server's clock.
pub(crate) fn symptoms(pod: &Pod, now: Timestamp) -> Vec<Symptom> {
    let Some(status) = &pod.status else { return Vec::new() };
    let changed = |kind: &str| {
        let condition = status.conditions.iter().find(|condition| condition.kind == kind);
        condition.and_then(|condition| time(&condition.last_transition_time))
    };
    let created = time(&pod.metadata.creation_timestamp);
    if status.reason.as_deref() == Some("Evicted") {
        return vec![Symptom {
            ailment: Ailment::Evicted,
            container: String::new(),
            since: changed("DisruptionTarget").or(created).unwrap_or(now),
            until: None,
            detail: status.message.clone().unwrap_or_default(),
        }];
    }
    let since = changed("ContainersReady").or(created).unwrap_or(now);
    let containers = status.init_container_statuses.iter().chain(&status.container_statuses);
    containers.flat_map(|container| of_container(container, since, now)).collect()
}

fn of_container(container: &Container, since: Timestamp, now: Timestamp) -> Vec<Symptom> {
    let symptom = |ailment: Ailment, since: Timestamp, until: Option<Timestamp>, detail: &str| Symptom {
        ailment,
        container: container.name.clone(),
        since,
        until,
        detail: detail.to_owned(),
    };
    let mut found = Vec::new();
    let ends = [&container.state.terminated, &container.last_state.terminated];
    let killed = ends.into_iter().flatten().find(|end| end.reason == "OOMKilled");
    if let Some(end) = killed {
        let at = time(&end.finished_at).unwrap_or(now);
        let until = at + Ailment::OomKilled.held_for();
        if until > now {
            found.push(symptom(Ailment::OomKilled, at, Some(until), &format!("exit code {}", end.exit_code)));
        }
    }
    let Some(waiting) = &container.state.waiting else { return found };
    match waiting.reason.as_str() {
        "CrashLoopBackOff" => {
            let last_end = container.last_state.terminated.as_ref().and_then(|end| time(&end.finished_at));
            let since = last_end.unwrap_or(since);
            found.push(symptom(Ailment::CrashLooping, since, None, &waiting.message));
        }
        "ImagePullBackOff" | "InvalidImageName" => {
            found.push(symptom(Ailment::ImagePull, since, None, &waiting.message));
        }
        _ => {}
    }
    found
}

/// Whether a pod that pulled an image in vain still does: between two tries it says so in other words.
pub(crate) fn still_pulls(pod: &Pod, container: &str) -> bool {
    let status = pod
        .status
        .iter()
        .flat_map(|status| status.init_container_statuses.iter().chain(&status.container_statuses));
    status.filter(|status| status.name == container).any(|status| {
        let waiting = status.state.waiting.as_ref().map(|waiting| waiting.reason.as_str());
        matches!(waiting, Some("ErrImagePull" | "ImagePullBackOff" | "InvalidImageName"))
    })
}

impl Symptom {
    /// Until when it holds from when it is no longer to be seen. A container is killed once, at its start; the others last.
    pub(crate) fn held_until(&self, now: Timestamp) -> Timestamp {
        let last_seen = if self.ailment == Ailment::OomKilled { self.since } else { now };
        last_seen + self.ailment.held_for()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::{Value, json};

    pub(crate) fn pod(status: Value) -> Pod {
        serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": "web-1", "namespace": "shop", "uid": "u", "creationTimestamp": "2026-11-22T10:00:00Z",
                "labels": { "pod-template-hash": "5d4" },
                "ownerReferences": [{ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d4", "uid": "r",
                    "controller": true }] },
            "spec": { "containers": [] },
            "status": status,
        }))
        .unwrap()
    }

    fn container(state: Value, last: Value) -> Value {
        json!({ "containerStatuses": [{ "name": "app", "state": state, "lastState": last }],
            "conditions": [{ "type": "ContainersReady", "lastTransitionTime": "2026-11-22T11:00:00Z" }] })
    }

    #[test]
    fn what_ails_a_pod_is_told_with_its_time() {
        let waiting = |reason: &str| json!({ "waiting": { "reason": reason } });
        let ended = |reason: &str, at: &str| json!({ "terminated": { "reason": reason, "exitCode": 137, "finishedAt": at } });
        let running = || json!({ "running": {} });
        let recent = "2026-11-22T11:55:00Z";
        let cases = [
            (container(running(), json!({})), vec![]),
            (container(running(), ended("OOMKilled", recent)), vec![(Ailment::OomKilled, recent)]),
            (container(ended("OOMKilled", recent), json!({})), vec![(Ailment::OomKilled, recent)]),
            (container(running(), ended("OOMKilled", "2026-11-22T11:40:00Z")), vec![]),
            (container(running(), ended("Error", recent)), vec![]),
            (
                container(waiting("CrashLoopBackOff"), ended("OOMKilled", recent)),
                vec![(Ailment::OomKilled, recent), (Ailment::CrashLooping, recent)],
            ),
            (
                container(waiting("ImagePullBackOff"), json!({})),
                vec![(Ailment::ImagePull, "2026-11-22T11:00:00Z")],
            ),
            (container(waiting("ErrImagePull"), json!({})), vec![]),
            (container(waiting("ContainerCreating"), json!({})), vec![]),
            (
                json!({ "reason": "Evicted", "phase": "Failed" }),
                vec![(Ailment::Evicted, "2026-11-22T10:00:00Z")],
            ),
            (json!({}), vec![]),
        ];
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        for (status, expected) in cases {
            let found: Vec<(Ailment, String)> = symptoms(&pod(status.clone()), now)
                .into_iter()
                .map(|symptom| (symptom.ailment, symptom.since.to_string()))
                .collect();
            let expected: Vec<(Ailment, String)> =
                expected.into_iter().map(|(ailment, at)| (ailment, at.to_owned())).collect();
            assert_eq!(found, expected, "{status}");
        }
    }
}
