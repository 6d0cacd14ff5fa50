//! Changes that are taken back, because their time is over, a person says so, or something else of their plan did not help:
//! what was there comes back, once, and nobody else works on the target meanwhile.

use std::time::Duration;

use selfheal_core::issue::{Outcome, Phase};
use selfheal_core::remediation::{IntentState, RemediationId};
use selfheal_runtime::ports::NewsKind;

use crate::double::Turn;
use crate::world::{House, World, minutes, rule, seconds};

#[tokio::test]
async fn a_change_for_a_time_is_taken_back_also_after_a_restart() {
    for restart in [false, true] {
        let world = World::with_plan(r#"double::set("a", 1).revert_after("30m")"#);
        let mut house = world.start().await;
        house.fire("load", "one").await;
        house.resolve("load", "one").await;
        house.advance(minutes(20)).await;
        assert_eq!(house.outcome().await, Some(Outcome::Applied));
        if restart {
            drop(house);
            house = world.start().await;
        }
        house.advance(seconds(599)).await;
        assert_eq!(world.target.did(), ["set a=1"]);
        house.advance(seconds(1)).await;
        assert_eq!(world.target.did(), ["set a=1", "undo a=gone"], "restart: {restart}");
        let id = house.only().await.id;
        assert!(house.kinds(id).await.contains(&"reverted".to_owned()));
        house.advance(minutes(60)).await;
        assert_eq!(world.target.log().len(), 2);
    }
}

#[tokio::test]
async fn a_change_whose_time_ended_while_nobody_was_there_is_taken_back_at_start() {
    let world = World::with_plan(r#"double::set("a", 1).revert_after("30m")"#);
    let house = world.start().await;
    house.fire("load", "one").await;
    house.resolve("load", "one").await;
    drop(house);
    world.timeline.skip(minutes(90));
    let house = world.start().await;
    house.advance(seconds(1)).await;
    assert_eq!(world.target.did(), ["set a=1", "undo a=gone"]);
    assert_eq!(house.issues().await.len(), 1);
}

#[tokio::test]
async fn a_clock_that_is_set_forward_keeps_no_change_waiting() {
    let world = World::with_plan(r#"double::set("a", 1).revert_after("30m")"#);
    let house = world.start().await;
    treated(&house, "load").await;
    house.advance(minutes(1)).await;
    world.timeline.set(jiff::SignedDuration::from_mins(29));
    house.advance(seconds(61)).await;
    assert_eq!(world.target.did(), ["set a=1", "undo a=gone"]);
}

#[tokio::test]
async fn an_undo_after_its_time_that_fails_calls_a_person() {
    let world = World::with_plan(r#"double::set("a", 1).revert_after("30m")"#);
    world.target.undoes("a", &[Turn::Refused]);
    let house = world.start().await;
    house.fire("load", "one").await;
    house.resolve("load", "one").await;
    house.advance(minutes(31)).await;
    assert_eq!(world.sink.kinds(), [NewsKind::Outcome, NewsKind::Person]);
    // It says as much as any news of the issue, so that it finds the same people.
    let told = &world.sink.got()[1];
    let issue = house.only().await;
    assert_eq!((told.outcome, told.issue), (Some(Outcome::Stuck), Some(issue.id)));
    assert_eq!(told.title, "load: a change could not be taken back");
    assert_eq!((told.severity.as_deref(), told.rule.as_deref()), (Some("critical"), Some("load")));
    let fact = |name: &str| told.facts.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str());
    assert_eq!(fact("Resource"), Some(issue.resource.as_str()));
    assert!(fact("Change").is_some_and(|change| change.starts_with("double.set at ")), "{told:?}");
}

/// Two rules for one number, each with its value and for how long.
fn stacked((less, less_for): (i64, &str), (more, more_for): (i64, &str)) -> World {
    let plan = |value: i64, time: &str| format!("double::set(\"a\", {value}).revert_after(\"{time}\")");
    let world =
        World::new(vec![rule("less", "", &plan(less, less_for)), rule("more", "", &plan(more, more_for))]);
    world.target.put("a", 2);
    world
}

/// An alert fires, is treated, and is resolved.
async fn treated(house: &House<'_>, name: &str) -> RemediationId {
    house.fire(name, "one").await;
    house.resolve(name, "one").await;
    let issue = house.issue(name, "one").await;
    assert_eq!(issue.outcome, Some(Outcome::Applied), "{issue:#?}");
    RemediationId { issue: issue.id, ordinal: 1 }
}

#[tokio::test]
async fn changes_that_stand_on_each_other_are_taken_back_in_reverse() {
    // What is there after so many minutes; the second change comes after 15 of them.
    type Course = &'static [(u64, i64)];
    type Timed = (i64, &'static str);
    let cases: [(Timed, Timed, Course); 4] = [
        ((6, "30m"), (8, "30m"), &[(14, 6), (15, 8), (31, 8), (44, 8), (46, 2)]),
        ((6, "60m"), (8, "15m"), &[(15, 8), (31, 6), (59, 6), (61, 2)]),
        ((6, "30m"), (6, "30m"), &[(15, 6), (31, 6), (44, 6), (46, 2)]),
        ((6, "30m"), (8, "5m"), &[(15, 8), (21, 6), (29, 6), (31, 2)]),
    ];
    for restarts in [false, true] {
        for (less, more, course) in cases {
            let world = stacked(less, more);
            let mut house = world.start().await;
            let began = house.now();
            treated(&house, "less").await;
            let mut second = false;
            for (minute, value) in course {
                let passed = Duration::try_from(house.now().duration_since(began)).unwrap();
                if *minute >= 15 && !second {
                    house.advance(minutes(15) - passed).await;
                    treated(&house, "more").await;
                    second = true;
                }
                let passed = Duration::try_from(house.now().duration_since(began)).unwrap();
                if restarts {
                    drop(house);
                    house = world.start().await;
                }
                house.advance(minutes(*minute) - passed).await;
                let found = world.target.get("a");
                assert_eq!(
                    found,
                    Some(*value),
                    "{less:?} {more:?} after {minute} min: {:?}",
                    world.target.did()
                );
            }
        }
    }
}

#[tokio::test]
async fn a_rollback_in_between_goes_from_the_last_to_the_first() {
    let world = stacked((6, "30m"), (8, "30m"));
    let house = world.start().await;
    let less = treated(&house, "less").await;
    house.advance(minutes(15)).await;
    let more = treated(&house, "more").await;
    let refused = house.engine.roll_back(less, "anna", "too much").await.unwrap();
    assert!(refused.undone.is_empty() && refused.stays[0].1.contains("roll that back first"), "{refused:?}");
    assert_eq!(world.target.get("a"), Some(8));
    house.advance(minutes(16)).await;
    assert_eq!(world.target.get("a"), Some(8), "the first is due and waits");
    let rolled = house.engine.roll_back(more, "anna", "too much").await.unwrap();
    assert_eq!(rolled.undone.len(), 1, "{rolled:?}");
    house.advance(seconds(1)).await;
    assert_eq!(
        world.target.get("a"),
        Some(2),
        "what was due is taken back at once: {:?}",
        world.target.did()
    );
    house.advance(minutes(60)).await;
    assert_eq!(world.target.log().len(), 4);
}

/// A person has said no: what was rolled back is not done again while the alert goes on firing.
#[tokio::test]
async fn what_a_person_took_back_is_not_done_again() {
    let world = World::with_plan(r#"double::set("a", 1)"#);
    let house = world.start().await;
    house.fire("load", "one").await;
    let done = RemediationId { issue: house.issue("load", "one").await.id, ordinal: 1 };
    house.engine.roll_back(done, "anna", "it was the wrong one").await.unwrap();
    assert_eq!(world.target.did(), ["set a=1", "undo a=gone"]);
    house.advance(minutes(180)).await;
    let issue = house.issue("load", "one").await;
    assert_eq!((issue.phase, issue.outcome), (Phase::Rested, Some(Outcome::Denied)), "{issue:#?}");
    assert!(issue.why.contains("anna") && issue.why.contains("the wrong one"), "{}", issue.why);
    assert_eq!(world.target.did().len(), 2, "{:?}", world.target.did());
    house.engine.remediate_by_hand(issue.id, "anna", "now it is right").await.unwrap();
    house.advance(minutes(1)).await;
    assert_eq!(world.target.did().last().map(String::as_str), Some("set a=1"));
}

#[tokio::test]
async fn what_a_dead_process_planned_is_taken_back_by_another() {
    let world = World::with_plan(r#"double::set("a", 1).revert_after("30m")"#).shared();
    let (one, two) = (world.start().await, world.start().await);
    treated(&one, "load").await;
    one.life.end();
    two.advance(minutes(31)).await;
    assert_eq!(world.target.did(), ["set a=1", "undo a=gone"]);
}

#[tokio::test]
async fn nobody_works_on_a_target_while_something_is_taken_back_there() {
    let world = stacked((6, "30m"), (8, "30m"));
    let house = world.start().await;
    let less = treated(&house, "less").await;
    world.target.undoes("a", &[Turn::HangsBefore]);
    house.advance(minutes(30)).await;
    let story = house.story(less.issue).await;
    assert_eq!(story.intents[0].state, IntentState::Undoing, "the journal knows before");
    house.fire("more", "one").await;
    house.advance(seconds(20)).await;
    let issue = house.issue("more", "one").await;
    assert_eq!(issue.phase, Phase::Waiting, "{issue:#?}");
    assert!(issue.why.contains("taking back remediation-1-1"), "{}", issue.why);
    house.advance(minutes(2)).await;
    assert_eq!(world.target.did(), ["set a=6", "undo a=2", "set a=8"]);
}

/// Who works on a whole works on its parts.
#[tokio::test]
async fn nothing_is_taken_back_while_somebody_works_on_what_it_is_a_part_of() {
    let world = World::new(vec![
        rule("part", "", r#"double::set("a/b", 1).revert_after("30m")"#),
        rule("whole", "", r#"double::set("a", 5)"#),
    ]);
    let house = world.start().await;
    treated(&house, "part").await;
    house.advance(minutes(30) - seconds(5)).await;
    world.target.applies("a", &[Turn::HangsBefore]);
    house.fire("whole", "one").await;
    house.advance(minutes(1)).await;
    assert_eq!(world.target.did(), ["set a/b=1", "set a=5", "undo a/b=gone"]);
}

#[tokio::test]
async fn who_asks_for_a_rollback_is_told_who_is_at_work_and_where() {
    let world = stacked((6, "30m"), (8, "30m"));
    let house = world.start().await;
    let less = treated(&house, "less").await;
    world.target.applies("a", &[Turn::HangsBefore]);
    house.fire("more", "one").await;
    let refused = house.engine.roll_back(less, "anna", "too much").await.unwrap_err();
    assert_eq!(refused.to_string(), "remediation-2-1 is at work on double/a");
}

/// Another hand moves an effect on in the journal. The remediation is looked at again, and its target is its own until then.
#[tokio::test]
async fn a_conflict_in_the_midst_of_a_remediation_gives_no_target_away() {
    let world = World::new(vec![
        rule("load", "", r#"double::set("a", 1).verify(double::read("load").below(50), "30s")"#),
        rule("other", "", r#"double::set("a", 8)"#),
    ]);
    world.target.put("load", 90);
    let house = world.start().await;
    house.fire("load", "one").await;
    house.fire("other", "one").await;
    let another = rusqlite::Connection::open(world.journal_path()).unwrap();
    assert_eq!(another.execute("UPDATE intents SET state = 'undoing'", []).unwrap(), 1);
    world.target.put("load", 10);
    house.advance(minutes(1)).await;
    assert_eq!(world.target.did(), ["set a=1", "undo a=gone", "set a=8"]);
}

/// The process dies while what comes after a sequence that did not help is looked after.
#[tokio::test]
async fn a_sequence_that_was_taken_back_before_a_crash_keeps_nothing_else_from_being_tried() {
    let useless =
        |name: &str| format!(r#"double::set("{name}", 3).verify(double::read("load").below(50), "10s")"#);
    let (b, c, x) = (useless("b"), useless("c"), useless("x"));
    let cases: [(String, Outcome, &[&str]); 6] = [
        (
            format!(r#"fallback([sequence([double::set("a", 1), {b}]), {c}, double::set("d", 4)])"#),
            Outcome::Applied,
            &["set a=1", "set b=3", "undo b=gone", "undo a=gone", "set c=3", "undo c=gone", "set d=4"],
        ),
        (
            format!(
                r#"fallback([sequence([double::set("a", 1), sequence([double::set("y", 2), {b}])]), {c}, double::set("d", 4)])"#
            ),
            Outcome::Applied,
            &[
                "set a=1",
                "set y=2",
                "set b=3",
                "undo b=gone",
                "undo y=gone",
                "undo a=gone",
                "set c=3",
                "undo c=gone",
                "set d=4",
            ],
        ),
        (
            format!(r#"fallback([sequence([double::set("a", 1), {b}]), {c}.retry(1, "5s")])"#),
            Outcome::Unwound,
            &[
                "set a=1",
                "set b=3",
                "undo b=gone",
                "undo a=gone",
                "set c=3",
                "undo c=gone",
                "set c=3",
                "undo c=gone",
            ],
        ),
        // What helped stays, and what comes after it is done.
        (
            format!(
                r#"sequence([fallback([sequence([double::set("a", 1), {b}]), double::set("hangs", 4)]), double::set("d", 4)])"#
            ),
            Outcome::Applied,
            &["set a=1", "set b=3", "undo b=gone", "undo a=gone", "set hangs=4", "set d=4"],
        ),
        // What was left applied is not forgotten: the rule keeps it, or it cannot be undone.
        (
            format!(r#"fallback([sequence([double::set("a", 1), {b}.keep_on_failure()]), {c}])"#),
            Outcome::Kept,
            &["set a=1", "set b=3", "undo a=gone", "set c=3", "undo c=gone"],
        ),
        (
            format!(r#"fallback([sequence([double::set("a", 1), double::fire("f", 2), {x}]), {c}])"#),
            Outcome::Kept,
            &["set a=1", "fire f=2", "set x=3", "undo x=gone", "undo a=gone", "set c=3", "undo c=gone"],
        ),
    ];
    for (plan, outcome, did) in cases {
        let world = World::new(vec![rule("load", "cooldown: \"2h\"", &plan)]);
        world.target.put("load", 90);
        world.target.applies("hangs", &[Turn::HangsAfter]);
        let house = world.start().await;
        house.fire("load", "one").await;
        house.advance(seconds(15)).await;
        drop(house);
        let house = world.start().await;
        house.advance(minutes(2)).await;
        let issue = house.only().await;
        assert_eq!(world.target.did(), did, "{plan}: {issue:#?}");
        assert_eq!(issue.outcome, Some(outcome), "{plan}: {issue:#?}");
    }
}

#[tokio::test]
async fn what_was_being_taken_back_when_a_process_died_is_taken_back() {
    for turn in [Turn::HangsBefore, Turn::HangsAfter] {
        let world = stacked((6, "30m"), (8, "30m"));
        let house = world.start().await;
        let less = treated(&house, "less").await;
        world.target.undoes("a", &[turn]);
        house.advance(minutes(30)).await;
        drop(house);
        let house = world.start().await;
        house.advance(minutes(1)).await;
        assert_eq!(world.target.get("a"), Some(2), "{turn:?}");
        assert_eq!(house.story(less.issue).await.intents[0].state, IntentState::Undone, "{turn:?}");
    }
}

#[tokio::test]
async fn nothing_is_taken_back_while_the_ledger_cannot_be_asked_or_the_switch_is_off() {
    let world = World::with_plan(r#"double::set("a", 1).revert_after("30m")"#);
    let house = world.start().await;
    treated(&house, "load").await;
    world.ledger_down.store(true, std::sync::atomic::Ordering::Relaxed);
    house.advance(minutes(31)).await;
    assert_eq!(world.target.did(), ["set a=1"]);
    house.engine.turn_switch(false, "anna", "wait").await.unwrap();
    world.ledger_down.store(false, std::sync::atomic::Ordering::Relaxed);
    house.advance(minutes(1)).await;
    assert_eq!(world.target.did(), ["set a=1"]);
    house.engine.turn_switch(true, "anna", "go on").await.unwrap();
    house.advance(minutes(1)).await;
    assert_eq!(world.target.did(), ["set a=1", "undo a=gone"]);
}

#[tokio::test]
async fn taking_back_counts_for_no_rate() {
    let mut world = stacked((6, "1m"), (8, "1m"));
    world.policy.per_target_per_hour = 2;
    world.policy.in_all_per_hour = 2;
    let house = world.start().await;
    treated(&house, "less").await;
    house.advance(minutes(2)).await;
    assert_eq!(world.target.get("a"), Some(2));
    treated(&house, "more").await;
}

#[tokio::test]
async fn an_undo_that_panics_is_tried_again_like_any_other() {
    let world = World::with_plan(r#"double::set("a", 1).revert_after("30m")"#);
    world.target.undoes("a", &[Turn::Panics, Turn::Panics]);
    let house = world.start().await;
    treated(&house, "load").await;
    house.advance(minutes(31)).await;
    assert_eq!(world.target.did(), ["set a=1", "undo a=gone"]);
}

#[tokio::test]
async fn a_target_that_does_not_answer_keeps_no_other_waiting() {
    let world = World::new(vec![
        rule("load", "", r#"double::set("a", 1).revert_after("30m")"#),
        rule("other", "", r#"double::set("b", 1).revert_after("30m")"#),
        rule("later", "", r#"double::set("c", 1).revert_after("31m")"#),
    ]);
    world.target.undoes("a", &[Turn::HangsBefore; 5]);
    let house = world.start().await;
    for name in ["load", "other", "later"] {
        treated(&house, name).await;
    }
    house.advance(minutes(30) + seconds(15)).await;
    assert_eq!(
        (world.target.get("a"), world.target.get("b"), world.target.get("c")),
        (Some(1), None, Some(1))
    );
    house.advance(minutes(1)).await;
    assert_eq!((world.target.get("a"), world.target.get("c")), (Some(1), None), "due meanwhile");
}
