//! One alert, one plan, and a target that behaves as it is told: what comes of it.

use std::time::Duration;

use selfheal_core::issue::{Outcome, Phase};
use selfheal_core::rule::Mode;
use selfheal_runtime::ports::NewsKind;

use crate::double::Turn;
use crate::world::{World, minutes, observing, seconds};

/// One way that a plan can go.
struct Case {
    says: &'static str,
    observe: &'static str,
    plan: &'static str,
    world: fn(&mut World),
    /// How long until one looks at what came of it.
    after: Duration,
    outcome: Outcome,
    /// Part of the reason.
    why: &'static str,
    /// The effects, in order.
    did: &'static [&'static str],
    told: &'static [NewsKind],
}

/// A plan that helps at once.
const CASE: Case = Case {
    says: "",
    observe: "",
    plan: r#"double::set("a", 1).verify(double::read("load").below(50), "30s")"#,
    world: |_| (),
    after: minutes(2),
    outcome: Outcome::Recovered,
    why: "",
    did: &["set a=1"],
    told: &[NewsKind::Outcome],
};

async fn check(case: Case) {
    let mut world = World::new(vec![observing("load", "", case.observe, case.plan)]);
    world.target.put("load", 90);
    world.target.leads_to(("a", 1), ("load", 10));
    world.target.leads_to(("b", 2), ("load", 10));
    (case.world)(&mut world);
    let house = world.start().await;
    house.fire("load", "one").await;
    house.advance(case.after).await;
    let issue = house.only().await;
    let told: Vec<NewsKind> = world.sink.kinds();
    let story = house.story(issue.id).await;
    let text = || format!("{}: {issue:#?}\n{:#?}\n{:?}", case.says, story.records, world.target.calls());
    assert_eq!(issue.outcome, Some(case.outcome), "{}", text());
    assert!(issue.why.contains(case.why), "{}", text());
    assert_eq!(world.target.did(), case.did, "{}", text());
    assert_eq!(told, case.told, "{}", text());
}

macro_rules! cases {
    ($($name:ident: { $($field:ident: $value:expr),+ $(,)? })+) => {
        $(#[tokio::test]
        async fn $name() {
            check(Case { says: stringify!($name), $($field: $value,)+ ..CASE }).await;
        })+
    };
}

/// It never helps: nothing brings the load down.
const USELESS: &str = r#"double::set("c", 3).verify(double::read("load").below(50), "30s")"#;

