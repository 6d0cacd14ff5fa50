//! What a configuration says of clusters: raw to checked, without reading a file or asking a server.

use selfheal_contract::settings::Section;
use selfheal_core::span::Span;

use crate::name::label_name;

/// What the section says, checked. There is always at least one cluster.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The clusters, in the order of the file.
    pub clusters: Vec<ClusterSettings>,
    /// How long servers may take.
    pub timeouts: Timeouts,
    /// The namespaces in which rules may act; empty means all.
    pub namespaces: Vec<String>,
}

/// One cluster.
#[derive(Clone, Debug)]
pub struct ClusterSettings {
    /// Its name in rules.
    pub name: String,
    /// Where it is and how to get in.
    pub at: Where,
    /// Its address instead of the one that `at` leads to.
    pub url: Option<String>,
}

/// Where a cluster is, and how to get in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Where {
    /// The one that selfheal runs in, by its service account. It is what is meant where nothing is said: a kubeconfig is
    /// used only where it is named, since one that lies around leads to whatever its owner worked on last.
    InCluster,
    /// As a file says.
    Kubeconfig {
        /// The file.
        path: String,
        /// One of its contexts; its current one if there is none.
        context: Option<String>,
    },
    /// At this address.
    Address {
        /// `https://host:port`.
        url: String,
        /// A file with a bearer token.
        token_file: Option<String>,
        /// A file with the authorities that vouch for the server, in PEM; the system's if there is none.
        ca_file: Option<String>,
    },
}

/// How long a server may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For a connection.
    pub connect: Span,
    /// For an answer.
    pub answer: Span,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Span::from_secs(2), answer: Span::from_secs(5) }
    }
}

impl ClusterSettings {
    /// Where it is, for people.
    pub(crate) fn place(&self) -> String {
        let at = match (&self.url, &self.at) {
            (Some(url), _) | (None, Where::Address { url, .. }) => url.clone(),
            (None, Where::InCluster) => "the one that selfheal runs in".to_owned(),
            (None, Where::Kubeconfig { path, context: None }) => format!("the current context of {path}"),
            (None, Where::Kubeconfig { path, context: Some(context) }) => {
                format!("context {context} of {path}")
            }
        };
        format!("{} ({at})", self.name)
    }
}

/// The keys that belong together, for adapters that take them over from another's section: see
/// [`selfheal_contract::Inherits`].
pub const KEYS: &[&[&str]] = &[&["clusters", "url"], &["namespaces"], &["connect_timeout"], &["timeout"]];

/// The name of the cluster when none is configured, and the one that is meant where none is named.
pub(crate) const DEFAULT: &str = "default";

/// Reads `clusters`, `url`, `namespaces`, `connect_timeout` and `timeout`; faults go to the section's collector. The caller finishes the
/// section.
pub fn check(section: &mut Section<'_>) -> Settings {
    let url = section.optional_url("url", &["https", "http"]);
    let mut clusters: Vec<ClusterSettings> =
        section.map("clusters").into_iter().map(|(name, cluster)| self::cluster(name, cluster)).collect();
    if clusters.is_empty() {
        clusters.push(ClusterSettings { name: DEFAULT.to_owned(), at: Where::InCluster, url: None });
    }
    if let Some(url) = url {
        let named = clusters.iter().position(|cluster| cluster.name == DEFAULT).unwrap_or_default();
        clusters[named].url = Some(url);
    }
    let defaults = Timeouts::default();
    let timeouts = Timeouts {
        connect: section.span_or(
            "connect_timeout",
            defaults.connect,
            Span::from_millis(100)..=Span::from_secs(30),
        ),
        answer: section.span_or("timeout", defaults.answer, Span::from_millis(100)..=Span::from_secs(60)),
    };
    let namespaces = section.texts("namespaces");
    for namespace in &namespaces {
        if let Err(failure) = label_name("the namespace", namespace) {
            section.reject("namespaces", failure.what, None);
        }
    }
    Settings { clusters, timeouts, namespaces }
}

