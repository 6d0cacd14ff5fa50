//! Guards: what holds a plan back, for how long, and what lets it go on.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::FutureExt as _;
use selfheal_core::issue::{Outcome, Phase};
use selfheal_core::policy::{Contested, MaintenanceWindow, Schedule};
use selfheal_runtime::ports::{News, NewsKind};
use selfheal_script::RuleFile;

use crate::double::Turn;
use crate::loss::Death;
use crate::world::{House, World, alert, minutes, rule, seconds};

/// One target for all alerts.
const SHARED: &str = r#"double::set("a", 1)"#;
/// One target for each alert.
const OWN: &str = r#"double::set(alert.labels.instance, 1)"#;
/// One target for each alert, busy for 30 seconds.
const SLOW: &str = r#"double::set(alert.labels.instance, 1).verify(double::read("nowhere").below(1), "30s").keep_on_failure()"#;

/// Asserts that an issue is held, and by which guard.
async fn held(house: &House<'_>, instance: &str, guard: &str) {
    let issue = house.issue("load", instance).await;
    assert_eq!(issue.phase, Phase::Waiting, "{issue:#?}");
    assert!(issue.why.starts_with(guard), "{guard}: {}", issue.why);
}

#[tokio::test]
async fn cooldown() {
    let world = World::with_plan(SHARED);
    let house = world.start().await;
    house.fire("load", "one").await;
    house.advance(minutes(1)).await;
    house.fire("load", "two").await;
    held(&house, "two", "cooldown").await;
    house.advance(minutes(3)).await;
    held(&house, "two", "cooldown").await;
    assert_eq!(world.target.log().len(), 1);
    house.resolve("load", "one").await;
    house.advance(seconds(62)).await;
    assert_eq!(house.issue("load", "two").await.outcome, Some(Outcome::Applied));
    assert_eq!(world.target.log().len(), 2);
}

#[tokio::test]
async fn cooldowns_survive_a_restart() {
    let world = World::with_plan(SHARED);
    let house = world.start().await;
    house.fire("load", "one").await;
    house.advance(minutes(1)).await;
    drop(house);
    let house = world.start().await;
    house.fire("load", "two").await;
    held(&house, "two", "cooldown").await;
}

#[tokio::test]
async fn rate_of_one_target() {
    let mut world = World::with_plan(SHARED);
    world.policy.per_target_per_hour = 2;
    world.policy.cooldown_min = seconds(1);
    world.rules = vec![rule("load", "cooldown: \"1s\"", SHARED)];
    let house = world.start().await;
    for instance in ["one", "two"] {
        house.fire("load", instance).await;
        house.resolve("load", instance).await;
        house.advance(minutes(10)).await;
    }
    house.fire("load", "three").await;
    held(&house, "three", "rate").await;
    house.advance(minutes(39)).await;
    assert_eq!(world.target.log().len(), 2);
    house.advance(minutes(2)).await;
    assert_eq!(world.target.log().len(), 3);
}

#[tokio::test]
async fn rate_in_all() {
    let mut world = World::with_plan(OWN);
    world.policy.in_all_per_hour = 2;
    let house = world.start().await;
    for instance in ["one", "two", "three"] {
        house.fire("load", instance).await;
    }
    held(&house, "three", "rate").await;
    assert_eq!(world.target.log().len(), 2);
}

#[tokio::test]
async fn only_so_many_at_a_time() {
    let mut world = World::with_plan(SLOW);
    world.policy.concurrent = 2;
    let house = world.start().await;
    for instance in ["one", "two", "three"] {
        house.fire("load", instance).await;
    }
    held(&house, "three", "concurrency").await;
    assert_eq!(world.target.log().len(), 2);
    house.advance(seconds(45)).await;
    assert_eq!(world.target.log().len(), 3);
}

