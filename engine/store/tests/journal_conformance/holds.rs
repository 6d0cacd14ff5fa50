//! Who looks at what: taking, holding, giving back, and that nothing is written in an earlier epoch.
//!
//! A journal with a clock of its own goes by that, so the cases let holds end by giving them back.

use std::collections::HashSet;
use std::time::Duration;

use selfheal_core::issue::{Event, IssueId};
use selfheal_runtime::ports::journal::{Sighted, Sighting, Tenure, Write};
use selfheal_runtime::ports::{Journal, JournalFaultKind};

use super::sample::{
    alert, at, finished, issue, opened, receipt, record, remediation, remediation_id, resolved, see,
    sighting, step,
};

const LONG: Duration = Duration::from_secs(600);

async fn hold_until(journal: &dyn Journal, issue: IssueId, wake: i64) {
    let (event, wake_at, why) = (Event::Hold, Some(at(wake)), String::new());
    let write = Write::Move { issue, event, wake_at, outcome: None, why, at: at(5) };
    journal.commit(vec![write]).await.unwrap();
}

async fn taken(journal: &dyn Journal, now: i64, most: usize) -> Vec<(i64, i64)> {
    let taken = journal.take(at(now), most, Vec::new()).await.unwrap();
    taken.into_iter().map(|(_, tenure)| (tenure.issue.0, tenure.epoch)).collect()
}

async fn give_back(journal: &dyn Journal, tenure: Tenure, now: i64) {
    assert_eq!(journal.keep(vec![tenure], at(now), Duration::ZERO).await.unwrap(), [tenure]);
}

pub async fn what_the_caller_holds_is_not_taken_whatever_the_clock_says(journal: &dyn Journal) {
    let [first, second] = [opened(journal, "a").await, opened(journal, "b").await];
    journal.commit(vec![step(first, Event::Begin)]).await.unwrap();
    hold_until(journal, second, 10).await;
    assert_eq!(taken(journal, 20, 9).await.len(), 2);
    let taken = journal.take(at(90_000), 9, vec![first, second]).await.unwrap();
    assert!(taken.is_empty(), "{taken:?}");
}

pub async fn what_is_due_is_taken_soonest_first_and_once(journal: &dyn Journal) {
    for (name, wake) in [("a", 50), ("b", 20), ("c", 20), ("d", 90), ("e", 10)] {
        let id = opened(journal, name).await;
        hold_until(journal, id, wake).await;
    }
    // Neither a closed issue nor one without a time is waited for.
    let (closed, rested) = (opened(journal, "closed").await, opened(journal, "rested").await);
    resolved(journal, "closed").await;
    journal.commit(vec![step(closed, Event::Close), step(rested, Event::Rest)]).await.unwrap();

    assert_eq!((journal.due(at(60), 100).await.unwrap(), journal.due(at(60), 3).await.unwrap()), (4, 3));
    assert_eq!(journal.next_look(at(0)).await.unwrap(), Some(at(10)));
    assert_eq!(taken(journal, 9, 10).await, []);
    let first = journal.take(at(60), 2, Vec::new()).await.unwrap();
    assert_eq!(first[0].0, issue(journal, IssueId(5)).await, "with the issue as it is");
    let ids: Vec<i64> = first.iter().map(|(_, tenure)| tenure.issue.0).collect();
    assert_eq!(ids, [5, 2]);
    assert_eq!(taken(journal, 60, 10).await, [(3, 1), (1, 1)], "in the order of their time");
    assert_eq!(taken(journal, 60, 10).await, [], "all are held");
    assert_eq!(
        (journal.due(at(60), 9).await.unwrap(), journal.next_look(at(60)).await.unwrap()),
        (0, Some(at(90)))
    );
    give_back(journal, first[0].1, 61).await;
    let renewed = journal.keep(vec![first[0].1, first[1].1], at(61), LONG).await.unwrap();
    assert_eq!(renewed, [first[1].1], "what was given back is not renewed");
    assert_eq!(taken(journal, 62, 10).await, [(5, 2)], "in the next epoch");
}

pub async fn what_is_under_remediation_is_taken_without_a_time(journal: &dyn Journal) {
    let id = opened(journal, "a").await;
    let begun = remediation(remediation_id(id, 1), 10);
    journal.commit(vec![step(id, Event::Begin), Write::Begin(Box::new(begun))]).await.unwrap();
    assert_eq!(issue(journal, id).await.wake_at, None);
    let later = opened(journal, "b").await;
    assert_eq!(taken(journal, 60, 1).await, [(id.0, 1)], "before what is due");
    assert_eq!(taken(journal, 60, 9).await, [(later.0, 1)]);
}