fn cluster(name: &str, mut section: Section<'_>) -> ClusterSettings {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
        let problem = "a cluster's name is 1 to 64 letters, digits, dots, dashes or underscores";
        section.reject("url", format!("{problem}; found {name:?}"), None);
    }
    let kubeconfig = section.optional_text("kubeconfig");
    let context = section.optional_text("context");
    let url = section.optional_url("url", &["https", "http"]);
    let token_file = section.optional_text("token_file");
    let ca_file = section.optional_text("ca_file");
    let in_cluster = section.bool_or("in_cluster", false);
    section.finish();

    if [kubeconfig.is_some(), url.is_some(), in_cluster].into_iter().filter(|given| *given).count() > 1 {
        let help = "give one of kubeconfig, url and in_cluster: true";
        section.reject(
            if url.is_some() { "url" } else { "in_cluster" },
            "more than one way to this cluster",
            Some(help),
        );
    }
    for (name, value, of, fine) in [
        ("context", &context, "kubeconfig", kubeconfig.is_some()),
        ("token_file", &token_file, "url", url.is_some()),
        ("ca_file", &ca_file, "url", url.is_some()),
    ] {
        if value.is_some() && !fine {
            section.reject(name, format!("says nothing without {of}"), None);
        }
    }
    let at = match (kubeconfig, url) {
        (Some(path), _) => Where::Kubeconfig { path, context },
        (None, Some(url)) => Where::Address { url, token_file, ca_file },
        (None, None) => Where::InCluster,
    };
    ClusterSettings { name: name.to_owned(), at, url: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use selfheal_contract::settings::{Collector, Key, Location, Node, Value};
    use serde_json::json;

    fn node(json: &serde_json::Value) -> Node {
        let at = Location::START;
        let value = match json {
            serde_json::Value::Bool(value) => Value::Bool(*value),
            serde_json::Value::String(text) => Value::Text(text.clone()),
            serde_json::Value::Object(entries) => Value::Map(
                entries.iter().map(|(name, value)| (Key { name: name.clone(), at }, node(value))).collect(),
            ),
            other => panic!("not used in these tests: {other}"),
        };
        Node { value, at }
    }

    fn checked(json: serde_json::Value) -> Result<Settings, String> {
        let (node, collector) = (node(&json), Collector::default());
        let mut section = Section::root(&node, &collector);
        let settings = check(&mut section);
        section.finish();
        collector.accept(settings).map_err(|faults| faults.to_string())
    }

    #[test]
    fn clusters_are_told_by_one_way_each() {
        let settings = checked(json!({})).unwrap();
        assert_eq!(
            (settings.clusters[0].name.as_str(), &settings.clusters[0].at),
            ("default", &Where::InCluster)
        );
        assert_eq!(settings.clusters[0].place(), "default (the one that selfheal runs in)");
        let settings = checked(json!({ "url": "http://127.0.0.1:1" })).unwrap();
        assert_eq!(settings.clusters[0].place(), "default (http://127.0.0.1:1)");
        let settings = checked(json!({ "clusters": {
            "edge": { "kubeconfig": "/k", "context": "c" },
            "lab": { "url": "https://lab:6443", "token_file": "/t", "ca_file": "/ca" },
            "home": { "in_cluster": true },
        } }))
        .unwrap();
        let mut places: Vec<String> = settings.clusters.iter().map(ClusterSettings::place).collect();
        places.sort();
        let home = "home (the one that selfheal runs in)";
        assert_eq!(places, ["edge (context c of /k)", home, "lab (https://lab:6443)"]);
    }

    #[test]
    fn faults_are_named() {
        for (json, expected) in [
            (json!({ "clusters": { "a": { "in_cluster": true, "url": "http://h" } } }), "more than one way"),
            (json!({ "clusters": { "a": { "context": "c" } } }), "says nothing without kubeconfig"),
            (json!({ "clusters": { "a": { "token_file": "c" } } }), "says nothing without url"),
            (json!({ "clusters": { "a b": {} } }), "a cluster's name is"),
            (json!({ "clusters": { "a": { "url": "h:1" } } }), "begins with https:// or http://"),
            (json!({ "timeout": "1ms" }), "must be between"),
            (json!({ "cluster": {} }), "did you mean \"clusters\"?"),
        ] {
            let text = checked(json).unwrap_err();
            assert!(text.contains(expected), "{text}");
        }
    }
}
