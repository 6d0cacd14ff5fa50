//! What the probes say, and what the actions refuse and foresee.

use selfheal_contract::{Effect, FailureKind, Reading, Right, Undone};
use selfheal_test_kubernetes::{ApiDouble, PodTrouble, Right as Granted};
use serde_json::{Value, json};

use crate::support::{Use, action, adapter, adapter_of, field, furnish, params, read, roll_out};

#[tokio::test]
async fn a_rule_finds_its_way_from_a_pod_to_what_can_be_changed() {
    let double = ApiDouble::start().await;
    furnish(&double);
    double.trouble("shop", "web-1", "app", PodTrouble::OomKilled);
    let adapter = adapter(&double);
    let of = |name: &'static str, field_name: &'static str| {
        field(&adapter, "pod", json!({ "name": name }), field_name)
    };
    assert_eq!(of("web-1", "workload").await, "deployment/web");
    assert_eq!(of("web-1", "last_reason").await, "OOMKilled");
    assert_eq!(of("web-1", "last_exit_code").await, 137);
    assert_eq!(of("web-1", "containers.app.last_reason").await, "OOMKilled");
    assert_eq!(of("web-1", "containers.side.last_reason").await, "");
    assert_eq!(of("gone", "exists").await, false);
    for name in ["web", "deployment/web", "pod/web-1"] {
        let workload = |name: &str, of| field(&adapter, "workload", json!({ "workload": name }), of);
        assert_eq!(workload(name, "workload").await, "deployment/web", "{name}");
        assert_eq!(workload(name, "selector").await, "app=web", "{name}");
        assert_eq!(workload(name, "containers.app.memory.limit").await, "512Mi", "{name}");
    }
    double.create(
        json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "alone", "namespace": "shop" },
        "spec": { "containers": [{ "name": "app", "image": "shop:1" }] } }),
    );
    for (name, why) in [("pod/gone", "is gone"), ("pod/alone", "belongs to no workload")] {
        let reading = read(&adapter, "workload", json!({ "workload": name })).await.unwrap();
        assert!(matches!(&reading, Reading::Inconclusive(told) if told.contains(why)), "{reading:?}");
    }
    let doubled =
        field(&adapter, "deployment", json!({ "name": "web" }), "containers.app.memory.limit_doubled").await;
    assert_eq!(doubled, "1Gi");
    let scaled = field(&adapter, "deployment", json!({ "name": "scaled" }), "autoscaler").await;
    assert_eq!(scaled, "scaled-hpa");
    assert_eq!(field(&adapter, "pods", json!({ "selector": "app=web" }), "restarts").await, 1);
    assert_eq!(field(&adapter, "events", json!({ "kind": "Pod", "name": "web-1" }), "count").await, 3);
    assert_eq!(field(&adapter, "pvc", json!({ "name": "data-fast" }), "fifth_more").await, "12Gi");
    assert_eq!(field(&adapter, "pvc", json!({ "name": "data-fixed" }), "expandable").await, false);
    assert_eq!(field(&adapter, "node", json!({ "node": "n1" }), "pressure").await, true);
    assert_eq!(field(&adapter, "hpa", json!({ "name": "scaled-hpa" }), "at_max").await, true);
    let days = field(&adapter, "certificate", json!({ "name": "tls" }), "days_left").await;
    assert!(days.as_f64().unwrap() > 1_000.0, "{days}");
}

