//! The source of alerts is asked for what its notifications did not bring.

use std::sync::Arc;

use jiff::Timestamp;
use selfheal_core::alert::{Alert, AlertStatus};
use selfheal_core::issue::{Outcome, Phase};
use selfheal_core::labels::Labels;
use selfheal_runtime::ports::StandingAlert;

use crate::world::{SourceStandIn, World, alert, minutes, notification, seconds};

pub fn standing(instance: &str, starts_at: Timestamp, suppressed_by: Option<&str>) -> StandingAlert {
    let labels: Labels =
        [("alertname", "load"), ("instance", instance), ("severity", "critical")].into_iter().collect();
    let alert = Alert {
        status: AlertStatus::Firing,
        fingerprint: labels.fingerprint(),
        labels,
        annotations: Labels::default(),
        starts_at,
        ends_at: None,
        generator_url: "".into(),
        heard_by: None,
    };
    StandingAlert { alert, suppressed_by: suppressed_by.map(str::to_owned) }
}

fn world() -> (World, Arc<SourceStandIn>) {
    let source = Arc::new(SourceStandIn::default());
    source.set(Some(Vec::new()));
    let mut world = World::with_plan(r#"double::set(alert.labels.instance, 1)"#);
    world.source = Some(Arc::clone(&source));
    (world, source)
}

#[tokio::test]
async fn what_fires_only_there_is_received() {
    let (world, source) = world();
    source.set(Some(vec![standing("one", world.timeline.now(), None)]));
    let house = world.start().await;
    house.advance(seconds(1)).await;
    assert_eq!(house.outcome().await, Some(Outcome::Applied), "at start");
    let began = house.only().await.alert.starts_at;
    source.set(Some(vec![standing("one", began, None), standing("two", house.now(), None)]));
    house.advance(minutes(1)).await;
    assert_eq!(house.issue("load", "two").await.outcome, Some(Outcome::Applied), "and at intervals");
    assert_eq!(house.issues().await.len(), 2);
    assert_eq!(house.engine.metrics.recovered_alerts.get(), 2);
}

#[tokio::test]
async fn a_source_that_is_down_stops_nothing() {
    let (world, source) = world();
    source.set(None);
    let house = world.start().await;
    house.fire("load", "one").await;
    house.advance(minutes(30)).await;
    assert_eq!(house.outcome().await, Some(Outcome::Applied));
    assert_eq!(house.only().await.phase, Phase::Rested, "absence proves nothing while nobody answers");
}

#[tokio::test]
async fn what_a_person_has_silenced_is_left_alone() {
    let (world, source) = world();
    source.set(Some(vec![standing("one", world.timeline.now(), Some("silence 7: anna works on it"))]));
    let house = world.start().await;
    house.advance(seconds(1)).await;
    assert!(house.issues().await.is_empty(), "nobody was told of it");
    house.fire("load", "one").await;
    let issue = house.only().await;
    assert!(issue.why.contains("anna works on it"), "{}", issue.why);
    house.advance(minutes(10)).await;
    assert!(world.target.did().is_empty());
    source.set(Some(vec![standing("one", issue.alert.starts_at, None)]));
    house.advance(minutes(3)).await;
    assert_eq!(world.target.did(), ["set one=1"]);
}

#[tokio::test]
async fn what_is_gone_for_minutes_counts_as_resolved() {
    let (world, source) = world();
    let house = world.start().await;
    house.fire("load", "one").await;
    source.set(Some(vec![standing("one", house.now(), None)]));
    house.advance(minutes(5)).await;
    source.set(Some(Vec::new()));
    house.advance(minutes(4)).await;
    assert!(
        house.only().await.resolved_at.is_none(),
        "an Alertmanager that was restarted knows nothing for a while"
    );
    source.set(Some(vec![standing("one", house.only().await.alert.starts_at, None)]));
    house.advance(minutes(1)).await;
    source.set(Some(Vec::new()));
    house.advance(minutes(4)).await;
    assert!(house.only().await.resolved_at.is_none(), "it was there in between");
    house.advance(minutes(3)).await;
    assert!(house.only().await.resolved_at.is_some());
    house.advance(minutes(2)).await;
    assert_eq!(house.only().await.phase, Phase::Closed);
}

#[tokio::test]
async fn what_never_stood_at_the_source_is_not_missed_there() {
    let (world, source) = world();
    let house = world.start().await;
    house.fire("load", "one").await;
    let mut body = notification(&[alert("load", "two", house.now(), None)], 0);
    body["externalURL"] = "https://grafana.example.org/".into();
    house.post(body).await.unwrap();
    source.set(Some(vec![standing("one", house.issue("load", "one").await.alert.starts_at, None)]));
    house.advance(minutes(2)).await;
    source.set(Some(Vec::new()));
    house.advance(minutes(20)).await;
    assert!(house.issue("load", "one").await.closed_at.is_some(), "its sender is known to be this source");
    assert!(house.issue("load", "two").await.resolved_at.is_none(), "nobody but its sender knows");
}

#[tokio::test]
async fn an_answer_in_parts_proves_no_absence() {
    let (world, source) = world();
    let house = world.start().await;
    house.fire("load", "one").await;
    source.set(Some(vec![standing("one", house.now(), None)]));
    house.advance(minutes(2)).await;
    source.set(Some(Vec::new()));
    source.set_whole(false);
    house.advance(minutes(30)).await;
    assert!(house.only().await.resolved_at.is_none(), "the peer that did not answer may have it");
    source.set_whole(true);
    house.advance(minutes(4)).await;
    assert!(house.only().await.resolved_at.is_none(), "it counts from the first whole answer");
    house.advance(minutes(3)).await;
    assert!(house.only().await.resolved_at.is_some());
}

#[tokio::test]
async fn what_a_source_that_is_down_may_have_shown_is_not_missed_there() {
    let (world, source) = world();
    let house = world.start().await;
    house.fire("load", "one").await;
    source.set(Some(vec![standing("one", house.now(), None)]));
    house.advance(minutes(2)).await;
    source.set(Some(Vec::new()));
    house.advance(minutes(2)).await;
    source.set(None);
    house.advance(minutes(10)).await;
    source.set(Some(Vec::new()));
    house.advance(minutes(4)).await;
    assert!(house.only().await.resolved_at.is_none(), "it counts from the first answer");
    house.advance(minutes(3)).await;
    assert!(house.only().await.resolved_at.is_some());
}

#[tokio::test]
async fn what_was_cut_off_is_asked_for_at_once() {
    let (world, source) = world();
    let house = world.start().await;
    house.advance(seconds(10)).await;
    let now = house.now();
    source.set(Some(["one", "two", "three"].map(|instance| standing(instance, now, None)).to_vec()));
    let received = house.post(notification(&[alert("load", "one", now, None)], 2)).await.unwrap();
    assert_eq!(received.truncated, 2);
    house.advance(seconds(2)).await;
    assert_eq!(house.issues().await.len(), 3);
    assert_eq!(world.target.log().len(), 3);
}

#[tokio::test]
async fn what_a_watch_has_raised_is_for_the_watch_to_end() {
    let (world, _source) = world();
    let house = world.start().await;
    let body = notification(&[alert("load", "one", house.now(), None)], 0).to_string().into_bytes();
    house.engine.receive(body, "pods", None).await.unwrap();
    house.advance(minutes(30)).await;
    let issue = house.only().await;
    assert_eq!(issue.alert.heard_by.as_deref(), Some("pods"));
    assert!(issue.resolved_at.is_none(), "the source never knew of it");
    house.resolve("load", "one").await;
    house.advance(minutes(2)).await;
    assert_eq!(house.only().await.phase, Phase::Closed);
}
