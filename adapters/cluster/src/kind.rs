//! The kinds of objects that adapters use, and the addresses of objects.

use std::fmt;

/// A kind of object at the API server.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// Its API group; empty for the core group.
    pub group: &'static str,
    /// The version that is spoken.
    pub version: &'static str,
    /// Its name in addresses and rights: `deployments`.
    pub plural: &'static str,
    /// Its name in objects: `Deployment`.
    pub kind: &'static str,
    /// Its name in texts for people: `deployment`.
    pub word: &'static str,
    /// Whether its objects are in namespaces.
    pub namespaced: bool,
}

impl Kind {
    /// `apps/v1`, or `v1` for the core group.
    pub fn api_version(&self) -> String {
        match self.group {
            "" => self.version.to_owned(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// The path of the kind's objects in a namespace, or of all of them.
    pub fn path(&self, namespace: Option<&str>) -> String {
        let root = if self.group.is_empty() {
            format!("/api/{}", self.version)
        } else {
            format!("/apis/{}/{}", self.group, self.version)
        };
        match namespace.filter(|_| self.namespaced) {
            Some(namespace) => format!("{root}/namespaces/{namespace}/{}", self.plural),
            None => format!("{root}/{}", self.plural),
        }
    }
}

/// The address of one object. Names are checked before one is made: see [`crate::object_name`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference<'a> {
    /// Its kind.
    pub kind: &'static Kind,
    /// Its namespace; empty for kinds that have none.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
}

impl<'a> Reference<'a> {
    /// An object in a namespace.
    pub fn new(kind: &'static Kind, namespace: &'a str, name: &'a str) -> Self {
        Self { kind, namespace, name }
    }

    /// An object of a kind without namespaces.
    pub fn of_cluster(kind: &'static Kind, name: &'a str) -> Self {
        Self { kind, namespace: "", name }
    }

    /// Its path, or that of one of its subresources.
    pub fn path(&self, subresource: Option<&str>) -> String {
        let namespace = Some(self.namespace).filter(|namespace| !namespace.is_empty());
        let mut path = format!("{}/{}", self.kind.path(namespace), self.name);
        if let Some(subresource) = subresource {
            path.push('/');
            path.push_str(subresource);
        }
        path
    }
}

impl fmt::Display for Reference<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.namespace {
            "" => write!(f, "{} {}", self.kind.word, self.name),
            namespace => write!(f, "{} {namespace}/{}", self.kind.word, self.name),
        }
    }
}

/// The kinds.
pub mod kinds {
    use super::Kind;

    macro_rules! kinds {
        ($($(#[$meta:meta])* $const:ident = $group:literal $version:literal $plural:literal $kind:literal $word:literal $namespaced:literal;)+) => {
            $($(#[$meta])* pub static $const: Kind = Kind {
                group: $group, version: $version, plural: $plural, kind: $kind, word: $word, namespaced: $namespaced,
            };)+
        };
    }

    kinds! {
        /// A pod.
        POD = "" "v1" "pods" "Pod" "pod" true;
        /// A node.
        NODE = "" "v1" "nodes" "Node" "node" false;
        /// A namespace.
        NAMESPACE = "" "v1" "namespaces" "Namespace" "namespace" false;
        /// An event.
        EVENT = "" "v1" "events" "Event" "event" true;
        /// A claim of storage.
        CLAIM = "" "v1" "persistentvolumeclaims" "PersistentVolumeClaim" "volume claim" true;
        /// A class of storage.
        STORAGE_CLASS = "storage.k8s.io" "v1" "storageclasses" "StorageClass" "storage class" false;
        /// A deployment.
        DEPLOYMENT = "apps" "v1" "deployments" "Deployment" "deployment" true;
        /// A stateful set.
        STATEFUL_SET = "apps" "v1" "statefulsets" "StatefulSet" "statefulset" true;
        /// A daemon set.
        DAEMON_SET = "apps" "v1" "daemonsets" "DaemonSet" "daemonset" true;
        /// A replica set.
        REPLICA_SET = "apps" "v1" "replicasets" "ReplicaSet" "replicaset" true;
        /// A horizontal autoscaler.
        AUTOSCALER = "autoscaling" "v2" "horizontalpodautoscalers" "HorizontalPodAutoscaler" "autoscaler" true;
        /// A network policy.
        NETWORK_POLICY = "networking.k8s.io" "v1" "networkpolicies" "NetworkPolicy" "network policy" true;
        /// A certificate of cert-manager.
        CERTIFICATE = "cert-manager.io" "v1" "certificates" "Certificate" "certificate" true;
        /// An application of Argo CD.
        APPLICATION = "argoproj.io" "v1alpha1" "applications" "Application" "application" true;
        /// A rollout of Argo Rollouts.
        ROLLOUT = "argoproj.io" "v1alpha1" "rollouts" "Rollout" "rollout" true;
        /// An analysis run of Argo Rollouts.
        ANALYSIS_RUN = "argoproj.io" "v1alpha1" "analysisruns" "AnalysisRun" "analysis run" true;
        /// A question whether selfheal has a right.
        ACCESS_REVIEW = "authorization.k8s.io" "v1" "selfsubjectaccessreviews" "SelfSubjectAccessReview" "access review" false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_have_the_addresses_of_the_api() {
        let cases = [
            (Reference::new(&kinds::POD, "shop", "web-1").path(None), "/api/v1/namespaces/shop/pods/web-1"),
            (Reference::of_cluster(&kinds::NODE, "n1").path(None), "/api/v1/nodes/n1"),
            (
                Reference::new(&kinds::DEPLOYMENT, "shop", "web").path(Some("scale")),
                "/apis/apps/v1/namespaces/shop/deployments/web/scale",
            ),
            (kinds::POD.path(None), "/api/v1/pods"),
            (kinds::NODE.path(Some("ignored")), "/api/v1/nodes"),
        ];
        for (found, expected) in cases {
            assert_eq!(found, expected);
        }
        assert_eq!(Reference::new(&kinds::DEPLOYMENT, "shop", "web").to_string(), "deployment shop/web");
        assert_eq!(kinds::DEPLOYMENT.api_version(), "apps/v1");
        assert_eq!(kinds::POD.api_version(), "v1");
    }
}
