//! Issues on their way: movement, lists, the story.

use selfheal_core::health::Gravity;
use selfheal_core::issue::{Event, IssueId, Outcome, Phase};
use selfheal_core::remediation::IntentState;
use selfheal_core::rule::{Component, Priority};
use selfheal_runtime::ports::journal::{IssueFilter, Story, Write};
use selfheal_runtime::ports::{Course, Episode, Journal};
use serde_json::{Value, json};

use super::sample::{
    alert, approval, at, conflict, intent, issue, move_intent, opened, record, remediation, remediation_id,
    resolved, rest, step,
};

/// The events that lead from a new issue to each phase.
fn way_to(phase: Phase) -> &'static [Event] {
    match phase {
        Phase::Waiting => &[],
        Phase::AwaitingApproval => &[Event::Ask],
        Phase::Remediating => &[Event::Begin],
        Phase::Rested => &[Event::Rest],
        Phase::Closed => &[Event::Close],
    }
}

pub async fn every_event_goes_by_the_table(journal: &dyn Journal) {
    let events = [Event::Hold, Event::Ask, Event::Begin, Event::Rest, Event::Close];
    let phases = Phase::NAMES.iter().flat_map(|(name, phase)| [(name, *phase, false), (name, *phase, true)]);
    // Only what is resolved can be closed.
    for (name, phase, over) in phases.filter(|(_, phase, over)| phase.is_open() || *over) {
        for event in events {
            let alert = format!("{name} {event:?} {over}");
            let id = opened(journal, &alert).await;
            if over {
                resolved(journal, &alert).await;
            }
            let way = way_to(phase).iter().map(|event| step(id, *event)).collect();
            journal.commit(way).await.unwrap();
            let before = issue(journal, id).await;
            assert_eq!(before.phase, phase);
            let write = Write::Move {
                issue: id,
                event,
                wake_at: Some(at(77)),
                outcome: Some(Outcome::Skipped),
                why: "because".to_owned(),
                at: at(200),
            };
            let Some(to) = phase.next(event).filter(|to| over || to.is_open()) else {
                let what = conflict(journal, vec![write]).await;
                assert!(what.contains(name) && what.contains(&id.to_string()), "{what}");
                assert_eq!(issue(journal, id).await, before);
                continue;
            };
            journal.commit(vec![write]).await.unwrap();
            let now = issue(journal, id).await;
            assert_eq!((now.phase, now.why.as_str()), (to, "because"));
            assert_eq!((now.outcome, now.wake_at), (Some(Outcome::Skipped), Some(at(77))));
            assert_eq!(now.closed_at, (to == Phase::Closed).then(|| at(200)));
        }
    }
    let what = conflict(journal, vec![step(IssueId(9999), Event::Rest)]).await;
    assert!(what.contains("issue-9999"), "{what}");
}

pub async fn what_is_resolved_is_looked_at_until_it_is_closed(journal: &dyn Journal) {
    let id = opened(journal, "a").await;
    let wake_at = async || issue(journal, id).await.wake_at;
    journal.commit(vec![step(id, Event::Rest)]).await.unwrap();
    assert_eq!(wake_at().await, None);
    resolved(journal, "a").await;
    assert_eq!(wake_at().await, Some(at(6)), "when it was received");
    for event in [Event::Begin, Event::Rest, Event::Hold, Event::Ask] {
        journal.commit(vec![step(id, event)]).await.unwrap();
        assert_eq!(wake_at().await, Some(at(100)), "{event:?}");
    }
    assert_eq!(journal.next_look(at(7)).await.unwrap(), Some(at(100)));
    journal.commit(vec![step(id, Event::Close)]).await.unwrap();
    assert_eq!((wake_at().await, journal.next_look(at(7)).await.unwrap()), (None, None));
}

pub async fn a_conflict_changes_nothing_of_its_transaction(journal: &dyn Journal) {
    let (a, b) = (opened(journal, "a").await, opened(journal, "b").await);
    resolved(journal, "b").await;
    journal.commit(vec![step(b, Event::Close)]).await.unwrap();
    let before = (journal.story(a).await.unwrap(), journal.totals().await.unwrap());
    let first = remediation_id(a, 1);
    let conflicting = vec![
        Write::Record(record(Some(a), "decided", Value::Null)),
        step(a, Event::Begin),
        Write::Begin(Box::new(remediation(first, 10))),
        Write::Intend(Box::new(intent(first, "one"))),
        Write::Set { key: "switch".to_owned(), value: json!(false) },
        step(b, Event::Rest),
    ];
    // Neighbours that are committed at the same moment are not touched by it.
    let neighbours: Vec<Vec<Write>> = (0..20)
        .map(|number| vec![Write::Set { key: format!("key {number}"), value: json!(number) }])
        .collect();
    let all = neighbours.into_iter().map(|writes| journal.commit(writes));
    let (refused, neighbours) = tokio::join!(journal.commit(conflicting), join_all(all));
    assert!(refused.is_err());
    assert!(neighbours.into_iter().all(|result| result.is_ok()));
    assert_eq!((journal.story(a).await.unwrap(), journal.totals().await.unwrap()), before);
    assert_eq!(journal.setting("switch").await.unwrap(), None);
    assert_eq!(journal.setting("key 19").await.unwrap(), Some(json!(19)));
}

