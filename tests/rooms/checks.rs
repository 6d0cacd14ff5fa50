//! Scheduled checks: what probes find becomes alerts, which go the way of all alerts.

use std::sync::Arc;
use std::time::Duration;

use selfheal_core::condition::{ProbeCall, Test};
use selfheal_core::issue::Outcome;
use selfheal_core::labels::Labels;
use selfheal_runtime::checks::{self, Check, Patience};
use serde_json::json;

use crate::source::standing;
use crate::world::{House, SourceStandIn, World, minutes, seconds};

/// A check of the number `one`, every minute: ill above 10, three times in a row.
fn check() -> Check {
    let labels: Labels =
        [("alertname", "load"), ("instance", "one"), ("severity", "critical"), ("check", "one")]
            .into_iter()
            .collect();
    let params = json!({ "name": "one" }).as_object().unwrap().clone();
    Check {
        name: "one".to_owned(),
        probe: ProbeCall { adapter: "double".to_owned(), probe: "read".to_owned(), params },
        field: "value".to_owned(),
        test: Test::Above(10.0),
        every: minutes(1),
        timeout: seconds(10),
        must_answer: false,
        patience: Patience { failures: 3, lasting: Duration::ZERO, successes: 1 },
        labels,
        summary: "one is loaded".to_owned(),
    }
}

