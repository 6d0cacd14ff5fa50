//! The adapter for Argo Rollouts, `argo` in rules: reads a rollout with its analysis and its revisions, and pauses, resumes,
//! aborts, promotes, undoes and restarts it by absolute changes under preconditions.
//!
//! What each change means to the rollouts' controller was looked up in its own source: which subresource
//! carries which field, what the controller makes of it, and when it clears it again.
//!
//! Its section is `adapters.argo_rollouts`; the keys are those of [`selfheal_cluster`]. What it does not say is taken from
//! `adapters.kubernetes`: the clusters (with KUBERNETES_URL), the namespaces, the time-outs. So it is there only where
//! rollouts live elsewhere:
//!
//! ```yaml
//! adapters:
//!   kubernetes:
//!     clusters:
//!       default: { in_cluster: true }
//!       edge: { kubeconfig: /etc/selfheal/edge.kubeconfig }
//!   argo_rollouts:
//!     clusters:
//!       default: { in_cluster: true }
//! ```
//!
//! Deliberately absent: scaling (an autoscaler mostly owns a rollout's replicas; argo::rollout names it, and k8s::hpa_bounds
//! sets its bounds), experiments, and any way to delete a pod. The controller itself evicts pods when it is asked for a
//! restart.

mod actions;
mod analysis;
mod context;
mod probe;
mod revisions;
mod rollout;
mod workload;

use std::sync::Arc;

use selfheal_cluster::{Clusters, Settings};
use selfheal_contract::settings::Section;
use selfheal_contract::{Adapter, AnyProbe, Inherits, Prepared, RosterEntry};

use crate::context::Context;

/// The adapter's line in the roster.
pub const ENTRY: RosterEntry = RosterEntry {
    section: "argo_rollouts",
    check,
    inherits: Some(Inherits { from: "kubernetes", keys: selfheal_cluster::KEYS }),
};

const DOC: &str = "Argo Rollouts: canary and blue-green updates. Clusters are named under `adapters.argo_rollouts.clusters`, \
    or else `adapters.kubernetes.clusters`; a call that names none means, where there are several, the one that the \
    alert's label `cluster` names, or that called `default`. Every change is absolute, made under a precondition of \
    uid and resourceVersion, and previewed by the server's own dry run. Changes of a rollout's specification are annotated with \
    `selfheal.dev/intent`; its status cannot carry that. A change that Argo CD or Flux would set back is recognised, and the \
    policy decides. Where a rollout takes its pod template from a deployment (`workloadRef`), that deployment is what \
    argo::undo, argo::set_image, argo::memory and argo::cpu change.";

fn check(section: &mut Section<'_>) -> Box<dyn Prepared> {
    let settings = selfheal_cluster::check(section);
    section.finish();
    Box::new(Checked(settings))
}

struct Checked(Settings);

impl Prepared for Checked {
    fn connect(self: Box<Self>) -> Result<Adapter, String> {
        let clusters = Arc::new(Clusters::new(self.0));
        let context = Arc::new(Context::new(Arc::clone(&clusters)));
        Ok(Adapter {
            name: "argo",
            doc: DOC,
            actions: actions::all(&context),
            probes: vec![Arc::new(probe::Probe(context)) as Arc<dyn AnyProbe>],
            watches: Vec::new(),
            publisher: None,
            from_labels: clusters.from_labels(),
            rights: Some(clusters),
        })
    }
}