/// Polls all futures at the same time.
async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.map(Box::pin).collect();
    let mut outputs: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, output) in futures.iter_mut().zip(&mut outputs) {
            if output.is_none()
                && let std::task::Poll::Ready(ready) = future.as_mut().poll(context)
            {
                *output = Some(ready);
            }
        }
        if outputs.iter().all(Option::is_some) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    outputs.into_iter().flatten().collect()
}

pub async fn issues_are_listed_newest_first_and_by_filter(journal: &dyn Journal) {
    let mut ids = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        ids.push(opened(journal, name).await);
    }
    resolved(journal, "a").await;
    let (priority, component) = (Priority::Low, Component::Storage);
    journal
        .commit(vec![
            rest(ids[0], Outcome::Recovered),
            step(ids[0], Event::Close),
            rest(ids[1], Outcome::Recovered),
            step(ids[2], Event::Ask),
            Write::AssignRule { issue: ids[3], rule: "disk".to_owned(), priority, component },
        ])
        .await
        .unwrap();
    let any = || IssueFilter { limit: 100, ..IssueFilter::default() };
    let fingerprint = Some(alert("b", 0, None).fingerprint);
    let text = |text: &str| IssueFilter { text: Some(text.to_owned()), ..any() };
    let cases: [(IssueFilter, &[i64]); 33] = [
        (any(), &[5, 4, 3, 2, 1]),
        (IssueFilter { limit: 2, ..any() }, &[5, 4]),
        (IssueFilter { before: Some(IssueId(3)), ..any() }, &[2, 1]),
        (IssueFilter { open: Some(true), ..any() }, &[5, 4, 3, 2]),
        (IssueFilter { open: Some(false), ..any() }, &[1]),
        (IssueFilter { phase: Some(Phase::AwaitingApproval), ..any() }, &[3]),
        (IssueFilter { phase: Some(Phase::Closed), ..any() }, &[1]),
        (IssueFilter { phase: Some(Phase::Closed), open: Some(true), ..any() }, &[]),
        (IssueFilter { outcome: Some(Outcome::Recovered), ..any() }, &[2, 1]),
        (IssueFilter { rule: Some("disk".to_owned()), ..any() }, &[4]),
        (IssueFilter { fingerprint, ..any() }, &[2]),
        (IssueFilter { fingerprint, before: Some(IssueId(2)), ..any() }, &[]),
        (IssueFilter { severity: Some("critical".to_owned()), ..any() }, &[5, 4, 3, 2, 1]),
        (IssueFilter { severity: Some("low".to_owned()), ..any() }, &[]),
        (IssueFilter { gravity: Some(Gravity::Critical), ..any() }, &[5, 4, 3, 2, 1]),
        (IssueFilter { gravity: Some(Gravity::Medium), ..any() }, &[]),
        (IssueFilter { among: vec![IssueId(4), IssueId(2), IssueId(9)], ..any() }, &[4, 2]),
        (IssueFilter { namespace: Some("shop".to_owned()), ..any() }, &[]),
        (IssueFilter { resource: Some("resource of c".to_owned()), ..any() }, &[3]),
        (IssueFilter { resource: Some("OF d".to_owned()), ..any() }, &[4]),
        (IssueFilter { resource: Some("resource".to_owned()), limit: 2, ..any() }, &[5, 4]),
        (IssueFilter { resource: Some("%".to_owned()), ..any() }, &[]),
        (IssueFilter { component: Some(Component::Storage), ..any() }, &[4]),
        (IssueFilter { since: Some(at(1)), ..any() }, &[5, 4, 3, 2, 1]),
        (IssueFilter { since: Some(at(2)), ..any() }, &[]),
        (IssueFilter { until: Some(at(1)), ..any() }, &[]),
        (IssueFilter { until: Some(at(2)), ..any() }, &[5, 4, 3, 2, 1]),
        (text("RESOURCE of d"), &[4]),
        (text("dis"), &[4]),
        (text("recovered"), &[2]),
        (text("it's"), &[5, 4, 3, 2, 1]),
        (text("%"), &[]),
        (IssueFilter { component: Some(Component::Database), limit: 1, ..text("_") }, &[]),
    ];
    for (filter, expected) in cases {
        let found = journal.issues(filter.clone()).await.unwrap();
        let found: Vec<i64> = found.iter().map(|issue| issue.id.0).collect();
        assert_eq!(found, expected, "{filter:?}");
    }
    assert_eq!(journal.issue(IssueId(6)).await.unwrap(), None);
    assert_eq!(journal.story(IssueId(6)).await.unwrap(), None);
}

