//! The quarantine of a pod: a network policy that lets nothing in or out, and a label on the pod that the policy selects.
//!
//! Both carry the pod's uid, so that they find each other without a list, a label that came with the pod's template is none
//! of them, and the policy is owned by the pod, so that it goes with it. Policies only ever permit: what another policy
//! permits this pod stays permitted, which cannot be helped from here and is said.

use selfheal_cluster::{
    Cluster, INTENT_ANNOTATION, Object, PatchKind, Reference, Run, Selection, Tries, guarded, kinds,
    same_object,
};
use selfheal_contract::Failure;
use serde_json::{Value, json};

/// The label on a pod in quarantine; its value is the pod's uid.
pub(crate) const QUARANTINE_LABEL: &str = "selfheal.dev/quarantine";

/// Policies of one namespace that are looked through.
const POLICIES_MAX: u32 = 500;

/// A pod whose quarantine begins or ends.
pub(crate) struct Isolation<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) of: Reference<'a>,
    pub(crate) uid: &'a str,
}

/// Whether the quarantine is there; what other policies permit is another question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Neither label nor policy.
    Free,
    /// Both.
    Isolated,
    /// One of them.
    Between,
}

impl<'a> Isolation<'a> {
    pub(crate) fn policy(&self) -> String {
        format!("selfheal-quarantine-{}", self.uid)
    }

    /// How the pod of the present name stands; `None` when it is gone or another.
    pub(crate) async fn state(&self) -> Result<Option<State>, Failure> {
        let Some(pod) = self.cluster.find(self.of).await?.filter(|pod| pod.uid() == self.uid) else {
            return Ok(None);
        };
        self.state_of(&pod).await.map(Some)
    }

    /// How this very pod stands.
    pub(crate) async fn state_of(&self, pod: &Object) -> Result<State, Failure> {
        let labelled = pod.label(QUARANTINE_LABEL) == Some(self.uid);
        Ok(match (labelled, self.find_policy().await?.is_some()) {
            (false, false) => State::Free,
            (true, true) => State::Isolated,
            _ => State::Between,
        })
    }

    /// Begins the quarantine: the policy first, because it does nothing until the label is there.
    pub(crate) async fn isolate(&self, intent: &Value) -> Result<(), Failure> {
        let name = self.policy();
        let of = Reference::new(&kinds::NETWORK_POLICY, self.of.namespace, &name);
        // A policy of this name is this pod's: the name holds its uid.
        self.cluster.create(of, &self.manifest(intent), Run::Real).await?;
        self.label(json!(self.uid), intent).await
    }

    /// Ends the quarantine: the label first, so that the pod is free at once. The label becomes what it was before.
    pub(crate) async fn release(&self, label: &Option<String>, intent: &Value) -> Result<(), Failure> {
        self.label(json!(label), intent).await?;
        if let Some(policy) = self.find_policy().await? {
            let name = self.policy();
            self.cluster.delete_network_policy(self.of.namespace, &name, policy.uid()).await?;
        }
        Ok(())
    }

