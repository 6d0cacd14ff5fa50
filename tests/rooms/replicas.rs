//! Several processes on one journal: whatever becomes of one of them, the others do its work, and nobody does it twice.

use std::collections::HashSet;
use std::time::Duration;

use jiff::SignedDuration;
use selfheal_core::issue::{Outcome, Phase};
use selfheal_core::remediation::IntentState;
use selfheal_runtime::feed::Change;
use selfheal_runtime::maintenance::Window;
use selfheal_runtime::ports::{Claim, Ledger as _, NewsKind};

use crate::double::Turn;
use crate::loss::Death;
use crate::world::{House, World, alert, minutes, rule, seconds};

/// Longer than an issue is held.
const PAST_THE_LEASE: Duration = seconds(60);

fn once(world: &World) {
    let mut seen = HashSet::new();
    for done in world.target.log() {
        assert!(
            seen.insert((done.intent, done.what.clone())),
            "{} twice: {:?}",
            done.what,
            world.target.did()
        );
    }
}

#[tokio::test]
async fn each_issue_is_treated_by_one() {
    let world = World::with_plan(r#"double::set(alert.labels.instance, 1)"#).shared();
    let (one, two) = (world.start().await, world.start().await);
    for number in 0..20 {
        let house = if number % 2 == 0 { &one } else { &two };
        house.fire("load", &format!("i{number}")).await;
    }
    // An alert that comes to both is one issue.
    one.fire("load", "both").await;
    two.fire("load", "both").await;
    one.advance(minutes(2)).await;
    let issues = one.issues().await;
    assert_eq!(issues.len(), 21);
    let treated = issues.iter().filter(|issue| issue.outcome == Some(Outcome::Applied)).count();
    let held = issues.iter().filter(|issue| issue.phase == Phase::Waiting).count();
    assert_eq!(treated + held, 21, "{issues:#?}");
    assert_eq!(world.target.log().len(), treated);
    once(&world);
}

#[tokio::test]
async fn what_one_has_heard_is_not_known_when_another_has_heard_the_end() {
    let world = World::with_plan(r#"double::set("a", 1)"#).shared();
    let (one, two) = (world.start().await, world.start().await);
    let firing = [alert("load", "one", one.now(), None)];
    one.send(&firing).await.unwrap();
    assert!(one.send(&firing).await.unwrap().known);
    two.resolve("load", "one").await;
    one.advance(minutes(5)).await;
    assert_eq!(one.only().await.phase, Phase::Closed);
    assert!(!one.send(&firing).await.unwrap().known, "it fires again with the start of before");
    assert_eq!(one.issues().await.len(), 2);
}

#[tokio::test]
async fn what_a_dead_one_had_under_way_is_taken_up() {
    let verified = r#"double::set("a", 1).verify(double::read("load").below(50), "10m")"#;
    let world = World::with_plan(verified).shared();
    world.target.put("load", 90);
    let (one, two) = (world.start().await, world.start().await);
    one.fire("load", "one").await;
    assert_eq!(world.target.did(), ["set a=1"]);
    one.life.end();
    two.advance(seconds(10)).await;
    world.target.put("load", 10);
    assert_eq!(two.only().await.phase, Phase::Remediating, "it is held for as long as its lease lasts");
    two.advance(PAST_THE_LEASE).await;
    assert_eq!(two.outcome().await, Some(Outcome::Recovered));
    assert_eq!(world.target.did(), ["set a=1"]);
}

#[tokio::test]
async fn one_listens_and_another_when_it_is_gone() {
    let world = World::with_plan(r#"double::set("a", 1)"#).shared();
    let one = world.start().await;
    one.advance(seconds(10)).await;
    let two = world.start().await;
    two.advance(minutes(5)).await;
    assert_eq!(world.target.listened(), 1);
    one.life.end();
    two.advance(PAST_THE_LEASE).await;
    assert_eq!(world.target.listened(), 2);
}

#[tokio::test]
async fn a_notification_that_a_dead_one_received_is_expanded() {
    for write in 1..12 {
        let world = World::with_plan(r#"double::set("a", 1)"#).shared();
        let two = world.start().await;
        let Some(one) = world.start_mortal(Death::After(write)).await else { continue };
        let acknowledged = one.send(&[crate::world::alert("load", "one", one.now(), None)]).await.is_ok();
        two.advance(minutes(3)).await;
        if acknowledged {
            assert_eq!(two.outcome().await, Some(Outcome::Applied), "died after write {write}");
        }
        once(&world);
    }
}

/// A process is frozen within an effect, within a verification, or between two steps; it wakes when another has ended
/// its work.
#[tokio::test]
async fn one_that_was_frozen_writes_nothing_and_does_nothing_any_more() {
    let plan = r#"sequence([double::set("a", 1).verify(double::read("load").below(50), "5m"),
                            double::set("b", 2)])"#;
    for turn in [Turn::Works, Turn::HangsAfter, Turn::HangsBefore, Turn::LostAfter, Turn::LostBefore] {
        let world = World::new(vec![rule("load", "cooldown: \"2h\"", plan)]).shared();
        world.target.put("load", 90);
        world.target.applies("a", &[turn]);
        let (one, two) = (world.start().await, world.start().await);
        one.fire("load", "one").await;
        one.life.freeze();
        two.advance(seconds(5)).await;
        world.target.put("load", 10);
        two.advance(PAST_THE_LEASE).await;
        let story = two.story(two.only().await.id).await;
        assert_eq!(story.issue.outcome, Some(Outcome::Recovered), "{turn:?}: {story:#?}");
        let did = world.target.did();
        one.life.thaw();
        two.advance(minutes(3)).await;
        assert_eq!(world.target.did(), did, "{turn:?}: the one that was frozen did something");
        let after = two.story(story.issue.id).await;
        assert_eq!(after, story, "{turn:?}: the one that was frozen wrote something");
        let unsettled = after.intents.iter().filter(|intent| intent.state != IntentState::Done).count();
        assert_eq!((unsettled, after.remediations.len()), (0, 1), "{turn:?}");
        once(&world);
        // It is of use again.
        one.fire("load", "two").await;
        one.advance(minutes(1)).await;
        assert_eq!(one.issues().await.len(), 2);
    }
}

#[tokio::test]
async fn the_switch_is_turned_for_all() {
    let world = World::with_plan(r#"double::set("a", 1)"#).shared();
    let (one, two) = (world.start().await, world.start().await);
    one.engine.turn_switch(false, "anna", "wait").await.unwrap();
    two.advance(seconds(2)).await;
    assert!(!two.engine.switch.position().on);
    two.fire("load", "one").await;
    two.advance(seconds(5)).await;
    assert_eq!((two.outcome().await, world.target.log().len()), (Some(Outcome::Refused), 0));
    two.engine.turn_switch(true, "bob", "go on").await.unwrap();
    one.advance(seconds(2)).await;
    assert!(one.engine.switch.position().on);
    assert_eq!(world.target.did(), ["set a=1"], "what was refused is looked at again");
}

/// Whoever turns it off: a person, or the process that sees too much fail.
#[tokio::test]
async fn what_was_turned_off_without_the_journal_is_off_for_all_when_it_answers() {
    for turned_on_elsewhere in [false, true] {
        let world = World::with_plan(r#"double::set("a", 1)"#).shared();
        let (one, two) = (world.start().await, world.start().await);
        one.life.cut_off(true);
        one.engine.turn_switch(false, "anna", "stop").await.unwrap_err();
        assert!(!one.engine.switch.position().on, "here it is off at once");
        if turned_on_elsewhere {
            two.engine.turn_switch(true, "bob", "go on").await.unwrap();
        }
        one.advance(minutes(1)).await;
        assert!(two.engine.switch.position().on && !one.engine.switch.position().on);
        one.life.cut_off(false);
        one.advance(seconds(3)).await;
        for house in [&one, &two] {
            assert!(!house.engine.switch.position().on);
            assert_eq!(house.engine.switch.position().by, "anna");
        }
        let told = world.sink.got().into_iter().filter(|news| news.text.contains("anna")).count();
        assert_eq!(told, 1, "it is told once");
        let later = world.start().await;
        assert!(!later.engine.switch.position().on, "who starts afterwards knows, too");
        two.engine.turn_switch(true, "bob", "go on").await.unwrap();
        two.advance(seconds(3)).await;
        assert!(one.engine.switch.position().on && later.engine.switch.position().on);
    }
}

#[tokio::test]
async fn who_turns_it_on_again_here_needs_no_off_before() {
    let world = World::with_plan(r#"double::set("a", 1)"#).shared();
    let (one, two) = (world.start().await, world.start().await);
    one.life.cut_off(true);
    one.engine.turn_switch(false, "anna", "stop").await.unwrap_err();
    one.engine.turn_switch(true, "anna", "all is well").await.unwrap_err();
    assert!(!one.engine.switch.position().on, "on it is only when the journal says so");
    one.life.cut_off(false);
    one.engine.turn_switch(true, "anna", "all is well").await.unwrap();
    one.advance(seconds(3)).await;
    assert!(one.engine.switch.position().on && two.engine.switch.position().on);
}

#[tokio::test]
async fn who_watches_one_hears_of_all() {
    let plan = r#"double::set("a", 1).needs_approval("sure?")"#;
    let world = World::with_plan(plan).shared();
    let (one, two) = (world.start().await, world.start().await);
    let mut changes = one.engine.feed.listen();
    let mut told = async || {
        one.advance(seconds(1)).await;
        let mut told = Change::default();
        while let Ok(change) = changes.try_recv() {
            told.issues.extend(&change.issues);
            told.remediations.extend(&change.remediations);
            told.approvals.extend(change.approvals.iter().cloned());
            told.settings.extend(change.settings.iter().cloned());
        }
        told
    };
    told().await;

    two.fire("load", "one").await;
    let issue = two.only().await.id;
    let approval = two.asked().await;
    let asked = told().await;
    assert!(asked.issues.contains(&issue) && asked.approvals.contains(&approval.id), "{asked:?}");

    two.engine.answer(&approval.id, approval.plan_hash, true, "bob", "do it").await.unwrap();
    two.advance(seconds(1)).await;
    let answered = told().await;
    assert!(answered.approvals.contains(&approval.id), "{answered:?}");
    assert_eq!(answered.remediations.first().map(|id| id.issue), Some(issue), "{answered:?}");

    two.engine.turn_switch(false, "anna", "wait").await.unwrap();
    let window = Window {
        id: String::new(),
        matchers: Vec::new(),
        from: two.now(),
        until: two.now() + SignedDuration::from_hours(1),
        reason: "move".to_owned(),
        by: String::new(),
        at: two.now(),
    };
    two.engine.add_maintenance(window, "anna").await.unwrap();
    let set = told().await;
    assert!(
        ["switch", "maintenance"].iter().all(|name| set.settings.iter().any(|set| set == name)),
        "{set:?}"
    );
    assert_eq!(one.engine.maintenance_windows().len(), 1);
    assert_eq!(told().await, Change::default(), "nothing more happens");
}

#[tokio::test]
async fn failures_of_all_turn_the_switch_off() {
    let useless = r#"double::set(alert.labels.instance, 1).verify(double::read("load").below(50), "5s")"#;
    let mut world = World::with_plan(useless).shared();
    world.policy.failure_sample_min = 6;
    world.policy.concurrent = 100;
    world.target.put("load", 90);
    let (one, two) = (world.start().await, world.start().await);
    for number in 0..6 {
        let house = if number % 2 == 0 { &one } else { &two };
        house.fire("load", &format!("i{number}")).await;
    }
    one.advance(seconds(9)).await;
    assert!(!one.engine.switch.position().on && !two.engine.switch.position().on);
}

#[tokio::test]
async fn a_storm_is_counted_in_all() {
    let mut world = World::with_plan(r#"double::set(alert.labels.instance, 1)"#).shared();
    world.policy.storm_per_minute = 10;
    world.policy.concurrent = 100;
    let (one, two) = (world.start().await, world.start().await);
    for number in 0..14 {
        let house = if number % 2 == 0 { &one } else { &two };
        house.fire("load", &format!("i{number}")).await;
    }
    let issues = one.issues().await;
    let held = issues.iter().filter(|issue| issue.why.starts_with("storm")).count();
    assert_eq!(held, 4, "{issues:#?}");
    one.engine.release_storm("load", "anna").await.unwrap();
    one.advance(seconds(3)).await;
    two.advance(seconds(3)).await;
    let issues = one.issues().await;
    assert!(issues.iter().all(|issue| issue.outcome == Some(Outcome::Applied)), "{issues:#?}");
}

/// Whenever the one dies that was about to tell.
#[tokio::test]
async fn people_are_asked_about_a_storm_once() {
    for write in 1..16 {
        let mut world = World::with_plan(r#"double::set(alert.labels.instance, 1)"#).shared();
        world.policy.storm_per_minute = 2;
        let two = world.start().await;
        let Some(one) = world.start_mortal(Death::Before(write)).await else { continue };
        let storm = |house: &House<'_>, name: &str| -> Vec<_> {
            (0..4).map(|number| alert("load", &format!("{name}{number}"), house.now(), None)).collect()
        };
        // Whether it was taken in before the one died does not matter.
        let _ = one.send(&storm(&one, "first")).await;
        one.life.end();
        two.advance(PAST_THE_LEASE).await;
        two.send(&storm(&two, "second")).await.unwrap();
        two.advance(PAST_THE_LEASE / 2).await;
        let told = world.sink.kinds().iter().filter(|kind| **kind == NewsKind::Storm).count();
        assert_eq!(told, 1, "died before write {write}: {:#?}", world.sink.got());
    }
}

#[tokio::test]
async fn news_is_told_once() {
    let world = World::with_plan(r#"double::set(alert.labels.instance, 1)"#).shared();
    let (one, two) = (world.start().await, world.start().await);
    for number in 0..6 {
        let house = if number % 2 == 0 { &one } else { &two };
        house.fire("load", &format!("i{number}")).await;
    }
    one.advance(seconds(5)).await;
    let keys = world.sink.keys();
    let distinct: HashSet<&String> = keys.iter().collect();
    assert_eq!((keys.len(), distinct.len()), (6, 6));
    // When the one that tells dies, the other goes on.
    one.life.end();
    two.fire("load", "last").await;
    two.advance(PAST_THE_LEASE).await;
    assert_eq!(world.sink.keys().len(), 7);
}

/// A process can renew nothing any more while it is within an effect that goes on for as long as somebody waits for it.
#[tokio::test]
async fn an_effect_ends_before_another_process_may_have_the_issue() {
    let world = World::with_plan(r#"double::set("a", 1).timeout("10m")"#).shared();
    world.target.applies("a", &[Turn::Waits]);
    let (mut one, two) = (world.start().await, world.start().await);
    one.fire("load", "one").await;
    one.stop_rooms().await;
    two.advance(PAST_THE_LEASE).await;
    world.target.go_on();
    two.advance(PAST_THE_LEASE).await;
    assert_eq!(two.outcome().await, Some(Outcome::Applied));
    once(&world);
    assert_eq!(world.target.did(), ["set a=1"]);
}

#[tokio::test]
async fn one_that_leaves_gives_back_what_has_no_effect_under_way() {
    let plan = r#"double::set(alert.labels.instance, 1).timeout("10m").verify(double::read("load").below(50), "10m")"#;
    let world = World::with_plan(plan).shared();
    world.target.put("load", 90);
    world.target.applies("acting", &[Turn::Waits]);
    let one = world.start().await;
    one.fire("load", "verifying").await;
    one.fire("load", "acting").await;
    one.engine.leave().await;
    one.life.end();
    let two = world.start().await;
    world.target.put("load", 10);
    two.advance(seconds(10)).await;
    assert_eq!(two.issue("load", "verifying").await.outcome, Some(Outcome::Recovered));
    let asked = |name: &str| world.target.calls().contains(&format!("effect set {name}=1"));
    assert!(!asked("acting"), "it would be too early to ask: {:?}", world.target.calls());
    two.advance(PAST_THE_LEASE).await;
    assert!(asked("acting"));
    assert_eq!(two.issue("load", "acting").await.outcome, Some(Outcome::Recovered));
    once(&world);
}

/// A house that died within a verification, and was away for longer than the ledger's lease.
async fn away_too_long(world: &World) {
    world.target.put("load", 90);
    let house = world.start().await;
    house.fire("load", "one").await;
    assert_eq!(world.target.did(), ["set a=1"]);
    drop(house);
    world.timeline.skip(minutes(2));
}

#[tokio::test]
async fn nobody_comes_before_whoever_takes_up_what_all_had_left() {
    let verified = r#"double::set("a", 1).verify(double::read("load").below(50), "10m")"#;
    let world = World::new(vec![
        rule("load", "cooldown: \"2h\"", verified),
        rule("other", "", r#"double::set("a", 2)"#),
    ])
    .shared();
    away_too_long(&world).await;
    let house = world.start().await;
    house.fire("other", "one").await;
    house.advance(seconds(10)).await;
    let other = house.issue("other", "one").await;
    assert_eq!(other.phase, Phase::Waiting, "{other:#?}");
    house.advance(minutes(10)).await;
    assert_eq!(world.target.did(), ["set a=1", "undo a=gone", "set a=2"]);
}

#[tokio::test]
async fn nothing_is_undone_at_a_target_that_another_has_got_meanwhile() {
    let verified = r#"double::set("a", 1).verify(double::read("load").below(50), "1m")"#;
    for (given_back, did, outcome) in
        [(true, vec!["set a=1", "undo a=gone"], Outcome::Unwound), (false, vec!["set a=1"], Outcome::Stuck)]
    {
        let world = World::new(vec![rule("load", "cooldown: \"2h\"", verified)]).shared();
        away_too_long(&world).await;
        let ledger = world.shared_ledger.clone().unwrap();
        let another = Claim {
            holder: "another".to_owned(),
            duplicate_key: "another".to_owned(),
            targets: vec!["double/a".to_owned()],
            rule: "another".to_owned(),
            cooldown: Duration::ZERO,
            per_target_max: 9,
            in_all_max: 9,
            rate_window: Duration::ZERO,
            concurrent_max: 9,
            lease: minutes(60),
        };
        assert!(ledger.reserve(&another, world.timeline.now()).await.unwrap().granted);
        let house = world.start().await;
        house.advance(minutes(5)).await;
        assert_eq!(world.target.did(), ["set a=1"], "it waits");
        if given_back {
            ledger.release(&another, world.timeline.now()).await.unwrap();
        }
        house.advance(minutes(15)).await;
        assert_eq!(
            (world.target.did(), house.outcome().await),
            (did.iter().map(ToString::to_string).collect(), Some(outcome))
        );
    }
}

#[tokio::test]
async fn windows_that_are_added_at_the_same_time_all_stand() {
    let world = World::with_plan(r#"double::set("a", 1)"#).shared();
    let (one, two) = (world.start().await, world.start().await);
    let window = Window {
        id: String::new(),
        matchers: Vec::new(),
        from: one.now(),
        until: one.now() + SignedDuration::from_hours(1),
        reason: "patch day".to_owned(),
        by: String::new(),
        at: one.now(),
    };
    let (first, second) = (std::sync::Arc::clone(&one.engine), std::sync::Arc::clone(&two.engine));
    let adding = tokio::spawn(async move {
        tokio::join!(first.add_maintenance(window.clone(), "anna"), second.add_maintenance(window, "ben"))
    });
    while !adding.is_finished() {
        one.advance(Duration::from_millis(100)).await;
    }
    let (first, second) = adding.await.unwrap();
    let added = [first.unwrap().id, second.unwrap().id];
    one.advance(seconds(2)).await;
    for house in [&one, &two] {
        let stand: Vec<_> = house.engine.maintenance_windows().into_iter().map(|window| window.id).collect();
        assert!(added.iter().all(|id| stand.contains(id)) && stand.len() == 2, "{stand:?}");
    }
}
