//! A wall clock that is set, forward or back: what is counted goes on as if nothing had happened.

use std::sync::Arc;

use jiff::SignedDuration;
use selfheal_core::issue::Outcome;

use crate::double::Turn;
use crate::source::standing;
use crate::world::{SourceStandIn, World, minutes, rule, seconds};

const STEPS: [SignedDuration; 2] = [SignedDuration::from_hours(1), SignedDuration::from_hours(-1)];

#[tokio::test]
async fn a_verification_has_its_time_whatever_the_wall_clock_shows() {
    for step in STEPS {
        let world = World::with_plan(r#"double::set("a", 1).verify(double::read("load").below(50), "10m")"#);
        world.target.put("load", 90);
        let house = world.start().await;
        house.fire("load", "one").await;
        house.advance(minutes(1)).await;
        world.timeline.set(step);
        house.advance(minutes(8)).await;
        assert_eq!((house.outcome().await, world.target.did().len()), (None, 1), "{step:?}");
        world.target.put("load", 10);
        house.advance(seconds(30)).await;
        assert_eq!(house.outcome().await, Some(Outcome::Recovered), "{step:?}");
    }
    for step in STEPS {
        let world = World::with_plan(r#"double::set("a", 1).verify(double::read("load").below(50), "10m")"#);
        world.target.put("load", 90);
        let house = world.start().await;
        house.fire("load", "one").await;
        world.timeline.set(step);
        house.advance(minutes(11)).await;
        assert_eq!(house.outcome().await, Some(Outcome::Unwound), "{step:?}");
    }
}

#[tokio::test]
async fn a_target_is_waited_for_whatever_the_wall_clock_shows() {
    let world = World::with_plan(r#"double::set("a", 1)"#);
    let house = world.start().await;
    world.target.down(true);
    house.fire("load", "one").await;
    house.advance(minutes(1)).await;
    world.timeline.set(STEPS[0]);
    house.advance(minutes(5)).await;
    world.target.down(false);
    house.advance(minutes(1)).await;
    assert_eq!(house.outcome().await, Some(Outcome::Applied));
}

#[tokio::test]
async fn a_process_takes_nothing_from_itself() {
    let world = World::new(vec![
        rule("load", "", r#"double::set("a", 1)"#),
        rule("other", "", r#"double::set("b", 2)"#),
    ]);
    world.target.applies("a", &[Turn::Waits]);
    let house = world.start().await;
    house.fire("load", "one").await;
    world.timeline.set(STEPS[0]);
    house.fire("other", "one").await;
    house.engine.call([house.issue("load", "one").await.id]).await.unwrap();
    house.advance(seconds(10)).await;
    world.target.go_on();
    house.advance(seconds(10)).await;
    let applied = world.target.calls().into_iter().filter(|call| call == "apply set a=1").count();
    assert_eq!((house.issue("load", "one").await.outcome, applied), (Some(Outcome::Applied), 1));
}

#[tokio::test]
async fn a_cooldown_has_its_time_whatever_the_wall_clock_shows() {
    for step in STEPS {
        let world = World::new(vec![rule("load", "cooldown: \"30m\"", r#"double::set("a", 1)"#)]);
        let house = world.start().await;
        house.fire("load", "one").await;
        world.timeline.set(step);
        house.fire("load", "two").await;
        house.advance(minutes(25)).await;
        assert_eq!(house.issue("load", "two").await.outcome, None, "{step:?}");
        assert_eq!(world.target.log().len(), 1, "{step:?}");
    }
}

#[tokio::test]
async fn a_breaker_is_open_for_its_time_whatever_the_wall_clock_shows() {
    for step in STEPS {
        let mut world = World::with_plan(r#"double::set(alert.labels.instance, 1)"#);
        world.policy.target_wait = seconds(40);
        world.target.down(true);
        let house = world.start().await;
        house.fire("load", "one").await;
        house.advance(seconds(70)).await;
        house.resolve("load", "one").await;
        world.target.down(false);
        let calls = world.target.calls().len();
        world.timeline.set(step);
        house.fire("load", "two").await;
        house.advance(minutes(3)).await;
        assert_eq!(world.target.calls().len(), calls, "{step:?}: it is left alone");
        house.advance(minutes(4)).await;
        assert_eq!(house.issue("load", "two").await.outcome, Some(Outcome::Applied), "{step:?}");
    }
}

#[tokio::test]
async fn an_alert_is_gone_for_its_time_whatever_the_wall_clock_shows() {
    for step in STEPS {
        let source = Arc::new(SourceStandIn::default());
        let mut world = World::with_plan(r#"double::set("a", 1)"#);
        world.source = Some(Arc::clone(&source));
        let house = world.start().await;
        house.fire("load", "one").await;
        source.set(Some(vec![standing("one", house.now(), None)]));
        house.advance(minutes(2)).await;
        source.set(Some(Vec::new()));
        house.advance(minutes(2)).await;
        world.timeline.set(step);
        house.advance(minutes(2)).await;
        assert!(house.only().await.resolved_at.is_none(), "{step:?}");
        house.advance(minutes(3)).await;
        assert!(house.only().await.resolved_at.is_some(), "{step:?}");
    }
}
