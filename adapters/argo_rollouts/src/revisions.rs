//! What a rollout was before: its ReplicaSets, and the pod template of each as the rollout had it.

use selfheal_cluster::{Cluster, Object, Reference, Selection, kinds};
use selfheal_contract::Failure;
use serde_json::{Map, Value, json};

/// The label by which the controller tells the pods of its versions apart.
pub(crate) const HASH_LABEL: &str = "rollouts-pod-template-hash";

/// The annotation with the number of a revision.
const REVISION: &str = "rollout.argoproj.io/revision";

/// The annotation in which the controller keeps what labels and annotations it has put on the pods of a version for as
/// long as that is the canary or the stable one.
const EPHEMERAL: &str = "rollout.argoproj.io/ephemeral-metadata";

/// ReplicaSets that are looked through.
const SETS_MAX: u32 = 1_000;

/// One version of a rollout: a ReplicaSet of its.
pub(crate) struct Revision {
    /// Its number, which changes when the version comes back.
    pub(crate) number: u64,
    /// The hash of its pod template, which names it for ever.
    pub(crate) hash: String,
    set: Object,
}

/// Whether an object's controller has this uid.
pub(crate) fn is_owned_by(object: &Object, uid: &str) -> bool {
    let owners = object.items("/metadata/ownerReferences");
    owners.iter().any(|owner| owner["controller"] == true && owner["uid"] == uid)
}

/// The revisions of a rollout, the newest first.
///
/// # Errors
/// As for [`Cluster::list`].
pub(crate) async fn revisions_of(
    cluster: &Cluster,
    of: Reference<'_>,
    rollout: &Object,
) -> Result<Vec<Revision>, Failure> {
    // A rollout with workloadRef need not have a selector of its own; every ReplicaSet of a rollout has this label.
    let selection = Selection { labels: HASH_LABEL, at_most: SETS_MAX, ..Selection::default() };
    let sets = cluster.list(&kinds::REPLICA_SET, Some(of.namespace), selection).await?;
    let mut revisions: Vec<Revision> = sets
        .items
        .into_iter()
        .map(|json| Object { json, date: None })
        .filter(|set| is_owned_by(set, rollout.uid()))
        .filter_map(|set| {
            // ReplicaSets of experiments have no number.
            let number = set.annotation(REVISION)?.parse().ok()?;
            let hash = set.label(HASH_LABEL)?.to_owned();
            Some(Revision { number, hash, set })
        })
        .collect();
    revisions.sort_by_key(|revision| std::cmp::Reverse(revision.number));
    Ok(revisions)
}

impl Revision {
    /// Its hash and number, for people.
    pub(crate) fn name(&self) -> String {
        format!("{} ({})", self.hash, self.number)
    }

    /// Its pods that are available.
    pub(crate) fn available(&self) -> i64 {
        self.set.number("/status/availableReplicas").unwrap_or_default()
    }

    /// What a reading has of it.
    pub(crate) fn told(&self) -> Value {
        let containers = self.set.items("/spec/template/spec/containers");
        let images: Vec<&str> =
            containers.iter().filter_map(|container| container["image"].as_str()).collect();
        json!({
            "revision": self.number,
            "hash": self.hash,
            "images": images,
            "replicas": self.set.number("/status/replicas").unwrap_or_default(),
            "ready": self.set.number("/status/readyReplicas").unwrap_or_default(),
            "available": self.available(),
        })
    }

    /// Its pod template as it stood in the rollout: without what the controller adds to each ReplicaSet, which would make
    /// another version of it.
    pub(crate) fn template(&self) -> Value {
        let mut template = self.set.at("/spec/template").clone();
        let ephemeral: Value = self
            .set
            .annotation(EPHEMERAL)
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        if let Some(metadata) = template.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("creationTimestamp");
            for map in ["labels", "annotations"] {
                let Some(entries) = metadata.get_mut(map).and_then(Value::as_object_mut) else { continue };
                entries.remove(HASH_LABEL);
                for name in ephemeral[map].as_object().into_iter().flat_map(Map::keys) {
                    entries.remove(name);
                }
                if entries.is_empty() {
                    metadata.remove(map);
                }
            }
        }
        without_injected_affinity(&mut template);
        template
    }
}

