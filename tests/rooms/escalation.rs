//! What repeated failures lead to, and what is learned from them.

use selfheal_core::issue::Outcome;
use selfheal_core::success::SuccessRecord;
use selfheal_runtime::ports::NewsKind;

use crate::double::Turn;
use crate::world::{World, minutes, rule, seconds};

const LEVELS: &str = r#"escalate([
        double::set("weak", 1).verify(double::read("load").below(50), "5s"),
        double::set("strong", 2).verify(double::read("load").below(50), "5s"),
    ])"#;

fn failing(plan: &str) -> World {
    let mut world = World::new(vec![rule("load", "cooldown: \"1m\"", plan)]);
    world.policy.cooldown_min = seconds(60);
    world.policy.failure_sample_min = 1000;
    world.target.put("load", 90);
    world
}

fn sets(world: &World, name: &str) -> usize {
    world.target.did().iter().filter(|what| what.starts_with(&format!("set {name}="))).count()
}

#[tokio::test]
async fn three_failures_lead_to_the_stronger_plan_and_then_to_a_person() {
    let world = failing(LEVELS);
    let house = world.start().await;
    house.fire("load", "one").await;
    house.advance(minutes(3)).await;
    assert_eq!((sets(&world, "weak"), sets(&world, "strong")), (3, 0));
    house.advance(minutes(1)).await;
    assert_eq!((sets(&world, "weak"), sets(&world, "strong")), (3, 1));
    assert_eq!(house.only().await.level, 1);
    house.advance(minutes(10)).await;
    assert_eq!((sets(&world, "weak"), sets(&world, "strong")), (3, 3));
    let issue = house.only().await;
    assert_eq!(issue.outcome, Some(Outcome::Escalated));
    assert!(issue.why.contains("a person is needed"), "{}", issue.why);
    assert_eq!(world.sink.kinds().last(), Some(&NewsKind::Person));
    house.advance(minutes(60)).await;
    assert_eq!(world.target.log().len(), 12, "nothing more is tried");
}

#[tokio::test]
async fn a_rule_with_one_plan_calls_a_person_after_three_failures() {
    let world = failing(r#"double::set("weak", 1).verify(double::read("load").below(50), "5s")"#);
    let house = world.start().await;
    house.fire("load", "one").await;
    house.advance(minutes(10)).await;
    assert_eq!(sets(&world, "weak"), 3);
    assert_eq!(house.outcome().await, Some(Outcome::Escalated));
}

#[tokio::test]
async fn failures_are_forgotten_after_their_window() {
    let world = failing(LEVELS);
    let mut world = world;
    world.rules = vec![rule("load", "cooldown: \"4m\"", LEVELS)];
    let house = world.start().await;
    house.fire("load", "one").await;
    // Two within any ten minutes, and a third at their edge at most.
    house.advance(minutes(7)).await;
    assert_eq!((sets(&world, "weak"), sets(&world, "strong")), (2, 0));
}

#[tokio::test]
async fn levels_and_failures_outlive_a_restart() {
    let world = failing(LEVELS);
    let house = world.start().await;
    house.fire("load", "one").await;
    house.advance(seconds(150)).await;
    assert_eq!(sets(&world, "weak"), 3);
    drop(house);
    let house = world.start().await;
    house.advance(minutes(1)).await;
    assert_eq!((sets(&world, "weak"), sets(&world, "strong")), (3, 1));
}

#[tokio::test]
async fn the_stronger_plan_helps() {
    let world = failing(LEVELS);
    world.target.leads_to(("strong", 2), ("load", 10));
    let house = world.start().await;
    house.fire("load", "one").await;
    house.advance(minutes(10)).await;
    assert_eq!(house.outcome().await, Some(Outcome::Recovered));
    assert_eq!(world.target.get("strong"), Some(2));
    assert_eq!(world.target.get("weak"), None);
}

#[tokio::test]
async fn what_helped_before_is_tried_first() {
    let plan = r#"best([
        double::set("a", 1).verify(double::read("load").below(50), "5s"),
        double::scale("b", 2).verify(double::read("load").below(50), "5s"),
    ])"#;
    let world = failing(plan);
    world.target.leads_to(("b", 2), ("load", 10));
    let house = world.start().await;
    house.fire("load", "one").await;
    house.advance(seconds(30)).await;
    assert_eq!(world.target.did(), ["set a=1", "undo a=gone", "scale b=2"], "as they are written, at first");
    house.resolve("load", "one").await;
    world.target.put("load", 90);
    house.advance(minutes(3)).await;
    house.fire("load", "two").await;
    house.advance(seconds(30)).await;
    assert_eq!(world.target.did().last().map(String::as_str), Some("scale b=2"));
    assert_eq!(world.target.log().len(), 4);
    let story = house.story(house.issue("load", "two").await.id).await;
    let why = story.records[0].facts["choices"][0]["why"].as_str().unwrap().to_owned();
    assert!(why.starts_with("best first: double.scale: 1 of 1 helped"), "{why}");
    assert!(why.contains("Beta posterior"), "{why}");
}

#[tokio::test]
async fn what_never_happened_tells_nothing_of_how_well_it_helps() {
    // Refused, down for as long as is waited, and gone before it could be applied.
    for (turn, down) in [(Some(Turn::Refused), false), (None, true)] {
        let mut world = failing(LEVELS);
        (world.policy.failure_sample_min, world.policy.target_wait) = (1, seconds(30));
        world.policy.breaker_failures = 0;
        world.target.applies("weak", &[turn.unwrap_or(Turn::Works); 5]);
        let house = world.start().await;
        world.target.down(down);
        house.fire("load", "one").await;
        house.advance(minutes(4)).await;
        let issue = house.only().await;
        assert_eq!((issue.level, issue.outcome), (0, Some(Outcome::Failed)), "{issue:#?}");
        assert!(house.engine.switch.position().on, "{:?}", house.engine.switch.position());
        assert_eq!(house.engine.success("load", "double.set"), SuccessRecord::default());
        assert!(world.target.log().is_empty());
    }
}
