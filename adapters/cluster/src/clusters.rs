//! The configured clusters, by name.

use selfheal_contract::Failure;
use selfheal_contract::settings::suggest;

use crate::cluster::Cluster;
use crate::name::quoted;
use crate::settings::{DEFAULT, Settings};

/// The configured clusters; at least one.
pub struct Clusters {
    clusters: Vec<Cluster>,
    namespaces: Vec<String>,
}

impl Clusters {
    /// The clusters that the settings name; nothing is connected to yet.
    pub fn new(settings: Settings) -> Self {
        let Settings { clusters, timeouts, namespaces } = settings;
        let connect = |cluster| Cluster::new(cluster, timeouts).confined(namespaces.clone());
        let clusters = clusters.into_iter().map(connect).collect();
        Self { clusters, namespaces }
    }

    /// These clusters.
    pub fn of(clusters: Vec<Cluster>) -> Self {
        Self { clusters, namespaces: Vec::new() }
    }

    /// All clusters.
    pub fn all(&self) -> &[Cluster] {
        &self.clusters
    }

    /// The namespaces in which rules may act; empty means all.
    pub fn namespaces(&self) -> &[String] {
        &self.namespaces
    }

    /// The parameters that rules' calls take from the label of an alert: which cluster it is about, where there are several.
    /// Where there is one, a label that Prometheus gives all its alerts need not be its name.
    pub fn from_labels(&self) -> &'static [&'static str] {
        if self.clusters.len() > 1 { &["cluster"] } else { &[] }
    }

    /// The cluster of this name; without a name the only one, or that called `default`.
    ///
    /// # Errors
    /// `Refused`, with the names that are configured: to choose among several would be to guess.
    pub fn find(&self, name: Option<&str>) -> Result<&Cluster, Failure> {
        let names = || self.clusters.iter().map(Cluster::name);
        let found = match (name, self.clusters.as_slice()) {
            (None, [only]) => Some(only),
            (name, all) => all.iter().find(|cluster| cluster.name() == name.unwrap_or(DEFAULT)),
        };
        found.ok_or_else(|| {
            let Some(name) = name else {
                return Failure::refused(format!(
                    "there are several clusters ({}), none of them called {DEFAULT}: name the one that is meant, by the \
                     parameter or the alert's label cluster",
                    names().collect::<Vec<_>>().join(", ")
                ));
            };
            let near = if name.len() <= 64 { suggest(name, names()) } else { None };
            let help = match near {
                Some(meant) => format!("did you mean {meant:?}?"),
                None => format!("configured are {}", names().collect::<Vec<_>>().join(", ")),
            };
            Failure::refused(format!("there is no cluster {}; {help}", quoted(name)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{ClusterSettings, Timeouts, Where};

    fn clusters(names: &[&str]) -> Clusters {
        let of = |name: &&str| ClusterSettings { name: (*name).to_owned(), at: Where::InCluster, url: None };
        Clusters::new(Settings {
            clusters: names.iter().map(of).collect(),
            timeouts: Timeouts::default(),
            namespaces: Vec::new(),
        })
    }

    #[test]
    fn a_cluster_is_found_by_name_or_is_the_only_one_or_the_default() {
        let two = clusters(&["east", "default"]);
        assert_eq!(two.find(None).unwrap().name(), "default");
        assert_eq!(two.find(Some("east")).unwrap().name(), "east");
        assert_eq!(clusters(&["east"]).find(None).unwrap().name(), "east");
        let failure = clusters(&["east", "west"]).find(None).map(Cluster::name).unwrap_err();
        assert!(failure.what.contains("several clusters (east, west)"), "{failure}");
        let text = |name| two.find(Some(name)).map(Cluster::name).unwrap_err().what;
        assert!(text("eats").contains("did you mean \"east\"?"), "{}", text("eats"));
        assert!(text("x\n").contains("there is no cluster \"x\\n\"; configured are east, default"));
    }
}
