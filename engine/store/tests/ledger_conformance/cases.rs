//! The cases.

use std::time::Duration;

use jiff::SignedDuration;
use selfheal_runtime::ports::Claim;
use selfheal_runtime::ports::ledger::LedgerReading;

use super::place::{HOUR, MOMENT, Place, claim};

pub async fn a_holder_is_granted_again_and_counted_once(place: &Place) {
    let strict = |holder| Claim {
        cooldown: HOUR,
        per_target_max: 1,
        in_all_max: 2,
        concurrent_max: 2,
        ..claim(holder, "t")
    };
    for _ in 0..3 {
        assert!(place.granted(&strict("a")).await);
    }
    let other = Claim { targets: vec!["u".to_owned()], ..strict("b") };
    assert_eq!(place.look(&other).await, LedgerReading { running: 1, ..LedgerReading::default() });
    assert!(place.granted(&other).await, "the first was counted once");
    place.release(&strict("a")).await;
    assert!(place.granted(&strict("a")).await, "after its release too");
}

pub async fn the_same_issue_and_rule_is_not_treated_twice(place: &Place) {
    let same = |holder, target| Claim { duplicate_key: "issue-1/rule".to_owned(), ..claim(holder, target) };
    assert!(place.granted(&same("a", "t")).await);
    let reading = place.refusal(&same("b", "u")).await;
    assert_eq!((reading.duplicate.as_deref(), reading.busy), (Some("a"), None));
    place.release(&same("a", "t")).await;
    assert!(place.granted(&same("b", "u")).await);
}

pub async fn a_busy_target_stops_everybody_else(place: &Place) {
    let both =
        |holder, one: &str, two: &str| Claim { targets: vec![one.into(), two.into()], ..claim(holder, "") };
    assert!(place.granted(&both("a", "t", "u")).await);
    let reading = place.refusal(&both("b", "s", "u")).await;
    assert_eq!((reading.duplicate, reading.busy), (None, Some(("u".to_owned(), "a".to_owned()))));
    assert!(place.granted(&claim("c", "s")).await, "what was refused holds nothing");
    place.release(&both("a", "t", "u")).await;
    assert!(place.granted(&claim("b", "u")).await);
}

pub async fn a_cooldown_counts_for_its_rule_and_target(place: &Place) {
    let cooling = |holder, target| Claim { cooldown: HOUR, ..claim(holder, target) };
    let first = cooling("a", "t");
    assert!(place.granted(&first).await);
    place.release(&first).await;
    let reading = place.refusal(&cooling("b", "t")).await;
    assert!(place.within(reading.cooling_until, HOUR), "{reading:?}");
    // The cooldown that stands is the first one's, whatever the second asks for.
    let reading = place.refusal(&claim("b", "t")).await;
    assert!(place.within(reading.cooling_until, HOUR), "{reading:?}");
    assert!(place.granted(&cooling("c", "u")).await, "another target");
    assert!(place.granted(&Claim { rule: "other".to_owned(), ..cooling("d", "t") }).await, "another rule");

    let short = Claim { cooldown: MOMENT, ..claim("e", "s") };
    assert!(place.granted(&short).await);
    place.release(&short).await;
    place.until("the cooldown ends", async || place.granted(&cooling("f", "s")).await).await;
}

pub async fn a_target_has_its_own_rate(place: &Place) {
    let twice = |holder, target| Claim { per_target_max: 2, ..claim(holder, target) };
    for holder in ["a", "b"] {
        assert!(place.granted(&twice(holder, "t")).await);
        place.release(&twice(holder, "t")).await;
    }
    let both = Claim { targets: vec!["u".to_owned(), "t".to_owned()], ..twice("c", "") };
    let reading = place.refusal(&both).await;
    let (target, until) = reading.target_full.unwrap();
    assert_eq!((target.as_str(), reading.all_full_until), ("t", None));
    assert!(place.within(Some(until), HOUR), "{until}");
    assert!(place.granted(&twice("c", "u")).await);
    // A shorter window forgets sooner.
    let short = Claim { rate_window: MOMENT, ..twice("d", "t") };
    place.until("the window passes", async || place.look(&short).await.target_full.is_none()).await;
    assert!(place.granted(&short).await);
    let never = Claim { per_target_max: 0, ..claim("e", "never") };
    assert!(place.refusal(&never).await.target_full.is_some());
}

