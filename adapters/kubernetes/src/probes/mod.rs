//! What can be read of a cluster, one file a probe or a few alike.

mod any_workload;
mod application;
mod autoscaler;
mod certificate;
mod events;
mod isolation;
mod node;
mod pod;
mod pods;
mod revisions;
mod volume;
mod workload;

use std::sync::Arc;

use selfheal_cluster::kinds;
use selfheal_contract::{AnyProbe, FieldSpec};

use crate::context::Context;

pub(crate) use revisions::{Revision, revisions_of};

/// All probes, over these clusters.
pub(crate) fn all(context: &Arc<Context>) -> Vec<Arc<dyn AnyProbe>> {
    let context = || Arc::clone(context);
    vec![
        Arc::new(workload::Probe { context: context(), kind: &kinds::DEPLOYMENT }),
        Arc::new(workload::Probe { context: context(), kind: &kinds::STATEFUL_SET }),
        Arc::new(workload::Probe { context: context(), kind: &kinds::DAEMON_SET }),
        Arc::new(any_workload::Probe(context())),
        Arc::new(pods::Probe(context())),
        Arc::new(pod::Probe(context())),
        Arc::new(isolation::Probe(context())),
        Arc::new(autoscaler::Probe(context())),
        Arc::new(volume::Probe(context())),
        Arc::new(node::Probe(context())),
        Arc::new(events::Probe(context())),
        Arc::new(revisions::Probe(context())),
        Arc::new(certificate::Probe(context())),
        Arc::new(application::Probe(context())),
    ]
}

/// A field of a reading.
const fn field(name: &'static str, doc: &'static str) -> FieldSpec {
    FieldSpec { name, doc }
}
