//! What an alert is about, for people and for counting failures: derived from its labels.

use selfheal_core::labels::Labels;

/// Labels that name a thing, the most telling first.
const NAMES: &[&str] = &[
    "rollout",
    "deployment",
    "statefulset",
    "daemonset",
    "consumergroup",
    "persistentvolumeclaim",
    "certificate",
    "application",
    "pod",
    "database",
    "datname",
    "service",
    "app",
    "instance",
    "node",
    "job",
];

/// `namespace/kind/name` where labels tell, else the alert's name.
pub fn resource(labels: &Labels) -> String {
    let named =
        NAMES.iter().find_map(|kind| Some((*kind, labels.get(kind).filter(|value| !value.is_empty())?)));
    let namespace = labels.get("namespace").filter(|value| !value.is_empty());
    match (namespace, named) {
        (Some(namespace), Some((kind, name))) => format!("{namespace}/{kind}/{name}"),
        (None, Some((kind, name))) => format!("{kind}/{name}"),
        (Some(namespace), None) => format!("{namespace}/{}", labels.get("alertname").unwrap_or_default()),
        (None, None) => labels.get("alertname").unwrap_or("unnamed").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_telling_label_names_it() {
        let cases: [(&[(&str, &str)], &str); 4] = [
            (&[("alertname", "A"), ("namespace", "prod"), ("pod", "web-1")], "prod/pod/web-1"),
            (&[("alertname", "A"), ("pod", "web-1"), ("deployment", "web")], "deployment/web"),
            (&[("alertname", "A"), ("namespace", "prod"), ("pod", "")], "prod/A"),
            (&[("severity", "high")], "unnamed"),
        ];
        for (labels, wanted) in cases {
            let labels =
                labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            assert_eq!(resource(&labels), wanted);
        }
    }
}
