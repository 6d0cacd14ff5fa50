//! Crashes: a process dies at every write that it makes, before and after the write is durable, and again while it
//! recovers. Whatever happens, an alert that was acknowledged ends with an outcome, and no effect happens twice.

use std::collections::HashSet;

use selfheal_core::issue::{Outcome, Phase};
use selfheal_script::RuleFile;
use serde_json::Value;

use crate::loss::Death;
use crate::world::{House, World, alert, minutes, rule, seconds};

/// More writes than any run makes.
const WRITES_MAX: u32 = 200;

/// What happens, and what must be the case in the end.
struct Drama {
    rules: fn() -> Vec<RuleFile>,
    target: fn(&World),
    /// The alerts of the one notification.
    alerts: &'static [&'static str],
    outcomes: &'static [Outcome],
    numbers: &'static [(&'static str, Option<i64>)],
}

/// One that is healed in two steps, one that is not helped and undone, one that is changed for a time, one about which a
/// person is asked, one that no rule is for.
const DRAMA: Drama = Drama {
    rules: || {
        vec![
            rule(
                "heal",
                "cooldown: \"2h\"",
                r#"sequence([double::set("a", 1), double::set("b", 2).verify(double::read("heal").below(50), "30s")])"#,
            ),
            rule(
                "miss",
                "cooldown: \"2h\"",
                r#"fallback([double::set("c", 3).verify(double::read("miss").below(50), "10s"),
                             double::set("d", 4).verify(double::read("miss").below(50), "10s").retry(1, "5s")])"#,
            ),
            rule("timed", "cooldown: \"2h\"", r#"double::set("t", 5).revert_after("2m")"#),
            rule("asking", "cooldown: \"2h\"", r#"double::set("p", 6).needs_approval("it is dear")"#),
        ]
    },
    target: |world| {
        world.target.put("heal", 90);
        world.target.put("miss", 90);
        world.target.put("c", 7);
        world.target.leads_to(("b", 2), ("heal", 10));
    },
    alerts: &["heal", "miss", "timed", "asking", "other"],
    outcomes: &[Outcome::Recovered, Outcome::Unwound, Outcome::Applied, Outcome::Applied, Outcome::Unmatched],
    numbers: &[("a", Some(1)), ("b", Some(2)), ("c", Some(7)), ("d", None), ("t", None), ("p", Some(6))],
};

/// The notification, sent until it is acknowledged, as Alertmanager does.
async fn tell(house: &House<'_>, drama: &Drama, alerts: &[Value], acknowledged: &mut bool) {
    if !*acknowledged {
        *acknowledged = house.send(alerts).await.is_ok();
    }
    assert!(drama.alerts.len() == alerts.len());
}

/// A person grants whatever is asked. A process that dies meanwhile does not answer; he tries again at the next.
async fn say_yes(house: &House<'_>) {
    if let Some(asked) = house.open_approval().await {
        tokio::select! {
            granted = house.engine.answer(&asked.id, asked.plan_hash, true, "anna", "yes") => drop(granted.unwrap()),
            () = house.life.ended() => {}
        }
    }
}

/// Lives through the drama with processes that die as told, and one at last that does not. Says whether all died.
async fn live(drama: &Drama, deaths: &[Death]) -> bool {
    let mut world = World::new((drama.rules)());
    world.policy.failure_sample_min = 1000;
    (drama.target)(&world);
    let began = world.timeline.now();
    let alerts: Vec<Value> = drama.alerts.iter().map(|name| alert(name, "one", began, None)).collect();
    let (mut acknowledged, mut died) = (false, 0);
    for death in deaths {
        if let Some(house) = world.start_mortal(*death).await {
            tell(&house, drama, &alerts, &mut acknowledged).await;
            say_yes(&house).await;
            house.advance(minutes(1)).await;
            died += usize::from(house.life.is_over());
        } else {
            died += 1;
        }
    }
    let house = world.start().await;
    tell(&house, drama, &alerts, &mut acknowledged).await;
    house.advance(seconds(2)).await;
    say_yes(&house).await;
    house.advance(minutes(4)).await;
    assert!(acknowledged, "{deaths:?}");
    examine(drama, &house, deaths).await;
    died == deaths.len()
}

async fn examine(drama: &Drama, house: &House<'_>, deaths: &[Death]) {
    let issues = house.issues().await;
    assert_eq!(issues.len(), drama.alerts.len(), "{deaths:?}: {issues:#?}");
    for (name, outcome) in drama.alerts.iter().zip(drama.outcomes) {
        let issue = house.issue(name, "one").await;
        assert_eq!((issue.phase, issue.outcome), (Phase::Rested, Some(*outcome)), "{deaths:?}: {issue:#?}");
        let story = house.story(issue.id).await;
        let running = story.remediations.iter().filter(|remediation| remediation.ended_at.is_none()).count();
        assert_eq!((story.remediations.len() <= 1, running), (true, 0), "{deaths:?}: {story:#?}");
    }
    let target = &house.world.target;
    let mut seen = HashSet::new();
    for done in target.log().iter().filter(|done| done.what.starts_with("set")) {
        assert!(seen.insert(done.intent), "{deaths:?}: {} happened twice: {:?}", done.what, target.did());
    }
    for (name, value) in drama.numbers {
        assert_eq!(target.get(name), *value, "{deaths:?}: {name}: {:?}", target.did());
    }
}

#[tokio::test]
async fn nothing_happens_without_a_crash_that_should_not() {
    live(&DRAMA, &[]).await;
}

#[tokio::test]
async fn a_process_dies_before_every_write() {
    let mut survived = WRITES_MAX;
    for number in 1..WRITES_MAX {
        if !live(&DRAMA, &[Death::Before(number)]).await {
            survived = number;
            break;
        }
    }
    assert!((15..WRITES_MAX).contains(&survived), "a run makes {survived} writes");
}

#[tokio::test]
async fn a_process_dies_after_every_write() {
    let mut survived = WRITES_MAX;
    for number in 1..WRITES_MAX {
        if !live(&DRAMA, &[Death::After(number)]).await {
            survived = number;
            break;
        }
    }
    assert!((15..WRITES_MAX).contains(&survived), "a run makes {survived} writes");
}

/// A small generator (xorshift), so that every seed is one fixed sequence of deaths.
fn deaths(seed: u64) -> Vec<Death> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = |most: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        u32::try_from(state % most).unwrap()
    };
    let count = 2 + next(7);
    (0..count)
        .map(|_| if next(2) == 0 { Death::Before(1 + next(6)) } else { Death::After(1 + next(6)) })
        .collect()
}

#[tokio::test]
async fn processes_die_again_while_they_recover() {
    for seed in 1..=40 {
        live(&DRAMA, &deaths(seed)).await;
    }
}