pub async fn rule_and_level_are_replaced(journal: &dyn Journal) {
    let id = opened(journal, "a").await;
    let (priority, component) = (Priority::Medium, Component::Security);
    let rule = Write::AssignRule { issue: id, rule: "certificates".to_owned(), priority, component };
    journal.commit(vec![rule, Write::SetLevel { issue: id, level: 2, at: at(60) }]).await.unwrap();
    let now = issue(journal, id).await;
    assert_eq!(
        (now.rule.as_deref(), now.priority, now.component),
        (Some("certificates"), Some(priority), Some(component))
    );
    assert_eq!((now.level, now.level_since), (2, Some(at(60))));
    let absent = IssueId(99);
    conflict(journal, vec![Write::SetLevel { issue: absent, level: 1, at: at(1) }]).await;
    conflict(journal, vec![Write::AssignRule { issue: absent, rule: String::new(), priority, component }])
        .await;
}

pub async fn a_story_has_everything_in_order(journal: &dyn Journal) {
    let (id, other) = (opened(journal, "a").await, opened(journal, "b").await);
    let first = remediation_id(id, 1);
    let mut of_remediation = record(Some(id), "applied", json!({ "rows": 7, "a": [null, "ü"] }));
    of_remediation.remediation = Some(first);
    let records = [record(Some(id), "decided", Value::Null), of_remediation];
    let (begun, intents) = (remediation(first, 10), [intent(first, "one"), intent(first, "two")]);
    let asked = approval("abc", id);
    journal
        .commit(vec![
            Write::Ask(Box::new(asked.clone())),
            Write::Record(records[0].clone()),
            Write::Record(record(Some(other), "decided", Value::Null)),
            Write::Record(record(None, "switched", Value::Null)),
            step(id, Event::Begin),
            Write::Begin(Box::new(begun.clone())),
            Write::Intend(Box::new(intents[0].clone())),
            Write::Intend(Box::new(intents[1].clone())),
            Write::Record(records[1].clone()),
        ])
        .await
        .unwrap();
    let now = issue(journal, id).await;
    assert_eq!((now.remediations, now.trace.as_str()), (1, "0af7651916cd43dd8448eb211c80319c"));
    assert_eq!((now.received_at, now.resource.as_str()), (at(1), "resource of a"));
    let expected = Story {
        issue: now,
        records: records.to_vec(),
        remediations: vec![begun],
        intents: intents.to_vec(),
        approvals: vec![asked],
        forgotten: Vec::new(),
    };
    assert_eq!(journal.story(id).await.unwrap(), Some(expected));
}

pub async fn concurrent_commits_move_an_issue_once(journal: &dyn Journal) {
    let id = opened(journal, "a").await;
    let attempts = (0..50).map(|number| {
        let first = remediation(remediation_id(id, number + 1), 10);
        journal.commit(vec![step(id, Event::Begin), Write::Begin(Box::new(first))])
    });
    let results = join_all(attempts).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    assert_eq!(journal.story(id).await.unwrap().unwrap().remediations.len(), 1);
}

pub async fn episodes_tell_each_issue_with_its_remediations(journal: &dyn Journal) {
    let (old, a, b) = (opened(journal, "old").await, opened(journal, "a").await, opened(journal, "b").await);
    resolved(journal, "old").await;
    let first = intent(remediation_id(a, 1), "one");
    let applied = move_intent(first.id, IntentState::Executing, IntentState::Applied, 22, None);
    let (outcome, why) = (Outcome::Unwound, String::new());
    journal
        .commit(vec![
            rest(old, Outcome::Subsided),
            step(old, Event::Close),
            Write::Begin(Box::new(remediation(remediation_id(a, 1), 10))),
            Write::Intend(Box::new(first)),
            applied,
            Write::End { id: remediation_id(a, 1), outcome, why, at: at(30) },
            Write::Begin(Box::new(remediation(remediation_id(a, 2), 40))),
        ])
        .await
        .unwrap();
    let found = journal.episodes(at(101), 10).await.unwrap();
    assert_eq!(found.iter().map(|episode| episode.issue).collect::<Vec<_>>(), [b, a]);
    let course = |started, effect: Option<i64>, ended: Option<i64>, outcome| Course {
        rule: "connections".to_owned(),
        started_at: at(started),
        effect_at: effect.map(at),
        ended_at: ended.map(at),
        outcome,
    };
    let expected = Episode {
        issue: a,
        name: "a".to_owned(),
        severity: Some("critical".to_owned()),
        rule: Some("connections".to_owned()),
        priority: Some(Priority::Critical),
        component: Some(Component::Database),
        resource: "resource of a".to_owned(),
        starts_at: at(0),
        received_at: at(1),
        resolved_at: None,
        closed_at: None,
        outcome: None,
        courses: vec![course(10, Some(22), Some(30), Some(Outcome::Unwound)), course(40, None, None, None)],
    };
    assert_eq!(found[1], expected);
    assert!(found[0].courses.is_empty());
    let found = journal.episodes(at(100), 10).await.unwrap();
    let closed = found.last().unwrap();
    assert_eq!((closed.issue, closed.resolved_at, closed.closed_at), (old, Some(at(5)), Some(at(100))));
    assert_eq!(journal.episodes(at(0), 1).await.unwrap().len(), 1);
}