#[tokio::test]
async fn a_rollback_goes_to_the_pinned_revision_and_back() {
    let double = ApiDouble::start().await;
    furnish(&double);
    double.settle_always(true);
    let first = roll_out(&double);
    let adapter = adapter(&double);
    let revisions = |name: &'static str| field(&adapter, "revisions", json!({ "deployment": "web" }), name);
    assert_eq!(revisions("previous").await, first.as_str());
    assert_eq!(revisions("complete").await, true);
    assert!(revisions("age_seconds").await.as_i64().is_some_and(|age| (0..60).contains(&age)));
    double.settle_always(false);
    double.update("deployments", "shop", "web", |web| {
        web["status"]["conditions"][1]["reason"] = json!("ReplicaSetUpdated");
    });
    assert_eq!(revisions("complete").await, false, "its update is under way");
    double.settle_always(true);
    let image = || {
        let web = double.get("deployments", "shop", "web").unwrap();
        web["spec"]["template"]["spec"]["containers"][0]["image"].clone()
    };
    let used = Use::of(&adapter, "rollback", json!({ "deployment": "web", "revision": first }));
    let preview = used.preview().await.unwrap();
    assert_eq!(preview.changes.len(), 1, "{preview:?}");
    assert_eq!(preview.changes[0].what, "spec.template.spec.containers[app].image");
    let prior = used.capture().await.unwrap();
    used.apply(&prior).await.unwrap();
    assert_eq!(image(), "shop:1");
    used.apply(&prior).await.unwrap();
    assert_eq!(image(), "shop:1", "repeating it does not go back further");
    assert!(matches!(used.undo(&prior).await.unwrap(), Undone::Reversed(_)));
    assert_eq!(image(), "shop:2");
    let absent = Use::of(&adapter, "rollback", json!({ "deployment": "web", "revision": "77" }));
    let failure = absent.capture().await.unwrap_err();
    assert!(failure.what.contains("has no revision 77; it keeps"), "{failure}");
}

#[tokio::test]
async fn what_does_not_suit_is_refused_with_a_hint() {
    let double = ApiDouble::start().await;
    furnish(&double);
    let adapter = adapter(&double);
    let cases: [(&str, Value, &str); 14] = [
        (
            "scale",
            json!({ "workload": "scaled", "replicas": 3 }),
            "k8s::hpa_bounds(\"shop\", \"scaled-hpa\", min, max)",
        ),
        (
            "scale",
            json!({ "workload": "daemonset/agent", "replicas": 3 }),
            "expected deployment/NAME or statefulset/NAME",
        ),
        ("scale", json!({ "workload": "../secrets", "replicas": 3 }), "does not fit"),
        (
            "scale",
            json!({ "namespace": "a/b", "workload": "web", "replicas": 3 }),
            "the namespace \"a/b\" is no name",
        ),
        ("scale", json!({ "workload": "gone", "replicas": 3 }), "there is no deployment shop/gone"),
        (
            "scale",
            json!({ "workload": "web", "replicas": 3, "cluster": "mars" }),
            "there is no cluster \"mars\"",
        ),
        ("hpa_bounds", json!({ "name": "scaled-hpa", "min": 5, "max": 2 }), "cannot be"),
        (
            "memory",
            json!({ "workload": "web", "container": "x", "limit": "1Gi" }),
            "has no container \"x\"; it has app",
        ),
        ("memory", json!({ "workload": "web", "container": "app", "limit": "lots" }), "expected a quantity"),
        (
            "memory",
            json!({ "workload": "web", "container": "app", "limit": "1Gi", "request": "2Gi" }),
            "is above the limit",
        ),
        ("grow_pvc", json!({ "name": "data-fixed", "size": "20Gi" }), "no allowVolumeExpansion"),
        ("grow_pvc", json!({ "name": "data-fast", "size": "5Gi" }), "volumes never shrink"),
        ("exec", json!({ "pods": "app=web", "command": "clean_log" }), "did you mean \"clean_logs\"?"),
        ("exec", json!({ "pods": "app=", "command": "clean_logs" }), "the value of a label is empty"),
    ];
    for (name, params, expected) in cases {
        let used = Use::of(&adapter, name, params);
        for failure in [used.preview().await.unwrap_err(), used.capture().await.unwrap_err()] {
            assert_eq!(failure.kind, FailureKind::Refused, "{failure}");
            assert!(failure.what.contains(expected), "{name}: {failure}");
        }
    }
    assert!(double.changes().by_requests().is_empty());
}

