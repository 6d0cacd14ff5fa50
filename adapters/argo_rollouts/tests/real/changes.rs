//! What the kit cannot know: what each action writes, and what it refuses.

use selfheal_contract::{FailureKind, Undone};
use selfheal_test_kubernetes::ApiDouble;
use serde_json::{Value, json};

use crate::support::{Use, adapter, field, furnish, home, intent, run_at, set_status, stable};

#[tokio::test]
async fn each_action_writes_the_fields_that_argos_own_tool_writes() {
    let cases: [(&str, Value, &str, &str, Value); 8] = [
        ("pause", json!({}), "", "/spec/paused", json!(true)),
        ("resume", json!({}), "status", "/status/pauseConditions", Value::Null),
        ("abort", json!({}), "status", "/status/abort", json!(true)),
        ("promote", json!({}), "status", "/status/pauseConditions", Value::Null),
        ("promote", json!({ "step": 2 }), "status", "/status/currentStepIndex", json!(1)),
        ("promote_fully", json!({}), "status", "/status/promoteFull", json!(true)),
        (
            "set_image",
            json!({ "container": "app", "image": "shop:3" }),
            "",
            "/spec/template/spec/containers/1/image",
            json!("shop:3"),
        ),
        (
            "set_image",
            json!({ "container": "setup", "image": "s:2" }),
            "",
            "/spec/template/spec/initContainers/0/image",
            json!("s:2"),
        ),
    ];
    for (action, mut params, subresource, pointer, expected) in cases {
        let double = ApiDouble::start().await;
        furnish(&double);
        let adapter = adapter(&double);
        params["name"] = json!("web");
        let used = Use::of(&adapter, action, params);
        let preview = used.preview().await.unwrap();
        assert!(!preview.changes.is_empty() && preview.summary.contains("rollout shop/web"), "{preview:?}");
        let prior = used.capture().await.unwrap();
        used.apply(&prior).await.unwrap();
        let changes = double.changes().by_requests();
        let change = &changes.0[0];
        assert_eq!((changes.len(), change.subresource.as_str()), (1, subresource), "{action}");
        assert_eq!(change.field_manager, "selfheal");
        let found = change.object.pointer(pointer).cloned().unwrap_or_default();
        assert_eq!(found, expected, "{action}");
        let annotation = &change.object["metadata"]["annotations"]["selfheal.dev/intent"];
        let marked = if subresource.is_empty() { json!(intent()) } else { Value::Null };
        assert_eq!(*annotation, marked, "{action}");
    }
}

#[tokio::test]
async fn a_step_that_is_no_pause_is_left_by_its_index_and_an_analysis_without_conclusion_too() {
    let double = ApiDouble::start().await;
    furnish(&double);
    let adapter = adapter(&double);
    let promote = Use::of(&adapter, "promote", json!({ "name": "web" }));
    run_at(&double, "web", 2);
    let prior = promote.capture().await.unwrap();
    promote.apply(&prior).await.unwrap();
    let status = double.get("rollouts", "shop", "web").unwrap()["status"].clone();
    assert_eq!((&status["currentStepIndex"], status.get("pauseConditions")), (&json!(3), None));

    set_status(&double, "web", |status| {
        status["currentStepIndex"] = json!(1);
        status["controllerPause"] = json!(true);
        status["pauseConditions"] =
            json!([{ "reason": "InconclusiveAnalysisRun", "startTime": "2026-11-22T16:00:00Z" }]);
        status["canary"]["currentStepAnalysisRunStatus"] = json!({ "name": "a", "status": "Inconclusive" });
    });
    let prior = promote.capture().await.unwrap();
    promote.apply(&prior).await.unwrap();
    let status = double.get("rollouts", "shop", "web").unwrap()["status"].clone();
    assert_eq!((&status["currentStepIndex"], status.get("pauseConditions")), (&json!(2), None));
    assert_eq!(status["controllerPause"], json!(false));
}