/// Takes away the rule that keeps a new version's pods off the nodes of the stable ones (`antiAffinity` of a strategy): it
/// is the only one that names the label of versions.
fn without_injected_affinity(template: &mut Value) {
    let Some(affinity) = template.pointer_mut("/spec/affinity").and_then(Value::as_object_mut) else {
        return;
    };
    if let Some(apart) = affinity.get_mut("podAntiAffinity").and_then(Value::as_object_mut) {
        for (list, selector) in [
            ("requiredDuringSchedulingIgnoredDuringExecution", "/labelSelector/matchExpressions"),
            (
                "preferredDuringSchedulingIgnoredDuringExecution",
                "/podAffinityTerm/labelSelector/matchExpressions",
            ),
        ] {
            let Some(terms) = apart.get_mut(list).and_then(Value::as_array_mut) else { continue };
            let before = terms.len();
            terms.retain(|term| {
                let expressions = term.pointer(selector).and_then(Value::as_array);
                !expressions.into_iter().flatten().any(|expression| expression["key"] == HASH_LABEL)
            });
            if terms.is_empty() && before > 0 {
                apart.remove(list);
            }
        }
        if apart.is_empty() {
            affinity.remove("podAntiAffinity");
        }
    }
    if affinity.is_empty()
        && let Some(spec) = template.pointer_mut("/spec").and_then(Value::as_object_mut)
    {
        spec.remove("affinity");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(annotations: Value, template: Value) -> Value {
        let json = json!({ "metadata": { "annotations": annotations }, "spec": { "template": template } });
        Revision { number: 1, hash: "h".to_owned(), set: Object { json, date: None } }.template()
    }

    #[test]
    fn a_template_comes_back_as_it_was_written() {
        let spec = json!({ "containers": [{ "name": "app", "image": "shop:1" }] });
        let labelled = json!({ "metadata": { "creationTimestamp": null, "labels": { "app": "web", HASH_LABEL: "h" } }, "spec": spec });
        let plain = json!({ "metadata": { "labels": { "app": "web" } }, "spec": spec });
        assert_eq!(template(json!({}), labelled), plain);

        let ephemeral = json!({ EPHEMERAL: r#"{"labels":{"role":"canary"},"annotations":{"note":"x"}}"# });
        let marked = json!({ "metadata": { "labels": { "app": "web", "role": "canary", HASH_LABEL: "h" },
            "annotations": { "note": "x" } }, "spec": spec });
        assert_eq!(template(ephemeral, marked), plain);
    }

    #[test]
    fn only_the_controllers_own_affinity_is_taken_away() {
        let own = json!({ "topologyKey": "kubernetes.io/hostname", "labelSelector": { "matchExpressions": [
            { "key": HASH_LABEL, "operator": "In", "values": ["s"] }] } });
        let theirs = json!({ "topologyKey": "zone", "labelSelector": { "matchLabels": { "app": "web" } } });
        let with = |terms: Value, weighted: Value| {
            json!({ "spec": { "affinity": { "podAntiAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": terms,
                "preferredDuringSchedulingIgnoredDuringExecution": weighted } } } })
        };
        let weighted = json!([{ "weight": 1, "podAffinityTerm": own }]);
        assert_eq!(template(json!({}), with(json!([own]), weighted.clone())), json!({ "spec": {} }));
        let left = template(json!({}), with(json!([own, theirs]), weighted));
        assert_eq!(
            left,
            json!({ "spec": { "affinity": { "podAntiAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": [theirs] } } } })
        );
    }
}