/// Nobody waits for the next try when a place is given back in the same process.
#[tokio::test]
async fn who_waits_for_a_place_has_it_when_it_is_free() {
    let mut world = World::with_plan(SLOW);
    world.policy.concurrent = 1;
    let house = world.start().await;
    for instance in ["one", "two", "three"] {
        house.fire("load", instance).await;
    }
    for (treated, next) in [("one", "two"), ("two", "three")] {
        held(&house, next, "concurrency").await;
        while house.issue("load", treated).await.phase == Phase::Remediating {
            house.advance(Duration::from_millis(100)).await;
        }
        assert_eq!(house.issue("load", next).await.phase, Phase::Remediating, "{next}");
    }
}

/// One rule finds it at first and another treats it, and it is over before there is a place.
#[tokio::test]
async fn who_waits_no_longer_takes_nobodys_turn() {
    let mut world = World::with_plan(SLOW);
    world.policy.concurrent = 1;
    let urgent = rule("other", "", r#"skip("not for me")"#);
    world.rules.push(rule("other", "priority: \"high\"", SLOW));
    world.rules.push(RuleFile::new("urgent", "rules/urgent.rhai", urgent.text));
    let house = world.start().await;
    house.fire("load", "one").await;
    house.advance(seconds(1)).await;
    house.fire("other", "two").await;
    let waits = house.issue("other", "two").await;
    assert_eq!((waits.phase, waits.rule.as_deref()), (Phase::Waiting, Some("other")), "{waits:#?}");
    assert!(waits.why.starts_with("concurrency"), "{}", waits.why);
    house.advance(seconds(1)).await;
    house.fire("load", "three").await;
    held(&house, "three", "concurrency").await;
    house.resolve("other", "two").await;
    assert_eq!(house.issue("other", "two").await.outcome, Some(Outcome::Subsided));
    let mut due = None;
    while house.issue("load", "one").await.phase == Phase::Remediating {
        due = house.issue("load", "three").await.wake_at;
        house.advance(Duration::from_millis(100)).await;
    }
    assert!(due > Some(house.now()), "its own time has not come");
    assert_eq!(house.issue("load", "three").await.phase, Phase::Remediating);
}

#[tokio::test]
async fn one_at_a_time_at_one_target() {
    // A part is not changed while its whole is, nor the other way round.
    for (first, second) in [("a", "a"), ("a", "a/part"), ("a/part", "a"), ("a/part", "a/other")] {
        let [first, second] =
            [first, second].map(|name| SLOW.replace("alert.labels.instance", &format!("{name:?}")));
        let mut world = World::with_plan(&first);
        world.rules =
            vec![rule("load", "cooldown: \"1s\"", &first), rule("other", "cooldown: \"1s\"", &second)];
        let house = world.start().await;
        house.fire("load", "one").await;
        house.fire("other", "one").await;
        let issue = house.issue("other", "one").await;
        assert!(issue.why.starts_with("concurrency"), "{}", issue.why);
        house.advance(seconds(40)).await;
        assert_eq!(house.issue("other", "one").await.phase, Phase::Remediating);
    }
}

#[tokio::test]
async fn maintenance() {
    let mut world = World::with_plan(SHARED);
    let (from, until) = (world.timeline.now(), "2026-11-22T13:00:00Z".parse().unwrap());
    let schedule = Schedule::Once { from, until };
    world.policy.maintenance =
        vec![MaintenanceWindow { matchers: Vec::new(), schedule, reason: "patch day".into() }];
    let house = world.start().await;
    house.fire("load", "one").await;
    held(&house, "one", "maintenance").await;
    house.advance(minutes(59)).await;
    assert!(world.target.did().is_empty());
    house.advance(seconds(62)).await;
    assert_eq!(world.target.did(), ["set a=1"]);
}

#[tokio::test]
async fn a_storm_is_held_until_a_person_lets_it_go_on() {
    let mut world = World::with_plan(OWN);
    world.policy.storm_per_minute = 2;
    let house = world.start().await;
    let storm: Vec<_> = (0..4).map(|n| alert("load", &format!("n{n}"), house.now(), None)).collect();
    house.send(&storm).await.unwrap();
    held(&house, "n0", "storm").await;
    held(&house, "n3", "storm").await;
    house.advance(seconds(5)).await;
    assert_eq!(world.sink.kinds(), [NewsKind::Storm], "people are asked once");
    house.engine.release_storm("load", "anna").await.unwrap();
    house.fire("load", "late").await;
    assert_eq!(house.issue("load", "late").await.outcome, Some(Outcome::Applied));
    house.advance(seconds(61)).await;
    assert_eq!(world.target.log().len(), 5, "those that were held go on too");
}

#[tokio::test]
async fn a_storm_and_a_persons_word_about_it_outlive_the_process() {
    let mut world = World::with_plan(OWN);
    world.policy.storm_per_minute = 2;
    let house = world.start().await;
    let storm: Vec<_> = (0..3).map(|n| alert("load", &format!("n{n}"), house.now(), None)).collect();
    house.send(&storm).await.unwrap();
    drop(house);
    let house = world.start().await;
    house.fire("load", "late").await;
    held(&house, "late", "storm").await;
    house.engine.release_storm("load", "anna").await.unwrap();
    drop(house);
    let house = world.start().await;
    house.fire("load", "later").await;
    assert_eq!(house.issue("load", "later").await.outcome, Some(Outcome::Applied));
}

#[tokio::test]
async fn a_storm_is_told_whatever_else_holds_its_issues() {
    let mut world = World::with_plan(OWN);
    world.policy.storm_per_minute = 2;
    let house = world.start().await;
    world.ledger_down.store(true, Ordering::Relaxed);
    let storm: Vec<_> = (0..4).map(|n| alert("load", &format!("n{n}"), house.now(), None)).collect();
    house.send(&storm).await.unwrap();
    let why = house.issue("load", "n0").await.why;
    assert!(why.starts_with("duplicate, cooldown, rate, concurrency: the ledger cannot be asked"), "{why}");
    assert!(why.contains(": connection refused; storm: "), "{why}");
    house.advance(seconds(5)).await;
    assert_eq!(world.sink.kinds(), [NewsKind::Storm]);
}

#[tokio::test]
async fn a_storm_that_is_over_goes_on_by_itself() {
    let mut world = World::with_plan(OWN);
    world.policy.storm_per_minute = 2;
    let house = world.start().await;
    let storm: Vec<_> = (0..3).map(|n| alert("load", &format!("n{n}"), house.now(), None)).collect();
    house.send(&storm).await.unwrap();
    house.advance(seconds(62)).await;
    assert_eq!(world.target.log().len(), 3);
}

#[tokio::test]
async fn the_switch() {
    let world = World::with_plan(OWN);
    let house = world.start().await;
    house.engine.turn_switch(false, "anna", "I look into it").await.unwrap();
    house.fire("load", "one").await;
    let issue = house.only().await;
    assert_eq!(issue.outcome, Some(Outcome::Refused));
    assert!(issue.why.contains("anna turned it off"), "{}", issue.why);
    drop(house);
    let house = world.start().await;
    house.advance(minutes(20)).await;
    assert!(world.target.calls().is_empty(), "it stays off after a restart");
    house.engine.turn_switch(true, "anna", "done").await.unwrap();
    house.advance(seconds(2)).await;
    assert_eq!(house.outcome().await, Some(Outcome::Applied));
    assert_eq!(
        world.sink.kinds(),
        [NewsKind::Switch, NewsKind::Outcome, NewsKind::Switch, NewsKind::Outcome],
        "{:#?}",
        world.sink.got()
    );
}

#[tokio::test]
async fn a_turn_of_the_switch_goes_on_when_nobody_waits_for_it() {
    let world = World::with_plan(OWN);
    let house = world.start().await;
    house.engine.turn_switch(false, "anna", "wait").await.unwrap();
    house.fire("load", "one").await;
    assert_eq!(house.outcome().await, Some(Outcome::Refused));
    // Whoever asks goes away at once.
    let answer = house.engine.turn_switch(true, "bob", "go on").now_or_never();
    assert!(answer.is_none(), "the journal has not answered yet");
    house.advance(seconds(2)).await;
    let position = house.engine.switch.position();
    assert!(position.on && position.by == "bob", "{position:?}");
    let journalled = house.engine.journal.setting("switch").await.unwrap();
    assert_eq!(journalled, Some(serde_json::to_value(position).unwrap()));
    assert_eq!(house.outcome().await, Some(Outcome::Applied), "what was refused is looked at again");
}

#[tokio::test]
async fn the_switch_stops_a_plan_half_way_and_leaves_nothing_half_done() {
    let plan = r#"sequence([double::set("x", 1).verify(double::read("z").above(5), "30s").keep_on_failure(),
                            double::set("y", 2)])"#;
    // The first step helps after 10 s, and meanwhile somebody turns the switch.
    let world = World::with_plan(&plan.replace(".keep_on_failure()", ""));
    let house = world.start().await;
    house.fire("load", "one").await;
    house.advance(seconds(8)).await;
    house.engine.turn_switch(false, "anna", "stop").await.unwrap();
    world.target.put("z", 9);
    house.advance(seconds(10)).await;
    assert_eq!(world.target.did(), ["set x=1", "undo x=gone"]);
    assert_eq!(house.outcome().await, Some(Outcome::Refused));
}