pub async fn all_targets_together_have_a_rate(place: &Place) {
    let three = |holder, target| Claim { in_all_max: 3, ..claim(holder, target) };
    for (holder, target) in [("a", "t"), ("b", "u"), ("c", "v")] {
        assert!(place.granted(&three(holder, target)).await);
        place.release(&three(holder, target)).await;
    }
    let reading = place.refusal(&three("d", "w")).await;
    assert!(place.within(reading.all_full_until, HOUR), "{reading:?}");
    assert_eq!(reading.target_full, None);
    let short = Claim { rate_window: MOMENT, ..three("d", "w") };
    place.until("the window passes", async || place.granted(&short).await).await;
}

pub async fn a_claim_with_a_window_of_nothing_is_not_counted(place: &Place) {
    let uncounted =
        |holder| Claim { rate_window: Duration::ZERO, per_target_max: u32::MAX, ..claim(holder, "t") };
    let once = |holder| Claim { per_target_max: 1, in_all_max: 1, ..claim(holder, "t") };
    for holder in ["a", "b"] {
        assert!(place.granted(&uncounted(holder)).await);
        assert!(place.refusal(&once("c")).await.busy.is_some(), "it has the target all the same");
        place.release(&uncounted(holder)).await;
    }
    assert!(place.granted(&once("c")).await);
    place.release(&once("c")).await;
    assert!(place.granted(&uncounted("d")).await, "nor does any rate stand in its way");
}

pub async fn so_many_run_at_once_and_no_more(place: &Place) {
    let two = |holder, target| Claim { concurrent_max: 2, ..claim(holder, target) };
    assert!(place.granted(&two("a", "t")).await);
    assert!(place.granted(&two("b", "u")).await);
    let reading = place.refusal(&two("c", "v")).await;
    assert_eq!(reading, LedgerReading { running: 2, ..LedgerReading::default() });
    assert!(place.granted(&two("a", "t")).await, "one that runs needs no second place");
    place.release(&two("b", "u")).await;
    assert!(place.granted(&two("c", "v")).await);
    assert!(!place.granted(&Claim { concurrent_max: 0, ..claim("d", "w") }).await);
}

pub async fn a_refused_claim_leaves_nothing_behind(place: &Place) {
    assert!(place.granted(&claim("a", "t")).await);
    let greedy = Claim { targets: vec!["u".to_owned(), "t".to_owned()], cooldown: HOUR, ..claim("b", "") };
    for _ in 0..3 {
        place.refusal(&greedy).await;
    }
    let strict = Claim { per_target_max: 1, in_all_max: 2, concurrent_max: 2, ..claim("c", "u") };
    assert!(place.granted(&strict).await);
}

pub async fn a_lease_ends_and_can_be_renewed(place: &Place) {
    let short = |holder| Claim {
        lease: MOMENT,
        concurrent_max: 1,
        duplicate_key: "same".into(),
        ..claim(holder, "t")
    };
    assert!(place.granted(&short("a")).await);
    place.until("the lease ends", async || place.granted(&short("b")).await).await;

    let long = |claim: Claim| Claim { lease: HOUR, ..claim };
    place.until("the lease ends", async || place.granted(&short("c")).await).await;
    place.ledger.renew(&long(short("c")), place.now()).await.unwrap();
    let elsewhere = Claim { lease: MOMENT, ..claim("d", "elsewhere") };
    assert!(place.granted(&elsewhere).await);
    place.until("a moment passes", async || place.look(&claim("x", "elsewhere")).await.busy.is_none()).await;
    let reading = place.refusal(&short("e")).await;
    assert_eq!((reading.duplicate.as_deref(), reading.running), (Some("c"), 1));
    assert_eq!(reading.busy, Some(("t".to_owned(), "c".to_owned())));
}

pub async fn a_lost_lease_cannot_be_renewed(place: &Place) {
    let short = Claim { lease: MOMENT, ..claim("a", "t") };
    assert!(place.granted(&short).await);
    place.until("the lease ends", async || place.look(&claim("x", "t")).await.busy.is_none()).await;
    place.ledger.renew(&short, place.now()).await.unwrap();
    place.until("somebody else takes it", async || place.granted(&claim("b", "t")).await).await;
    let fault = place.ledger.renew(&short, place.now()).await.unwrap_err().to_string();
    assert!(fault.contains('b') && fault.contains('t'), "{fault}");
    assert_eq!(place.look(&claim("x", "t")).await.busy, Some(("t".to_owned(), "b".to_owned())));
    // Giving back what it lost takes nothing from the other.
    place.release(&short).await;
    assert_eq!(place.look(&claim("x", "t")).await.busy, Some(("t".to_owned(), "b".to_owned())));
}

