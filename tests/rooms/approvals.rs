//! Approvals: a person decides about exactly the plan that was shown, once, and in time.

use selfheal_contract::Failure;
use selfheal_core::hash::ContentHash;
use selfheal_core::issue::{Outcome, Phase};
use selfheal_core::rule::Mode;
use selfheal_runtime::by_hand::HandFault;
use selfheal_runtime::ports::{JournalFaultKind, NewsKind};

use crate::world::{World, alert, minutes, notification, observing, seconds};

/// The kind of a journal's fault; nothing of another one.
fn kind(fault: HandFault) -> Option<JournalFaultKind> {
    match fault {
        HandFault::Journal(fault) => Some(fault.kind),
        _ => None,
    }
}

fn asking() -> World {
    let observe = r#"load: double::read("load")"#;
    let mut world =
        World::new(vec![observing("load", "", observe, r#"double::set("a", seen.load.value + 1)"#)]);
    world.policy.mode = Mode::Approve;
    world.target.put("load", 90);
    world
}

#[tokio::test]
async fn what_was_shown_is_what_runs() {
    let world = asking();
    let house = world.start().await;
    house.fire("load", "one").await;
    assert_eq!(house.only().await.phase, Phase::AwaitingApproval);
    assert_eq!(world.target.calls(), ["read load", "preview set a=91"], "nothing but a look");
    let asked = house.asked().await;
    assert_eq!(asked.previews[0]["preview"]["summary"], "would set a=91");

    // Another reading would lead to another plan; what was approved is the one that was shown.
    world.target.put("load", 50);
    house.advance(minutes(10)).await;
    house.engine.answer(&asked.id, asked.plan_hash, true, "anna", "go on").await.unwrap();
    house.advance(seconds(2)).await;
    assert_eq!(world.target.did(), ["set a=91"]);
    let issue = house.only().await;
    assert_eq!(issue.outcome, Some(Outcome::Applied));
    let story = house.story(issue.id).await;
    assert_eq!(story.remediations[0].approved_by.as_deref(), Some("anna"));
    assert_eq!(story.remediations[0].plan_hash, asked.plan_hash);
    let answered = story.records.iter().find(|record| record.kind == "answered").unwrap();
    assert_eq!(answered.actor, "anna");
    assert_eq!(world.sink.kinds(), [NewsKind::Approval, NewsKind::Outcome]);
}

#[tokio::test]
async fn nobody_is_asked_about_what_cannot_be_done() {
    let refused = || Failure::refused("there is no column b");
    let cases = [
        (
            "the first step is refused",
            r#"sequence([double::set("a", 1), double::set("b", 1)])"#,
            vec![("a", refused())],
            true,
        ),
        (
            "a later step may become possible",
            r#"sequence([double::set("b", 1), double::set("a", 1)])"#,
            vec![("a", refused())],
            false,
        ),
        (
            "there is another way",
            r#"fallback([double::set("a", 1), double::set("b", 1)])"#,
            vec![("a", refused())],
            false,
        ),
        (
            "all ways are refused",
            r#"fallback([double::set("a", 1), double::set("b", 1)])"#,
            vec![("a", refused()), ("b", refused())],
            true,
        ),
        (
            "it may be known later",
            r#"double::set("a", 1)"#,
            vec![("a", Failure::transient("it is busy"))],
            false,
        ),
    ];
    for mode in [Mode::Approve, Mode::Shadow] {
        for (what, plan, failures, is_refused) in cases.clone() {
            let mut world = World::with_plan(plan);
            world.policy.mode = mode;
            for (name, failure) in failures {
                world.target.previews(name, failure);
            }
            let house = world.start().await;
            let body = notification(&[alert("load", "one", house.now(), None)], 0).to_string();
            let dry = house.engine.dry_run(body.as_bytes(), None).await.unwrap();
            house.fire("load", "one").await;
            let issue = house.only().await;
            assert_eq!(issue.outcome == Some(Outcome::Refused), is_refused, "{what}: {issue:#?}");
            let summary = &dry.alerts[0].summary;
            assert_eq!(summary.contains("would refuse"), is_refused, "{what}: {summary}");
            if is_refused {
                assert!(house.open_approval().await.is_none(), "{what}");
                assert!(issue.why.contains("there is no column b"), "{what}: {}", issue.why);
                assert!(summary.contains("there is no column b"), "{what}: {summary}");
            } else if mode == Mode::Approve {
                let shown = house.asked().await.previews.to_string();
                assert!(shown.contains("\"failed\""), "{what}: {shown}");
            }
        }
    }
}

#[tokio::test]
async fn a_person_says_no() {
    let world = asking();
    let house = world.start().await;
    house.fire("load", "one").await;
    let asked = house.asked().await;
    house.engine.answer(&asked.id, asked.plan_hash, false, "anna", "not today").await.unwrap();
    house.advance(minutes(90)).await;
    let issue = house.only().await;
    assert_eq!(issue.outcome, Some(Outcome::Denied));
    assert!(issue.why.contains("anna refused plan"), "{}", issue.why);
    assert!(world.target.did().is_empty());
}

#[tokio::test]
async fn no_answer_in_time_is_a_no() {
    let world = asking();
    let house = world.start().await;
    house.fire("load", "one").await;
    let asked = house.asked().await;
    house.advance(minutes(59)).await;
    assert_eq!(house.only().await.phase, Phase::AwaitingApproval);
    house.advance(seconds(62)).await;
    assert_eq!(house.outcome().await, Some(Outcome::Expired));
    let late = house.engine.answer(&asked.id, asked.plan_hash, true, "anna", "go on").await;
    assert_eq!(kind(late.unwrap_err()), Some(JournalFaultKind::Conflict));
    house.advance(minutes(5)).await;
    assert!(world.target.did().is_empty());
    assert_eq!(world.sink.kinds(), [NewsKind::Approval, NewsKind::Person]);
}

#[tokio::test]
async fn an_answer_names_the_plan_and_is_given_once() {
    let world = asking();
    let house = world.start().await;
    house.fire("load", "one").await;
    let asked = house.asked().await;
    let answer = async |id: &str, hash, granted| {
        let answered = house.engine.answer(id, hash, granted, "anna", "").await;
        answered.map(|_| ()).map_err(kind)
    };
    let other = ContentHash::of_parts([b"another plan".as_slice()]);
    let conflict = Err(Some(JournalFaultKind::Conflict));
    assert_eq!(answer(&asked.id, other, true).await, conflict);
    assert_eq!(answer("nonsense", asked.plan_hash, true).await, Err(None));
    assert!(world.target.did().is_empty());
    assert_eq!(answer(&asked.id, asked.plan_hash, true).await, Ok(()));
    assert_eq!(answer(&asked.id, asked.plan_hash, true).await, conflict);
    assert_eq!(answer(&asked.id, asked.plan_hash, false).await, conflict);
    house.advance(minutes(4)).await;
    assert_eq!(world.target.did(), ["set a=91"]);
}

#[tokio::test]
async fn an_alert_that_went_away_needs_no_answer() {
    let world = asking();
    let house = world.start().await;
    house.fire("load", "one").await;
    let asked = house.asked().await;
    house.resolve("load", "one").await;
    let late = house.engine.answer(&asked.id, asked.plan_hash, true, "anna", "go on").await;
    assert_eq!(kind(late.unwrap_err()), Some(JournalFaultKind::Conflict));
    house.advance(minutes(2)).await;
    let issue = house.only().await;
    assert_eq!((issue.phase, issue.outcome), (Phase::Closed, Some(Outcome::Subsided)));
    assert!(world.target.did().is_empty());
}

#[tokio::test]
async fn guards_are_asked_again_after_the_answer() {
    let world = asking();
    let house = world.start().await;
    house.fire("load", "one").await;
    let asked = house.asked().await;
    house.engine.turn_switch(false, "bert", "stop everything").await.unwrap();
    house.engine.answer(&asked.id, asked.plan_hash, true, "anna", "go on").await.unwrap();
    house.advance(seconds(5)).await;
    assert_eq!(house.outcome().await, Some(Outcome::Refused));
    assert!(world.target.did().is_empty());
}

#[tokio::test]
async fn approvals_outlive_a_restart() {
    let world = asking();
    let house = world.start().await;
    house.fire("load", "one").await;
    let asked = house.asked().await;
    house.engine.answer(&asked.id, asked.plan_hash, true, "anna", "go on").await.unwrap();
    // Answered, and the process ends before it looks.
    drop(house);
    let house = world.start().await;
    house.advance(minutes(2)).await;
    assert_eq!(world.target.did(), ["set a=91"]);
}

#[tokio::test]
async fn an_approval_waits_for_a_target_that_does_not_answer() {
    let world = asking();
    let house = world.start().await;
    house.fire("load", "one").await;
    let asked = house.asked().await;
    world.target.hide_owner(true);
    house.engine.answer(&asked.id, asked.plan_hash, true, "anna", "go on").await.unwrap();
    house.advance(minutes(5)).await;
    assert_eq!(house.only().await.phase, Phase::AwaitingApproval, "{}", house.only().await.why);
    world.target.hide_owner(false);
    // The target failed to answer often enough to be left alone for a while.
    house.advance(minutes(6)).await;
    assert_eq!(world.target.did(), ["set a=91"]);
}

#[tokio::test]
async fn whoever_asks_for_approval_is_named() {
    let cases = [
        (r#"double::set("a", 1).needs_approval("keys will be lost")"#, "keys will be lost"),
        (r#"double::ask("a", 1)"#, "it asks for itself"),
        (r#"double::scale("a", 2)"#, "the policy asks for it for double.scale"),
    ];
    for (plan, why) in cases {
        let mut world = World::with_plan(plan);
        world.policy.needs_approval = vec!["double.scale".to_owned()];
        let house = world.start().await;
        house.fire("load", "one").await;
        let asked = house.asked().await;
        assert!(asked.why.contains(why), "{}", asked.why);
        assert!(world.target.did().is_empty());
    }
}

/// As while the folder of the rules is being replaced.
#[tokio::test]
async fn what_was_approved_while_its_rule_was_away_is_looked_at_again() {
    let world = asking();
    let house = world.start().await;
    house.fire("load", "one").await;
    let asked = house.asked().await;
    house.engine.load_rules(Vec::new()).await.unwrap();
    house.engine.answer(&asked.id, asked.plan_hash, true, "anna", "go on").await.unwrap();
    house.advance(seconds(2)).await;
    assert_eq!(house.outcome().await, Some(Outcome::Refused));
    house.engine.load_rules(world.rules.clone()).await.unwrap();
    house.advance(minutes(16)).await;
    assert_ne!(house.asked().await.id, asked.id, "a person is asked anew");
}