#[tokio::test]
async fn too_many_failures_turn_the_switch_off() {
    let mut world = World::with_plan(OWN);
    world.policy.failure_sample_min = 4;
    // What was refused changed nothing, and tells nothing.
    world.target.applies("n0", &[Turn::Refused]);
    world.target.applies("n4", &[Turn::Disturbed]);
    world.target.applies("n5", &[Turn::Disturbed]);
    let house = world.start().await;
    for n in 0..5 {
        house.fire("load", &format!("n{n}")).await;
        house.advance(seconds(2)).await;
        assert!(house.engine.switch.position().on, "one of four is not more than 30 %");
    }
    house.fire("load", "n5").await;
    house.advance(seconds(2)).await;
    assert!(!house.engine.switch.position().on, "two of five are");
    house.fire("load", "n6").await;
    assert_eq!(house.issue("load", "n6").await.outcome, Some(Outcome::Refused));
    house.advance(seconds(2)).await;
    let news = world.sink.got();
    let told = news.iter().find(|news| news.kind == NewsKind::Switch).unwrap();
    assert!(told.text.contains("2 of 5 remediations"), "{}", told.text);
}

#[tokio::test]
async fn failures_of_before_a_restart_count() {
    let mut world = World::with_plan(OWN);
    world.policy.failure_sample_min = 4;
    for name in ["n3", "n4"] {
        world.target.applies(name, &[Turn::Disturbed]);
    }
    let mut house = world.start().await;
    for n in 0..5 {
        assert!(house.engine.switch.position().on, "before {n}: one of four is not more than 30 %");
        assert_eq!(house.engine.switch.position().turned_at(), None, "nobody has turned it");
        house.fire("load", &format!("n{n}")).await;
        house.advance(seconds(2)).await;
        drop(house);
        house = world.start().await;
    }
    assert!(!house.engine.switch.position().on, "two of five are");
    house.engine.turn_switch(true, "anna", "looked into").await.unwrap();
    drop(house);
    house = world.start().await;
    house.fire("load", "n5").await;
    house.advance(seconds(2)).await;
    assert!(house.engine.switch.position().on, "what failed before a person turned it on has been looked at");
    let told = world.sink.got().into_iter().find(|news| news.kind == NewsKind::Switch).unwrap();
    assert!(told.text.contains("2 of 5 remediations"), "{}", told.text);
}

