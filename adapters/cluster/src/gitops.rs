//! Who keeps an object: a GitOps controller or an autoscaler that would set a field back, told from labels, annotations
//! and `metadata.managedFields`.

use std::fmt;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::exchange::FIELD_MANAGER;
use crate::object::Object;

/// What keeps an object as a repository has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitOps {
    /// Which program.
    pub keeper: Keeper,
    /// Its object that holds the desired state: an Application, a Kustomization, a HelmRelease. May be empty.
    pub source: String,
    /// Whether it keeps the fields in question, or has to be taken to.
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

impl fmt::Display for GitOps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(format!("{} {}", self.keeper.name(), self.source).trim())
    }
}

const TRACKING: &str = "argocd.argoproj.io/tracking-id";
const INSTANCE: &str = "argocd.argoproj.io/instance";
/// Argo CD's label unless it is told to use another. Helm sets it as well.
const COMMON_INSTANCE: &str = "app.kubernetes.io/instance";
/// What was applied last, by whoever applies on the client's side: Argo CD, unless it is told otherwise, and kubectl.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Recognises what keeps an object. `fields` are those in question, each by the names on the way to it; an item of a list is
/// written as in `managedFields`: `["spec", "template", "spec", "containers", "k:{\"name\":\"app\"}"]`.
///
/// A field counts as kept unless it is known to be outside of what is kept, since a change by anybody else takes it away
/// from the keeper's entry in `managedFields` and not out of the repository. It is outside where the keeper has told what
/// it has, and
///
/// - what it applied last stands in the annotation of client-side apply, with the keeper's own mark, and lacks the field; or
/// - nobody has set the field; or
/// - whoever has set it did so before the keeper applied last, which would have taken it back (server-side apply only); or
/// - selfheal has set it, when it was outside.
pub fn gitops(object: &Object, fields: &[&[&str]]) -> Option<GitOps> {
    let (keeper, source) = keeper(object)?;
    let reverts = fields.iter().any(|field| keeps(object, keeper, field));
    Some(GitOps { keeper, source, reverts })
}

/// Who would set these fields of an object back, as people know it: `Argo CD shop`.
pub fn contested_by(object: &Object, fields: &[Vec<impl AsRef<str>>]) -> Option<String> {
    let fields: Vec<Vec<&str>> =
        fields.iter().map(|field| field.iter().map(AsRef::as_ref).collect()).collect();
    let paths: Vec<&[&str]> = fields.iter().map(Vec::as_slice).collect();
    gitops(object, &paths).filter(|kept| kept.reverts).map(|kept| kept.to_string())
}

/// Whether a keeper has to be taken to keep a field of its object.
fn keeps(object: &Object, keeper: Keeper, field: &[&str]) -> bool {
    let is_own = |entry: &Value| keeper.is_manager(manager(entry));
    let is_applied = |entry: &Value| is_own(entry) && entry["operation"] == "Apply";
    let entries = object.items("/metadata/managedFields");
    let owners: Vec<&Value> = entries.iter().filter(|entry| owns(entry, field)).collect();
    let applied = last_applied(object, keeper);
    let has_field = applied.as_ref().is_some_and(|applied| is_in(applied, field));
    if has_field || owners.iter().any(|entry| is_own(entry)) {
        return true;
    }
    if applied.is_some() && !entries.iter().any(is_applied) {
        return false;
    }
    // Without any word of the keeper's nothing is known about single fields.
    if applied.is_none() && !entries.iter().any(is_own) {
        return true;
    }
    let last = entries.iter().filter(|entry| is_applied(entry)).filter_map(time).max();
    let is_outside = |owner: &Value| {
        manager(owner) == FIELD_MANAGER || time(owner).zip(last).is_some_and(|(set, applied)| set < applied)
    };
    !owners.into_iter().all(is_outside)
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
    if let Some(application) = object.label(INSTANCE) {
        return Some((Keeper::ArgoCd, application.to_owned()));
    }
    if let Some(source) = flux("kustomize.toolkit.fluxcd.io") {
        return Some((Keeper::FluxKustomize, source));
    }
    if let Some(source) = flux("helm.toolkit.fluxcd.io") {
        return Some((Keeper::FluxHelm, source));
    }
    // Alone it says nothing.
    let by_argo = || {
        let entries = object.items("/metadata/managedFields");
        entries.iter().any(|entry| Keeper::ArgoCd.is_manager(manager(entry)))
    };
    let application = object.label(COMMON_INSTANCE).filter(|_| by_argo())?;
    Some((Keeper::ArgoCd, application.to_owned()))
}

/// What the keeper applied last on the client's side. What somebody else has applied since lacks its mark.
fn last_applied(object: &Object, keeper: Keeper) -> Option<Value> {
    if keeper != Keeper::ArgoCd {
        return None;
    }
    let applied = Object { json: serde_json::from_str(object.annotation(LAST_APPLIED)?).ok()?, date: None };
    let same = |ours: Option<&str>, theirs: Option<&str>| ours.is_some() && ours == theirs;
    let is_marked = same(object.annotation(TRACKING), applied.annotation(TRACKING))
        || [INSTANCE, COMMON_INSTANCE].iter().any(|name| same(object.label(name), applied.label(name)));
    is_marked.then_some(applied.json)
}

