//! Health, readiness and metrics.

use actix_web::test::TestRequest;
use selfheal_script::RuleFile;

use super::support::{House, Plan, firing, rules};

#[actix_web::test]
async fn refused_rules_degrade_and_do_not_stop() {
    let house = House::build(Plan::default()).await;
    assert_eq!(house.ask(TestRequest::get().uri("/health")).await.json()["status"], "alive");
    let ready = house.ask(TestRequest::get().uri("/ready")).await;
    assert_eq!((ready.status.as_u16(), &ready.json()["status"]), (200, &"ready".into()), "{ready:?}");
    let mut broken = rules();
    broken.push(RuleFile::new("wrong", "rules/wrong.rhai", "fn plan(alert, seen) { skip(\"x\")"));
    assert!(house.engine.load_rules(broken).await.is_err());
    let ready = house.ask(TestRequest::get().uri("/ready")).await;
    assert_eq!((ready.status.as_u16(), &ready.json()["status"]), (200, &"degraded".into()), "{ready:?}");
    let body = ready.json();
    assert!(body["reasons"][0].as_str().unwrap().contains("rules/wrong.rhai:1"), "{body}");
    assert_eq!(body["rules"]["loaded"], 3, "the last good set stays");
    house.engine.load_rules(rules()).await.unwrap();
    assert_eq!(house.ask(TestRequest::get().uri("/ready")).await.json()["status"], "ready");
}

#[actix_web::test]
async fn metrics_tell_of_the_process_and_the_rooms() {
    let house = House::build(Plan::default()).await;
    // Each at a target of its own: at the same one, the second may come while the first is still under way.
    for (name, job) in [("Broken", "a"), ("Delicate", "b")] {
        house.notify(firing(name, job).to_string()).await;
    }
    house.rest().await;
    let answer = house.ask(TestRequest::get().uri("/metrics")).await;
    assert!(answer.headers.get("content-type").unwrap().to_str().unwrap().starts_with("text/plain"));
    let version = format!("self_healing_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"));
    for part in [
        version.as_str(),
        "self_healing_uptime_seconds ",
        "self_healing_queue_size 0",
        "self_healing_approvals_waiting 1",
        "self_healing_outbox_size{sink=\"escalation\"} 0",
        "self_healing_outbox_oldest_age_seconds{sink=\"escalation\"} 0",
        "self_healing_latency_seconds_count 1",
        "self_healing_decision_duration_seconds_count 2",
        "self_healing_rules_loaded 3",
        "process_resident_memory_bytes ",
    ] {
        assert!(answer.text.contains(part), "{part} is not in\n{}", answer.text);
    }
}
