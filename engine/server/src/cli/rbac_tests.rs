//! The roles in `deploy/` are those that the shipped rules need with the shipped configuration, and no more.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::*;

/// How the files are made anew.
const WRITE: &str = "SELFHEAL_WRITE=1 cargo test -p selfheal-server the_roles_of_deploy";

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy")
}

/// What `selfheal rbac` prints for the shipped rules and the base's configuration, whose secrets are there only in the
/// cluster.
fn printed(output: Output) -> String {
    printed_for(&deploy().join("kubernetes/base/selfheal.yaml"), &[], output)
}

fn printed_for(config: &Path, namespaces: &[&str], output: Output) -> String {
    let arguments = RbacArguments {
        rules: Some(deploy().join("../rules").display().to_string()),
        config: Some(config.to_owned()),
        name: "selfheal".into(),
        account: "selfheal".into(),
        account_namespace: "selfheal".into(),
        namespaces: namespaces.iter().map(|name| (*name).to_owned()).collect(),
    };
    let mut out = Vec::new();
    run(arguments, output, &mut out).unwrap_or_else(|failure| panic!("{}", failure.text));
    String::from_utf8(out).unwrap()
}

/// The configured namespaces are those of the roles, unless others are asked for.
#[test]
fn what_is_in_namespaces_is_granted_where_rules_may_act() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("selfheal.yaml");
    std::fs::write(&config, "adapters: {kubernetes: {namespaces: [shop, pay], events: {enabled: true}}}")
        .unwrap();
    for (asked, expected) in [(&[][..], vec!["pay", "shop"]), (&["ops"], vec!["ops"])] {
        let page = printed_for(&config, asked, Output::Text);
        let roles = page.split("---\n").filter(|part| part.contains("\nkind: Role\n"));
        let place =
            |role: &str| role.split_once("  namespace: ").unwrap().1.split_once('\n').unwrap().0.to_owned();
        assert_eq!(roles.map(place).collect::<Vec<_>>(), expected, "{page}");
        let whole = page.split("---\n").next().unwrap();
        assert!(
            whole.contains("kind: ClusterRole")
                && whole.contains("storageclasses")
                && !whole.contains("pods"),
            "{page}"
        );
    }
}

/// The rules of the role, indented as the chart's values have them and without comments: who needs what is said in the base.
fn of_the_chart(manifest: &str) -> String {
    let role = manifest.split("---\n").next().unwrap();
    let (_, rules) = role.split_once("rules:\n").unwrap();
    rules.lines().map(|line| format!("  {}\n", line.split(" # ").next().unwrap_or(line))).collect()
}

/// The file must have this text, or gets it when it is to be written.
fn agree(file: &Path, text: &str, expected: &str) {
    if std::env::var_os("SELFHEAL_WRITE").is_some() {
        std::fs::write(file, expected).unwrap();
        return;
    }
    let differs = text.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
    assert!(
        text == expected,
        "{} is not what the shipped rules need; make it anew with\n\n    {WRITE}\n\nit first differs at {differs:#?}",
        file.display()
    );
}

#[test]
fn the_roles_of_deploy_are_those_that_the_shipped_rules_need() {
    let manifest = printed(Output::Text);
    let base = deploy().join("kubernetes/base/rbac.yaml");
    agree(&base, &std::fs::read_to_string(&base).unwrap(), &manifest);

    let chart = deploy().join("helm/selfheal/values.yaml");
    let values = std::fs::read_to_string(&chart).unwrap();
    let (before, rest) = values.split_once("\nrbac:\n").unwrap();
    let (about, rest) = rest.split_once("  rules:\n").unwrap();
    let (_, after) = rest.split_once("\nservice:\n").unwrap();
    let rules = of_the_chart(&manifest);
    agree(&chart, &values, &format!("{before}\nrbac:\n{about}  rules:\n{rules}\nservice:\n{after}"));
}

#[test]
fn pods_can_be_seen_and_deployments_changed_and_nothing_can_delete_a_pod() {
    let rights: Vec<Value> = serde_json::from_str(&printed(Output::Json)).unwrap();
    let granted = |group: &str, resource: &str, verb: &str| {
        rights.iter().any(|right| {
            let right = &right["right"];
            right["group"] == group && right["resource"] == resource && right["verb"] == verb
        })
    };
    assert!(granted("", "pods", "get"), "{rights:#?}");
    assert!(granted("", "pods", "watch"), "{rights:#?}");
    assert!(granted("apps", "deployments", "patch"), "{rights:#?}");
    for verb in ["delete", "deletecollection", "*"] {
        assert!(!granted("", "pods", verb) && !granted("", "pods/eviction", verb), "{verb}");
    }
    assert!(!granted("", "pods/eviction", "create"), "an eviction deletes the pod");
    assert!(!rights.iter().any(|right| right["right"]["resource"] == "secrets"), "{rights:#?}");
}