cases! {
    it_helps: { why: "double::read(name: \"load\").value is 10, wanted below 50" }
    nothing_to_verify_by: { plan: r#"double::set("a", 1)"#, outcome: Outcome::Applied }
    what_fell_short_did_not_help: {
        plan: r#"double::set("c", 3)"#, world: |world| world.target.falls_short("c"),
        outcome: Outcome::Unwound, did: &["set c=3", "undo c=gone"], why: "it fell short",
    }
    what_fell_short_and_helps_has_helped: { world: |world| world.target.falls_short("a") }
    what_fell_short_says_so_when_it_did_not_help: {
        plan: USELESS, world: |world| world.target.falls_short("c"),
        outcome: Outcome::Unwound, did: &["set c=3", "undo c=gone"], why: "wanted below 50; it fell short",
    }
    it_helps_only_in_time: {
        plan: r#"double::set("c", 3).verify(double::read("load").below(50), "30s")"#,
        outcome: Outcome::Unwound, did: &["set c=3", "undo c=gone"], why: "not within 30s",
    }
    the_prior_state_comes_back: {
        plan: USELESS, world: |world| world.target.put("c", 7),
        outcome: Outcome::Unwound, did: &["set c=3", "undo c=7"],
    }
    inconclusive_is_not_success: {
        plan: r#"double::set("c", 3).verify(double::read("nowhere").below(50), "30s")"#,
        outcome: Outcome::Unwound, did: &["set c=3", "undo c=gone"], why: "inconclusive",
    }
    a_relative_condition_is_judged_by_what_was_before: {
        plan: r#"double::set("a", 1).verify(double::read("load").falls_by(0.5), "30s")"#,
    }
    what_it_is_judged_by_is_read_patiently: {
        plan: r#"double::set("a", 1).verify(double::read("load").falls_by(0.5), "30s")"#,
        world: |world| world.target.fails_to_read(3),
    }
    what_could_never_be_verified_is_not_begun: {
        plan: r#"double::set("a", 1).verify(double::read("load").falls_by(0.5), "30s")"#,
        world: |world| world.target.fails_to_read(u32::MAX), after: minutes(20),
        outcome: Outcome::Failed, did: &[], told: &[NewsKind::Person], why: "could not be read before",
    }
    all_in_order: {
        plan: r#"sequence([double::set("x", 1), double::set("y", 2),
                           double::set("a", 1).verify(double::read("load").below(50), "30s")])"#,
        did: &["set x=1", "set y=2", "set a=1"],
    }
    a_sequence_that_does_not_help_is_undone_in_reverse: {
        plan: r#"sequence([double::set("x", 1), double::set("y", 2),
                           double::set("c", 3).verify(double::read("load").below(50), "30s")])"#,
        outcome: Outcome::Unwound,
        did: &["set x=1", "set y=2", "set c=3", "undo c=gone", "undo y=gone", "undo x=gone"],
    }
    a_sequence_whose_third_step_is_refused_is_undone_in_reverse: {
        plan: r#"sequence([double::set("x", 1), double::set("y", 2), double::set("a", 1)])"#,
        world: |world| world.target.applies("a", &[Turn::Refused]),
        outcome: Outcome::Unwound, did: &["set x=1", "set y=2", "undo y=gone", "undo x=gone"],
        why: "the double refuses",
    }
    the_fallback_comes_after_the_undo: {
        plan: r#"fallback([double::set("c", 3).verify(double::read("load").below(50), "30s"),
                           double::set("b", 2).verify(double::read("load").below(50), "30s")])"#,
        did: &["set c=3", "undo c=gone", "set b=2"],
    }
    a_refused_step_falls_back_too: {
        plan: r#"fallback([double::set("a", 1), double::set("b", 2).verify(double::read("load").below(50), "30s")])"#,
        world: |world| world.target.applies("a", &[Turn::Refused]),
        did: &["set b=2"],
    }
    no_fallback_helps: {
        plan: r#"fallback([double::set("c", 3).verify(double::read("load").below(50), "10s"),
                           double::set("d", 4).verify(double::read("load").below(50), "10s")])"#,
        outcome: Outcome::Unwound, did: &["set c=3", "undo c=gone", "set d=4", "undo d=gone"],
    }
    what_is_to_be_kept_is_kept: {
        plan: r#"double::set("c", 3).verify(double::read("load").below(50), "30s").keep_on_failure()"#,
        outcome: Outcome::Kept, did: &["set c=3"], told: &[NewsKind::Person],
    }
    what_cannot_be_undone_stays: {
        plan: r#"double::fire("c", 3).verify(double::read("load").below(50), "30s")"#,
        outcome: Outcome::Kept, did: &["fire c=3"], told: &[NewsKind::Person],
    }
    an_undo_that_fails_calls_a_person: {
        plan: USELESS, world: |world| world.target.undoes("c", &[Turn::Refused]),
        outcome: Outcome::Stuck, did: &["set c=3"], told: &[NewsKind::Person], why: "undoing double::set(name: \"c\", value: 3) failed",
    }
    an_undo_is_tried_again: {
        plan: USELESS, world: |world| world.target.undoes("c", &[Turn::Transient, Turn::LostBefore]),
        outcome: Outcome::Unwound, did: &["set c=3", "undo c=gone"],
    }
    nothing_that_was_refused_is_tried_again: {
        world: |world| world.target.applies("a", &[Turn::Refused]),
        outcome: Outcome::Failed, did: &[], told: &[NewsKind::Person], why: "the double refuses",
    }
    a_passing_fault_is_waited_for: {
        world: |world| world.target.applies("a", &[Turn::Transient, Turn::Transient, Turn::Transient]),
    }
    a_lost_answer_is_looked_for: {
        world: |world| world.target.applies("a", &[Turn::LostAfter]), why: "is 10, wanted below 50",
    }
    what_did_not_happen_is_done_again: {
        world: |world| world.target.applies("a", &[Turn::LostBefore]),
    }
    no_answer_at_all_is_looked_for_after_the_time_out: {
        world: |world| world.target.applies("a", &[Turn::HangsAfter]),
    }
    an_adapter_that_panics_has_answered_nothing: {
        world: |world| world.target.applies("a", &[Turn::Panics]),
    }
    no_answer_and_no_effect: {
        world: |world| world.target.applies("a", &[Turn::HangsBefore]),
    }
    what_cannot_be_told_is_never_repeated: {
        world: |world| {
            world.target.applies("a", &[Turn::LostAfter]);
            world.target.blind();
        },
        after: minutes(60), outcome: Outcome::Unknown, told: &[NewsKind::Person], why: "cannot tell",
    }
    another_hand_was_faster: {
        plan: r#"double::set("a", 1)"#, world: |world| world.target.applies("a", &[Turn::Disturbed]),
        outcome: Outcome::Unknown, did: &[], told: &[NewsKind::Person], why: "a is Some(99), and was None",
    }
    a_target_that_stays_down_is_given_up: {
        plan: r#"double::set("a", 1)"#, world: |world| world.target.down(true),
        after: minutes(16), outcome: Outcome::Failed, did: &[], told: &[NewsKind::Person], why: "the double is down",
    }
    a_probe_that_stays_down_is_given_up: {
        observe: r#"load: double::read("load")"#, world: |world| {
            world.target.down(true);
            world.policy.breaker_failures = 0;
        },
        after: minutes(16), outcome: Outcome::Failed, did: &[], told: &[NewsKind::Person], why: "cannot observe",
    }
    what_is_not_known_is_for_the_rule_to_judge: {
        observe: r#"gone: double::read("nowhere")"#,
        plan: r#"if is_known(seen.gone) { double::set("a", 1) } else { skip(seen.gone.inconclusive) }"#,
        outcome: Outcome::Skipped, did: &[], told: &[NewsKind::Outcome], why: "there is no nowhere",
    }
    the_rule_decides_to_do_nothing: {
        observe: r#"load: double::read("load")"#,
        plan: r#"if seen.load.value < 95 { skip(`${seen.load.value} is not much`) } else { double::set("a", 1) }"#,
        outcome: Outcome::Skipped, did: &[], told: &[NewsKind::Outcome], why: "load: 90 is not much",
    }
    in_shadow_mode_nothing_is_changed: {
        world: |world| world.policy.mode = Mode::Shadow,
        outcome: Outcome::Shadowed, did: &[], why: "the mode is shadow",
    }
    what_the_adapter_does_not_take_is_named_with_its_place: {
        plan: "\n    double::set(\"\", 1)",
        outcome: Outcome::Failed, did: &[], told: &[NewsKind::Person], why: "rules/load.rhai:4:13",
    }
    a_script_that_fails_is_a_failure: {
        plan: r#"double::set(alert.labels.nowhere, 1)"#,
        outcome: Outcome::Failed, did: &[], told: &[NewsKind::Person],
    }
    a_wide_blast_is_refused: {
        plan: r#"double::shake("a", 1)"#, outcome: Outcome::Refused, did: &[], why: "blast_radius",
    }
    replicas_are_limited: {
        plan: r#"double::scale("a", 11)"#, outcome: Outcome::Refused, did: &[], why: "11 replicas, allowed are 1 to 10",
    }
    replicas_within_the_limits_are_set: {
        plan: r#"double::scale("a", 10)"#, outcome: Outcome::Applied, did: &["scale a=10"],
    }
    steps_are_limited: {
        plan: r#"sequence([double::set("x", 1), double::set("y", 2), double::set("z", 3)])"#,
        world: |world| world.policy.steps = 2,
        outcome: Outcome::Refused, did: &[], why: "the plan has 3 steps, more than 2",
    }
    what_is_forbidden_is_refused: {
        world: |world| world.policy.forbidden = vec!["double.*".to_owned()],
        outcome: Outcome::Refused, did: &[], why: "the policy forbids double.set",
    }
}