/// A native sidecar is an init container: its limits are found, changed where they are, and put back.
#[tokio::test]
async fn a_native_sidecar_has_limits_of_its_own() {
    let double = ApiDouble::start().await;
    furnish(&double);
    double.update("deployments", "shop", "web", |web| {
        web["spec"]["template"]["spec"]["initContainers"] = json!([
            { "name": "setup", "image": "setup:1" },
            { "name": "mesh", "image": "mesh:1", "restartPolicy": "Always",
                "resources": { "limits": { "memory": "64Mi" } } },
        ]);
    });
    let adapter = adapter(&double);
    let spec = || double.get("deployments", "shop", "web").unwrap()["spec"]["template"]["spec"].clone();
    let before = spec();
    let limit =
        field(&adapter, "workload", json!({ "workload": "web" }), "containers.mesh.memory.limit_doubled")
            .await;
    assert_eq!(limit, "128Mi");
    let used = Use::of(&adapter, "memory", json!({ "workload": "web", "container": "mesh", "limit": limit }));
    let prior = used.capture().await.unwrap();
    used.apply(&prior).await.unwrap();
    let mut expected = before.clone();
    expected["initContainers"][1]["resources"]["limits"]["memory"] = json!("128Mi");
    assert_eq!(spec(), expected);
    assert!(matches!(used.undo(&prior).await.unwrap(), Undone::Reversed(_)));
    assert_eq!(spec(), before);
    double.update("deployments", "shop", "web", |web| {
        web["metadata"]["annotations"] =
            json!({ "argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/web" });
    });
    let contest = used.contest().await.unwrap().unwrap();
    let expected = "spec.template.spec.initContainers[mesh].resources.limits.memory of deployment shop/web";
    assert_eq!(contest.what, [expected]);
}

#[tokio::test]
async fn a_field_that_a_repository_keeps_is_contested() {
    let double = ApiDouble::start().await;
    furnish(&double);
    let keeps = |fields: Value| {
        double.update("deployments", "shop", "web", |web| {
            web["metadata"]["annotations"] =
                json!({ "argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/web" });
            web["metadata"]["managedFields"] = json!([{ "manager": "argocd-controller", "operation": "Update",
                "apiVersion": "apps/v1", "fieldsType": "FieldsV1", "fieldsV1": fields }]);
        });
    };
    let adapter = adapter(&double);
    let scale = Use::of(&adapter, "scale", json!({ "workload": "web", "replicas": 3 }));
    assert_eq!(scale.contest().await.unwrap(), None);
    keeps(json!({ "f:spec": { "f:replicas": {} } }));
    let contest = scale.contest().await.unwrap().unwrap();
    assert_eq!(contest.by, "Argo CD shop");
    assert_eq!(contest.what, ["spec.replicas of deployment shop/web"]);
    keeps(json!({ "f:spec": { "f:template": {} } }));
    assert_eq!(scale.contest().await.unwrap(), None, "it does not keep the replicas");
    let restart = Use::of(&adapter, "rollout_restart", json!({ "workload": "web" }));
    assert_eq!(restart.contest().await.unwrap(), None, "nobody takes a foreign annotation away");
}

/// Actions say so themselves: the guard over the policy refuses what they call forbidden.
#[tokio::test]
async fn rules_act_in_the_namespaces_that_are_configured() {
    let double = ApiDouble::start().await;
    furnish(&double);
    let clusters = json!({ "default": { "url": double.url() } });
    let command = json!({ "clean_logs": { "argv": ["true"] } });
    let of = |namespaces: Value| {
        adapter_of(json!({ "clusters": clusters, "namespaces": namespaces, "commands": command }))
    };
    let (confined, free) = (of(json!(["shop", "pay"])), of(json!([])));
    let cases = [
        ("rollout_restart", json!({ "workload": "web" }), false),
        ("rollout_restart", json!({ "workload": "web", "namespace": "argocd" }), true),
        ("scale", json!({ "workload": "web", "namespace": "argocd", "replicas": 2 }), true),
        ("exec", json!({ "pods": "app=web", "namespace": "argocd", "command": "clean_logs" }), true),
        ("sync_application", json!({ "name": "shop", "namespace": "argocd" }), true),
        ("cordon", json!({ "node": "n1" }), false),
    ];
    for (name, json, is_forbidden) in cases {
        let assess = |adapter| action(adapter, name).assess(&params(json.clone())).unwrap().forbidden;
        let why = assess(&confined);
        assert_eq!(why.is_some(), is_forbidden, "{name} {json}: {why:?}");
        assert!(
            why.is_none_or(|why| why.contains("the adapter's namespaces, in which rules act, are shop, pay"))
        );
        assert_eq!(assess(&free), None, "{name} {json}");
    }
    assert!(confined.from_labels.is_empty(), "there is one cluster");
}

