//! The adapter for Kubernetes, `k8s` in rules: reads workloads, pods, autoscalers, volumes, nodes and certificates, heals
//! them by absolute changes under preconditions, and turns what happens to pods into alerts.
//!
//! Its section is `adapters.kubernetes`; `clusters`, `url`, `namespaces` and the time-outs are those of
//! [`selfheal_cluster`]:
//!
//! ```yaml
//! clusters:
//!   default: { in_cluster: true }
//! commands:                              # what k8s::exec may run; none unless listed
//!   clean_logs:
//!     container: app                     # the pod's first container unless named
//!     argv: [find, /var/log/app, -name, "*.log", -mtime, "+7", -delete]
//!     pods_max: 10                       # more pods than that are refused
//!     timeout: 60s                       # for each pod
//! events:                                # pods to alerts, see engine/adr/0008
//!   enabled: true
//!   namespaces: [shop]                   # those in which rules may act unless named
//!   selector: app.kubernetes.io/part-of=shop
//!   labels: { cluster: prod }            # what Prometheus adds to its alerts, so that both are one
//! ```
//!
//! Deliberately absent: any way to delete a pod, to read a secret, and to run a command of a rule's own.

mod actions;
mod context;
mod isolation;
mod probes;
mod settings;
mod times;
mod watch;
mod workload;

use std::sync::Arc;

use selfheal_cluster::Clusters;
use selfheal_contract::settings::Section;
use selfheal_contract::{Adapter, Prepared, RosterEntry, Watch};

use crate::context::Context;
use crate::settings::Settings;
use crate::watch::PodWatch;

/// The adapter's line in the roster.
pub const ENTRY: RosterEntry = RosterEntry { section: "kubernetes", check, inherits: None };

const DOC: &str = "Kubernetes clusters, by the names that they have under `adapters.kubernetes.clusters`; a call that names \
    none means, where there are several, the one that the alert's label `cluster` names, or that called `default`. Workloads are written `deployment/web`, `statefulset/db`, \
    `daemonset/agent`; a name alone is a deployment's. Every change is absolute, made under a precondition of uid and \
    resourceVersion, annotated with `selfheal.dev/intent`, and previewed by the server's own dry run. A change that Argo CD \
    or Flux would set back is recognised, and the policy decides; made all the same, it is annotated with \
    `selfheal.dev/contested-by`. Where the configuration names namespaces, nothing in another one is changed. No action deletes a pod.";

fn check(section: &mut Section<'_>) -> Box<dyn Prepared> {
    Box::new(Checked(settings::check(section)))
}

struct Checked(Settings);

impl Prepared for Checked {
    fn connect(self: Box<Self>) -> Result<Adapter, String> {
        let Settings { clusters, commands, events } = self.0;
        let clusters = Arc::new(Clusters::new(clusters));
        let context = Arc::new(Context::new(Arc::clone(&clusters), commands));
        let watches = events
            .map(|events| Arc::new(PodWatch::new(Arc::clone(&clusters), events)) as Arc<dyn Watch>)
            .into_iter()
            .collect();
        Ok(Adapter {
            name: "k8s",
            doc: DOC,
            actions: actions::all(&context),
            probes: probes::all(&context),
            watches,
            from_labels: clusters.from_labels(),
            rights: Some(clusters),
            ..Adapter::default()
        })
    }
}
