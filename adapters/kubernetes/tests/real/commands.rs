//! Commands in pods: at most once, whatever happens.

use selfheal_contract::{Effect, FailureKind};
use selfheal_test_kubernetes::{ApiDouble, ExecAnswer, Fault};
use serde_json::json;

use crate::support::{Use, adapter, furnish, pod};

#[tokio::test]
async fn a_command_runs_once_in_each_pod_and_its_output_is_kept() {
    let double = ApiDouble::start().await;
    furnish(&double);
    let stdout = "x".repeat(10_000);
    double.answer_exec("find /var/log", ExecAnswer { stdout, ..ExecAnswer::default() });
    let adapter = adapter(&double);
    let used = Use::of(&adapter, "exec", json!({ "pods": "app=web", "command": "clean_logs" }));
    assert_eq!(
        used.preview().await.unwrap().summary,
        r#"runs clean_logs in web-1, web-2: ["find","/var/log","-delete"]"#
    );
    let prior = used.capture().await.unwrap();
    assert_eq!(used.effect(&prior).await.unwrap(), Effect::Untouched);
    let applied = used.apply(&prior).await.unwrap();
    assert_eq!(applied.summary, "ran clean_logs in 2 pods");
    assert_eq!(applied.facts[0]["output"].as_str().unwrap().len(), 4096);
    assert_eq!(applied.facts[1]["output"], "", "all output together is bounded");
    used.apply(&prior).await.unwrap();
    let runs = double.exec_runs();
    let ran: Vec<(&str, &str)> = runs.iter().map(|run| (run.pod.as_str(), run.container.as_str())).collect();
    assert_eq!(ran, [("web-1", "app"), ("web-2", "app")]);
    assert!(matches!(used.effect(&prior).await.unwrap(), Effect::Done(_)));

    double.create(pod("web-3"));
    let failure = used.capture().await.unwrap_err();
    assert!(failure.what.contains("more than 2 pods"), "{failure}");
}

#[tokio::test]
async fn a_command_that_is_lost_is_never_repeated() {
    let lost = ExecAnswer { connection_lost: true, ..ExecAnswer::default() };
    let hangs = ExecAnswer { hangs: true, ..ExecAnswer::default() };
    for (answer, text, found) in [
        (lost, "look whether it ran", "ended in 0 of 1 pods"),
        (hangs, "did not end within 1 s", "ended in 0 of 1 pods"),
    ] {
        let double = ApiDouble::start().await;
        furnish(&double);
        double.answer_exec("find", answer);
        let adapter = adapter(&double);
        let used = Use::of(&adapter, "exec", json!({ "pods": "web-1", "command": "clean_logs" }));
        let prior = used.capture().await.unwrap();
        let failure = used.apply(&prior).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Indeterminate, "{failure}");
        assert!(failure.what.contains(text), "{failure}");
        let effect = used.effect(&prior).await.unwrap();
        assert!(matches!(&effect, Effect::Unclear(why) if why.contains(found)), "{effect:?}");
        assert!(used.apply(&prior).await.is_err());
        assert_eq!(double.exec_runs().len(), 1, "{text}");
    }
}

/// An exit code tells that it ran, and that it may not have done what it should.
#[tokio::test]
async fn a_command_that_ends_with_an_error_has_run_and_falls_short() {
    let double = ApiDouble::start().await;
    furnish(&double);
    let stderr = "/var/log/private: Permission denied\nmore".to_owned();
    double.answer_exec("find", ExecAnswer { exit_code: 1, stderr, ..ExecAnswer::default() });
    let adapter = adapter(&double);
    let used = Use::of(&adapter, "exec", json!({ "pods": "app=web", "command": "clean_logs" }));
    let prior = used.capture().await.unwrap();
    let applied = used.apply(&prior).await.unwrap();
    let said = r#"("/var/log/private: Permission denied")"#;
    assert_eq!(
        applied.told(),
        format!("ran clean_logs in 2 pods, but it ended in web-1 with 1 {said}, web-2 with 1 {said}")
    );
    assert_eq!((&applied.facts[0]["code"], &applied.facts[1]["pod"]), (&json!(1), &json!("web-2")));
    let Effect::Done(found) = used.effect(&prior).await.unwrap() else { panic!("it is known to have ended") };
    assert_eq!(found.told(), "ran clean_logs in 2 pods, but it ended in web-1 with 1, web-2 with 1");
    assert!(used.apply(&prior).await.unwrap().falls_short.is_some());
    assert_eq!(double.exec_runs().len(), 2, "once in each");
}

/// Once it ran in one pod, nothing that goes wrong with the next may be told as if nothing had happened.
#[tokio::test]
async fn what_ran_in_some_pods_is_never_told_as_nothing() {
    type Wrong = fn(&ApiDouble);
    let wrongs: [(&str, Wrong); 3] = [
        ("was replaced by another", |double| drop(double.replace_by_another("pods", "shop", "web-2"))),
        ("there is no pod", |double| assert!(double.delete("pods", "shop", "web-2"))),
        ("the server fails", |double| double.faults().order("GET", "*/pods/web-2", 1, Fault::InternalError)),
    ];
    for (text, go_wrong) in wrongs {
        let double = ApiDouble::start().await;
        furnish(&double);
        double.answer_exec("find", ExecAnswer::default());
        let adapter = adapter(&double);
        let used = Use::of(&adapter, "exec", json!({ "pods": "app=web", "command": "clean_logs" }));
        let prior = used.capture().await.unwrap();
        go_wrong(&double);
        let failure = used.apply(&prior).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Indeterminate, "{failure}");
        assert!(failure.what.contains("ran in 1 of 2 pods"), "{text}: {failure}");
        double.faults().clear();
        let effect = used.effect(&prior).await.unwrap();
        assert!(
            matches!(&effect, Effect::Unclear(why) if why.contains("look at pod shop/web-2")),
            "{effect:?}"
        );
        assert_eq!(double.exec_runs().len(), 1, "{text}");
    }
}

#[tokio::test]
async fn a_mark_that_may_be_there_is_looked_for() {
    let double = ApiDouble::start().await;
    furnish(&double);
    double.answer_exec("find", ExecAnswer::default());
    let adapter = adapter(&double);
    let used = Use::of(&adapter, "exec", json!({ "pods": "web-1", "command": "clean_logs" }));
    let prior = used.capture().await.unwrap();
    double.faults().order("PATCH", "*/pods/web-1", 1, Fault::AppliedThenReset);
    let failure = used.apply(&prior).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Indeterminate, "{failure}");
    assert!(matches!(used.effect(&prior).await.unwrap(), Effect::Unclear(_)));
    assert!(double.exec_runs().is_empty());

    double.replace_by_another("pods", "shop", "web-1");
    let failure = used.apply(&prior).await.unwrap_err();
    assert!(failure.what.contains("was replaced by another"), "{failure}");
}
