//! What others do: change, replace and delete rollouts between plan and effect, keep them in a repository, and write
//! labels that are no names.

use selfheal_contract::{Effect, FailureKind, Undone};
use selfheal_test_kubernetes::ApiDouble;
use serde_json::{Value, json};

use crate::support::{Use, adapter, adapter_of, furnish, read, set_status, stable};

fn uses(double: &ApiDouble) -> [(&'static str, Value); 10] {
    let web = || json!({ "name": "web" });
    [
        ("pause", web()),
        ("resume", web()),
        ("abort", web()),
        ("retry", web()),
        ("promote", web()),
        ("promote_fully", web()),
        ("restart", web()),
        ("undo", json!({ "name": "web", "hash": stable(double, "web") })),
        ("set_image", json!({ "name": "web", "container": "app", "image": "shop:3" })),
        ("memory", json!({ "name": "web", "container": "app", "limit": "1Gi" })),
    ]
}

#[tokio::test]
async fn another_update_is_left_alone() {
    let double = ApiDouble::start().await;
    furnish(&double);
    let adapter = adapter(&double);
    for (action, params) in uses(&double) {
        if matches!(action, "pause" | "restart" | "memory") {
            continue;
        }
        set_status(&double, "web", |status| status["abort"] = json!(action == "retry"));
        let used = Use::of(&adapter, action, params);
        let prior = used.capture().await.unwrap();
        // Somebody rolls out something else, and the controller has seen it.
        double.update("rollouts", "shop", "web", |web| {
            web["spec"]["template"]["spec"]["containers"][1]["image"] = json!(format!("shop:{action}"));
            web["status"]["currentPodHash"] = json!(format!("new-{action}"));
        });
        let generation = double.get("rollouts", "shop", "web").unwrap()["metadata"]["generation"].to_string();
        set_status(&double, "web", |status| status["observedGeneration"] = json!(generation));
        let before = double.revision();
        let failure = used.apply(&prior).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Refused, "{action}: {failure}");
        assert!(failure.what.contains("plan again"), "{action}: {failure}");
        assert!(matches!(used.effect(&prior).await.unwrap(), Effect::Unclear(_)), "{action}");
        let undone = used.undo(&prior).await.unwrap();
        assert!(matches!(undone, Undone::Nothing(_) | Undone::Irreversible), "{action}: {undone:?}");
        assert_eq!(double.revision(), before, "{action}");
    }
}

#[tokio::test]
async fn another_object_of_the_same_name_is_left_alone() {
    for gone in [false, true] {
        let double = ApiDouble::start().await;
        furnish(&double);
        let adapter = adapter(&double);
        for (action, params) in uses(&double) {
            set_status(&double, "web", |status| status["abort"] = json!(action == "retry"));
            let hash = stable(&double, "web");
            let used = Use::of(&adapter, action, params);
            let prior = used.capture().await.unwrap();
            let old = double.get("rollouts", "shop", "web").unwrap();
            if gone {
                double.delete("rollouts", "shop", "web");
            } else {
                double.replace_by_another("rollouts", "shop", "web");
            }
            let failure = used.apply(&prior).await.unwrap_err();
            let expected = if gone { "there is no rollout shop/web" } else { "was replaced by another" };
            assert!(failure.what.contains(expected), "{action}: {failure}");
            assert!(matches!(used.effect(&prior).await.unwrap(), Effect::Unclear(_)), "{action}");
            let undone = used.undo(&prior).await.unwrap();
            assert!(matches!(undone, Undone::Nothing(_) | Undone::Irreversible), "{action}: {undone:?}");
            assert!(double.changes().by_requests().is_empty(), "{action}");
            if gone {
                let mut old = old;
                old["metadata"]["resourceVersion"] = Value::Null;
                double.create(old);
            }
            // Its ReplicaSets are this one's now.
            let uid = double.get("rollouts", "shop", "web").unwrap()["metadata"]["uid"].clone();
            double.update("replicasets", "shop", &format!("web-{hash}"), |set| {
                set["metadata"]["ownerReferences"][0]["uid"] = uid;
            });
        }
    }
}

#[tokio::test]
async fn an_undo_leaves_what_others_changed_since() {
    let double = ApiDouble::start().await;
    furnish(&double);
    let adapter = adapter(&double);
    for (action, params) in uses(&double) {
        let person: fn(&mut Value) = match action {
            // A person lets it go on, and pauses it again for a reason of their own.
            "pause" => |web| {
                web["spec"]["paused"] = json!(true);
                web["metadata"]["annotations"] = json!({});
            },
            "restart" => |web| web["spec"]["restartAt"] = json!("2030-01-01T00:00:00Z"),
            "undo" | "set_image" => |web| {
                web["spec"]["template"]["spec"]["containers"][1]["image"] = json!("shop:9");
            },
            "memory" => |web| {
                web["spec"]["template"]["spec"]["containers"][1]["resources"] =
                    json!({ "limits": { "memory": "3Gi" } });
            },
            "abort" => |web| web["status"]["abort"] = json!(false),
            _ => continue,
        };
        let used = Use::of(&adapter, action, params);
        let prior = used.capture().await.unwrap();
        used.apply(&prior).await.unwrap();
        double.update("rollouts", "shop", "web", person);
        let before = double.get("rollouts", "shop", "web");
        let undone = used.undo(&prior).await.unwrap();
        assert!(matches!(undone, Undone::Nothing(_)), "{action}: {undone:?}");
        assert_eq!(double.get("rollouts", "shop", "web"), before, "{action}");
    }
}