/// The process dies at any time, also when the journal has the failure and not yet what follows from it.
#[tokio::test]
async fn the_failure_before_a_crash_turns_the_switch_off_after_it() {
    for shared in [false, true] {
        let mut between = 0;
        for write in 1..200 {
            let mut world = World::with_plan(OWN);
            world.policy.failure_sample_min = 3;
            world.target.applies("n2", &[Turn::Disturbed]);
            let world = if shared { world.shared() } else { world };
            let Some(house) = world.start_mortal(Death::After(write)).await else { continue };
            for n in 0..3 {
                // Whether it was taken in before the process died does not matter.
                let _ = house.send(&[alert("load", &format!("n{n}"), house.now(), None)]).await;
                house.advance(seconds(1)).await;
            }
            if !house.life.is_over() {
                break;
            }
            drop(house);
            let journal = rusqlite::Connection::open(world.journal_path()).unwrap();
            let count = |what: &str| -> u32 {
                journal.query_row(&format!("SELECT count(*) FROM {what}"), [], |row| row.get(0)).unwrap()
            };
            if count("remediations WHERE ended_at IS NOT NULL") < 3 {
                continue;
            }
            between += u32::from(count("settings WHERE key = 'switch'") == 0);
            let house = world.start().await;
            house.advance(seconds(3)).await;
            let position = house.engine.switch.position();
            let off = !position.on && position.by == "selfheal";
            assert!(off, "shared: {shared}, died after write {write}: {position:?}");
            assert_eq!(count("settings WHERE key = 'switch'"), 1, "shared: {shared}, write {write}");
        }
        assert!(between > 0, "shared: {shared}: none died between the failure and the turn");
    }
}

