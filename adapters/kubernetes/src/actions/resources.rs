//! `k8s::memory` and `k8s::cpu`: what one container of a workload may use.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use selfheal_cluster::template::{self, LISTS};
use selfheal_cluster::{Edit, Kind, PatchKind, kinds, label_name, right};
use selfheal_contract::{About, Assessment, BlastRadius, Failure, Reversal};
use serde_json::{Value, json};

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

impl Resources {
    fn place<'a>(&'a self, params: &'a Parameters) -> Result<Place<'a>, Failure> {
        label_name("the container", &params.container)?;
        self.context.workload(&params.cluster, &params.namespace, &params.workload, &FITTING)
    }

    /// The values to be.
    fn wanted(&self, params: &Parameters) -> Result<Value, Failure> {
        template::bounds(self.resource.name, &params.limit, params.request.as_deref())
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
        // Which list the container is in tells the state that was read last, which the patch has as its precondition.
        let initial = Arc::new(AtomicBool::new(false));
        let last = Arc::clone(&initial);
        Ok(Edit {
            cluster,
            of,
            subresource: None,
            patch: PatchKind::Strategic,
            what: format!("the {resource} of container {}", params.container),
            read: Box::new(move |object| {
                let container = template::container(object, &params.container)?;
                initial.store(container.list != LISTS[0], Ordering::Relaxed);
                Ok(template::bounds_of(container, resource, params.request.is_some()))
            }),
            write: Box::new(move |values| {
                let resources = template::resources(resource, values);
                let container = json!({ "name": params.container, "resources": resources });
                let list = LISTS[usize::from(last.load(Ordering::Relaxed))];
                json!({ "spec": { "template": { "spec": { list: [container] } } } })
            }),
            wanted: self.wanted(params)?,
        })
    }

    async fn fields(&self, params: &Parameters) -> Result<Vec<Field>, Failure> {
        let place = self.place(params)?;
        let found = place.cluster.find(place.of).await?;
        // One that is not there is refused when it comes to the change.
        let list = found.and_then(|object| Some(template::container(&object, &params.container).ok()?.list));
        let list = list.unwrap_or(LISTS[0]);
        let container = format!("k:{{\"name\":\"{}\"}}", params.container);
        let of = |bounds: &str| {
            path(&["spec", "template", "spec", list, &container, "resources", bounds, self.resource.name])
        };
        Ok(if params.request.is_some() { vec![of("limits"), of("requests")] } else { vec![of("limits")] })
    }
}
