//! The table of resources: what is served, where, and what is particular about each.

/// One resource, such as `deployments` of `apps/v1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// The API group; empty for the core group.
    pub group: String,
    /// The one version that is served.
    pub version: String,
    /// The kind of its objects.
    pub kind: String,
    /// The name in paths.
    pub plural: String,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// Whether it has the subresource `status`.
    pub status: bool,
    /// Whether it has the subresource `scale`, with the usual paths `spec.replicas`, `status.replicas` and a selector.
    pub scale: bool,
    /// Whether `metadata.generation` counts changes outside metadata and status.
    pub generation: bool,
    /// Whether it stands for one of a CustomResourceDefinition: no strategic merge, no unconditional PUT, and items of
    /// lists with kind and apiVersion.
    pub custom: bool,
}

impl Resource {
    /// A namespaced custom resource with the subresource `status`; change the fields that differ.
    #[must_use]
    pub fn custom(group: &str, version: &str, kind: &str, plural: &str) -> Self {
        Self { custom: true, ..builtin(group, version, kind, plural, "ntg") }
    }

    /// `v1` or `apps/v1`.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// `pods` or `deployments.apps`, as the server's messages say it.
    #[must_use]
    pub fn qualified(&self) -> String {
        if self.group.is_empty() { self.plural.clone() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// `Pod` or `Deployment.apps`, as the server's messages about invalid objects say it.
    #[must_use]
    pub fn qualified_kind(&self) -> String {
        if self.group.is_empty() { self.kind.clone() } else { format!("{}.{}", self.kind, self.group) }
    }

    /// Whether this is the resource with these names.
    pub(crate) fn is(&self, group: &str, plural: &str) -> bool {
        self.group == group && self.plural == plural
    }
}

/// `traits`: n(amespaced), (s)t(atus), s(cale), g(eneration).
fn builtin(group: &str, version: &str, kind: &str, plural: &str, traits: &str) -> Resource {
    Resource {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
        namespaced: traits.contains('n'),
        status: traits.contains('t'),
        scale: traits.contains('s'),
        generation: traits.contains('g'),
        custom: false,
    }
}

/// What is served from the start.
pub(crate) fn table() -> Vec<Resource> {
    let builtins = [
        ("", "v1", "Namespace", "namespaces", "t"),
        ("", "v1", "Pod", "pods", "ntg"),
        ("", "v1", "Node", "nodes", "t"),
        ("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", "nt"),
        ("", "v1", "Event", "events", "n"),
        ("", "v1", "ConfigMap", "configmaps", "n"),
        ("", "v1", "Secret", "secrets", "n"),
        ("", "v1", "Service", "services", "nt"),
        ("apps", "v1", "Deployment", "deployments", "ntsg"),
        ("apps", "v1", "StatefulSet", "statefulsets", "ntsg"),
        ("apps", "v1", "DaemonSet", "daemonsets", "ntg"),
        ("apps", "v1", "ReplicaSet", "replicasets", "ntsg"),
        ("apps", "v1", "ControllerRevision", "controllerrevisions", "n"),
        ("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", "nt"),
        ("coordination.k8s.io", "v1", "Lease", "leases", "n"),
        ("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", "ng"),
        ("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", "ntg"),
        ("storage.k8s.io", "v1", "StorageClass", "storageclasses", ""),
    ];
    let customs = [
        ("argoproj.io", "v1alpha1", "Rollout", "rollouts", "ntsg"),
        ("argoproj.io", "v1alpha1", "AnalysisRun", "analysisruns", "ng"),
        ("argoproj.io", "v1alpha1", "Application", "applications", "ng"),
        ("cert-manager.io", "v1", "Certificate", "certificates", "ntg"),
        ("cert-manager.io", "v1", "CertificateRequest", "certificaterequests", "ntg"),
    ];
    let row = |(group, version, kind, plural, traits)| builtin(group, version, kind, plural, traits);
    builtins
        .map(row)
        .into_iter()
        .chain(customs.map(row).map(|resource| Resource { custom: true, ..resource }))
        .collect()
}
