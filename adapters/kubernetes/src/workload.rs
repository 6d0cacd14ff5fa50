//! Workloads as rules write them (`deployment/web`), and which one a pod belongs to.

use selfheal_cluster::{Cluster, Kind, Object, Reference, kinds, quoted};
use selfheal_contract::Failure;

/// A workload's kind and name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Workload<'a> {
    pub(crate) kind: &'static Kind,
    pub(crate) name: &'a str,
}

/// The kinds of workloads that are known.
pub(crate) static WORKLOADS: [&Kind; 4] =
    [&kinds::DEPLOYMENT, &kinds::STATEFUL_SET, &kinds::DAEMON_SET, &kinds::ROLLOUT];

impl<'a> Workload<'a> {
    /// Reads `deployment/web`; a name alone is a deployment's. Only `fitting` kinds will do.
    pub(crate) fn parse(text: &'a str, fitting: &[&'static Kind]) -> Result<Self, Failure> {
        let (word, name) = text.split_once('/').unwrap_or((kinds::DEPLOYMENT.word, text));
        if let Some(kind) = fitting.iter().find(|kind| kind.word == word) {
            return Ok(Self { kind, name });
        }
        let forms: Vec<String> = fitting.iter().map(|kind| format!("{}/NAME", kind.word)).collect();
        let hint =
            if word == kinds::ROLLOUT.word { "; for a rollout use the functions of argo::" } else { "" };
        Err(Failure::refused(format!(
            "the workload {} does not fit: expected {}{hint}",
            quoted(text),
            forms.join(" or ")
        )))
    }
}

/// A pod's workload by what the pod itself says: kind's word and name. A pod of a ReplicaSet whose name ends with the hash
/// of its template belongs to what that name begins with; otherwise the ReplicaSet itself is given.
pub(crate) fn owner_of(pod: &Object) -> Option<(&'static Kind, String)> {
    let owner = pod
        .items("/metadata/ownerReferences")
        .iter()
        .find(|owner| owner["controller"].as_bool().unwrap_or_default())?;
    let name = owner["name"].as_str()?;
    match owner["kind"].as_str()? {
        "ReplicaSet" => {
            let of = |label: &str| {
                let hash = pod.label(label)?;
                name.strip_suffix(hash)?.strip_suffix('-').map(str::to_owned)
            };
            of("rollouts-pod-template-hash")
                .map(|name| (&kinds::ROLLOUT, name))
                .or_else(|| of("pod-template-hash").map(|name| (&kinds::DEPLOYMENT, name)))
                .or_else(|| Some((&kinds::REPLICA_SET, name.to_owned())))
        }
        "StatefulSet" => Some((&kinds::STATEFUL_SET, name.to_owned())),
        "DaemonSet" => Some((&kinds::DAEMON_SET, name.to_owned())),
        _ => None,
    }
}

/// The workload of a pod as a target, by what the pod itself says.
pub(crate) fn target_of(cluster: &Cluster, pod: &Object) -> Option<String> {
    let (kind, name) = owner_of(pod)?;
    Some(cluster.target(Reference::new(kind, pod.text("/metadata/namespace"), &name)))
}

/// As [`owner_of`], asking for the ReplicaSet where the pod does not tell.
pub(crate) async fn workload_of(
    cluster: &Cluster,
    namespace: &str,
    pod: &Object,
) -> Result<Option<(&'static Kind, String)>, Failure> {
    match owner_of(pod) {
        Some((kind, name)) if *kind == kinds::REPLICA_SET => {
            let Some(set) = cluster.find(Reference::new(kind, namespace, &name)).await? else {
                return Ok(None);
            };
            let owner =
                set.items("/metadata/ownerReferences").iter().find(|owner| owner["controller"] == true);
            let found = owner.and_then(|owner| {
                let kind = WORKLOADS.iter().find(|kind| owner["kind"] == kind.kind)?;
                Some((*kind, owner["name"].as_str()?.to_owned()))
            });
            Ok(found)
        }
        owner => Ok(owner),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn workloads_are_read_and_only_fitting_ones_taken() {
        let both = [&kinds::DEPLOYMENT, &kinds::STATEFUL_SET];
        let cases = [
            ("web", "deployment", "web"),
            ("deployment/web", "deployment", "web"),
            ("statefulset/db", "statefulset", "db"),
        ];
        for (text, kind, name) in cases {
            let found = Workload::parse(text, &both).unwrap();
            assert_eq!((found.kind.word, found.name), (kind, name));
        }
        for (text, expected) in [
            ("daemonset/x", "expected deployment/NAME or statefulset/NAME"),
            ("rollout/x", "use the functions of argo::"),
            ("secret/x", "the workload \"secret/x\" does not fit"),
        ] {
            let failure = Workload::parse(text, &both).unwrap_err();
            assert!(failure.what.contains(expected), "{failure}");
        }
    }

    #[test]
    fn a_pod_tells_its_workload() {
        let pod = |kind: &str, name: &str, labels: serde_json::Value| Object {
            json: json!({ "metadata": { "labels": labels,
                "ownerReferences": [{ "kind": kind, "name": name, "controller": true }] } }),
            date: None,
        };
        let cases = [
            (
                pod("ReplicaSet", "web-5d4", json!({ "pod-template-hash": "5d4" })),
                Some(("deployment", "web")),
            ),
            (
                pod("ReplicaSet", "web-5d4", json!({ "rollouts-pod-template-hash": "5d4" })),
                Some(("rollout", "web")),
            ),
            (pod("ReplicaSet", "web-5d4", json!({})), Some(("replicaset", "web-5d4"))),
            (pod("StatefulSet", "db", json!({})), Some(("statefulset", "db"))),
            (pod("DaemonSet", "agent", json!({})), Some(("daemonset", "agent"))),
            (pod("Job", "once", json!({})), None),
            (Object { json: json!({}), date: None }, None),
        ];
        for (pod, expected) in cases {
            let found = owner_of(&pod);
            assert_eq!(found.as_ref().map(|(kind, name)| (kind.word, name.as_str())), expected);
        }
    }
}
