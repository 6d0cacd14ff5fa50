//! What all actions and probes share: the clusters, the commands that the operator permits, and the checks of parameters.

use std::sync::Arc;

use selfheal_cluster::{Cluster, Clusters, Kind, Reference, label_name, object_name, quoted};
use selfheal_contract::settings::suggest;
use selfheal_contract::{Assessment, BlastRadius, Failure, Reversal};

use crate::settings::Command;
use crate::workload::Workload;

/// What all actions and probes share.
pub(crate) struct Context {
    clusters: Arc<Clusters>,
    commands: Vec<Command>,
}

/// An object that a call is about, checked.
pub(crate) struct Place<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) of: Reference<'a>,
}

impl Context {
    pub(crate) fn new(clusters: Arc<Clusters>, commands: Vec<Command>) -> Self {
        Self { clusters, commands }
    }

    /// The cluster of this name.
    pub(crate) fn cluster(&self, name: &Option<String>) -> Result<&Cluster, Failure> {
        self.clusters.find(name.as_deref())
    }

    /// The object of this kind and name.
    pub(crate) fn place<'a>(
        &'a self,
        cluster: &Option<String>,
        kind: &'static Kind,
        namespace: &'a str,
        name: &'a str,
    ) -> Result<Place<'a>, Failure> {
        if kind.namespaced {
            label_name("the namespace", namespace)?;
        }
        object_name(&format!("the {}", kind.word), name)?;
        Ok(Place { cluster: self.cluster(cluster)?, of: Reference::new(kind, namespace, name) })
    }

    /// The workload of this name: see [`Workload`].
    pub(crate) fn workload<'a>(
        &'a self,
        cluster: &Option<String>,
        namespace: &'a str,
        workload: &'a str,
        fitting: &[&'static Kind],
    ) -> Result<Place<'a>, Failure> {
        let Workload { kind, name } = Workload::parse(workload, fitting)?;
        self.place(cluster, kind, namespace, name)
    }

    /// The permitted command of this name.
    pub(crate) fn command(&self, name: &str) -> Result<&Command, Failure> {
        let names = || self.commands.iter().map(|command| command.name.as_str());
        self.commands.iter().find(|command| command.name == name).ok_or_else(|| {
            let near = if name.len() <= 64 { suggest(name, names()) } else { None };
            let help = match near {
                Some(meant) => format!("did you mean {meant:?}?"),
                None if self.commands.is_empty() => {
                    "none is permitted; add it under adapters.kubernetes.commands".to_owned()
                }
                None => format!("permitted are {}", names().collect::<Vec<_>>().join(", ")),
            };
            Failure::refused(format!("there is no command {}; {help}", quoted(name)))
        })
    }
}

impl Place<'_> {
    /// What the guards are told: a change of this object.
    pub(crate) fn assessment(&self, blast_radius: BlastRadius, reversal: Reversal) -> Assessment {
        Assessment {
            target: self.cluster.target(self.of),
            blast_radius,
            reversal,
            replicas: None,
            approval: None,
            forbidden: self.cluster.forbids(self.of),
        }
    }
}