    /// The policies that permit this pod something, by name: quarantined or not, that stays permitted.
    pub(crate) async fn permitting(&self, pod: &Object) -> Result<Vec<String>, Failure> {
        let selection = Selection { at_most: POLICIES_MAX, ..Selection::default() };
        let listed = self.cluster.list(&kinds::NETWORK_POLICY, Some(self.of.namespace), selection).await?;
        let name = |policy: &Value| policy["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let permitting = listed
            .items
            .iter()
            .filter(|policy| selects(&policy["spec"]["podSelector"], pod) && permits(policy));
        let mut names: Vec<String> = permitting.map(name).collect();
        if listed.more {
            // What was not looked at may permit something, too.
            names.push(format!("(more than {POLICIES_MAX} policies, of which the rest were not looked at)"));
        }
        Ok(names)
    }

    async fn find_policy(&self) -> Result<Option<Object>, Failure> {
        let name = self.policy();
        self.cluster.find(Reference::new(&kinds::NETWORK_POLICY, self.of.namespace, &name)).await
    }

    async fn label(&self, value: Value, intent: &Value) -> Result<(), Failure> {
        let mut tries = Tries::default();
        loop {
            let pod = self.cluster.get(self.of).await?;
            same_object(self.of, &pod, self.uid)?;
            if pod.label(QUARANTINE_LABEL) == value.as_str() {
                return Ok(());
            }
            let patch = json!({ "metadata": { "labels": { QUARANTINE_LABEL: value } } });
            let patch = guarded(patch, &pod, Some(intent.clone()));
            if self.cluster.try_patch(self.of, None, PatchKind::Merge, &patch).await?.is_some() {
                return Ok(());
            }
            tries.again(self.cluster, self.of).await?;
        }
    }

    fn manifest(&self, intent: &Value) -> Value {
        // A null would be no annotation's value.
        let annotations = if intent.is_null() { json!({}) } else { json!({ INTENT_ANNOTATION: intent }) };
        json!({
            "apiVersion": kinds::NETWORK_POLICY.api_version(),
            "kind": kinds::NETWORK_POLICY.kind,
            "metadata": {
                "name": self.policy(),
                "namespace": self.of.namespace,
                "labels": { "app.kubernetes.io/managed-by": "selfheal" },
                "annotations": annotations,
                "ownerReferences": [{
                    "apiVersion": "v1", "kind": "Pod", "name": self.of.name, "uid": self.uid,
                }],
            },
            "spec": {
                "podSelector": { "matchLabels": { QUARANTINE_LABEL: self.uid } },
                "policyTypes": ["Ingress", "Egress"],
            },
        })
    }
}

/// Whether a policy permits anything at all. A way that its types leave out is none of its business.
fn permits(policy: &Value) -> bool {
    let types = policy["spec"]["policyTypes"].as_array();
    [("ingress", "Ingress"), ("egress", "Egress")].into_iter().any(|(way, kind)| {
        let rules = policy["spec"][way].as_array().is_some_and(|rules| !rules.is_empty());
        rules && types.is_none_or(|types| types.is_empty() || types.iter().any(|one| one == kind))
    })
}

/// Whether a label selector of an object selects this pod.
fn selects(selector: &Value, pod: &Object) -> bool {
    let labels = selector["matchLabels"].as_object();
    let equal = labels.is_none_or(|labels| {
        labels.iter().all(|(name, value)| pod.label(name).is_some_and(|found| value == found))
    });
    let expressions = selector["matchExpressions"].as_array();
    let holds = |expression: &Value| {
        let found = expression["key"].as_str().and_then(|key| pod.label(key));
        let values = expression["values"].as_array().map_or(&[][..], Vec::as_slice);
        let among = found.is_some_and(|found| values.iter().any(|value| value == found));
        match expression["operator"].as_str() {
            Some("In") => among,
            Some("NotIn") => !among,
            Some("Exists") => found.is_some(),
            Some("DoesNotExist") => found.is_none(),
            // What is not understood is taken to select: it is only said, never acted on.
            _ => true,
        }
    };
    equal && expressions.is_none_or(|expressions| expressions.iter().all(holds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_permits_what_it_has_rules_for() {
        let cases = [
            (json!({}), false),
            (json!({ "ingress": [] }), false),
            (json!({ "ingress": [{}] }), true),
            (json!({ "egress": [{ "to": [] }] }), true),
            (json!({ "policyTypes": ["Ingress"], "egress": [{}] }), false),
            (json!({ "policyTypes": ["Ingress", "Egress"], "egress": [{}] }), true),
        ];
        for (spec, expected) in cases {
            assert_eq!(permits(&json!({ "spec": spec })), expected, "{spec}");
        }
    }

    #[test]
    fn selectors_are_judged_as_the_server_judges_them() {
        let pod = Object {
            json: json!({ "metadata": { "labels": { "app": "web", "tier": "front" } } }),
            date: None,
        };
        let expression = |key: &str, operator: &str, values: Value| json!({ "matchExpressions": [{ "key": key, "operator": operator, "values": values }] });
        let cases = [
            (json!({}), true),
            (json!({ "matchLabels": { "app": "web" } }), true),
            (json!({ "matchLabels": { "app": "web", "tier": "back" } }), false),
            (expression("app", "In", json!(["web", "api"])), true),
            (expression("app", "NotIn", json!(["web"])), false),
            (expression("gone", "NotIn", json!(["web"])), true),
            (expression("app", "Exists", json!([])), true),
            (expression("app", "DoesNotExist", json!([])), false),
        ];
        for (selector, expected) in cases {
            assert_eq!(selects(&selector, &pod), expected, "{selector}");
        }
    }
}
