//! The rights that actions, probes and watches need at their targets: declared beside what needs them, so that
//! documentation and manifests of roles come from one place.

use std::fmt;

use async_trait::async_trait;
use serde::Serialize;

use crate::failure::Failure;

/// A right, and what it is needed for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Permission {
    /// The right.
    pub right: Right,
    /// What it is needed for.
    pub purpose: &'static str,
}

/// A right at a target.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(untagged)]
pub enum Right {
    /// In the target's own words, for example `pg_signal_backend`.
    Named(String),
    /// At a Kubernetes API server: what a rule of a Role grants.
    Kubernetes(KubernetesRight),
}

/// What a rule of a Kubernetes Role or ClusterRole grants.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct KubernetesRight {
    /// The API group; empty for the core group.
    pub group: &'static str,
    /// The resource in the plural, with its subresource where it is one: `deployments`, `deployments/scale`.
    pub resource: &'static str,
    /// The verb: `get`, `list`, `watch`, `create`, `patch`.
    pub verb: &'static str,
    /// Whether the resource lives in namespaces; if not, only a ClusterRole can grant it.
    pub namespaced: bool,
}

impl KubernetesRight {
    /// A right to a resource that lives in namespaces.
    pub const fn namespaced(group: &'static str, resource: &'static str, verb: &'static str) -> Self {
        Self { group, resource, verb, namespaced: true }
    }

    /// A right to a resource of the whole cluster.
    pub const fn cluster(group: &'static str, resource: &'static str, verb: &'static str) -> Self {
        Self { group, resource, verb, namespaced: false }
    }
}

impl fmt::Display for KubernetesRight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group, resource, verb, .. } = self;
        if group.is_empty() { write!(f, "{verb} {resource}") } else { write!(f, "{verb} {resource}.{group}") }
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => f.write_str(name),
            Self::Kubernetes(right) => right.fmt(f),
        }
    }
}

impl<T: Into<String>> From<T> for Right {
    fn from(name: T) -> Self {
        Self::Named(name.into())
    }
}

/// A target that can be asked which rights it grants.
#[async_trait]
pub trait Rights: Send + Sync {
    /// What can be asked and acted on, each by its name and where it is; empty when nothing is configured.
    fn places(&self) -> Vec<String>;

    /// The namespaces in which rights to what is in namespaces are needed; everywhere, if there are none.
    fn namespaces(&self) -> &[String] {
        &[]
    }

    /// Those of `needed` that are not granted, each with where (a cluster, a namespace).
    ///
    /// # Errors
    /// The target could not be asked.
    async fn missing(&self, needed: &[Right]) -> Result<Vec<(Right, String)>, Failure>;
}
