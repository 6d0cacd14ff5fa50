//! `argo::memory` and `argo::cpu`: what one container of a rollout may use.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use selfheal_cluster::template::{self, LISTS};
use selfheal_cluster::{Edit, PatchKind, kinds, label_name, right};
use selfheal_contract::{About, Failure, Reversal};
use serde_json::{Value, json};

use super::setting::{Aim, Setting, path};
use crate::context::{Context, Place};
use crate::workload::{home, read_home, referred};

/// Which of the two resources.
pub(super) struct Resource {
    name: &'static str,
    doc: &'static str,
}

pub(super) const MEMORY: Resource = Resource {
    name: "memory",
    doc: "Sets the memory limit, and where given the request, of one container of a rollout to absolute quantities, which is an \
        update by the rollout's own strategy, step by step. The reading of argo::rollout has larger ones ready: \
        containers.NAME.memory.limit_doubled, limit_half_more. With `workloadRef` it is the deployment's template that is \
        changed. The undo sets what was there before (also that there was nothing), which ends the update, unless somebody else \
        has changed it meanwhile.",
};

pub(super) const CPU: Resource = Resource {
    name: "cpu",
    doc: "Sets the CPU limit, and where given the request, of one container of a rollout to absolute quantities, which is an \
        update by the rollout's own strategy, step by step. The reading of argo::rollout has a larger one ready: \
        containers.NAME.cpu.limit_half_more. With `workloadRef` it is the deployment's template that is changed. The undo sets \
        what was there before (also that there was nothing), which ends the update, unless somebody else has changed it \
        meanwhile.",
};

selfheal_contract::parameters! {
    /// Which container, and what it may use.
    pub struct Parameters {
        /// The rollout's namespace.
        pub namespace: String,
        /// The rollout's name.
        pub name: String,
        /// The container's name; init containers and native sidecars have limits, too.
        pub container: String,
        /// The limit, as Kubernetes writes it: "1Gi", "500m".
        pub limit: String,
        /// The request, not above the limit; stays as it is unless given.
        pub request: Option<String>,
        /// The cluster's name in the configuration; of several, unless given, that of the alert's label cluster, or default.
        pub cluster: Option<String>,
    }
}

pub(super) struct Resources {
    pub(super) context: Arc<Context>,
    pub(super) resource: Resource,
}

/// Where a container's resources are, and all that they are.
type Found = Arc<Mutex<(String, Value)>>;

#[async_trait]
impl Setting for Resources {
    type Parameters = Parameters;

    fn about(&self) -> About {
        let Resource { name, doc } = self.resource;
        About {
            name,
            doc,
            reversal: Reversal::Restores,
            permissions: vec![
                right("get", &kinds::ROLLOUT, "to read the limits"),
                right("patch", &kinds::ROLLOUT, "to set the limits"),
                right("get", &kinds::DEPLOYMENT, "to read the limits in workloadRef"),
                right("patch", &kinds::DEPLOYMENT, "to set the limits in workloadRef"),
            ],
        }
    }

    fn place<'a>(&'a self, params: &'a Parameters) -> Result<Place<'a>, Failure> {
        label_name("the container", &params.container)?;
        template::bounds(self.resource.name, &params.limit, params.request.as_deref())?;
        self.context.rollout(&params.cluster, &params.namespace, &params.name)
    }

    async fn aim(&self, params: &Parameters, place: Place<'_>) -> Result<Aim, Failure> {
        let rollout = place.cluster.get(place.of).await?;
        let deployment = referred(&rollout)?;
        let home = read_home(place.cluster, place.of, rollout, deployment.as_deref()).await?;
        let list = template::container(&home, &params.container)?.list.to_owned();
        let wanted = template::bounds(self.resource.name, &params.limit, params.request.as_deref())?;
        Ok(Aim { wanted, deployment, list: Some(list) })
    }

