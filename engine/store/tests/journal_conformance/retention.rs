//! What is over is forgotten by its kind, and nothing else.

use selfheal_core::issue::{Event, IssueId, Outcome};
use selfheal_core::remediation::IntentState;
use selfheal_runtime::ports::Journal;
use selfheal_runtime::ports::journal::{Horizons, Write};
use serde_json::{Value, json};

use super::sample::{
    alert, approval, at, hash, intent, issue, move_intent, opened, record, remediation, remediation_id,
    resolved, see, step,
};

/// An issue with one of everything; closed at 100, if so.
async fn treated(journal: &dyn Journal, name: &str, close: bool) -> IssueId {
    let id = opened(journal, name).await;
    let first = remediation_id(id, 1);
    journal
        .commit(vec![
            Write::Record(record(Some(id), "decided", Value::Null)),
            Write::Ask(Box::new(approval(name, id))),
            step(id, Event::Begin),
            Write::Begin(Box::new(remediation(first, 10))),
            Write::Intend(Box::new(intent(first, name))),
            Write::End { id: first, outcome: Outcome::Recovered, why: String::new(), at: at(30) },
            step(id, Event::Rest),
        ])
        .await
        .unwrap();
    resolved(journal, name).await;
    if close {
        journal.commit(vec![step(id, Event::Close)]).await.unwrap();
    }
    id
}

async fn forget(journal: &dyn Journal, failures: i64, actions: i64, events: i64) -> usize {
    let horizons =
        Horizons { failures: at(failures), actions: at(actions), events: at(events), now: at(100_000) };
    let mut all = 0;
    loop {
        match journal.forget(horizons, 2, None).await.unwrap() {
            0 => return all,
            forgotten => all += forgotten,
        }
    }
}

pub async fn issues_with_a_change_to_be_taken_back_keep_no_others(journal: &dyn Journal) {
    let mut timed = Vec::new();
    for name in ["one", "two", "three"] {
        timed.push(treated(journal, name, true).await);
        let done = move_intent(hash(name), IntentState::Applied, IntentState::Done, 41, Some(9000));
        let applied = move_intent(hash(name), IntentState::Executing, IntentState::Applied, 40, None);
        journal.commit(vec![applied, done]).await.unwrap();
    }
    let over = treated(journal, "over", true).await;
    forget(journal, 1000, 1000, 1000).await;
    assert!(journal.issue(over).await.unwrap().is_none());
    for issue in timed {
        assert!(journal.remediation(remediation_id(issue, 1)).await.unwrap().is_some());
    }
}

pub async fn what_is_over_is_forgotten_by_its_kind(journal: &dyn Journal) {
    let (over, open) = (treated(journal, "over", true).await, treated(journal, "open", false).await);
    let timed = treated(journal, "timed", true).await;
    journal
        .commit(vec![
            move_intent(hash("timed"), IntentState::Executing, IntentState::Applied, 40, None),
            move_intent(hash("timed"), IntentState::Applied, IntentState::Done, 41, Some(9000)),
            Write::Set { key: "switch".to_owned(), value: json!(true) },
            Write::Set { key: format!("{over}/sink/ops"), value: json!(1) },
            Write::Set { key: format!("{over}0/sink/ops"), value: json!(2) },
            Write::Set { key: format!("{open}/sink/ops"), value: json!(3) },
            Write::Record(record(None, "switch", Value::Null)),
            Write::CountFailure { rule: "r".to_owned(), resource: "x".to_owned(), at: at(10) },
            Write::CountFailure { rule: "r".to_owned(), resource: "x".to_owned(), at: at(500) },
            Write::CountResult { rule: "r".to_owned(), action: "a.b".to_owned(), success: true },
        ])
        .await
        .unwrap();
    for number in 0..5 {
        see(journal, alert(&format!("never seen {number}"), 0, Some(5)), 50).await;
    }
    let before = (
        journal.story(open).await.unwrap(),
        journal.story(timed).await.unwrap(),
        journal.totals().await.unwrap(),
    );
    assert_eq!(forget(journal, 0, 0, 0).await, 0, "nothing is old enough");

    assert_eq!(forget(journal, 400, 0, 0).await, 1);
    assert_eq!(journal.failures_since("r", "x", at(0)).await.unwrap(), 1);

    let episodes = async || journal.episodes(at(0), 99).await.unwrap();
    let counted = episodes().await;
    assert_eq!(forget(journal, 400, 101, 0).await, 1);
    assert_eq!(episodes().await, counted, "statistics count what was forgotten");
    let story = journal.story(over).await.unwrap().unwrap();
    assert_eq!((story.remediations.len(), story.intents.len(), story.approvals.len()), (0, 0, 0));
    assert!(!story.records.is_empty(), "what happened is told for longer");
    let courses = counted.into_iter().find(|episode| episode.issue == over).unwrap().courses;
    assert_eq!((story.issue.remediations, &story.forgotten), (1, &courses));

    let all =
        journal.issues(selfheal_runtime::ports::journal::IssueFilter { limit: 99, ..Default::default() });
    let closed = all.await.unwrap().iter().filter(|issue| issue.closed_at.is_some()).count();
    // The closed ones but the one with a change to take back, and the fact that is about none.
    assert_eq!(forget(journal, 400, 101, 101).await, closed - 1 + 1);
    assert_eq!(journal.issue(over).await.unwrap(), None);
    assert_eq!(issue(journal, open).await.closed_at, None);
    let after = (
        journal.story(open).await.unwrap(),
        journal.story(timed).await.unwrap(),
        journal.totals().await.unwrap(),
    );
    assert_eq!(after, before, "what is open, what is to be taken back, and the totals stay");
    assert_eq!(journal.setting("switch").await.unwrap(), Some(json!(true)));
    let known = [format!("{over}/sink/ops"), format!("{over}0/sink/ops"), format!("{open}/sink/ops")];
    for (key, expected) in known.iter().zip([None, Some(json!(2)), Some(json!(3))]) {
        assert_eq!(journal.setting(key).await.unwrap(), expected, "{key}");
    }
    assert_eq!(journal.successes().await.unwrap().len(), 1);
}
