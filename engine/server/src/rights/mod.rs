//! Rights: what the rules in use and the watches need at their targets, for whom, and whether it is granted.
//!
//! An adapter says beside each action, probe and watch which rights it needs; a rule's text names what it calls. From both
//! come the Role that [`manifest`] prints and the check at start.

pub mod manifest;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use selfheal_contract::{Adapter, Catalog, FailureKind, KubernetesRight, Permission, Right};
use selfheal_runtime::Engine;
use selfheal_script::Rule;

/// Who needs a right, and what for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Need {
    /// A rule, or `watch <name>`.
    pub by: String,
    /// What it is needed for.
    pub purpose: &'static str,
}

/// Rights with those who need them.
pub type Needs = BTreeMap<Right, BTreeSet<Need>>;

/// What rules and watches need of an adapter's target.
pub fn needs<'r>(adapter: &Adapter, rules: impl IntoIterator<Item = &'r Arc<Rule>>) -> Needs {
    let mut needs = Needs::new();
    let mut add = |by: String, permissions: Vec<Permission>| {
        for Permission { right, purpose } in permissions {
            needs.entry(right).or_default().insert(Need { by: by.clone(), purpose });
        }
    };
    for rule in rules {
        for (_, function) in rule.uses().into_iter().filter(|(name, _)| name == adapter.name) {
            for action in adapter.actions.iter().filter(|action| action.about().name == function) {
                add(rule.name().to_owned(), action.about().permissions);
            }
            for probe in adapter.probes.iter().filter(|probe| probe.about().name == function) {
                add(rule.name().to_owned(), probe.about().permissions);
            }
        }
    }
    for watch in &adapter.watches {
        let about = watch.about();
        add(format!("watch {}", about.name), about.permissions);
    }
    needs
}

/// Rights at Kubernetes API servers with those who need them.
pub type KubernetesNeeds = BTreeMap<KubernetesRight, BTreeSet<Need>>;

/// Such rights by the namespace in which they are needed; `None` is the whole cluster.
pub type Places = BTreeMap<Option<String>, KubernetesNeeds>;

/// What rules and watches need of Kubernetes API servers, over all adapters, and where: in `namespaces`, or else in those
/// in which the adapter may act. What is in no namespace is needed in the whole cluster.
pub fn kubernetes<'r>(
    catalog: &Catalog,
    rules: impl IntoIterator<Item = &'r Arc<Rule>> + Clone,
    namespaces: &[String],
) -> Places {
    let mut places = Places::new();
    for adapter in catalog.adapters() {
        let own = adapter.rights.as_ref().map_or(&[][..], |rights| rights.namespaces());
        let confined = if namespaces.is_empty() { own } else { namespaces };
        for (right, by) in needs(adapter, rules.clone()) {
            let Right::Kubernetes(right) = right else { continue };
            let mut add = |place| -> () {
                places.entry(place).or_default().entry(right.clone()).or_default().extend(by.clone());
            };
            if right.namespaced && !confined.is_empty() {
                confined.iter().for_each(|namespace| add(Some(namespace.clone())));
            } else {
                add(None);
            }
        }
    }
    places
}

/// Asks every target that can be asked whether it grants what the rules in use need, and says which rule lacks what.
pub async fn check(engine: Arc<Engine>) {
    let generation = engine.rules.current();
    for adapter in engine.catalog.adapters() {
        let Some(rights) = &adapter.rights else { continue };
        let places = rights.places();
        if places.is_empty() {
            tracing::info!(
                adapter = adapter.name,
                "may act on nothing: none is configured, and selfheal does not run in a cluster"
            );
            continue;
        }
        let mode = engine.policy.mode;
        tracing::info!(adapter = adapter.name, on = places.join(", "), ?mode, "may act");
        let needs = needs(adapter, generation.set.rules());
        let needed: Vec<Right> = needs.keys().cloned().collect();
        if needed.is_empty() {
            continue;
        }
        match rights.missing(&needed).await {
            Ok(missing) => {
                for (right, place) in &missing {
                    let by: BTreeSet<&str> =
                        needs.get(right).into_iter().flatten().map(|need| need.by.as_str()).collect();
                    let needed_by = by.into_iter().collect::<Vec<_>>().join(", ");
                    tracing::warn!(
                        adapter = adapter.name, %right, place, needed_by,
                        "a right is missing: what needs it will be refused; `selfheal rbac` prints the roles"
                    );
                }
                tracing::info!(
                    adapter = adapter.name,
                    rights = needed.len(),
                    missing = missing.len(),
                    "rights were checked"
                );
            }
            Err(fault) if fault.kind == FailureKind::Refused => {
                tracing::info!(adapter = adapter.name, %fault, "there are no rights to be checked");
            }
            Err(fault) => tracing::warn!(adapter = adapter.name, %fault, "rights could not be checked"),
        }
    }
}
