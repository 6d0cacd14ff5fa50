//! Remediations, intents and what is counted.

use selfheal_core::issue::{Event, IssueId, Outcome};
use selfheal_core::remediation::{IntentState, RemediationId};
use selfheal_core::success::SuccessRecord;
use selfheal_runtime::ports::Journal;
use selfheal_runtime::ports::journal::{Horizons, Intent, Remediation, RemediationFilter, Totals, Write};

use super::sample::{
    at, conflict, hash, intent, issue, move_intent, opened, remediation, remediation_id, resolved, step,
};

fn end(issue: IssueId, ordinal: u32, outcome: Outcome, seconds: i64) -> Write {
    Write::End { id: remediation_id(issue, ordinal), outcome, why: format!("it {outcome}"), at: at(seconds) }
}

fn begin(issue: IssueId, ordinal: u32, seconds: i64) -> Write {
    Write::Begin(Box::new(remediation(remediation_id(issue, ordinal), seconds)))
}

pub async fn a_remediation_begins_once_and_ends_once(journal: &dyn Journal) {
    let id = opened(journal, "a").await;
    journal.commit(vec![begin(id, 1, 10)]).await.unwrap();
    conflict(journal, vec![begin(id, 1, 11)]).await;
    let what = conflict(journal, vec![begin(id, 2, 11)]).await;
    assert!(what.contains("running"), "{what}");
    journal.commit(vec![end(id, 1, Outcome::Unwound, 25)]).await.unwrap();
    for again in [end(id, 1, Outcome::Recovered, 26), end(id, 7, Outcome::Recovered, 26), begin(id, 1, 26)] {
        conflict(journal, vec![again]).await;
    }
    journal.commit(vec![begin(id, 2, 30)]).await.unwrap();
    let (first, intents) = journal.remediation(remediation_id(id, 1)).await.unwrap().unwrap();
    let expected = Remediation {
        ended_at: Some(at(25)),
        outcome: Some(Outcome::Unwound),
        why: "it unwound".to_owned(),
        ..remediation(remediation_id(id, 1), 10)
    };
    assert_eq!((first, intents.len()), (expected, 0));
    assert_eq!(issue(journal, id).await.remediations, 2);
    assert_eq!(journal.remediation(remediation_id(id, 3)).await.unwrap(), None);
}

pub async fn intents_go_by_the_table(journal: &dyn Journal) {
    use IntentState::{Applied, Executing, Undoing, Undone};
    let id = remediation_id(opened(journal, "a").await, 1);
    for (from_name, from) in IntentState::NAMES {
        for (to_name, to) in IntentState::NAMES {
            let name = format!("{from_name} to {to_name}");
            let mut begun = intent(id, &name);
            begun.state = *from;
            journal.commit(vec![Write::Intend(Box::new(begun))]).await.unwrap();
            let write = move_intent(hash(&name), *from, *to, 40, Some(90));
            if from.may_become(*to) {
                journal.commit(vec![write.clone()]).await.unwrap();
            }
            conflict(journal, vec![write]).await;
        }
    }
    conflict(journal, vec![Write::Intend(Box::new(intent(id, "done to undoing")))]).await;
    conflict(journal, vec![move_intent(hash("absent"), Executing, Applied, 1, None)]).await;

    let second = remediation_id(opened(journal, "b").await, 1);
    journal
        .commit(vec![
            Write::Begin(Box::new(remediation(second, 10))),
            Write::Intend(Box::new(intent(second, "one"))),
            move_intent(hash("one"), Executing, Applied, 50, Some(99)),
        ])
        .await
        .unwrap();
    let only = |intents: Vec<_>| <[_; 1]>::try_from(intents).unwrap().into_iter().next().unwrap();
    let mut expected = intent(second, "one");
    expected.state = Applied;
    expected.said = "applied".to_owned();
    (expected.applied_at, expected.changed_at, expected.revert_at) = (Some(at(50)), at(50), Some(at(99)));
    assert_eq!(only(journal.remediation(second).await.unwrap().unwrap().1), expected);
    journal.commit(vec![move_intent(hash("one"), Applied, Undoing, 60, None)]).await.unwrap();
    let now = only(journal.remediation(second).await.unwrap().unwrap().1);
    assert_eq!((now.applied_at, now.changed_at, now.revert_at), (Some(at(50)), at(60), None));
    let first = RemediationId { ordinal: 2, ..second };
    assert_eq!(journal.undone(vec![second, first]).await.unwrap(), []);
    journal.commit(vec![move_intent(hash("one"), Undoing, Undone, 61, None)]).await.unwrap();
    assert_eq!(journal.undone(vec![first, second]).await.unwrap(), [second]);
    assert_eq!(journal.undone(vec![]).await.unwrap(), []);
}