pub async fn what_was_released_cannot_be_renewed(place: &Place) {
    let first = claim("a", "t");
    assert!(place.granted(&first).await);
    place.release(&first).await;
    assert!(place.ledger.renew(&first, place.now()).await.is_err());
    assert_eq!(place.look(&claim("b", "t")).await, LedgerReading::default());
}

pub async fn releasing_twice_is_releasing_once(place: &Place) {
    let (first, second) = (claim("a", "t"), claim("b", "t"));
    assert!(place.granted(&first).await);
    place.release(&first).await;
    assert!(place.granted(&second).await);
    place.release(&first).await;
    let reading = place.refusal(&claim("c", "t")).await;
    assert_eq!((reading.busy, reading.running), (Some(("t".to_owned(), "b".to_owned())), 1));
}

pub async fn looking_counts_nothing(place: &Place) {
    let strict = |holder| Claim { cooldown: HOUR, per_target_max: 1, in_all_max: 1, ..claim(holder, "t") };
    for _ in 0..5 {
        assert_eq!(place.look(&strict("a")).await, LedgerReading::default());
    }
    assert!(place.granted(&strict("a")).await);
    let seen = place.look(&strict("b")).await;
    assert!(seen.busy.is_some() && seen.target_full.is_some() && seen.all_full_until.is_some(), "{seen:?}");
    assert!(place.within(seen.cooling_until, HOUR), "{seen:?}");
}

pub async fn names_do_not_run_together(place: &Place) {
    let cooling =
        |rule: &str, target| Claim { cooldown: HOUR, rule: rule.to_owned(), ..claim(target, target) };
    assert!(place.granted(&cooling("a:b", "c{d}\n:e")).await);
    assert!(place.granted(&cooling("a", "b:c{d}\n:e")).await);
    assert!(place.granted(&claim("running", "running")).await);
    assert_eq!(place.look(&claim("x", "y")).await.running, 3);
}

pub async fn no_more_are_granted_than_may_be_when_all_ask_at_once(place: &Place) {
    let limits: [fn(usize) -> Claim; 4] = [
        |n| Claim { concurrent_max: 7, ..claim(&format!("a{n}"), &format!("a{n}")) },
        |n| Claim { in_all_max: 12, ..claim(&format!("b{n}"), &format!("b{n}")) },
        |n| Claim { duplicate_key: "same".to_owned(), ..claim(&format!("c{n}"), &format!("c{n}")) },
        |n| claim(&format!("d{n}"), "one"),
    ];
    // The seven of the first line count for the second.
    for (limit, expected) in limits.into_iter().zip([7, 5, 1, 1]) {
        let claims: Vec<Claim> = (0..50).map(limit).collect();
        let ask = claims.iter().map(|claim| place.ledger.reserve(claim, place.now()));
        let answers = futures::future::join_all(ask).await;
        let granted = answers.into_iter().filter(|answer| answer.as_ref().unwrap().granted).count();
        assert_eq!(granted, expected, "{:?}", claims[0]);
        for claim in &claims {
            place.release(claim).await;
        }
    }
}

pub async fn a_clock_that_is_set_back_frees_nothing(place: &Place) {
    a_clock_that_is_set_frees_nothing(place, -24).await;
}

pub async fn a_clock_that_is_set_forward_frees_nothing(place: &Place) {
    a_clock_that_is_set_frees_nothing(place, 24).await;
}

async fn a_clock_that_is_set_frees_nothing(place: &Place, hours: i64) {
    let first = Claim { cooldown: HOUR, per_target_max: 1, in_all_max: 1, ..claim("a", "t") };
    assert!(place.granted(&first).await);
    place.set(SignedDuration::from_hours(hours));
    let second = Claim { holder: "b".to_owned(), ..first.clone() };
    let reading = place.refusal(&second).await;
    assert!(reading.duplicate.is_some() && reading.busy.is_some());
    // Nor does anything last longer for it than it was to.
    let waits = [reading.cooling_until, reading.target_full.map(|(_, until)| until), reading.all_full_until];
    assert!(waits.into_iter().all(|until| place.within(until, HOUR)), "{waits:?}");
    let short = Claim { lease: MOMENT, ..claim("c", "u") };
    assert!(place.granted(&short).await);
    place.until("the lease ends", async || place.granted(&claim("d", "u")).await).await;
}

pub async fn it_can_be_checked(place: &Place) {
    place.ledger.check().await.unwrap();
    let claim = claim("a", "t");
    place.ledger.restore(&claim, place.now(), true).await.unwrap();
}
