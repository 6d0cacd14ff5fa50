//! Servers that conflict, throttle, fail, fall silent, turn tokens away; objects that others change, replace or delete.

use std::time::Duration;

use selfheal_contract::{Effect, FailureKind, Undone};
use selfheal_test_kubernetes::{ApiDouble, Fault};
use serde_json::{Value, json};

use crate::support::{Use, adapter, adapter_of, adapter_with, furnish, read};

/// Actions of every way of changing, with the path that they patch and a value that shows the change.
const USES: [(&str, &str, &str); 5] = [
    ("memory", r#"{"workload":"web","container":"app","limit":"1Gi"}"#, "*/deployments/web"),
    ("scale", r#"{"workload":"web","replicas":5}"#, "*/deployments/web/scale"),
    ("rollout_restart", r#"{"workload":"web"}"#, "*/deployments/web"),
    ("hpa_bounds", r#"{"name":"scaled-hpa","min":2,"max":9}"#, "*/scaled-hpa"),
    ("renew_certificate", r#"{"name":"tls"}"#, "*/certificates/tls/status"),
];

fn parsed(params: &str) -> Value {
    serde_json::from_str(params).unwrap()
}

#[tokio::test]
async fn each_fault_has_its_meaning_and_the_target_shows_what_happened() {
    // What the server does, what the application says, what is at the target then.
    let cases = [
        (Fault::Conflict, 3, None, "done"),
        (Fault::Conflict, 50, Some(FailureKind::Transient), "untouched"),
        (Fault::TooManyRequests { retry_after_seconds: 0 }, 2, None, "done"),
        (
            Fault::TooManyRequests { retry_after_seconds: 30 },
            1,
            Some(FailureKind::Transient),
            "asked to wait",
        ),
        (Fault::InternalError, 1, Some(FailureKind::Indeterminate), "untouched"),
        (Fault::Reset, 1, Some(FailureKind::Indeterminate), "untouched"),
        (Fault::AppliedThenReset, 1, Some(FailureKind::Indeterminate), "done"),
        (Fault::AppliedThenHang, 1, Some(FailureKind::Indeterminate), "done"),
        (Fault::Hang, 1, Some(FailureKind::Indeterminate), "untouched"),
        (Fault::Delay(Duration::from_millis(100)), 1, None, "done"),
    ];
    for (name, params, path) in USES {
        for (fault, times, expected, effect) in &cases {
            let double = ApiDouble::start().await;
            furnish(&double);
            let adapter = adapter(&double);
            let used = Use::of(&adapter, name, parsed(params));
            let prior = used.capture().await.unwrap();
            double.faults().order("PATCH", path, *times, fault.clone());
            let applied = used.apply(&prior).await;
            assert_eq!(
                applied.as_ref().err().map(|failure| failure.kind),
                *expected,
                "{name} {fault:?}: {applied:?}"
            );
            double.faults().clear();
            let found = used.effect(&prior).await;
            match (*effect, found) {
                ("done", Ok(Effect::Done(_))) | ("untouched", Ok(Effect::Untouched)) => {}
                ("asked to wait", Err(failure)) if failure.kind == FailureKind::Transient => continue,
                (expected, found) => panic!("{name} {fault:?}: expected {expected}, found {found:?}"),
            }
            // The runtime applies again what it found untouched; whatever happened, the change is made once.
            used.apply(&prior).await.unwrap();
            let changes = double.changes().by_requests();
            assert_eq!(changes.len(), 1, "{name} {fault:?}");
            if !matches!(name, "scale" | "renew_certificate") {
                assert_eq!(changes.for_intent(&used.intent().to_string()).len(), 1, "{name} {fault:?}");
            }
        }
    }
}

#[tokio::test]
async fn what_others_do_between_plan_and_effect_is_respected() {
    for (name, params, _) in &USES[..3] {
        let double = ApiDouble::start().await;
        furnish(&double);
        let adapter = adapter(&double);
        let used = Use::of(&adapter, name, parsed(params));

        let prior = used.capture().await.unwrap();
        double.update("deployments", "shop", "web", |web| {
            web["spec"]["replicas"] = json!(4);
            let template = &mut web["spec"]["template"];
            template["spec"]["containers"][0]["resources"]["limits"]["memory"] = json!("700Mi");
            template["metadata"]["annotations"] =
                json!({ "kubectl.kubernetes.io/restartedAt": "2026-11-22T17:00:00Z" });
        });
        let failure = used.apply(&prior).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Refused, "{name}: {failure}");
        assert!(failure.what.contains("somebody else set"), "{name}: {failure}");
        assert!(matches!(used.undo(&prior).await.unwrap(), Undone::Nothing(_)), "{name}");

        let prior = used.capture().await.unwrap();
        double.replace_by_another("deployments", "shop", "web");
        let failure = used.apply(&prior).await.unwrap_err();
        assert!(failure.what.contains("was replaced by another"), "{name}: {failure}");
        assert!(matches!(used.effect(&prior).await.unwrap(), Effect::Unclear(_)), "{name}");
        assert!(matches!(used.undo(&prior).await.unwrap(), Undone::Nothing(_)), "{name}");

        let prior = used.capture().await.unwrap();
        double.delete("deployments", "shop", "web");
        let failure = used.apply(&prior).await.unwrap_err();
        assert!(failure.what.contains("there is no deployment shop/web"), "{name}: {failure}");
        assert!(matches!(used.effect(&prior).await.unwrap(), Effect::Unclear(_)), "{name}");
        assert!(matches!(used.undo(&prior).await.unwrap(), Undone::Nothing(_)), "{name}");
        assert!(double.changes().by_requests().is_empty(), "{name}");
    }
}

#[tokio::test]
async fn an_undo_leaves_what_others_changed_since() {
    let double = ApiDouble::start().await;
    furnish(&double);
    let adapter = adapter(&double);
    let used = Use::of(&adapter, "memory", json!({ "workload": "web", "container": "app", "limit": "1Gi" }));
    let prior = used.capture().await.unwrap();
    used.apply(&prior).await.unwrap();
    double.update("deployments", "shop", "web", |web| {
        web["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"] = json!("3Gi");
    });
    let undone = used.undo(&prior).await.unwrap();
    assert!(matches!(&undone, Undone::Nothing(text) if text.contains("left so")), "{undone:?}");
}

#[tokio::test]
async fn a_rotated_token_is_read_again() {
    let double = ApiDouble::start().await;
    furnish(&double);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kubeconfig");
    double.set_token(Some("one"));
    double.write_kubeconfig_with_token_file(&path).unwrap();
    let adapter = adapter_with(json!({ "kubeconfig": path.to_str().unwrap() }), json!({}));
    let reading = || read(&adapter, "deployment", json!({ "name": "web" }));
    reading().await.unwrap();
    double.set_token(Some("two"));
    let failure = reading().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Transient, "{failure}");
    assert!(failure.what.contains("does not accept selfheal's login"), "{failure}");
    double.write_kubeconfig_with_token_file(&path).unwrap();
    reading().await.unwrap();

    // A change too: nothing happened before the 401.
    let used = Use::of(&adapter, "scale", json!({ "workload": "web", "replicas": 5 }));
    let prior = used.capture().await.unwrap();
    double.faults().order("PATCH", "*/scale", 1, Fault::Unauthorized);
    used.apply(&prior).await.unwrap();
    assert_eq!(double.changes().by_requests().len(), 1);
}

#[tokio::test]
async fn a_server_that_is_gone_is_transient_and_is_found_again() {
    let double = ApiDouble::start().await;
    furnish(&double);
    let address = double.address();
    let adapter = adapter(&double);
    read(&adapter, "deployment", json!({ "name": "web" })).await.unwrap();
    let used = Use::of(&adapter, "scale", json!({ "workload": "web", "replicas": 5 }));
    let prior = used.capture().await.unwrap();
    drop(double);
    let failure = used.apply(&prior).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Transient, "{failure}");
    let double = ApiDouble::start_on(address).unwrap();
    furnish(&double);
    read(&adapter, "deployment", json!({ "name": "web" })).await.unwrap();
}

#[tokio::test]
async fn many_questions_at_once_take_turns() {
    let double = ApiDouble::start().await;
    furnish(&double);
    // How long a turn may be waited for is not what is asked here.
    let adapter = adapter_of(json!({ "url": double.url(), "timeout": "30s" }));
    let questions = (0..200).map(|_| {
        let adapter = adapter.clone();
        tokio::spawn(async move { read(&adapter, "deployment", json!({ "name": "web" })).await.map(drop) })
    });
    for question in questions.collect::<Vec<_>>() {
        question.await.unwrap().unwrap();
    }
}
