//! `k8s::memory` and `k8s::cpu`: what one container of a workload may use.

use std::sync::Arc;

use async_trait::async_trait;
use selfheal_cluster::{Edit, Kind, Object, PatchKind, Quantity, kinds, label_name, quoted, right};
use selfheal_contract::{About, Assessment, BlastRadius, Failure, Reversal};
use serde_json::{Map, Value, json};

use super::setting::{Field, Setting, path};
use crate::context::{Context, Place};

static FITTING: [&Kind; 3] = [&kinds::DEPLOYMENT, &kinds::STATEFUL_SET, &kinds::DAEMON_SET];

/// Which of the two resources.
pub(super) struct Resource {
    name: &'static str,
    doc: &'static str,
}

pub(super) const MEMORY: Resource = Resource {
    name: "memory",
    doc: "Sets the memory limit, and where given the request, of one container of a workload to absolute quantities; its pods \
        are replaced by a rollout. Everything else of the container stays. The reading of k8s::deployment has larger ones ready: \
        containers.NAME.memory.limit_doubled, limit_half_more. The undo sets what was there before (also that there was \
        nothing), by another rollout, unless somebody else has changed it meanwhile.",
};

pub(super) const CPU: Resource = Resource {
    name: "cpu",
    doc: "Sets the CPU limit, and where given the request, of one container of a workload to absolute quantities; its pods are \
        replaced by a rollout. Everything else of the container stays. The reading of k8s::deployment has larger ones ready: \
        containers.NAME.cpu.limit_half_more. The undo sets what was there before (also that there was nothing), by another \
        rollout, unless somebody else has changed it meanwhile.",
};

selfheal_contract::parameters! {
    /// Which container, and what it may use.
    pub struct Parameters {
        /// Its namespace.
        pub namespace: String,
        /// deployment/NAME, statefulset/NAME or daemonset/NAME; a name alone is a deployment's.
        pub workload: String,
        /// The container's name.
        pub container: String,
        /// The limit, as Kubernetes writes it: "1Gi", "500m".
        pub limit: String,
        /// The request, not above the limit; stays as it is unless given.
        pub request: Option<String>,
        /// The cluster's name in the configuration; the one called default, or the first, unless given.
        pub cluster: Option<String>,
    }
}

pub(super) struct Resources {
    pub(super) context: Arc<Context>,
    pub(super) resource: Resource,
}

impl Resources {
    fn place<'a>(&'a self, params: &'a Parameters) -> Result<Place<'a>, Failure> {
        label_name("the container", &params.container)?;
        self.context.workload(&params.cluster, &params.namespace, &params.workload, &FITTING)
    }

    /// The values to be, in Kubernetes' own spelling.
    fn wanted(&self, params: &Parameters) -> Result<Value, Failure> {
        let limit = self.quantity("limit", &params.limit)?;
        let mut wanted = Map::from_iter([("limit".to_owned(), json!(limit.to_string()))]);
        if let Some(text) = &params.request {
            let request = self.quantity("request", text)?;
            if request.amount() > limit.amount() {
                return Err(Failure::refused(format!(
                    "the {} request {request} is above the limit {limit}",
                    self.resource.name
                )));
            }
            wanted.insert("request".to_owned(), json!(request.to_string()));
        }
        Ok(Value::Object(wanted))
    }

    fn quantity(&self, what: &str, text: &str) -> Result<Quantity, Failure> {
        let of = |fault: &dyn std::fmt::Display| {
            Failure::refused(format!(
                "the {} {what} {} cannot be set: {fault}",
                self.resource.name,
                quoted(text)
            ))
        };
        let quantity: Quantity = text.parse().map_err(|fault| of(&fault))?;
        if quantity.amount() == 0.0 { Err(of(&"expected more than nothing")) } else { Ok(quantity) }
    }

    fn read(&self, object: &Object, params: &Parameters) -> Result<Value, Failure> {
        let containers = object.items("/spec/template/spec/containers");
        let container =
            containers.iter().find(|container| container["name"] == params.container).ok_or_else(|| {
                let names: Vec<&str> =
                    containers.iter().filter_map(|container| container["name"].as_str()).collect();
                Failure::refused(format!(
                    "{} has no container {}; it has {}",
                    params.workload,
                    params.container,
                    names.join(", ")
                ))
            })?;
        let value = |list: &str| {
            let text = &container["resources"][list][self.resource.name];
            let quantity = text.as_str().and_then(|text| text.parse::<Quantity>().ok());
            quantity.map_or_else(|| text.clone(), |quantity| json!(quantity.to_string()))
        };
        let mut values = Map::from_iter([("limit".to_owned(), value("limits"))]);
        if params.request.is_some() {
            values.insert("request".to_owned(), value("requests"));
        }
        Ok(Value::Object(values))
    }
}

#[async_trait]
impl Setting for Resources {
    type Parameters = Parameters;

    fn about(&self) -> About {
        let mut permissions = Vec::new();
        for kind in FITTING {
            permissions.push(right("get", kind, "to read the limits"));
            permissions.push(right("patch", kind, "to set the limits"));
        }
        let Resource { name, doc } = self.resource;
        About { name, doc, reversal: Reversal::Restores, permissions }
    }

    fn assess(&self, params: &Parameters) -> Result<Assessment, Failure> {
        self.wanted(params)?;
        Ok(self.place(params)?.assessment(BlastRadius::Object, Reversal::Restores))
    }

    fn edit<'a>(&'a self, params: &'a Parameters) -> Result<Edit<'a>, Failure> {
        let Place { cluster, of } = self.place(params)?;
        let resource = self.resource.name;
        Ok(Edit {
            cluster,
            of,
            subresource: None,
            patch: PatchKind::Strategic,
            what: format!("the {resource} of container {}", params.container),
            read: Box::new(|object| self.read(object, params)),
            write: Box::new(move |values| {
                let mut resources = Map::new();
                resources.insert("limits".to_owned(), json!({ resource: values["limit"] }));
                if let Some(request) = values.get("request") {
                    resources.insert("requests".to_owned(), json!({ resource: request }));
                }
                let container = json!({ "name": params.container, "resources": resources });
                json!({ "spec": { "template": { "spec": { "containers": [container] } } } })
            }),
            wanted: self.wanted(params)?,
        })
    }

    fn fields(&self, params: &Parameters) -> Vec<Field> {
        let container = format!("k:{{\"name\":\"{}\"}}", params.container);
        let of = |list: &str| {
            path(&[
                "spec",
                "template",
                "spec",
                "containers",
                &container,
                "resources",
                list,
                self.resource.name,
            ])
        };
        if params.request.is_some() { vec![of("limits"), of("requests")] } else { vec![of("limits")] }
    }
}
