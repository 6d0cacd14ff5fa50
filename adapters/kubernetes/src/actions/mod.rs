//! What can be changed in a cluster, one file an action or a few alike. No action deletes a pod.

mod autoscaler;
mod certificate;
mod command;
mod cordon;
mod quarantine;
mod resources;
mod restart;
mod rollback;
mod scale;
mod setting;
mod streams;
mod sync;
mod volume;

use std::sync::Arc;

use selfheal_contract::AnyAction;

use crate::context::Context;
use setting::Set;

/// All actions, over these clusters.
pub(crate) fn all(context: &Arc<Context>) -> Vec<Arc<dyn AnyAction>> {
    let context = || Arc::clone(context);
    vec![
        Arc::new(restart::Action(context())),
        Arc::new(Set(scale::Scale(context()))),
        Arc::new(Set(autoscaler::Bounds(context()))),
        Arc::new(Set(resources::Resources { context: context(), resource: resources::MEMORY })),
        Arc::new(Set(resources::Resources { context: context(), resource: resources::CPU })),
        Arc::new(rollback::Action(context())),
        Arc::new(command::Action(context())),
        Arc::new(Set(volume::Grow(context()))),
        Arc::new(quarantine::Quarantine(context())),
        Arc::new(quarantine::Release(context())),
        Arc::new(Set(cordon::Cordon { context: context(), unschedulable: true })),
        Arc::new(Set(cordon::Cordon { context: context(), unschedulable: false })),
        Arc::new(certificate::Action(context())),
        Arc::new(sync::Action(context())),
    ]
}