/// An effect at a target that helped and is to be undone at a time.
async fn helped(journal: &dyn Journal, id: RemediationId, name: &str, target: &str, revert: Option<i64>) {
    use IntentState::{Applied, Done, Executing};
    let intent = Intent { target: target.to_owned(), ..intent(id, name) };
    journal
        .commit(vec![
            Write::Intend(Box::new(intent)),
            move_intent(hash(name), Executing, Applied, 30, None),
            move_intent(hash(name), Applied, Done, 31, revert),
        ])
        .await
        .unwrap();
}

/// What is due at a time, and when the next one is.
async fn reverts(journal: &dyn Journal, now: i64, due: &[&str], next: Option<i64>) {
    let found: Vec<_> = journal.reverts_due(at(now)).await.unwrap().iter().map(|intent| intent.id).collect();
    assert_eq!(found, due.iter().copied().map(hash).collect::<Vec<_>>(), "due at {now}");
    assert_eq!(journal.next_revert().await.unwrap(), next.map(at), "at {now}");
}

pub async fn reverts_are_found_when_they_are_due(journal: &dyn Journal) {
    use IntentState::{Done, Undoing, Undone};
    let id = remediation_id(opened(journal, "a").await, 1);
    reverts(journal, 0, &[], None).await;
    for (name, revert) in [("late", Some(300)), ("soon", Some(100)), ("never", None), ("begun", Some(50))] {
        helped(journal, id, name, name, revert).await;
    }
    reverts(journal, 49, &[], Some(50)).await;
    journal.commit(vec![move_intent(hash("begun"), Done, Undoing, 51, Some(50))]).await.unwrap();
    reverts(journal, 99, &["begun"], Some(50)).await;
    journal.commit(vec![move_intent(hash("begun"), Undoing, Undone, 52, None)]).await.unwrap();
    for (now, due) in [(99, &[][..]), (100, &["soon"]), (400, &["soon", "late"])] {
        reverts(journal, now, due, Some(100)).await;
    }
    journal.commit(vec![move_intent(hash("soon"), Done, Undoing, 101, None)]).await.unwrap();
    reverts(journal, 400, &["late"], Some(300)).await;
}

pub async fn what_stands_on_another_is_reverted_first(journal: &dyn Journal) {
    use IntentState::{Done, Undoing, Undone};
    let (first, second) =
        (remediation_id(opened(journal, "a").await, 1), remediation_id(opened(journal, "b").await, 1));
    helped(journal, first, "below", "t", Some(100)).await;
    helped(journal, second, "above", "t", Some(200)).await;
    helped(journal, second, "forever", "t", None).await;
    helped(journal, first, "elsewhere", "u", Some(150)).await;
    let other = Intent { action: "pg.other".to_owned(), target: "t".to_owned(), ..intent(first, "other") };
    journal
        .commit(vec![
            Write::Intend(Box::new(other)),
            move_intent(hash("other"), IntentState::Executing, IntentState::Applied, 30, None),
            move_intent(hash("other"), IntentState::Applied, Done, 31, Some(120)),
        ])
        .await
        .unwrap();
    reverts(journal, 199, &["other", "elsewhere"], Some(120)).await;
    reverts(journal, 200, &["other", "elsewhere", "above"], Some(120)).await;
    journal.commit(vec![move_intent(hash("above"), Done, Undoing, 201, Some(200))]).await.unwrap();
    reverts(journal, 201, &["other", "elsewhere", "above"], Some(120)).await;
    journal.commit(vec![move_intent(hash("above"), Undoing, Undone, 202, None)]).await.unwrap();
    reverts(journal, 202, &["below", "other", "elsewhere"], Some(100)).await;
}

