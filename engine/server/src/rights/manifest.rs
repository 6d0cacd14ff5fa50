//! Roles as YAML, with a comment on each line that says who needs it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::{KubernetesNeeds, Need, Places};

/// For whom the roles are, and where they hold.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The name of all objects.
    pub name: String,
    /// The ServiceAccount.
    pub account: String,
    /// Its namespace.
    pub account_namespace: String,
}

/// The verbs on one resource, with who needs each.
type Verbs<'a> = Vec<(&'a str, &'a BTreeSet<Need>)>;

/// The roles and their bindings: a ClusterRole for the whole cluster, a Role for each namespace. Nothing that is not needed is
/// granted.
pub fn manifest(places: &Places, subject: &Subject) -> String {
    let mut page = String::from(
        "# What selfheal's rules and watches need of the API server, and no more: made by `selfheal rbac`, which says for each\n\
         # verb who needs it and what for. Nothing here deletes a pod or reads a secret.\n",
    );
    for (namespace, rights) in places {
        role(&mut page, namespace.as_deref(), rights, subject);
    }
    page
}

fn role(page: &mut String, namespace: Option<&str>, rights: &KubernetesNeeds, subject: &Subject) {
    let kind = if namespace.is_some() { "Role" } else { "ClusterRole" };
    let Subject { name, account, account_namespace } = subject;
    let place = namespace.map_or(String::new(), |namespace| format!("  namespace: {namespace}\n"));
    let separator = if page.contains("apiVersion") { "---\n" } else { "" };
    let head = |kind: &str| {
        format!("apiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata:\n  name: {name}\n{place}")
    };
    let _ = writeln!(page, "{separator}{}rules:", head(kind));
    let mut by_resource: BTreeMap<(&str, &str), Verbs<'_>> = BTreeMap::new();
    for (right, needs) in rights {
        by_resource.entry((right.group, right.resource)).or_default().push((right.verb, needs));
    }
    for ((group, resource), verbs) in by_resource {
        let group = if group.is_empty() { "\"\"" } else { group };
        let _ = write!(page, "  - apiGroups: [{group}]\n    resources: [{resource}]\n    verbs:\n");
        for (verb, needs) in verbs {
            let _ = writeln!(page, "      - {verb} # {}", reasons(needs));
        }
    }
    let _ = write!(
        page,
        "---\n{}roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: {kind}\n  name: {name}\nsubjects:\n  - kind: \
         ServiceAccount\n    name: {account}\n    namespace: {account_namespace}\n",
        head(&format!("{kind}Binding")),
    );
}

/// `to see its state (agent_down, oom_killed); to restart it (agent_down)`.
fn reasons(needs: &BTreeSet<Need>) -> String {
    let mut by_purpose: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for Need { by, purpose } in needs {
        by_purpose.entry(purpose).or_default().push(by);
    }
    let told: Vec<String> =
        by_purpose.into_iter().map(|(purpose, by)| format!("{} ({purpose})", by.join(", "))).collect();
    told.join("; ")
}

#[cfg(test)]
mod tests {
    use selfheal_contract::KubernetesRight;

    use super::*;

    fn page(places: impl IntoIterator<Item = (Option<&'static str>, KubernetesNeeds)>) -> String {
        let places =
            places.into_iter().map(|(namespace, rights)| (namespace.map(str::to_owned), rights)).collect();
        let (name, account) = ("selfheal".into(), "healer".into());
        manifest(&places, &Subject { name, account, account_namespace: "ops".into() })
    }

    fn rights() -> KubernetesNeeds {
        let need = |by: &str, purpose| Need { by: by.to_owned(), purpose };
        BTreeMap::from([
            (
                KubernetesRight::namespaced("apps", "deployments", "get"),
                BTreeSet::from([need("a", "to see it"), need("b", "to see it")]),
            ),
            (
                KubernetesRight::namespaced("apps", "deployments", "patch"),
                BTreeSet::from([need("a", "to restart it")]),
            ),
            (KubernetesRight::cluster("", "nodes", "get"), BTreeSet::from([need("b", "to see it")])),
        ])
    }

    #[test]
    fn every_verb_says_who_needs_it() {
        let page = page([(None, rights())]);
        assert!(page.contains("- get # a, b (to see it)\n"), "{page}");
        assert!(page.contains("- patch # a (to restart it)\n"), "{page}");
        assert_eq!(
            page.matches("kind: ClusterRole\n").count(),
            2,
            "the role, and the reference to it: {page}"
        );
        assert!(page.contains("name: healer\n    namespace: ops\n"), "{page}");
    }

    #[test]
    fn namespaces_get_roles_of_their_own() {
        let (namespaced, whole): (KubernetesNeeds, _) =
            rights().into_iter().partition(|(right, _)| right.namespaced);
        let page = page([(Some("shop"), namespaced.clone()), (Some("pay"), namespaced), (None, whole)]);
        let roles: Vec<&str> = page
            .split("---\n")
            .filter(|part| part.contains("kind: Role\n") && part.contains("rules:"))
            .collect();
        assert_eq!(roles.len(), 2, "{page}");
        assert!(roles.iter().all(|role| role.contains("deployments") && !role.contains("nodes")), "{page}");
        let whole = page.split("---\n").next().unwrap();
        assert!(
            whole.contains("kind: ClusterRole\n")
                && whole.contains("nodes")
                && !whole.contains("deployments"),
            "{page}"
        );
    }

    #[test]
    fn nothing_is_granted_that_nobody_needs() {
        assert!(!page([]).contains("apiVersion"));
    }
}