#[tokio::test]
async fn of_several_clusters_one_is_named() {
    let (east, west) = (ApiDouble::start().await, ApiDouble::start().await);
    let url = |double: &ApiDouble| json!({ "url": double.url() });
    for (clusters, expected) in [
        (
            json!({ "east": url(&east), "west": url(&west) }),
            Err("several clusters (east, west), none of them called default"),
        ),
        (json!({ "east": url(&east), "default": url(&west) }), Ok("kubernetes/default/shop/deployment/web")),
        (json!({ "east": url(&east) }), Ok("kubernetes/east/shop/deployment/web")),
    ] {
        let adapter = adapter_of(json!({ "clusters": clusters }));
        let several = clusters.as_object().unwrap().len() > 1;
        assert_eq!(adapter.from_labels, if several { &["cluster"][..] } else { &[] });
        let assessed = action(&adapter, "rollout_restart").assess(&params(json!({ "workload": "web" })));
        match (assessed, expected) {
            (Ok(assessment), Ok(target)) => assert_eq!(assessment.target, target),
            (Err(failure), Err(text)) => assert!(failure.what.contains(text), "{failure}"),
            (found, _) => panic!("{found:?}, expected {expected:?}"),
        }
    }
}

/// Two actions that reach one workload are about one target, however they are named.
#[tokio::test]
async fn what_an_action_reaches_is_named_as_its_own_actions_name_it() {
    let double = ApiDouble::start().await;
    furnish(&double);
    let adapter = adapter(&double);
    let own = Use::of(&adapter, "rollout_restart", json!({ "workload": "web" }));
    assert_eq!(own.target(), "kubernetes/default/shop/deployment/web");
    let scaled = "kubernetes/default/shop/deployment/scaled";
    let of_pods = ["pod/web-1", "deployment/web", "pod/web-2", "deployment/web"];
    let of_pods = of_pods.map(|name| format!("kubernetes/default/shop/{name}"));
    let cases = [
        ("rollout_restart", json!({ "workload": "web" }), vec![]),
        ("hpa_bounds", json!({ "name": "scaled-hpa", "min": 2, "max": 9 }), vec![scaled.to_owned()]),
        ("hpa_bounds", json!({ "name": "gone", "min": 2, "max": 9 }), vec![]),
        ("quarantine", json!({ "pod": "web-1" }), vec![own.target()]),
        ("quarantine", json!({ "pod": "gone" }), vec![]),
        ("exec", json!({ "pods": "web-1", "command": "clean_logs" }), of_pods[..2].to_vec()),
        ("exec", json!({ "pods": "app=web", "command": "clean_logs" }), of_pods.to_vec()),
    ];
    for (name, params, expected) in cases {
        let used = Use::of(&adapter, name, params);
        assert_eq!(used.related().await.unwrap(), expected, "{name}");
    }
}

/// Policies only ever permit: a quarantine is one when nothing else permits the pod anything, and while it is there.
#[tokio::test]
async fn a_quarantine_says_what_other_policies_permit() {
    let double = ApiDouble::start().await;
    furnish(&double);
    double.create(json!({ "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": { "name": "allow-web", "namespace": "shop" },
        "spec": { "podSelector": { "matchLabels": { "app": "web" } }, "ingress": [{}] } }));
    let adapter = adapter(&double);
    let wall = |field_name: &'static str| field(&adapter, "isolation", json!({ "pod": "web-1" }), field_name);
    let used = Use::of(&adapter, "quarantine", json!({ "pod": "web-1" }));
    let preview = used.preview().await.unwrap();
    assert!(preview.summary.ends_with("stays permitted: allow-web"), "{}", preview.summary);
    let prior = used.capture().await.unwrap();
    let applied = used.apply(&prior).await.unwrap();
    assert!(applied.told().ends_with("stays permitted: allow-web"), "{}", applied.told());
    let Effect::Done(found) = used.effect(&prior).await.unwrap() else { panic!("it is there") };
    assert_eq!(found.falls_short, applied.falls_short);
    let policy = &double.list("networkpolicies", "shop")[1];
    let uid = &double.get("pods", "shop", "web-1").unwrap()["metadata"]["uid"];
    assert_eq!(&policy["spec"]["podSelector"]["matchLabels"]["selfheal.dev/quarantine"], uid);
    assert_eq!(policy["spec"]["policyTypes"], json!(["Ingress", "Egress"]));
    assert_eq!(&policy["metadata"]["ownerReferences"][0]["uid"], uid, "it goes when the pod goes");
    assert_eq!((wall("quarantined").await, wall("permitted_by").await), (json!(true), json!("allow-web")));

    assert!(double.delete("networkpolicies", "shop", "allow-web"));
    assert_eq!((wall("quarantined").await, wall("permitted_by").await), (json!(true), json!("")));
    assert_eq!(used.apply(&prior).await.unwrap().falls_short, None);
    assert!(double.delete("networkpolicies", "shop", policy["metadata"]["name"].as_str().unwrap()));
    assert_eq!(wall("quarantined").await, false, "without its policy the label means nothing");
    used.apply(&used.capture().await.unwrap()).await.unwrap();
    assert_eq!(wall("quarantined").await, true);
    let gone = read(&adapter, "isolation", json!({ "pod": "gone" })).await.unwrap();
    assert_eq!(gone.field("exists"), Ok(&json!(false)));
}