#[tokio::test]
async fn an_open_breaker_leaves_the_target_alone() {
    let mut world = World::with_plan(OWN);
    world.policy.target_wait = seconds(40);
    world.target.down(true);
    let house = world.start().await;
    house.fire("load", "one").await;
    house.advance(seconds(70)).await;
    house.resolve("load", "one").await;
    world.target.down(false);
    let calls = world.target.calls().len();
    house.fire("load", "two").await;
    held(&house, "two", "breaker").await;
    house.advance(minutes(3)).await;
    assert_eq!(world.target.calls().len(), calls, "it is left alone");
    house.advance(minutes(3)).await;
    assert_eq!(house.issue("load", "two").await.outcome, Some(Outcome::Applied));
}

#[tokio::test]
async fn a_change_is_not_taken_back_because_nobody_could_look() {
    let plan = r#"double::set("a", 1).verify(double::read("load").below(50), "30s")"#;
    let world = World::with_plan(plan);
    world.target.put("load", 90);
    let house = world.start().await;
    house.fire("load", "one").await;
    assert_eq!(world.target.did(), ["set a=1"]);
    world.target.down(true);
    house.advance(minutes(3)).await;
    assert_eq!(house.engine.breakers.list(), [], "a verification does not count against its target");
    world.target.down(false);
    house.advance(seconds(15)).await;
    world.target.put("load", 20);
    house.advance(seconds(15)).await;
    assert_eq!(house.outcome().await, Some(Outcome::Recovered), "{}", house.only().await.why);
    assert_eq!(world.target.did(), ["set a=1"]);
}

#[tokio::test]
async fn without_the_ledger_nothing_is_done() {
    let world = World::with_plan(OWN);
    world.ledger_down.store(true, Ordering::Relaxed);
    let house = world.start().await;
    house.fire("load", "one").await;
    let issue = house.only().await;
    assert!(issue.why.contains("the ledger cannot be asked"), "{}", issue.why);
    house.advance(minutes(30)).await;
    assert_eq!(house.only().await.phase, Phase::Waiting);
    assert!(world.target.did().is_empty());
    world.ledger_down.store(false, Ordering::Relaxed);
    house.advance(seconds(12)).await;
    assert_eq!(house.outcome().await, Some(Outcome::Applied));
}

