//! What the server says of itself: version, groups, resources. Not aggregated discovery and not OpenAPI.

use crate::resource::Resource;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const VERSION: &str = "v1.35.0";

/// The answer to a path that is about the server, if it is one.
pub(crate) fn answer(path: &str, resources: &[Resource]) -> Option<Value> {
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    match segments.as_slice() {
        ["version"] => Some(
            json!({ "major": "1", "minor": "35", "gitVersion": VERSION, "gitCommit": "", "gitTreeState": "clean",
            "buildDate": "2026-01-01T00:00:00Z", "goVersion": "", "compiler": "", "platform": "linux/amd64" }),
        ),
        ["api"] => {
            Some(json!({ "kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [] }))
        }
        ["apis"] => Some(json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups(resources) })),
        ["apis", group] => {
            groups(resources).into_iter().find(|known| known["name"] == *group).map(|mut known| {
                known["kind"] = json!("APIGroup");
                known["apiVersion"] = json!("v1");
                known
            })
        }
        ["api", version] => resource_list("", version, resources),
        ["apis", group, version] => resource_list(group, version, resources),
        _ => None,
    }
}

fn groups(resources: &[Resource]) -> Vec<Value> {
    let own = [("authorization.k8s.io", "v1")];
    let known: BTreeSet<(&str, &str)> = resources
        .iter()
        .filter(|resource| !resource.group.is_empty())
        .map(|resource| (resource.group.as_str(), resource.version.as_str()))
        .chain(own)
        .collect();
    let group = |(name, version): (&str, &str)| {
        let version = json!({ "groupVersion": format!("{name}/{version}"), "version": version });
        json!({ "name": name, "versions": [version], "preferredVersion": version })
    };
    known.into_iter().map(group).collect()
}

fn resource_list(group: &str, version: &str, resources: &[Resource]) -> Option<Value> {
    let row = |name: String, namespaced: bool, kind: &str, verbs: &[&str]| json!({ "name": name, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": verbs });
    let mut rows = Vec::new();
    for resource in resources.iter().filter(|resource| resource.group == group && resource.version == version)
    {
        let all = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
        let plural = &resource.plural;
        rows.push(row(plural.clone(), resource.namespaced, &resource.kind, &all));
        let part = ["get", "patch", "update"];
        if resource.status {
            rows.push(row(format!("{plural}/status"), resource.namespaced, &resource.kind, &part));
        }
        if resource.scale {
            rows.push(row(format!("{plural}/scale"), resource.namespaced, "Scale", &part));
        }
    }
    if group == "authorization.k8s.io" && version == "v1" {
        rows.push(row("selfsubjectaccessreviews".to_owned(), false, "SelfSubjectAccessReview", &["create"]));
        rows.push(row("selfsubjectrulesreviews".to_owned(), false, "SelfSubjectRulesReview", &["create"]));
    }
    let name = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    (!rows.is_empty()).then(
        || json!({ "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": rows }),
    )
}
