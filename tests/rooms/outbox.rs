//! News is tried again until it is there, or until it helps nobody any more; nothing waits for it.

use selfheal_core::issue::Outcome;

use crate::world::{World, minutes, seconds};

#[tokio::test]
async fn it_is_tried_again_with_a_growing_delay_and_one_key() {
    let world = World::with_plan(r#"double::set("a", 1)"#);
    world.sink.fail(4);
    let house = world.start().await;
    house.fire("load", "one").await;
    house.resolve("load", "one").await;
    assert_eq!(house.outcome().await, Some(Outcome::Applied), "the action did not wait");
    // Delays of 1, 2, 4 and 8 seconds, looked at once a second.
    let tries_after = [(1, 1), (1, 2), (2, 3), (4, 4), (8, 5)];
    for (wait, tries) in tries_after {
        house.advance(seconds(wait)).await;
        assert!(world.sink.tries() <= tries && world.sink.tries() + 1 >= tries, "{}", world.sink.tries());
    }
    house.advance(seconds(5)).await;
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