#[tokio::test]
async fn a_ledger_lost_on_the_way_holds_the_next_step() {
    let plan =
        r#"sequence([double::set("x", 1).verify(double::read("x").above(5), "30s"), double::set("y", 2)])"#;
    let world = World::with_plan(plan);
    let house = world.start().await;
    house.fire("load", "one").await;
    world.ledger_down.store(true, Ordering::Relaxed);
    world.target.put("x", 9);
    house.advance(minutes(5)).await;
    assert_eq!(world.target.did(), ["set x=1"]);
    world.ledger_down.store(false, Ordering::Relaxed);
    house.advance(minutes(1)).await;
    assert_eq!(world.target.did(), ["set x=1", "set y=2"]);
}

#[tokio::test]
async fn a_claim_that_could_not_be_given_back_is_given_back_soon() {
    let plan = r#"double::set("x", 1).verify(double::read("x").above(5), "5m")"#;
    let mut world = World::new(vec![rule("load", "cooldown: \"1s\"", plan)]);
    world.policy.cooldown_min = seconds(1);
    let house = world.start().await;
    house.fire("load", "one").await;
    world.ledger_down.store(true, Ordering::Relaxed);
    world.target.put("x", 9);
    house.advance(seconds(10)).await;
    assert_eq!(house.outcome().await, Some(Outcome::Recovered));
    world.ledger_down.store(false, Ordering::Relaxed);
    house.advance(seconds(10)).await;
    house.fire("load", "two").await;
    assert_eq!(world.target.did(), ["set x=1", "set x=1"], "long before the lease ends by itself");
}

#[tokio::test]
async fn what_somebody_else_would_take_back() {
    for (says, outcome) in [
        (Contested::Act, Some(Outcome::Applied)),
        (Contested::Ask, None),
        (Contested::Refuse, Some(Outcome::Refused)),
    ] {
        let mut world = World::with_plan(SHARED);
        world.policy.contested = says;
        world.target.contest("a");
        let house = world.start().await;
        house.fire("load", "one").await;
        let issue = house.only().await;
        assert_eq!(issue.outcome, outcome, "{says}: {issue:#?}");
        let facts = house.story(issue.id).await.records.into_iter().find(|record| record.kind == "decided");
        let told = facts.is_some_and(|record| record.facts.to_string().contains("Flux would take back a"));
        assert!(told, "{says}: the decision does not say who");
        assert_eq!(house.open_approval().await.is_some(), says == Contested::Ask, "{says}");
        let names =
            |news: &News| news.facts.iter().any(|(name, who)| name == "Contested" && who.contains("Flux"));
        assert_eq!(world.sink.got().iter().any(names), says == Contested::Act, "{says}: who is told");
    }
}

#[tokio::test]
async fn nothing_is_done_while_it_is_not_known_who_decides() {
    let world = World::with_plan(SHARED);
    world.target.hide_owner(true);
    let house = world.start().await;
    house.fire("load", "one").await;
    assert_eq!(world.target.log(), []);
    world.target.hide_owner(false);
    house.advance(minutes(1)).await;
    assert_eq!(house.outcome().await, Some(Outcome::Applied));
}

#[tokio::test]
async fn a_ledger_that_is_not_restored_is_not_ready() {
    let world = World::with_plan(r#"double::set("a", 1)"#);
    let house = world.start().await;
    house.engine.check_ledger().await.unwrap();
    world.ledger_forgets.store(true, Ordering::Relaxed);
    house.advance(seconds(20)).await;
    let fault = house.engine.check_ledger().await.unwrap_err().to_string();
    assert!(fault.contains("restored from the journal"), "{fault}");
    world.ledger_forgets.store(false, Ordering::Relaxed);
    house.engine.check_ledger().await.unwrap();
}
