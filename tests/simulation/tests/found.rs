//! What the simulation has found, as the smallest world in which it went wrong.

use std::time::Duration;

use selfheal_simulation::schedule::{Character, Event, Part, Sent, What};
use selfheal_simulation::weather::Faults;
use selfheal_simulation::{Schedule, play};

/// A world in which nothing goes wrong but what happens in it: seconds after what was before, and what.
fn world(rules: &[usize], events: &[(u64, What)]) -> Schedule {
    let character = Character {
        faults: Faults::default(),
        rules: rules.to_vec(),
        has_source: false,
        ledger_outlives: true,
        replicas: 1,
    };
    let event =
        |(after, what): &(u64, What)| Event { after: Duration::from_secs(*after), what: what.clone() };
    Schedule { seed: 0, character, events: events.iter().map(event).collect() }
}

/// Nothing that must hold is broken in this world, under some seeds, which only draw its limits.
fn check(schedule: &Schedule) {
    check_each(schedule, |_| true);
}

/// The same, and what happened last is as it should be.
fn check_each(schedule: &Schedule, is_well: impl Fn(&str) -> bool) {
    for seed in 0..8 {
        let summary = play(&Schedule { seed, ..schedule.clone() }, true);
        let lines = summary.lines.join("\n");
        assert!(summary.violation.is_none(), "seed {seed}: {:?}\n{lines}", summary.violation);
        assert!(is_well(&lines), "seed {seed}:\n{lines}");
    }
}

#[test]
fn no_effect_follows_when_the_lease_has_ended_while_the_prior_state_was_read() {
    let fire = What::Fire(vec![(0, 0)], Sent::Whole);
    for target_is_back_after in [45, 80, 115, 150] {
        let schedule = world(
            &[0],
            &[
                (1, What::Down(Part::Target)),
                (1, fire.clone()),
                (5, What::Down(Part::Ledger)),
                (target_is_back_after, What::Up(Part::Target)),
                (40, What::Up(Part::Ledger)),
            ],
        );
        check(&schedule);
    }
}

#[test]
fn what_was_resolved_before_it_was_taken_up_is_closed() {
    let alerts = || vec![(0, 0)];
    check(&world(
        &[0],
        &[
            (1, What::Down(Part::Target)),
            (1, What::Fire(alerts(), Sent::Whole)),
            (5, What::Resolve(alerts(), Sent::Whole)),
            (1, What::Kill(None)),
            (5, What::Up(Part::Target)),
        ],
    ));
}

#[test]
fn a_clock_that_is_set_forward_ends_no_lease() {
    let fire = |rule, instance| What::Fire(vec![(rule, instance)], Sent::Whole);
    check(&world(
        &[0, 1],
        &[(1, fire(0, 1)), (2, What::SetClock(485)), (1, fire(1, 1)), (20, fire(1, 1)), (90, fire(1, 2))],
    ));
}

#[test]
fn a_journal_that_refuses_while_a_process_starts_ends_nothing() {
    let fire = || What::Fire(vec![(0, 0)], Sent::Whole);
    let mut schedule =
        world(&[0], &[(1, What::Kill(None)), (1, fire()), (1, What::Kill(None)), (1, What::Kill(None))]);
    schedule.character.faults.journal_refuses = 300;
    check(&schedule);
}

#[test]
fn nothing_is_done_when_the_switch_was_turned_while_the_intent_was_on_its_way_to_the_disk() {
    let fire = What::Fire(vec![(0, 0), (0, 1), (0, 2)], Sent::Whole);
    let mut schedule = world(&[0], &[(1, fire), (1, What::Switch(false))]);
    schedule.character.faults.journal_slow = 900;
    check(&schedule);
}

#[test]
fn what_is_resolved_before_its_first_look_has_begun_is_closed() {
    let alerts = || vec![(12, 0)];
    check(&world(
        &[12],
        &[
            (1, What::Down(Part::Journal)),
            (1, What::Fire(alerts(), Sent::Whole)),
            (18, What::Resolve(alerts(), Sent::Whole)),
            (1, What::Up(Part::Journal)),
        ],
    ));
}

#[test]
fn a_clock_that_is_set_back_holds_nothing() {
    check(&world(&[10], &[(1, What::Fire(vec![(10, 0)], Sent::Whole)), (1, What::SetClock(-245))]));
}

#[test]
fn what_a_broken_journal_did_not_take_is_not_noted_as_expanded() {
    let fire = |instance| What::Fire(vec![(0, instance)], Sent::Whole);
    let mut events = Vec::new();
    for instance in 0..8 {
        events.extend([(1, fire(instance)), (1, What::Kill(Some((3, false)))), (1, What::Kill(None))]);
    }
    let mut schedule = world(&[0], &events);
    (schedule.character.faults.journal_refuses, schedule.character.faults.journal_breaks) = (200, 200);
    check(&schedule);
}

#[test]
fn what_two_rules_have_changed_for_a_time_comes_back() {
    let fire = |rule| What::Fire(vec![(rule, 0)], Sent::Whole);
    for (first, second) in [(14, 15), (15, 14)] {
        for between in [1, 120, 300] {
            let events = [(1, fire(first)), (between, fire(second)), (60, What::Kill(None))];
            check(&world(&[first, second], &events));
        }
    }
}

#[test]
fn what_was_given_up_before_a_crash_is_not_tried_in_place_of_what_was_done_then() {
    // The first of two alternatives waits in vain for its target; the process dies while the second is looked after.
    for target_is_back_after in (20..=200).step_by(10) {
        let schedule = world(
            &[2],
            &[
                (1, What::Down(Part::Target)),
                (1, What::Fire(vec![(2, 0)], Sent::Whole)),
                (target_is_back_after, What::Up(Part::Target)),
                (2, What::Kill(None)),
            ],
        );
        check(&schedule);
    }
}

#[test]
fn a_sequence_that_was_taken_back_before_a_crash_keeps_nothing_else_from_being_tried() {
    // Nothing is refused here: whenever the process dies, what comes next is tried.
    for killed_after in 1..=25 {
        let fire = What::Fire(vec![(16, 0)], Sent::Whole);
        let schedule = world(&[16], &[(1, fire), (killed_after, What::Kill(None))]);
        check_each(&schedule, |lines| !lines.contains("given up before the process ended"));
    }
}