#[tokio::test]
async fn what_does_not_suit_the_rollout_is_refused() {
    let double = ApiDouble::start().await;
    furnish(&double);
    let adapter = adapter(&double);
    let refused = async |action: &'static str, params: Value, expected: &str| {
        let failure = Use::of(&adapter, action, params).capture().await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Refused, "{action}: {failure}");
        assert!(failure.what.contains(expected), "{action}: {failure}");
    };
    refused("promote", json!({ "name": "web", "step": 4 }), "more than one before step 4").await;
    refused("promote", json!({ "name": "web", "step": 9 }), "there is no step 9").await;
    refused("promote", json!({ "name": "blue", "step": 1 }), "no steps").await;
    refused("undo", json!({ "name": "web", "hash": "abc" }), "has no revision abc; it keeps ").await;
    let image = |name: &str| json!({ "name": name, "container": "none", "image": "x" });
    refused("set_image", image("web"), "it has side, app, setup").await;
    refused("set_image", image("referring"), "pods has no container \"none\"").await;

    run_at(&double, "blue", 0);
    refused("promote", json!({ "name": "blue" }), "does not wait").await;
    run_at(&double, "web", 4);
    refused("promote", json!({ "name": "web" }), "all 4 steps are behind it").await;
    refused("resume", json!({ "name": "web" }), "is not paused").await;
    set_status(&double, "web", |status| status["abort"] = json!(true));
    refused("promote", json!({ "name": "web" }), "argo::retry").await;
    refused("promote_fully", json!({ "name": "web" }), "argo::retry").await;
    double.update("rollouts", "shop", "referring", |rollout| {
        rollout["spec"]["workloadRef"]["kind"] = json!("PodTemplate");
    });
    refused("set_image", image("referring"), "expected a Deployment").await;

    let current = field(&adapter, "web", "current").await;
    set_status(&double, "web", |status| status["stableRS"] = current);
    for action in ["abort", "retry", "promote", "promote_fully"] {
        refused(action, json!({ "name": "web" }), "no update under way").await;
    }
    set_status(&double, "web", |status| status["stableRS"] = Value::Null);
    refused("abort", json!({ "name": "web" }), "no version of it was completed yet").await;

    // What the controller has not seen may be another update.
    double.update("rollouts", "shop", "blue", |rollout| rollout["spec"]["replicas"] = json!(9));
    let failure = Use::of(&adapter, "promote_fully", json!({ "name": "blue" })).capture().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Transient, "{failure}");
}

#[tokio::test]
async fn an_undone_rollout_is_back_at_the_very_version_that_it_had() {
    for name in ["web", "blue", "referring"] {
        let double = ApiDouble::start().await;
        furnish(&double);
        let adapter = adapter(&double);
        let hash = stable(&double, name);
        let undo = Use::of(&adapter, "undo", json!({ "name": name, "hash": hash }));
        let prior = undo.capture().await.unwrap();
        let applied = undo.apply(&prior).await.unwrap();
        assert!(applied.summary.ends_with(&format!("back to revision {hash}")), "{}", applied.summary);
        let (plural, object) = home(name);
        let template = double.get(plural, "shop", object).unwrap()["spec"]["template"].clone();
        assert_eq!(template["spec"]["containers"][1]["image"], "shop:1", "{name}");
        assert_eq!(template["metadata"]["labels"].as_object().unwrap().len(), 1, "{template}");
        // The controller takes the template for what it was: no third revision comes of it.
        set_status(&double, name, |status| status["pauseConditions"] = Value::Null);
        double.settle("rollouts", "shop", name);
        assert_eq!(field(&adapter, name, "current").await, json!(hash), "{name}");
        assert_eq!(field(&adapter, name, "revisions").await.as_array().unwrap().len(), 2, "{name}");
    }
}

#[tokio::test]
async fn a_restart_is_made_once_and_stays_when_it_is_over() {
    let double = ApiDouble::start().await;
    furnish(&double);
    let adapter = adapter(&double);
    let restart = Use::of(&adapter, "restart", json!({ "name": "web" }));
    let prior = restart.capture().await.unwrap();
    restart.apply(&prior).await.unwrap();
    let at = double.get("rollouts", "shop", "web").unwrap()["spec"]["restartAt"].clone();
    assert!(at.as_str().unwrap().ends_with('Z'), "{at}");
    assert!(matches!(restart.undo(&prior).await.unwrap(), Undone::Reversed(_)));
    assert_eq!(double.get("rollouts", "shop", "web").unwrap()["spec"].get("restartAt"), None);

    restart.apply(&prior).await.unwrap();
    assert_eq!(double.get("rollouts", "shop", "web").unwrap()["spec"]["restartAt"], at, "the same time");
    set_status(&double, "web", |status| status["restartedAt"] = at);
    let undone = restart.undo(&prior).await.unwrap();
    assert!(matches!(&undone, Undone::Nothing(text) if text.contains("restarted already")), "{undone:?}");
    assert!(field(&adapter, "web", "restarted").await.is_i64());
}

#[tokio::test]
async fn a_resumed_rollout_is_held_where_it_has_come_to() {
    let double = ApiDouble::start().await;
    furnish(&double);
    let adapter = adapter(&double);
    let resume = Use::of(&adapter, "resume", json!({ "name": "web" }));
    let prior = resume.capture().await.unwrap();
    resume.apply(&prior).await.unwrap();
    run_at(&double, "web", 2);
    assert_eq!(
        resume.undo(&prior).await.unwrap(),
        Undone::Reversed("paused rollout shop/web where it is".into())
    );
    assert!(matches!(resume.undo(&prior).await.unwrap(), Undone::Nothing(_)));
    assert_eq!(field(&adapter, "web", "paused").await, json!(true));
    assert_eq!(field(&adapter, "web", "step").await, json!(2));

    // An update that is over is not held: the pause would be the next one's.
    let resume = Use::of(&adapter, "resume", json!({ "name": "blue" }));
    let prior = resume.capture().await.unwrap();
    resume.apply(&prior).await.unwrap();
    double.settle("rollouts", "shop", "blue");
    let undone = resume.undo(&prior).await.unwrap();
    assert!(matches!(&undone, Undone::Nothing(text) if text.contains("is over")), "{undone:?}");
}