fn world() -> World {
    let world = World::with_plan(r#"double::set(alert.labels.instance, 1)"#);
    world.target.put("one", 5);
    world
}

/// Lets checks run in a house; they end with it.
async fn checking(house: &House<'_>, checks: Vec<Check>) {
    tokio::spawn(checks::run(Arc::clone(&house.engine), checks));
    house.world.pulse.settle().await;
}

fn rounds(house: &House<'_>, result: &str) -> u64 {
    house.engine.metrics.scheduled_checks.with_label_values(&["one", result]).get()
}

#[tokio::test]
async fn what_is_ill_is_healed_and_resolved() {
    let world = world();
    let house = world.start().await;
    checking(&house, vec![check()]).await;
    house.advance(minutes(5)).await;
    assert!(house.issues().await.is_empty());
    assert_eq!(rounds(&house, "well"), 5);

    world.target.put("one", 50);
    house.advance(minutes(2)).await;
    assert!(house.issues().await.is_empty(), "two rounds are too few");
    house.advance(minutes(1)).await;
    let issue = house.only().await;
    assert_eq!(issue.outcome, Some(Outcome::Applied));
    assert_eq!(world.target.get("one"), Some(1), "its rule has done what it plans");
    assert_eq!(issue.alert.annotations.get("summary"), Some("one is loaded"));
    let description = issue.alert.annotations.get("description").unwrap();
    assert_eq!(description, "double::read(name: \"one\"): value is 50, which is above 10");
    assert_eq!(issue.alert.annotations.get("source"), Some("scheduled_checks"));

    house.advance(minutes(1)).await;
    assert!(house.only().await.resolved_at.is_some());
    house.advance(minutes(5)).await;
    assert!(house.only().await.closed_at.is_some());

    world.target.put("one", 60);
    house.advance(minutes(3)).await;
    assert_eq!(house.issues().await.len(), 2, "it is ill again, which is another episode");
}

#[tokio::test]
async fn what_cannot_be_read_neither_fires_nor_resolves() {
    let world = world();
    let house = world.start().await;
    checking(&house, vec![check()]).await;
    world.target.down(true);
    house.advance(minutes(9)).await;
    assert!(house.issues().await.is_empty());
    assert_eq!(rounds(&house, "inconclusive"), 9);
    world.target.down(false);
    world.target.put("one", 50);
    house.advance(minutes(3)).await;
    // The rule would make it well; nobody can see whether it is.
    world.target.down(true);
    house.advance(minutes(9)).await;
    assert!(house.only().await.resolved_at.is_none());
}

#[tokio::test]
async fn a_check_that_is_blind_is_told_of_until_it_sees() {
    let world = world();
    let house = world.start().await;
    checking(&house, vec![check()]).await;
    world.target.down(true);
    house.advance(minutes(10)).await;
    let blind = house.only().await;
    let label = |name: &str| blind.alert.labels.get(name).map(str::to_owned);
    let expected =
        [("alertname", "CheckBlind"), ("instance", "one"), ("check", "one"), ("severity", "warning")];
    for (name, value) in expected {
        assert_eq!(label(name).as_deref(), Some(value), "{name}");
    }
    assert!(blind.alert.annotations.get("description").is_some_and(|text| text.contains("double::read")));
    drop(house);

    // Whoever checks next knows of it.
    let house = world.start().await;
    checking(&house, vec![check()]).await;
    house.advance(minutes(15)).await;
    assert!(house.only().await.resolved_at.is_none());
    world.target.down(false);
    house.advance(minutes(1)).await;
    assert!(house.only().await.resolved_at.is_some());
}

#[tokio::test]
async fn a_check_whose_probe_panics_is_blind() {
    let world = world();
    let house = world.start().await;
    checking(&house, vec![check()]).await;
    world.target.panics(Some("read"));
    house.advance(minutes(10)).await;
    assert_eq!(house.only().await.alert.name(), "CheckBlind");
    world.target.panics(None);
    house.advance(minutes(1)).await;
    assert!(house.only().await.resolved_at.is_some());
}

#[tokio::test]
async fn where_an_answer_is_looked_for_none_in_time_is_wrong() {
    let mut world = world();
    world.switch_on = false;
    let house = world.start().await;
    checking(&house, vec![Check { must_answer: true, ..check() }]).await;
    world.target.hang(true);
    house.advance(minutes(3) + seconds(15)).await;
    assert_eq!((rounds(&house, "cut_off"), rounds(&house, "ill")), (3, 0));
    let issue = house.issue("load", "one").await;
    let description = issue.alert.annotations.get("description").map(str::to_owned);
    assert_eq!(description.as_deref(), Some("double::read(name: \"one\"): no answer within 10s"));
    house.advance(minutes(10)).await;
    assert_eq!(house.issues().await.len(), 1, "it is not blind");
    world.target.hang(false);
    house.advance(minutes(1)).await;
    assert!(house.only().await.resolved_at.is_some());
}

#[tokio::test]
async fn a_restart_goes_on_with_the_same_episode() {
    let mut world = world();
    world.switch_on = false;
    let house = world.start().await;
    checking(&house, vec![check()]).await;
    world.target.put("one", 50);
    house.advance(minutes(4)).await;
    let before = house.only().await;
    drop(house);

    let house = world.start().await;
    checking(&house, vec![check()]).await;
    house.advance(minutes(10)).await;
    let after = house.only().await;
    assert_eq!((after.id, after.alert.starts_at), (before.id, before.alert.starts_at));
    assert!(after.resolved_at.is_none());
    drop(house);

    world.target.put("one", 5);
    let house = world.start().await;
    checking(&house, vec![check()]).await;
    house.advance(minutes(1)).await;
    assert!(house.only().await.resolved_at.is_some(), "it is over, whoever noticed it");
}

#[tokio::test]
async fn an_alert_whose_check_is_gone_is_over() {
    let mut world = world();
    world.switch_on = false;
    let house = world.start().await;
    checking(&house, vec![check()]).await;
    house.fire("load", "two").await;
    world.target.put("one", 50);
    house.advance(minutes(4)).await;
    assert_eq!(house.issues().await.len(), 2);
    drop(house);

    let house = world.start().await;
    checking(&house, Vec::new()).await;
    assert!(house.issue("load", "one").await.resolved_at.is_some());
    assert!(house.issue("load", "two").await.resolved_at.is_none(), "others are left alone");
}

#[tokio::test]
async fn a_source_that_knows_nothing_of_it_does_not_resolve_it() {
    let mut world = world();
    let source = Arc::new(SourceStandIn::default());
    source.set(Some(Vec::new()));
    world.source = Some(Arc::clone(&source));
    world.switch_on = false;
    let house = world.start().await;
    checking(&house, vec![check()]).await;
    world.target.put("one", 50);
    house.fire("load", "two").await;
    source.set(Some(vec![standing("two", house.now(), None)]));
    house.advance(minutes(2)).await;
    source.set(Some(Vec::new()));
    house.advance(minutes(20)).await;
    assert!(house.issue("load", "one").await.resolved_at.is_none());
    assert!(house.issue("load", "two").await.resolved_at.is_some());
}

#[tokio::test]
async fn a_slow_check_is_cut_off_and_never_overlaps_itself() {
    let world = world();
    let house = world.start().await;
    let slow = Check { timeout: minutes(3), ..check() };
    checking(&house, vec![slow]).await;
    world.target.hang(true);
    house.advance(minutes(30)).await;
    let reads = world.target.calls().iter().filter(|call| call.starts_with("read ")).count() as u64;
    // Each round takes until the third beat after its own, and the next is at the fourth.
    assert_eq!((reads, rounds(&house, "cut_off")), (8, 7));
    assert!(house.issues().await.is_empty());
    world.target.hang(false);
    house.advance(minutes(4)).await;
    assert!(rounds(&house, "well") > 0, "it goes on");
}

#[tokio::test]
async fn one_of_several_processes_checks_and_another_takes_over() {
    let mut world = world().shared();
    world.switch_on = false;
    let (first, second) = (world.start().await, world.start().await);
    checking(&first, vec![check()]).await;
    checking(&second, vec![check()]).await;
    first.advance(minutes(10)).await;
    assert_eq!((rounds(&first, "well"), rounds(&second, "well")), (10, 0));
    world.target.put("one", 50);
    second.advance(minutes(4)).await;
    let before = second.only().await;

    // The first dies; its lease ends, and the alert is neither raised again nor forgotten.
    drop(first);
    second.advance(minutes(5)).await;
    assert!(rounds(&second, "ill") > 0);
    assert_eq!(second.only().await.alert.starts_at, before.alert.starts_at);
    world.target.put("one", 5);
    second.advance(minutes(2)).await;
    assert!(second.only().await.resolved_at.is_some());
}
