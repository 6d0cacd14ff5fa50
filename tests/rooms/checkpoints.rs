//! The end of the audit chain is signed, and a chain that was made anew is not.

use selfheal_core::audit::{Checkpoint, KEY_BYTES_MIN, Key};
use selfheal_runtime::checkpoint::CheckpointFault;
use selfheal_runtime::ports::journal::verify;

use crate::world::{House, World, minutes};

fn key() -> Key {
    Key::new(&[b'k'; KEY_BYTES_MIN]).unwrap()
}

fn world() -> World {
    let mut world = World::with_plan(r#"double::set(alert.labels.instance, 1)"#);
    world.audit_key = Some(key());
    world
}

/// How many there are, in a journal in which nothing is found.
async fn checkpoints(house: &House<'_>) -> usize {
    let journal = &house.engine.journal;
    let verified = verify(&**journal, vec![], vec![key()]).await.unwrap();
    assert_eq!(verified.findings, []);
    let links = journal.links(0, 10_000).await.unwrap();
    links
        .iter()
        .filter(|link| link.record.as_ref().is_some_and(|(_, record)| record.kind == Checkpoint::KIND))
        .count()
}

#[tokio::test]
async fn the_end_is_signed_every_hour_where_something_is_new() {
    let world = world();
    let house = world.start().await;
    assert_eq!(checkpoints(&house).await, 1, "the start is signed before there is anything to sign");
    for (instance, signed) in [("a", 2), ("b", 3)] {
        house.advance(minutes(30)).await;
        house.fire("load", instance).await;
        house.resolve("load", instance).await;
        // Nothing is found before it is signed.
        assert_eq!(checkpoints(&house).await, signed - 1);
        house.advance(minutes(61)).await;
        assert_eq!(checkpoints(&house).await, signed);
        house.advance(minutes(300)).await;
        assert_eq!(checkpoints(&house).await, signed, "there was nothing to sign");
    }
    // What was not signed before a crash is signed at the next start.
    house.fire("load", "c").await;
    house.life.end();
    let house = world.start().await;
    assert_eq!(checkpoints(&house).await, 4);
}

#[tokio::test]
async fn a_chain_that_was_made_anew_under_a_process_gets_no_signature() {
    let world = world();
    let house = world.start().await;
    house.fire("load", "a").await;
    house.engine.checkpoint().await.unwrap();
    let (chain, signed) = house.engine.audit_head().await.unwrap();
    assert_eq!(signed.map(|signed| signed.head), Some(chain.head));

    let owner = rusqlite::Connection::open(world.journal_path()).unwrap();
    owner
        .execute("UPDATE audit SET hash = zeroblob(32) WHERE seq = ?1", [chain.head.seq.cast_signed() - 1])
        .unwrap();
    house.fire("load", "b").await;
    let fault = house.engine.checkpoint().await.unwrap_err();
    assert!(matches!(fault, CheckpointFault::MadeAnew(_)), "{fault}");
    assert!(house.engine.audit_head().await.unwrap().1.is_none());
}
