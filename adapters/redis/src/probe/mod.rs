//! What can be read of a Redis server, one file a probe.

mod clients;
mod config;
mod info;
mod key;
mod list_length;
mod memory;

use std::sync::Arc;

use selfheal_contract::{AnyProbe, Permission};

use crate::targets::Targets;

/// All probes, over these targets.
pub(crate) fn all(targets: &Arc<Targets>) -> Vec<Arc<dyn AnyProbe>> {
    let targets = || Arc::clone(targets);
    vec![
        Arc::new(info::Probe(targets())),
        Arc::new(memory::Probe(targets())),
        Arc::new(list_length::Probe(targets())),
        Arc::new(key::Probe(targets())),
        Arc::new(clients::Probe(targets())),
        Arc::new(config::Probe(targets())),
    ]
}

/// A right in the form of `ACL SETUSER`.
pub(crate) fn right(right: &str, purpose: &'static str) -> Permission {
    Permission { right: right.into(), purpose }
}
