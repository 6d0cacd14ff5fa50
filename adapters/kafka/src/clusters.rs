//! The configured clusters and what the operator lets actions touch, shared by all actions and probes.

use std::sync::Arc;

use selfheal_contract::Failure;
use selfheal_contract::settings::suggest;

use crate::cluster::Cluster;
use crate::names;
use crate::text::quoted;

/// The configured clusters, and the limits that hold at all of them.
pub(crate) struct Clusters {
    clusters: Vec<Arc<Cluster>>,
    settable: Vec<String>,
}

impl Clusters {
    pub(crate) fn new(clusters: Vec<Arc<Cluster>>, settable: Vec<String>) -> Self {
        Self { clusters, settable }
    }

    /// The cluster of this name; without a name the only one.
    ///
    /// # Errors
    /// `Refused`, with the names that are configured.
    pub(crate) fn find(&self, name: Option<&str>) -> Result<&Arc<Cluster>, Failure> {
        let names = || self.clusters.iter().map(|cluster| cluster.name());
        let configured = || names().collect::<Vec<_>>().join(", ");
        let Some(name) = name else {
            return match &self.clusters[..] {
                [only] => Ok(only),
                [] => Err(Failure::refused(
                    "no kafka cluster is configured; add one under adapters.kafka.clusters",
                )),
                _ => Err(Failure::refused(format!(
                    "there are several kafka clusters; name the one that is meant: {}",
                    configured()
                ))),
            };
        };
        self.clusters.iter().find(|cluster| cluster.name() == name).ok_or_else(|| {
            let near = if name.len() <= 64 { suggest(name, names()) } else { None };
            let help = match near {
                Some(meant) => format!("did you mean {meant:?}?"),
                None if self.clusters.is_empty() => {
                    "none is configured; add one under adapters.kafka.clusters".to_owned()
                }
                None => format!("configured are {}", configured()),
            };
            Failure::refused(format!("there is no kafka cluster {}; {help}", quoted(name)))
        })
    }

    /// Checks that the operator lets this key of topics be set.
    ///
    /// # Errors
    /// `Refused`, saying how to permit it.
    pub(crate) fn settable(&self, key: &str) -> Result<(), Failure> {
        names::key(key)?;
        if self.settable.iter().any(|listed| listed == key) {
            return Ok(());
        }
        let now = if self.settable.is_empty() {
            "now none is listed".to_owned()
        } else {
            format!("now {}", self.settable.join(", "))
        };
        Err(Failure::refused(format!(
            "the configuration {key} of topics may not be set; to permit it, add it to adapters.kafka.settable ({now})"
        )))
    }
}
