//! What can be changed of a rollout. Those that set fields of one object are [`setting::Setting`]s; those that go on with
//! an update, which takes the status and the specification, are [`going_on::GoingOn`]s.

mod abort;
mod going_on;
mod image;
mod pause;
mod promote;
mod promote_fully;
mod resources;
mod restart;
mod resume;
mod setting;
mod undo;

use std::sync::Arc;

use selfheal_contract::AnyAction;

use crate::context::Context;
use going_on::Go;
use resources::Resources;
use setting::Set;

selfheal_contract::parameters! {
    /// Which rollout.
    pub struct Which {
        /// Its namespace.
        pub namespace: String,
        /// Its name.
        pub name: String,
        /// The cluster's name in the configuration; of several, unless given, that of the alert's label cluster, or default.
        pub cluster: Option<String>,
    }
}

/// All actions, over these clusters.
pub(crate) fn all(context: &Arc<Context>) -> Vec<Arc<dyn AnyAction>> {
    let context = || Arc::clone(context);
    vec![
        Arc::new(Set(pause::Pause(context()))),
        Arc::new(Go(resume::Resume(context()))),
        Arc::new(Set(abort::Abort { context: context(), aborted: true })),
        Arc::new(Set(abort::Abort { context: context(), aborted: false })),
        Arc::new(Go(promote::Promote(context()))),
        Arc::new(Go(promote_fully::PromoteFully(context()))),
        Arc::new(Set(undo::Undo(context()))),
        Arc::new(Set(restart::Restart(context()))),
        Arc::new(Set(image::SetImage(context()))),
        Arc::new(Set(Resources { context: context(), resource: resources::MEMORY })),
        Arc::new(Set(Resources { context: context(), resource: resources::CPU })),
    ]
}
