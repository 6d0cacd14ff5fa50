//! Servers that conflict, throttle, fail and fall silent: every action is made once, whatever happens.

use std::time::Duration;

use selfheal_contract::{Effect, FailureKind};
use selfheal_test_kubernetes::{ApiDouble, Fault};
use serde_json::{Value, json};

use crate::support::{Use, adapter, furnish, home, intent, run_at, set_status, stable};

/// Each action and the subresource that it patches.
const USES: [(&str, &str); 9] = [
    ("pause", ""),
    ("restart", ""),
    ("set_image", ""),
    ("undo", ""),
    ("abort", "/status"),
    ("retry", "/status"),
    ("resume", "/status"),
    ("promote", "/status"),
    ("promote_fully", "/status"),
];

fn params(double: &ApiDouble, action: &str, name: &str) -> Value {
    match action {
        "set_image" => json!({ "name": name, "container": "app", "image": "shop:3" }),
        "undo" => json!({ "name": name, "hash": stable(double, name) }),
        _ => json!({ "name": name }),
    }
}

/// A fault, how often it comes, what the application says, and what is at the target then.
type Case = (Fault, u32, Option<FailureKind>, &'static str);

fn cases() -> [Case; 8] {
    [
        (Fault::Conflict, 3, None, "done"),
        (Fault::Conflict, 50, Some(FailureKind::Transient), "untouched"),
        (Fault::TooManyRequests { retry_after_seconds: 0 }, 2, None, "done"),
        (Fault::InternalError, 1, Some(FailureKind::Indeterminate), "untouched"),
        (Fault::Reset, 1, Some(FailureKind::Indeterminate), "untouched"),
        (Fault::AppliedThenReset, 1, Some(FailureKind::Indeterminate), "done"),
        (Fault::AppliedThenHang, 1, Some(FailureKind::Indeterminate), "done"),
        (Fault::Delay(Duration::from_millis(100)), 1, None, "done"),
    ]
}

async fn check(action: &'static str, subresource: &str, name: &str, (fault, times, expected, effect): Case) {
    let told = format!("{action} {name} {fault:?}");
    let double = ApiDouble::start().await;
    furnish(&double);
    if action == "retry" {
        set_status(&double, name, |status| status["abort"] = json!(true));
    }
    let adapter = adapter(&double);
    let used = Use::of(&adapter, action, params(&double, action, name));
    let prior = used.capture().await.unwrap();
    let (plural, object) = match action {
        "set_image" | "undo" => home(name),
        _ => ("rollouts", name),
    };
    double.faults().order("PATCH", &format!("*/{plural}/{object}{subresource}"), times, fault);
    let applied = used.apply(&prior).await;
    assert_eq!(applied.as_ref().err().map(|failure| failure.kind), expected, "{told}: {applied:?}");
    double.faults().clear();
    match (effect, used.effect(&prior).await.unwrap()) {
        ("done", Effect::Done(_)) | ("untouched", Effect::Untouched) => {}
        (expected, found) => panic!("{told}: expected {expected}, found {found:?}"),
    }
    // The runtime applies again what it found untouched; whatever happened, the change is made once.
    used.apply(&prior).await.unwrap();
    let changes = double.changes().by_requests();
    assert_eq!(changes.len(), 1, "{told}");
    if subresource.is_empty() {
        assert_eq!(changes.for_intent(&intent().to_string()).len(), 1, "{told}");
    }
}

#[tokio::test]
async fn each_fault_has_its_meaning_and_the_target_shows_what_happened() {
    // Most of the time is spent in waiting for a fault's end, so that all actions meet it beside each other.
    for case in cases() {
        let mut checks = tokio::task::JoinSet::new();
        for (action, subresource) in USES {
            checks.spawn(check(action, subresource, "web", case.clone()));
            if matches!(action, "set_image" | "undo") {
                checks.spawn(check(action, subresource, "referring", case.clone()));
            }
        }
        while let Some(checked) = checks.join_next().await {
            checked.unwrap();
        }
    }
}

#[tokio::test]
async fn a_change_of_two_halves_is_completed_from_where_it_stopped() {
    for action in ["resume", "promote", "promote_fully"] {
        for (path, made_first) in [("*/rollouts/web/status", false), ("*/rollouts/web", true)] {
            for fault in [Fault::InternalError, Fault::AppliedThenReset, Fault::Conflict] {
                let double = ApiDouble::start().await;
                furnish(&double);
                let paused =
                    double.update("rollouts", "shop", "web", |web| web["spec"]["paused"] = json!(true));
                let generation = paused["metadata"]["generation"].to_string();
                set_status(&double, "web", |status| status["observedGeneration"] = json!(generation));
                let adapter = adapter(&double);
                let used = Use::of(&adapter, action, json!({ "name": "web" }));
                let prior = used.capture().await.unwrap();
                double.faults().order("PATCH", path, 1, fault.clone());
                let applied = used.apply(&prior).await;
                assert_eq!(applied.is_ok(), fault == Fault::Conflict, "{action} {fault:?}: {applied:?}");
                if made_first && fault == Fault::InternalError {
                    assert_eq!(used.effect(&prior).await.unwrap(), Effect::Untouched);
                }
                used.apply(&prior).await.unwrap();
                assert!(matches!(used.effect(&prior).await.unwrap(), Effect::Done(_)), "{action} {fault:?}");
                assert_eq!(
                    double.changes().by_requests().len(),
                    2,
                    "{action} {path} {fault:?}: each half once"
                );
            }
        }
    }
}

#[tokio::test]
async fn what_was_promoted_is_not_promoted_again_at_the_next_step_or_pause() {
    let double = ApiDouble::start().await;
    furnish(&double);
    let adapter = adapter(&double);
    for action in ["promote", "resume"] {
        let used = Use::of(&adapter, action, json!({ "name": "web" }));
        set_status(&double, "web", |status| {
            status["pauseConditions"] =
                json!([{ "reason": "CanaryPauseStep", "startTime": "2026-11-22T16:00:00Z" }]);
            status["currentStepIndex"] = json!(1);
        });
        let prior = used.capture().await.unwrap();
        used.apply(&prior).await.unwrap();
        // The controller goes on and comes to the next pause.
        set_status(&double, "web", |status| {
            status["pauseConditions"] =
                json!([{ "reason": "CanaryPauseStep", "startTime": "2026-11-22T16:20:00Z" }]);
            status["currentStepIndex"] = json!(3);
        });
        let before = double.revision();
        assert!(matches!(used.effect(&prior).await.unwrap(), Effect::Done(_)), "{action}");
        used.apply(&prior).await.unwrap();
        assert_eq!(double.revision(), before, "{action}");
    }
    run_at(&double, "web", 2);
    let used = Use::of(&adapter, "promote", json!({ "name": "web" }));
    let prior = used.capture().await.unwrap();
    used.apply(&prior).await.unwrap();
    let step = || double.get("rollouts", "shop", "web").unwrap()["status"]["currentStepIndex"].clone();
    assert_eq!(step(), json!(3));
    used.apply(&prior).await.unwrap();
    assert_eq!(step(), json!(3), "a step is not left out");
}