    fn edit<'a>(
        &'a self,
        params: &'a Parameters,
        place: Place<'a>,
        aim: &'a Aim,
    ) -> Result<Edit<'a>, Failure> {
        let resource = self.resource.name;
        // As for an image: a place in a list, which is that of the state which was read last.
        let found = Found::default();
        let last = Arc::clone(&found);
        Ok(Edit {
            cluster: place.cluster,
            of: home(place.of, aim.deployment.as_deref()),
            subresource: None,
            patch: PatchKind::Json,
            what: format!("the {resource} of container {}", params.container),
            read: Box::new(move |object| {
                let container = template::container(object, &params.container)?;
                let path = format!("/spec/template/spec/{}/{}/resources", container.list, container.position);
                let all = container.json["resources"].clone();
                *found.lock().unwrap_or_else(PoisonError::into_inner) = (path, all);
                Ok(template::bounds_of(container, resource, params.request.is_some()))
            }),
            write: Box::new(move |bounds| {
                let (path, all) = &*last.lock().unwrap_or_else(PoisonError::into_inner);
                operation(path, all, &template::resources(resource, bounds))
            }),
            wanted: aim.wanted.clone(),
        })
    }

    fn fields(&self, params: &Parameters, aim: &Aim) -> Vec<Vec<String>> {
        let list = aim.list.as_deref().unwrap_or(LISTS[0]);
        let mut field = path(&["spec", "template", "spec", list]);
        // The definition of rollouts has containers as a list that belongs to one owner as a whole.
        if aim.deployment.is_some() {
            field.extend([format!("k:{{\"name\":\"{}\"}}", params.container), "resources".to_owned()]);
        }
        vec![field]
    }

    fn told(&self, params: &Parameters, of: &str, done: bool) -> String {
        let verb = if done { "set" } else { "sets" };
        let Parameters { container, limit, .. } = params;
        format!("{verb} the {} limit of container {container} of {of} to {limit}", self.resource.name)
    }
}

/// Sets some of a container's resources: all of them are written, since a part of a list cannot be merged by position. What
/// becomes empty goes, so that taking a limit back leaves the very template that was there.
fn operation(path: &str, all: &Value, change: &Value) -> Value {
    let mut after = if all.is_object() { all.clone() } else { json!({}) };
    for (list, set) in change.as_object().into_iter().flatten() {
        for (name, value) in set.as_object().into_iter().flatten() {
            after[list][name] = value.clone();
        }
        if let Some(values) = after[list].as_object_mut() {
            values.retain(|_, value| !value.is_null());
        }
    }
    if let Some(lists) = after.as_object_mut() {
        lists.retain(|_, list| list.as_object().is_none_or(|list| !list.is_empty()));
        if lists.is_empty() {
            return json!([{ "op": "remove", "path": path }]);
        }
    }
    json!([{ "op": "add", "path": path, "value": after }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_meant_changes() {
        let all = json!({ "limits": { "cpu": "1", "memory": "1Gi" }, "claims": [{ "name": "gpu" }] });
        let cases = [
            (
                all.clone(),
                json!({ "limits": { "memory": "2Gi" } }),
                Some(json!({ "limits": { "cpu": "1", "memory": "2Gi" }, "claims": [{ "name": "gpu" }] })),
            ),
            (
                all,
                json!({ "limits": { "memory": null }, "requests": { "memory": null } }),
                Some(json!({ "limits": { "cpu": "1" }, "claims": [{ "name": "gpu" }] })),
            ),
            (
                Value::Null,
                json!({ "limits": { "memory": "1Gi" } }),
                Some(json!({ "limits": { "memory": "1Gi" } })),
            ),
            (json!({ "limits": { "memory": "1Gi" } }), json!({ "limits": { "memory": null } }), None),
        ];
        for (all, change, expected) in cases {
            let operation = operation("/r", &all, &change);
            let expected = match expected {
                Some(value) => json!([{ "op": "add", "path": "/r", "value": value }]),
                None => json!([{ "op": "remove", "path": "/r" }]),
            };
            assert_eq!(operation, expected, "{all} {change}");
        }
    }
}