pub async fn a_new_issue_is_taken_by_whoever_opens_it(journal: &dyn Journal) {
    let first = journal.receive(receipt(1)).await.unwrap();
    let take_at = Some(at(1));
    let sightings =
        vec![Sighting { take_at, ..sighting(alert("a", 0, None), 1) }, sighting(alert("b", 0, None), 1)];
    journal.expand(sightings.into(), vec![finished(first, 2)]).await.unwrap();
    assert_eq!(taken(journal, 2, 9).await, [(2, 1)]);
    let tenure = Tenure::first(IssueId(1));
    let hold = Write::Hold { tenure, at: at(2), lease: LONG };
    journal.commit(vec![hold, step(IssueId(1), Event::Rest)]).await.unwrap();
}

pub async fn nothing_is_written_in_an_earlier_epoch(journal: &dyn Journal) {
    let id = opened(journal, "a").await;
    let [(_, first)] = <[_; 1]>::try_from(journal.take(at(1), 9, Vec::new()).await.unwrap()).unwrap();
    give_back(journal, first, 2).await;
    let [(_, second)] = <[_; 1]>::try_from(journal.take(at(3), 9, Vec::new()).await.unwrap()).unwrap();
    assert_eq!((first.epoch, second.epoch), (1, 2));
    let note = || Write::Record(record(Some(id), "decided", serde_json::Value::Null));
    let held = |tenure| vec![Write::Hold { tenure, at: at(4), lease: LONG }, note(), step(id, Event::Begin)];
    // Neighbours that are committed at the same moment are not touched by it.
    let (stale, fresh) = tokio::join!(journal.commit(held(first)), journal.commit(held(second)));
    assert_eq!(stale.unwrap_err().kind, JournalFaultKind::Fenced);
    fresh.unwrap();
    assert_eq!(journal.story(id).await.unwrap().unwrap().records.len(), 1);
    assert_eq!(journal.keep(vec![first, second], at(5), LONG).await.unwrap(), [second]);
    assert_eq!(taken(journal, 6, 9).await, [], "it is held");
    let give_back = Write::Hold { tenure: second, at: at(7), lease: Duration::ZERO };
    journal.commit(vec![give_back, note()]).await.unwrap();
    assert_eq!(taken(journal, 8, 9).await, [(id.0, 3)]);
}

pub async fn one_is_taken_whatever_its_time(journal: &dyn Journal) {
    let id = opened(journal, "a").await;
    resolved(journal, "a").await;
    journal.commit(vec![step(id, Event::Close)]).await.unwrap();
    let tenure = journal.take_one(id, at(9)).await.unwrap().unwrap();
    assert_eq!(tenure, Tenure { issue: id, epoch: 1 });
    assert_eq!(journal.take_one(id, at(9)).await.unwrap(), None, "somebody holds it");
    give_back(journal, tenure, 10).await;
    assert_eq!(journal.take_one(id, at(11)).await.unwrap(), Some(Tenure { issue: id, epoch: 2 }));
    assert_eq!(journal.take_one(IssueId(9), at(11)).await.unwrap(), None);
}

/// Each line is what happens during a look that ends with a wait until 900, and when the issue is looked at then.
pub async fn what_was_called_for_during_a_look_is_looked_at_again(journal: &dyn Journal) {
    for (name, wake, resolve, expected) in [
        ("a", None, false, 900),
        ("b", Some(40), false, 50),
        ("c", None, true, 50),
        ("d", Some(9999), false, 50),
    ] {
        let id = opened(journal, name).await;
        let [(_, tenure)] = <[_; 1]>::try_from(journal.take(at(30), 9, Vec::new()).await.unwrap()).unwrap();
        if let Some(at_second) = wake {
            journal.commit(vec![Write::Wake { issue: id, at: at(at_second) }]).await.unwrap();
        }
        if resolve {
            resolved(journal, name).await;
        }
        let end = Write::Move {
            issue: id,
            event: Event::Hold,
            wake_at: Some(at(900)),
            outcome: None,
            why: String::new(),
            at: at(50),
        };
        let give_back = Write::Hold { tenure, at: at(50), lease: Duration::ZERO };
        journal.commit(vec![give_back, end]).await.unwrap();
        assert_eq!(issue(journal, id).await.wake_at, Some(at(expected)), "{name}");
        // So that the next line has its issue alone.
        let tenure = journal.take_one(id, at(51)).await.unwrap().unwrap();
        journal.keep(vec![tenure], at(51), LONG).await.unwrap();
    }
}

/// It opens, is taken for a look, and is resolved before anybody has looked: all in one batch.
pub async fn what_is_resolved_with_its_opening_is_looked_at_again(journal: &dyn Journal) {
    let opening = Sighting { take_at: Some(at(30)), ..sighting(alert("a", 0, None), 30) };
    let batch = vec![opening, sighting(alert("a", 0, Some(20)), 31)];
    let seen = journal.expand(batch.into(), Vec::new()).await.unwrap();
    let [Sighted::Opened(id), Sighted::Resolved(_)] = seen[..] else { panic!("{seen:?}") };
    let (tenure, end) = (Tenure::first(id), Event::Hold);
    let wake_at = Some(at(900));
    let give_back = Write::Hold { tenure, at: at(50), lease: Duration::ZERO };
    let hold = Write::Move { issue: id, event: end, wake_at, outcome: None, why: String::new(), at: at(50) };
    journal.commit(vec![give_back, hold]).await.unwrap();
    assert_eq!(issue(journal, id).await.wake_at, Some(at(50)));
}