#[tokio::test]
async fn shadow_mode_only_previews() {
    let mut world = World::with_plan(CASE.plan);
    world.policy.mode = Mode::Shadow;
    let house = world.start().await;
    house.fire("load", "one").await;
    house.advance(minutes(60)).await;
    assert_eq!(world.target.calls(), ["preview set a=1"]);
    let story = house.story(house.only().await.id).await;
    assert_eq!(story.records[0].facts["previews"][0]["preview"]["summary"], "would set a=1");
}

#[tokio::test]
async fn the_delay_between_tries_doubles() {
    let plan = r#"double::set("c", 3).verify(double::read("load").below(50), "5s").retry(3, "10s")"#;
    let world = World::with_plan(plan);
    world.target.put("load", 90);
    let house = world.start().await;
    house.fire("load", "one").await;
    // Each try takes 5 s; then it is undone, and the delay begins.
    let tries_after = [(0, 1), (14, 1), (1, 2), (24, 2), (1, 3), (44, 3), (1, 4)];
    for (wait, tries) in tries_after {
        house.advance(seconds(wait)).await;
        let did = world.target.did();
        assert_eq!(
            did.iter().filter(|what| what.starts_with("set")).count(),
            tries,
            "{did:?} at {}",
            house.now()
        );
    }
    house.advance(seconds(5)).await;
    assert_eq!(house.outcome().await, Some(Outcome::Unwound));
    assert_eq!(world.target.log().len(), 8);
}

