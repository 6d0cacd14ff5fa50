//! The way in: what a sender is told when the journal does not answer.

use selfheal_core::issue::Outcome;
use selfheal_runtime::intake::NotReceived;

use crate::world::{World, alert, seconds};

#[tokio::test]
async fn a_journal_that_hangs_is_not_waited_for_longer_than_a_sender_waits() {
    let world = World::with_plan(r#"double::set("a", 1)"#);
    let house = world.start().await;
    house.life.hang(true);
    let firing = [alert("load", "one", house.now(), None)];
    let (begun, answered) = (house.now(), async {
        let answer = house.send(&firing).await;
        (answer, house.now())
    });
    let ((answer, at), ()) = tokio::join!(answered, house.advance(seconds(30)));
    let Err(NotReceived::Unavailable(why)) = answer else { panic!("{answer:?}") };
    assert!(why.contains("did not answer within 5s"), "{why}");
    assert_eq!(at.duration_since(begun).as_secs(), 5);
    // What was written late is worked off all the same, and the same sent again is known.
    house.life.hang(false);
    house.advance(seconds(5)).await;
    assert_eq!(house.outcome().await, Some(Outcome::Applied));
    assert!(house.send(&firing).await.is_ok());
    house.advance(seconds(5)).await;
    assert_eq!(world.target.did(), ["set a=1"]);
}