#[tokio::test]
async fn what_a_repository_keeps_is_recognised() {
    let double = ApiDouble::start().await;
    furnish(&double);
    let adapter = adapter(&double);
    let keep = |plural: &str, name: &str, fields: Value| {
        double.update(plural, "shop", name, |object| {
            object["metadata"]["annotations"] =
                json!({ "argocd.argoproj.io/tracking-id": "shop:argoproj.io/Rollout:shop/web" });
            object["metadata"]["managedFields"] = json!([{ "manager": "argocd-controller", "operation": "Apply",
                "apiVersion": "argoproj.io/v1alpha1", "fieldsType": "FieldsV1", "fieldsV1": fields }]);
        });
    };
    let contest = async |action: &str, params: Value| {
        let name: &'static str = match action {
            "pause" => "pause",
            "abort" => "abort",
            "undo" => "undo",
            _ => "set_image",
        };
        Use::of(&adapter, name, params).contest().await.unwrap().map(|contest| contest.to_string())
    };
    let image = |name: &str| json!({ "name": name, "container": "app", "image": "shop:3" });
    keep("rollouts", "web", json!({ "f:spec": { "f:template": { "f:spec": { "f:containers": {} } } } }));
    assert_eq!(contest("pause", json!({ "name": "web" })).await, None);
    assert_eq!(contest("abort", json!({ "name": "web" })).await, None);
    let text = contest("set_image", image("web")).await.unwrap();
    assert!(
        text.starts_with("Argo CD shop would take back spec.template.spec.containers of rollout shop/web"),
        "{text}"
    );
    let hash = stable(&double, "web");
    assert!(contest("undo", json!({ "name": "web", "hash": hash })).await.is_some());
    keep("rollouts", "web", json!({ "f:spec": { "f:paused": {} } }));
    assert!(contest("pause", json!({ "name": "web" })).await.is_some());

    // Where the template is a deployment's, it is the deployment's keeper that counts.
    assert_eq!(contest("set_image", image("referring")).await, None);
    let app = json!({ "k:{\"name\":\"app\"}": { "f:image": {} } });
    keep("deployments", "pods", json!({ "f:spec": { "f:template": { "f:spec": { "f:containers": app } } } }));
    let text = contest("set_image", image("referring")).await.unwrap();
    assert!(text.contains("spec.template.spec.containers[app].image of deployment shop/pods"), "{text}");
}

#[tokio::test]
async fn hostile_labels_lead_nowhere() {
    let double = ApiDouble::start().await;
    let adapter = adapter(&double);
    for text in ["", "../secrets", "web/status", "web?dryRun=", "x\r\ny", "${jndi:x}", "WEB", "\u{202e}x"] {
        for (action, params) in [
            ("pause", json!({ "name": text })),
            ("abort", json!({ "namespace": text, "name": "web" })),
            ("promote", json!({ "name": text })),
            ("pause", json!({ "name": "web", "cluster": text })),
            ("undo", json!({ "name": "web", "hash": format!("-{text}") })),
            ("set_image", json!({ "name": "web", "container": text, "image": "shop:1" })),
            ("set_image", json!({ "name": "web", "container": "app", "image": format!("{text} ") })),
        ] {
            let used = Use::of(&adapter, action, params.clone());
            let failure = used.refusal().unwrap_or_else(|| panic!("{action} {params}"));
            assert_eq!(failure.kind, FailureKind::Refused);
            assert!(!failure.what.contains(['\r', '\n']), "{failure}");
            assert!(used.capture().await.is_err() && used.preview().await.is_err(), "{action}");
        }
        assert!(read(&adapter, text).await.is_err());
    }
}

#[tokio::test]
async fn clusters_are_told_apart_by_name() {
    let (east, west) = (ApiDouble::start().await, ApiDouble::start().await);
    furnish(&east);
    furnish(&west);
    let clusters = json!({ "east": { "url": east.url() }, "west": { "url": west.url() } });
    let adapter = adapter_of(json!({ "clusters": clusters }));
    let pause = Use::of(&adapter, "pause", json!({ "name": "web", "cluster": "west" }));
    let prior = pause.capture().await.unwrap();
    pause.apply(&prior).await.unwrap();
    assert!(east.changes().by_requests().is_empty());
    assert_eq!(west.changes().by_requests().len(), 1);
}