/// Whether a configuration says something of a field.
fn is_in(configuration: &Value, field: &[&str]) -> bool {
    let found = field.iter().try_fold(configuration, |value, name| match name.strip_prefix("k:") {
        None => value.get(name),
        Some(key) => {
            let key: Map<String, Value> = serde_json::from_str(key).ok()?;
            let is_meant = |item: &&Value| key.iter().all(|(name, value)| &item[name] == value);
            value.as_array()?.iter().find(is_meant)
        }
    });
    found.is_some_and(|value| !value.is_null())
}

/// Since when an entry is as it is.
fn time(entry: &Value) -> Option<Timestamp> {
    entry["time"].as_str()?.parse().ok()
}

fn manager(entry: &Value) -> &str {
    entry["manager"].as_str().unwrap_or_default()
}

/// Whether an entry has a field, something below it, or the list as a whole that it is an item of.
fn owns(entry: &Value, field: &[&str]) -> bool {
    let mut fields = &entry["fieldsV1"];
    for name in field {
        let is_item = name.starts_with("k:");
        // A list whose items have no owners of their own.
        if is_item && fields.as_object().is_some_and(Map::is_empty) {
            return true;
        }
        let found = if is_item { fields.get(*name) } else { fields.get(format!("f:{name}")) };
        let Some(found) = found else { return false };
        fields = found;
    }
    true
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
                json!({ "labels": { "argocd.argoproj.io/instance": "web" } }),
                some(Keeper::ArgoCd, "web", true),
            ),
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
    }

    /// `managedFields` names only who has set a field last, which is not who keeps it.
    #[test]
    fn a_field_that_somebody_else_has_set_is_kept_unless_it_is_known_not_to_be() {
        let replicas = || json!({ "f:spec": { "f:replicas": {} } });
        let image = json!({ "f:spec": { "f:template": {} } });
        let at = |manager: &str, operation: &str, time: &str, fields: &Value| {
            json!({ "manager": manager, "operation": operation, "time": format!("2026-11-22T12:00:{time}Z"),
                "fieldsV1": fields })
        };
        let applied = || at("argocd-controller", "Apply", "10", &image);
        let updated = || at("argocd-controller", "Update", "10", &image);
        let set = |manager: &str, time: &str| at(manager, "Update", time, &replicas());
        let config = |spec: Value, mark: &str| {
            json!({ "metadata": { "labels": { "argocd.argoproj.io/instance": mark } }, "spec": spec })
                .to_string()
        };
        let (without, with) = (json!({ "paused": false }), json!({ "replicas": 2 }));
        let cases = [
            ("taken since", vec![applied(), set("kubectl-set", "11")], None, true),
            ("taken in the same second", vec![applied(), set("kubectl-set", "10")], None, true),
            ("there before, and not taken back", vec![applied(), set("hpa", "09")], None, false),
            ("set by selfheal as nobody's", vec![applied(), set("selfheal", "11")], None, false),
            ("set by selfheal as another's", vec![applied(), set("selfheal-contesting", "11")], None, true),
            ("another took it then", vec![applied(), set("selfheal", "11"), set("hpa", "12")], None, true),
            ("an update tells not all that is kept", vec![updated(), set("kubectl-set", "09")], None, true),
            ("never set", vec![updated()], None, false),
            ("no word of the keeper's", vec![set("kubectl-set", "11")], None, true),
            (
                "not applied",
                vec![updated(), set("kubectl", "11")],
                Some(config(without.clone(), "shop")),
                false,
            ),
            ("applied", vec![updated(), set("kubectl", "11")], Some(config(with.clone(), "shop")), true),
            ("applied, then taken away", vec![updated()], Some(config(with, "shop")), true),
            ("by another", vec![updated(), set("kubectl", "11")], Some(config(without.clone(), "me")), true),
            ("on both sides", vec![applied(), set("kubectl", "11")], Some(config(without, "shop")), true),
        ];
        for (what, entries, last_applied, expected) in cases {
            let mut metadata =
                json!({ "labels": { "argocd.argoproj.io/instance": "shop" }, "managedFields": entries });
            if let Some(text) = last_applied {
                metadata["annotations"] = json!({ "kubectl.kubernetes.io/last-applied-configuration": text });
            }
            let found = gitops(&object(metadata), &[REPLICAS]).unwrap();
            assert_eq!((found.to_string().as_str(), found.reverts), ("Argo CD shop", expected), "{what}");
        }
    }

    #[test]
    fn an_item_of_a_list_is_found_by_its_key() {
        let path = ["spec", "containers", "k:{\"name\":\"app\"}", "image"];
        let config = |name: &str| json!({ "spec": { "containers": [{ "name": "a" }, { "name": name, "image": "x" }] } });
        assert!(is_in(&config("app"), &path) && !is_in(&config("b"), &path));
        let owned = json!({ "f:spec": { "f:containers": { "k:{\"name\":\"app\"}": { "f:image": {} } } } });
        assert!(owns(&entry("a", owned.clone()), &path) && !owns(&entry("a", owned), REPLICAS));
        let whole = json!({ "f:spec": { "f:containers": {} } });
        assert!(owns(&entry("a", whole), &path) && !owns(&entry("a", json!({ "f:spec": {} })), &path));
    }
}
