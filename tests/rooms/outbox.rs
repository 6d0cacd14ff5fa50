//! News is tried again until it is there, or until it helps nobody any more; nothing waits for it.

use selfheal_core::issue::Outcome;
use selfheal_runtime::ports::{News, NewsKind};

use crate::world::{Recorder, World, minutes, seconds};

#[tokio::test]
async fn it_is_tried_again_with_a_growing_delay_and_one_key() {
    let world = World::with_plan(r#"double::set("a", 1)"#);
    world.sink.fail(4);
    let house = world.start().await;
    house.fire("load", "one").await;
    house.resolve("load", "one").await;
    assert_eq!(house.outcome().await, Some(Outcome::Applied), "the action did not wait");
    assert_eq!(world.sink.tries(), 1, "it is tried as soon as it is written");
    // Delays of 1, 2, 4 and 8 seconds.
    for (wait, tries) in [(1, 2), (2, 3), (4, 4), (7, 4), (1, 5)] {
        house.advance(seconds(wait)).await;
        assert_eq!(world.sink.tries(), tries);
    }
    assert_eq!((world.sink.tries(), world.sink.got().len()), (5, 1));
    house.advance(minutes(10)).await;
    assert_eq!(world.sink.tries(), 5, "it was delivered once");
}

#[tokio::test]
async fn it_waits_through_a_restart() {
    let world = World::with_plan(r#"double::set("a", 1)"#);
    world.sink.fail(3);
    let house = world.start().await;
    house.fire("load", "one").await;
    drop(house);
    let house = world.start().await;
    house.advance(minutes(1)).await;
    assert_eq!(world.sink.got().len(), 1);
    assert_eq!(world.sink.keys().len(), 1);
}

#[tokio::test]
async fn it_is_given_up_after_a_day() {
    let world = World::with_plan(r#"double::set("a", 1)"#);
    world.sink.fail(u32::MAX);
    let house = world.start().await;
    house.fire("load", "one").await;
    house.resolve("load", "one").await;
    house.advance(minutes(2)).await;
    world.timeline.skip(minutes(24 * 60));
    house.advance(minutes(6)).await;
    let tries = world.sink.tries();
    world.sink.fail(0);
    house.advance(minutes(30)).await;
    assert_eq!((world.sink.tries(), world.sink.got().len()), (tries, 0));
}

#[tokio::test]
async fn a_dead_sink_holds_up_no_other_and_keeps_its_order() {
    let mut world = World::with_plan(r#"double::set("a", 1)"#);
    const ALL: &[NewsKind] = &[NewsKind::Opened, NewsKind::Plan, NewsKind::Outcome, NewsKind::Closed];
    let (dead, well) = (Recorder::named("dead", ALL), Recorder::named("well", ALL));
    world.more_sinks = vec![dead.clone(), well.clone()];
    dead.fail(3);
    let house = world.start().await;
    for number in 0..50 {
        house.fire("load", &number.to_string()).await;
    }
    house.advance(std::time::Duration::from_millis(500)).await;
    assert!(well.got().len() >= 50, "{}", well.got().len());
    house.advance(minutes(10)).await;
    // What never failed tells the order in which it was written.
    let told = |sink: &Recorder, number: i64| {
        let about = |news: &News| news.issue.is_some_and(|issue| issue.0 == number);
        let told = sink.got().into_iter().filter(about).map(|news| (news.at, news.kind));
        told.collect::<Vec<_>>()
    };
    for number in 1..=50 {
        let expected = told(&well, number);
        assert_eq!(expected[0].1, NewsKind::Opened);
        assert_eq!(told(&dead, number), expected, "issue {number}");
    }
}

#[tokio::test]
async fn a_sink_that_panics_is_tried_again_like_any_other() {
    let world = World::with_plan(r#"double::set("a", 1)"#);
    world.sink.panic();
    let house = world.start().await;
    house.fire("load", "one").await;
    assert!(world.sink.got().is_empty());
    house.advance(seconds(2)).await;
    assert_eq!(world.sink.got().len(), 1);
}