pub async fn a_change_is_reverted_however_long_the_name_of_its_target(journal: &dyn Journal) {
    use IntentState::{Done, Undoing, Undone};
    let id = remediation_id(opened(journal, "a").await, 1);
    // 64 KiB in which nothing repeats, so that no database makes them short.
    let long: String = (0..1024).map(|part| hash(&part.to_string()).to_string()).collect();
    helped(journal, id, "below", &long, Some(100)).await;
    helped(journal, id, "above", &long, Some(200)).await;
    helped(journal, id, "other", &format!("{long}."), Some(150)).await;
    reverts(journal, 200, &["other", "above"], Some(150)).await;
    journal.commit(vec![move_intent(hash("above"), Done, Undoing, 201, Some(200))]).await.unwrap();
    journal.commit(vec![move_intent(hash("above"), Undoing, Undone, 202, None)]).await.unwrap();
    reverts(journal, 202, &["below", "other"], Some(100)).await;
}

pub async fn remediations_are_listed_newest_first_and_by_filter(journal: &dyn Journal) {
    let (a, b) = (opened(journal, "a").await, opened(journal, "b").await);
    journal.commit(vec![begin(a, 1, 10), end(a, 1, Outcome::Kept, 12)]).await.unwrap();
    journal.commit(vec![begin(b, 1, 20), begin(a, 2, 30)]).await.unwrap();
    let any = || RemediationFilter { limit: 100, ..RemediationFilter::default() };
    let text = |text: &str| RemediationFilter { text: Some(text.to_owned()), ..any() };
    let cases: [(RemediationFilter, &[(i64, u32)]); 21] = [
        (any(), &[(1, 2), (2, 1), (1, 1)]),
        (RemediationFilter { limit: 1, ..any() }, &[(1, 2)]),
        (RemediationFilter { issue: Some(a), ..any() }, &[(1, 2), (1, 1)]),
        (RemediationFilter { running: Some(true), ..any() }, &[(1, 2), (2, 1)]),
        (RemediationFilter { running: Some(false), ..any() }, &[(1, 1)]),
        (RemediationFilter { since: Some(at(20)), ..any() }, &[(1, 2), (2, 1)]),
        (RemediationFilter { before: Some(remediation_id(a, 2)), ..any() }, &[(2, 1), (1, 1)]),
        (RemediationFilter { before: Some(remediation_id(b, 1)), issue: Some(b), ..any() }, &[]),
        (RemediationFilter { since: Some(at(31)), ..any() }, &[]),
        (RemediationFilter { until: Some(at(20)), ..any() }, &[(1, 1)]),
        (RemediationFilter { rule: Some("connections".to_owned()), limit: 1, ..any() }, &[(1, 2)]),
        (RemediationFilter { rule: Some("disk".to_owned()), ..any() }, &[]),
        (RemediationFilter { outcomes: vec![Outcome::Stuck, Outcome::Kept], ..any() }, &[(1, 1)]),
        (RemediationFilter { outcomes: vec![Outcome::Stuck], ..any() }, &[]),
        (RemediationFilter { resource: Some("resource of b".to_owned()), ..any() }, &[(2, 1)]),
        (RemediationFilter { resource: Some("OF b".to_owned()), ..any() }, &[(2, 1)]),
        (RemediationFilter { resource: Some("of c".to_owned()), ..any() }, &[]),
        (text("O'BRIEN"), &[(1, 2), (2, 1), (1, 1)]),
        (text("connections too many"), &[(1, 2), (2, 1)]),
        (text("resource OF b"), &[(2, 1)]),
        (text("100%"), &[]),
    ];
    for (filter, expected) in cases {
        let found = journal.remediations(filter.clone()).await.unwrap();
        let found: Vec<(i64, u32)> = found.iter().map(|found| (found.id.issue.0, found.id.ordinal)).collect();
        assert_eq!(found, expected, "{filter:?}");
    }
}