pub async fn a_call_never_puts_a_look_off(journal: &dyn Journal) {
    let id = opened(journal, "a").await;
    for (call, expected) in [(70, 1), (0, 0)] {
        journal.commit(vec![Write::Wake { issue: id, at: at(call) }]).await.unwrap();
        assert_eq!(issue(journal, id).await.wake_at, Some(at(expected)));
    }
    journal.commit(vec![Write::Wake { issue: IssueId(99), at: at(1) }]).await.unwrap();
    resolved(journal, "a").await;
    journal.commit(vec![step(id, Event::Close), Write::Wake { issue: id, at: at(1) }]).await.unwrap();
    assert_eq!(issue(journal, id).await.wake_at, None, "it is closed");
}

pub async fn everything_is_free_for_the_only_process(journal: &dyn Journal) {
    opened(journal, "a").await;
    let received = journal.receive(receipt(3)).await.unwrap();
    assert_eq!(journal.take_receipts(at(4), 9).await.unwrap(), [], "whoever received it has it");
    assert_eq!(taken(journal, 4, 9).await, [(1, 1)]);
    assert!(journal.lease("outbox", "one", at(4), LONG).await.unwrap());
    journal.free().await.unwrap();
    assert_eq!(taken(journal, 4, 9).await, [(1, 2)]);
    let receipts = journal.take_receipts(at(4), 9).await.unwrap();
    assert_eq!(receipts.iter().map(|receipt| receipt.id).collect::<Vec<_>>(), [received]);
    assert_eq!(journal.take_receipts(at(4), 9).await.unwrap(), []);
    assert!(journal.lease("outbox", "two", at(4), LONG).await.unwrap());
}

pub async fn a_lease_is_had_by_one_holder(journal: &dyn Journal) {
    let lease = async |name: &str, holder: &str, lease: Duration| {
        journal.lease(name, holder, at(1), lease).await.unwrap()
    };
    assert!(lease("outbox", "one", LONG).await);
    assert!(!lease("outbox", "two", LONG).await);
    assert!(lease("retention", "two", LONG).await, "another name");
    assert!(lease("outbox", "one", Duration::ZERO).await, "given back");
    assert!(lease("outbox", "two", LONG).await);
    assert!(!lease("outbox", "one", LONG).await);
}

/// Ten at a time share a hundred issues among themselves, and nothing is taken twice.
pub async fn many_take_without_coming_across_each_other(journal: &dyn Journal) {
    let first = journal.receive(receipt(1)).await.unwrap();
    let sightings: Vec<_> =
        (0..100).map(|number| sighting(alert(&format!("a{number}"), 0, None), 1)).collect();
    journal.expand(sightings.into(), vec![finished(first, 100)]).await.unwrap();
    let taking = async {
        let mut mine = Vec::new();
        loop {
            let taken = journal.take(at(9), 7, Vec::new()).await.unwrap();
            if taken.is_empty() {
                return mine;
            }
            mine.extend(taken.into_iter().map(|(_, tenure)| tenure));
        }
    };
    let (a, b, c) = tokio::join!(taking, in_small_bites(journal), async {
        journal.take(at(9), 7, Vec::new()).await.unwrap()
    });
    let all: Vec<Tenure> = a.into_iter().chain(b).chain(c.into_iter().map(|(_, tenure)| tenure)).collect();
    let distinct: HashSet<Tenure> = all.iter().copied().collect();
    assert_eq!((all.len(), distinct.len()), (100, 100));
}

/// Takes in small bites, as a third process would.
async fn in_small_bites(journal: &dyn Journal) -> Vec<Tenure> {
    let mut mine = Vec::new();
    for _ in 0..20 {
        mine.extend(journal.take(at(9), 3, Vec::new()).await.unwrap().into_iter().map(|(_, tenure)| tenure));
    }
    mine
}

/// Two processes that hear of the same alerts at the same time open one issue for each.
pub async fn alerts_that_come_twice_at_once_open_one_issue(journal: &dyn Journal) {
    journal.receive(receipt(1)).await.unwrap();
    let sightings = |order: fn(&mut Vec<Sighting>)| {
        let mut sightings: Vec<_> =
            (0..50).map(|number| sighting(alert(&format!("a{number}"), 0, None), 1)).collect();
        order(&mut sightings);
        sightings
    };
    let (one, two) = tokio::join!(
        journal.expand(sightings(|_| {}).into(), Vec::new()),
        journal.expand(sightings(|sightings| sightings.reverse()).into(), Vec::new())
    );
    assert_eq!((one.unwrap().len(), two.unwrap().len()), (50, 50));
    assert_eq!(journal.totals().await.unwrap().open_issues, 50);
    let again = see(journal, alert("a7", 0, None), 2).await;
    assert!(matches!(again, Sighted::Known(_)), "{again:?}");
}
