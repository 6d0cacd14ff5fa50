//! Who keeps an object: a GitOps controller or an autoscaler that would set a field back, told from labels, annotations
//! and `metadata.managedFields`.

use serde_json::Value;

use crate::object::Object;

/// What keeps an object as a repository has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitOps {
    /// Which program.
    pub keeper: Keeper,
    /// Its object that holds the desired state: an Application, a Kustomization, a HelmRelease. May be empty.
    pub source: String,
    /// Whether it is known to keep the fields in question. When the server does not tell, it is taken to.
    pub reverts: bool,
}

/// A program that keeps objects as a repository has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeper {
    /// Argo CD.
    ArgoCd,
    /// Flux, by a Kustomization.
    FluxKustomize,
    /// Flux, by a HelmRelease.
    FluxHelm,
}

impl Keeper {
    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::ArgoCd => "Argo CD",
            Self::FluxKustomize | Self::FluxHelm => "Flux",
        }
    }

    /// Whether a manager in `managedFields` is this program.
    fn is_manager(self, manager: &str) -> bool {
        match self {
            Self::ArgoCd => manager.starts_with("argocd"),
            Self::FluxKustomize => manager == "kustomize-controller",
            Self::FluxHelm => manager == "helm-controller",
        }
    }
}

impl GitOps {
    /// In a sentence, for the plan.
    pub fn describe(&self) -> String {
        let keeper = self.keeper.name();
        let source = match self.source.as_str() {
            "" => String::new(),
            source => format!(" ({source})"),
        };
        match self.reverts {
            true => format!("{keeper}{source} keeps this field as its repository has it and may set it back"),
            false => format!("{keeper}{source} keeps this object, but not this field"),
        }
    }
}

const TRACKING: &str = "argocd.argoproj.io/tracking-id";
const INSTANCE: &str = "app.kubernetes.io/instance";

/// Recognises what keeps an object; `fields` are those in question, in the form of [`managers`].
pub fn gitops(object: &Object, fields: &[&[&str]]) -> Option<GitOps> {
    let (keeper, source) = keeper(object)?;
    let entries = object.items("/metadata/managedFields");
    // Without entries of the keeper's nothing is known about single fields.
    let known = entries.iter().any(|entry| keeper.is_manager(manager(entry)));
    let reverts = !known
        || fields.iter().any(|field| managers(object, field).iter().any(|name| keeper.is_manager(name)));
    Some(GitOps { keeper, source, reverts })
}

fn keeper(object: &Object) -> Option<(Keeper, String)> {
    let flux = |group: &str| {
        let name = object.label(&format!("{group}/name"))?;
        let namespace = object.label(&format!("{group}/namespace")).unwrap_or_default();
        Some(format!("{namespace}/{name}").trim_start_matches('/').to_owned())
    };
    if let Some(tracking) = object.annotation(TRACKING) {
        let application = tracking.split(':').next().unwrap_or_default();
        return Some((Keeper::ArgoCd, application.to_owned()));
    }
    if let Some(source) = flux("kustomize.toolkit.fluxcd.io") {
        return Some((Keeper::FluxKustomize, source));
    }
    if let Some(source) = flux("helm.toolkit.fluxcd.io") {
        return Some((Keeper::FluxHelm, source));
    }
    // Helm sets this label as well, so that alone it says nothing.
    let by_argo = || {
        let entries = object.items("/metadata/managedFields");
        entries.iter().any(|entry| Keeper::ArgoCd.is_manager(manager(entry)))
    };
    object.label(INSTANCE).filter(|_| by_argo()).map(|application| (Keeper::ArgoCd, application.to_owned()))
}

fn manager(entry: &Value) -> &str {
    entry["manager"].as_str().unwrap_or_default()
}

/// The managers that own a field or something below it, by `metadata.managedFields`. A path is that of the field's names;
/// an item of a list is written as there: `["spec", "template", "spec", "containers", "k:{\"name\":\"app\"}"]`.
pub fn managers<'a>(object: &'a Object, path: &[&str]) -> Vec<&'a str> {
    let owns = |entry: &&Value| {
        path.iter()
            .try_fold(&entry["fieldsV1"], |fields, name| {
                if name.starts_with("k:") { fields.get(*name) } else { fields.get(format!("f:{name}")) }
            })
            .is_some()
    };
    let mut found: Vec<&str> =
        object.items("/metadata/managedFields").iter().filter(owns).map(manager).collect();
    found.sort_unstable();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const REPLICAS: &[&str] = &["spec", "replicas"];

    fn object(metadata: Value) -> Object {
        Object { json: json!({ "metadata": metadata }), date: None }
    }

    fn entry(manager: &str, fields: Value) -> Value {
        json!({ "manager": manager, "fieldsV1": fields })
    }

    #[test]
    fn keepers_and_their_fields_are_recognised() {
        let replicas = || json!({ "f:spec": { "f:replicas": {} } });
        let image = || {
            json!({ "f:spec": { "f:template": { "f:spec": { "f:containers": {
                "k:{\"name\":\"app\"}": { "f:image": {} } } } } } })
        };
        let tracked = |fields| {
            json!({ "annotations": { "argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/web" },
                "managedFields": [entry("argocd-controller", fields)] })
        };
        let some =
            |keeper, source: &str, reverts| Some(GitOps { keeper, source: source.to_owned(), reverts });
        let cases = [
            (json!({}), None),
            (tracked(replicas()), some(Keeper::ArgoCd, "shop", true)),
            (tracked(image()), some(Keeper::ArgoCd, "shop", false)),
            (
                json!({ "annotations": { "argocd.argoproj.io/tracking-id": "shop:x" } }),
                some(Keeper::ArgoCd, "shop", true),
            ),
            (json!({ "labels": { "app.kubernetes.io/instance": "web" } }), None),
            (
                json!({ "labels": { "app.kubernetes.io/instance": "web" },
                    "managedFields": [entry("argocd-application-controller", replicas())] }),
                some(Keeper::ArgoCd, "web", true),
            ),
            (
                json!({ "labels": { "kustomize.toolkit.fluxcd.io/name": "apps",
                    "kustomize.toolkit.fluxcd.io/namespace": "flux-system" },
                    "managedFields": [entry("kustomize-controller", image())] }),
                some(Keeper::FluxKustomize, "flux-system/apps", false),
            ),
            (
                json!({ "labels": { "helm.toolkit.fluxcd.io/name": "web" } }),
                some(Keeper::FluxHelm, "web", true),
            ),
        ];
        for (metadata, expected) in cases {
            assert_eq!(gitops(&object(metadata.clone()), &[REPLICAS]), expected, "{metadata}");
        }
        let object = object(json!({ "managedFields": [entry("kubectl", image()), entry("a", image())] }));
        let path = ["spec", "template", "spec", "containers", "k:{\"name\":\"app\"}", "image"];
        assert_eq!(managers(&object, &path), ["a", "kubectl"]);
        assert_eq!(managers(&object, REPLICAS), [] as [&str; 0]);
    }
}