fn failure(rule: &str, resource: &str, seconds: i64) -> Write {
    Write::CountFailure { rule: rule.to_owned(), resource: resource.to_owned(), at: at(seconds) }
}

pub async fn failures_and_results_are_counted(journal: &dyn Journal) {
    let failures =
        [failure("r", "x", 10), failure("r", "x", 10), failure("r", "x", 20), failure("r", "y", 20)];
    journal.commit(failures.into()).await.unwrap();
    for (rule, resource, since, expected) in [
        ("r", "x", 0, 3),
        ("r", "x", 10, 3),
        ("r", "x", 11, 1),
        ("r", "x", 21, 0),
        ("r", "y", 0, 1),
        ("s", "x", 0, 0),
    ] {
        let found = journal.failures_since(rule, resource, at(since)).await.unwrap();
        assert_eq!(found, expected, "{rule} {resource} {since}");
    }
    let result = |rule: &str, success| Write::CountResult {
        rule: rule.to_owned(),
        action: "pg.cancel".to_owned(),
        success,
    };
    journal
        .commit(vec![result("r", true), result("r", false), result("s", true), result("r", true)])
        .await
        .unwrap();
    let key = |rule: &str| (rule.to_owned(), "pg.cancel".to_owned());
    let expected = [
        (key("r"), SuccessRecord { successes: 2, failures: 1 }),
        (key("s"), SuccessRecord { successes: 1, failures: 0 }),
    ];
    let mut found = journal.successes().await.unwrap();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(found, expected);
}

pub async fn failures_are_counted_however_long_the_name_of_a_resource(journal: &dyn Journal) {
    // 64 KiB in which nothing repeats, so that no database makes them short.
    let long: String = (0..1024).map(|part| hash(&part.to_string()).to_string()).collect();
    let resources = [
        format!("{long}1"),
        format!("{long}2"),
        long,
        // 512 bytes, one more, and a character that stands across the place where they end.
        "r".repeat(512),
        "r".repeat(513),
        "ü".repeat(300),
        format!("r{}", "ü".repeat(300)),
        "\0".repeat(600),
    ];
    for (tries, resource) in (1..).zip(&resources) {
        for second in 1..=tries {
            journal.commit(vec![failure("r", resource, second)]).await.unwrap();
        }
        journal.commit(vec![failure("r", resource, 1)]).await.unwrap();
    }
    for (tries, resource) in (1..).zip(&resources) {
        for (since, expected) in [(0, tries + 1), (2, tries - 1)] {
            let found = journal.failures_since("r", resource, at(since)).await.unwrap();
            assert_eq!(found, expected, "{tries}, of {} bytes, since {since}", resource.len());
        }
    }
    let horizons = Horizons { failures: at(1000), actions: at(0), events: at(0), now: at(1000) };
    while journal.forget(horizons, 10, None).await.unwrap() > 0 {}
    for resource in &resources {
        assert_eq!(journal.failures_since("r", resource, at(0)).await.unwrap(), 0);
    }
}

pub async fn totals_add_up(journal: &dyn Journal) {
    assert_eq!(journal.totals().await.unwrap(), Totals::default());
    let (a, b) = (opened(journal, "a").await, opened(journal, "b").await);
    journal.commit(vec![begin(a, 1, 10), end(a, 1, Outcome::Unwound, 12)]).await.unwrap();
    journal.commit(vec![begin(a, 2, 20), end(a, 2, Outcome::Recovered, 25)]).await.unwrap();
    // A clock that was set back makes no negative duration.
    journal.commit(vec![begin(b, 1, 40), end(b, 1, Outcome::Recovered, 30)]).await.unwrap();
    resolved(journal, "b").await;
    journal.commit(vec![begin(b, 2, 40), step(b, Event::Close)]).await.unwrap();
    let expected = Totals {
        issues: 2,
        open_issues: 1,
        remediations: [(Outcome::Unwound, 1), (Outcome::Recovered, 2)].into(),
        duration_seconds: 7.0,
    };
    assert_eq!(journal.totals().await.unwrap(), expected);
}