/// A label that came with the pod's template is no quarantine, and comes back when one ends.
#[tokio::test]
async fn a_label_of_the_template_is_no_quarantine() {
    let double = ApiDouble::start().await;
    furnish(&double);
    let label = || {
        double.get("pods", "shop", "web-1").unwrap()["metadata"]["labels"]["selfheal.dev/quarantine"].clone()
    };
    double.update("pods", "shop", "web-1", |pod| {
        pod["metadata"]["labels"]["selfheal.dev/quarantine"] = json!("no");
    });
    let adapter = adapter(&double);
    let quarantined = || field(&adapter, "isolation", json!({ "pod": "web-1" }), "quarantined");
    assert_eq!(quarantined().await, false);
    let used = Use::of(&adapter, "quarantine", json!({ "pod": "web-1" }));
    let prior = used.capture().await.unwrap();
    assert_eq!(used.effect(&prior).await.unwrap(), Effect::Untouched);
    used.apply(&prior).await.unwrap();
    assert_eq!(quarantined().await, true);
    assert!(matches!(used.undo(&prior).await.unwrap(), Undone::Reversed(_)));
    assert_eq!((quarantined().await, label()), (json!(false), json!("no")));
}

#[tokio::test]
async fn a_restart_that_is_over_is_not_taken_back() {
    let double = ApiDouble::start().await;
    furnish(&double);
    let adapter = adapter(&double);
    let used = Use::of(&adapter, "rollout_restart", json!({ "workload": "web" }));
    let template = || double.get("deployments", "shop", "web").unwrap()["spec"]["template"].clone();
    let before = template();

    let prior = used.capture().await.unwrap();
    used.apply(&prior).await.unwrap();
    let annotations = template()["metadata"]["annotations"].clone();
    assert_eq!(annotations["kubectl.kubernetes.io/restartedAt"], prior["restart_at"]);
    assert!(matches!(used.undo(&prior).await.unwrap(), Undone::Reversed(_)), "it was stuck");
    assert_eq!(template()["spec"], before["spec"]);

    let prior = used.capture().await.unwrap();
    used.apply(&prior).await.unwrap();
    let restarted = template();
    double.settle("deployments", "shop", "web");
    assert!(matches!(used.undo(&prior).await.unwrap(), Undone::Nothing(_)));
    assert_eq!(template(), restarted);

    double.update("deployments", "shop", "web", |web| web["spec"]["paused"] = json!(true));
    assert!(used.capture().await.unwrap_err().what.contains("paused"));
}

#[tokio::test]
async fn missing_rights_are_told_with_where() {
    let double = ApiDouble::start().await;
    let adapter = adapter(&double);
    let needed: Vec<Right> = crate::support::action(&adapter, "scale")
        .about()
        .permissions
        .into_iter()
        .map(|need| need.right)
        .collect();
    let rights = adapter.rights.as_ref().unwrap();
    double.set_rights(Some(vec![Granted::new(&["get", "list"], "*", &["*"])]), true);
    let missing: Vec<String> = rights
        .missing(&needed)
        .await
        .unwrap()
        .into_iter()
        .map(|(right, place)| format!("{right} in {place}"))
        .collect();
    assert_eq!(
        missing,
        [
            "patch deployments/scale.apps in the cluster \"default\"",
            "patch statefulsets/scale.apps in the cluster \"default\""
        ]
    );
    furnish(&double);
    let used = Use::of(&adapter, "scale", json!({ "workload": "web", "replicas": 3 }));
    let failure = used.apply(&used.capture().await.unwrap()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Refused);
    assert!(failure.what.contains("forbids selfheal to patch deployments.apps/scale"), "{failure}");
    assert!(failure.what.contains("`selfheal rbac`"), "{failure}");
}