#[tokio::test]
async fn a_target_that_is_down_is_waited_for() {
    let world = World::with_plan(r#"double::set("a", 1)"#);
    world.target.down(true);
    let house = world.start().await;
    house.fire("load", "one").await;
    house.advance(minutes(14)).await;
    assert!(world.target.did().is_empty());
    world.target.down(false);
    house.advance(seconds(30)).await;
    assert_eq!(world.target.did(), ["set a=1"]);
    assert_eq!(house.outcome().await, Some(Outcome::Applied));
}

#[tokio::test]
async fn the_last_try_helps() {
    let plan = r#"double::set("c", 3).verify(double::read("load").below(50), "5s").retry(3, "10s")"#;
    let world = World::with_plan(plan);
    world.target.put("load", 90);
    let house = world.start().await;
    house.fire("load", "one").await;
    house.advance(seconds(12)).await;
    world.target.put("load", 10);
    house.advance(seconds(10)).await;
    assert_eq!(world.target.did(), ["set c=3", "undo c=gone", "set c=3"]);
    assert_eq!(house.outcome().await, Some(Outcome::Recovered));
}

/// What an alert that is resolved between two tries leaves to be done: nothing.
#[tokio::test]
async fn nothing_else_is_tried_when_the_alert_has_been_resolved() {
    let useless =
        |name: &str| format!(r#"double::set("{name}", 3).verify(double::read("load").below(50), "5s")"#);
    let cases: [(String, Outcome, &[&str]); 4] = [
        (format!("{}.retry(1, \"10s\")", useless("c")), Outcome::Unwound, &["set c=3", "undo c=gone"]),
        (
            format!("fallback([{}, {}])", useless("c"), useless("d")),
            Outcome::Unwound,
            &["set c=3", "undo c=gone"],
        ),
        (
            format!("fallback([{}.keep_on_failure(), {}])", useless("c"), useless("d")),
            Outcome::Kept,
            &["set c=3"],
        ),
        // What was begun is carried out to its end.
        (
            format!("sequence([double::set(\"x\", 1), fallback([{}, double::set(\"d\", 4)])])", useless("c")),
            Outcome::Applied,
            &["set x=1", "set c=3", "undo c=gone", "set d=4"],
        ),
    ];
    for (plan, outcome, did) in cases {
        let world = World::with_plan(&plan);
        world.target.put("load", 90);
        let house = world.start().await;
        house.fire("load", "one").await;
        house.resolve("load", "one").await;
        house.advance(seconds(30)).await;
        let issue = house.only().await;
        assert_eq!(issue.outcome, Some(outcome), "{plan}: {issue:#?}");
        assert_eq!(world.target.did(), did, "{plan}");
        assert!(outcome == Outcome::Applied || issue.why.contains("the alert was resolved"), "{}", issue.why);
        house.advance(minutes(20)).await;
        assert_eq!(house.only().await.phase, Phase::Closed, "{plan}");
    }
}
