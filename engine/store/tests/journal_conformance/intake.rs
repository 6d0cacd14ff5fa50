//! Receipts and sightings.

use std::sync::Arc;

use selfheal_core::alert::{Alert, AlertStatus};
use selfheal_core::issue::{Event, IssueId, Outcome, Phase};
use selfheal_core::labels::Labels;
use selfheal_runtime::ports::journal::{
    IssueFilter, Notice, Opening, Progress, Receipt, ReceiptId, Sighted, Sighting,
};
use selfheal_runtime::ports::{ESCALATION, Journal, News};

use super::sample::{alert, at, finished, issue, news, opened, receipt, see, sighting, step};

pub async fn receipts_are_numbered_and_listed_until_they_are_expanded(journal: &dyn Journal) {
    for number in 1..=3 {
        assert_eq!(journal.receive(receipt(number)).await.unwrap(), ReceiptId(number));
    }
    let listed = |after: i64, most: usize| async move {
        let receipts = journal.unexpanded(ReceiptId(after), most).await.unwrap();
        receipts.into_iter().map(|receipt| (receipt.id.0, receipt.expanded)).collect::<Vec<_>>()
    };
    assert_eq!(listed(0, 10).await, [(1, 0), (2, 0), (3, 0)]);
    assert_eq!(listed(1, 1).await, [(2, 0)]);
    let partly = Progress { receipt: ReceiptId(2), expanded: 5, finished: false };
    journal.expand([].into(), vec![finished(ReceiptId(1), 1), partly]).await.unwrap();
    until(async || listed(0, 10).await == [(2, 5), (3, 0)]).await;
    let sent = receipt(2);
    let expected = Receipt {
        id: ReceiptId(2),
        received_at: sent.received_at,
        source: sent.source.to_owned(),
        trace: sent.trace,
        body: sent.body,
        expanded: 5,
    };
    assert_eq!(journal.unexpanded(ReceiptId(1), 1).await.unwrap(), [expected]);
    journal.expand([].into(), vec![finished(ReceiptId(2), 9), finished(ReceiptId(3), 1)]).await.unwrap();
    until(async || listed(0, 10).await.is_empty()).await;
    assert_eq!(journal.receive(receipt(4)).await.unwrap(), ReceiptId(4), "a number is never given twice");
}

/// How far receipts are expanded is noted after the expansion has been answered.
async fn until(holds: impl AsyncFn() -> bool) {
    let soon = async {
        while !holds().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), soon).await.expect("it is noted soon");
}

/// Each line is one alert: when it started, when it ended if it has, and what it is taken for.
pub async fn sightings_follow_the_table(journal: &dyn Journal) {
    let id = opened(journal, "a").await;
    assert_eq!(issue(journal, id).await.resolved_at, None);
    let cases = [
        (0, None, Sighted::Known(id)),
        (-5, None, Sighted::Stale),
        (-5, Some(-1), Sighted::Stale),
        (0, Some(20), Sighted::Resolved(id)),
        (0, Some(20), Sighted::Known(id)),
        (0, None, Sighted::Stale),
        (30, None, Sighted::Refired(id)),
        (30, None, Sighted::Known(id)),
        (0, Some(20), Sighted::Stale),
        (30, Some(40), Sighted::Resolved(id)),
    ];
    for (received, (starts, ends, expected)) in (50..).zip(cases) {
        assert_eq!(see(journal, alert("a", starts, ends), received).await, expected, "{starts} {ends:?}");
    }
    let now = issue(journal, id).await;
    assert_eq!((now.resolved_at, now.wake_at, now.phase), (Some(at(40)), Some(at(59)), Phase::Waiting));
    assert_eq!(now.alert, alert("a", 30, Some(40)));
    let told = journal.story(id).await.unwrap().unwrap().records;
    let told: Vec<&str> = told.iter().map(|record| record.kind.as_str()).collect();
    assert_eq!(told, ["resolved", "refired", "resolved"]);

    journal.commit(vec![step(id, Event::Close)]).await.unwrap();
    assert_eq!(see(journal, alert("a", 30, None), 70).await, Sighted::Stale, "of the closed episode");
    assert_eq!(see(journal, alert("a", 30, Some(40)), 71).await, Sighted::Stale);
    assert_eq!(see(journal, alert("a", 60, None), 72).await, Sighted::Opened(IssueId(2)));
    // Too late to be late: it fires again with the start of before, first before its issue is closed and then after.
    assert_eq!(see(journal, alert("a", 60, Some(80)), 81).await, Sighted::Resolved(IssueId(2)));
    assert_eq!(see(journal, alert("a", 60, None), 379).await, Sighted::Stale);
    assert_eq!(see(journal, alert("a", 60, None), 380).await, Sighted::Refired(IssueId(2)));
    assert_eq!(see(journal, alert("a", 60, Some(390)), 391).await, Sighted::Resolved(IssueId(2)));
    journal.commit(vec![step(IssueId(2), Event::Close)]).await.unwrap();
    assert_eq!(see(journal, alert("a", 60, None), 689).await, Sighted::Stale);
    assert_eq!(see(journal, alert("a", 60, None), 690).await, Sighted::Opened(IssueId(3)));
    let open = journal.open_fingerprints().await.unwrap();
    assert_eq!(open, [(alert("a", 0, None).fingerprint, IssueId(3), at(60))]);
}

pub async fn what_is_told_of_an_issue_that_opens_is_written_with_it(journal: &dyn Journal) {
    let telling = |name: &str, ends, told: &[&str]| {
        let mut sighting = sighting(alert(name, 0, ends), 1);
        let notice = |sink: &&str| {
            let news = Box::new(News { issue: None, ..news(name) });
            Notice { sink: (*sink).to_owned(), news, at: at(7) }
        };
        sighting.opening.told = told.iter().map(notice).collect();
        sighting
    };
    let batch: Arc<[Sighting]> = [
        telling("a", None, &["slack", "log", ESCALATION]),
        telling("b", Some(5), &["slack"]),
        telling("a", None, &["slack"]),
        telling("c", None, &["slack"]),
        telling("c", Some(5), &["slack"]),
    ]
    .into();
    let (a, c) = (journal.expand(Arc::clone(&batch), Vec::new()).await.unwrap(), IssueId(3));
    assert_eq!(a[0], Sighted::Opened(IssueId(1)));
    assert_eq!(a[3], Sighted::Opened(c));
    journal.expand(batch, Vec::new()).await.unwrap();
    for (sink, expected) in [
        ("slack", vec![("a", IssueId(1)), ("c", c)]),
        ("log", vec![("a", IssueId(1))]),
        (ESCALATION, vec![("a", IssueId(1))]),
    ] {
        let messages = journal.outbox(sink, at(7), 9).await.unwrap();
        let told = messages.iter().map(|message| {
            assert_eq!((message.next_at, message.tries), (at(7), 0));
            let whole = News { issue: message.news.issue, ..news(&message.news.title) };
            assert_eq!(message.news, whole);
            (message.news.title.as_str(), message.news.issue.unwrap())
        });
        assert_eq!(told.collect::<Vec<_>>(), expected, "{sink}");
        assert_eq!(journal.outbox(sink, at(6), 9).await.unwrap(), [], "it is not time yet");
    }
}

pub async fn expanding_again_changes_nothing(journal: &dyn Journal) {
    let first = journal.receive(receipt(1)).await.unwrap();
    let batch = vec![
        sighting(alert("a", 0, None), 1),
        sighting(alert("b", 0, None), 1),
        sighting(alert("a", 0, Some(5)), 1),
        sighting(alert("c", 0, Some(5)), 1),
    ];
    let partly = vec![Progress { receipt: first, expanded: 4, finished: false }];
    let (a, b) = (IssueId(1), IssueId(2));
    let answers = journal.expand(batch.clone().into(), partly.clone()).await.unwrap();
    assert_eq!(answers, [Sighted::Opened(a), Sighted::Opened(b), Sighted::Resolved(a), Sighted::Stale]);
    let all = IssueFilter { limit: 100, ..IssueFilter::default() };
    let before = (journal.issues(all.clone()).await.unwrap(), journal.story(a).await.unwrap());
    // The same call again; the call that a smaller batch would have made; and all of it after the receipt is done.
    let smaller = vec![Progress { receipt: first, expanded: 2, finished: false }];
    let done = vec![finished(first, 4)];
    for (sightings, progress) in [
        (batch.clone(), partly),
        (batch[..2].to_vec(), smaller),
        (Vec::new(), done.clone()),
        (batch.clone(), done.clone()),
        (batch, done),
    ] {
        let answers = journal.expand(sightings.into(), progress).await.unwrap();
        assert!(
            answers.iter().all(|answer| matches!(answer, Sighted::Known(_) | Sighted::Stale)),
            "{answers:?}"
        );
        let now = (journal.issues(all.clone()).await.unwrap(), journal.story(a).await.unwrap());
        assert_eq!(now, before);
    }
}

pub async fn an_alert_resolved_before_it_was_seen_is_closed_at_once(journal: &dyn Journal) {
    assert_eq!(see(journal, alert("a", 0, Some(20)), 30).await, Sighted::Stale);
    let now = issue(journal, IssueId(1)).await;
    assert_eq!((now.phase, now.outcome, now.wake_at), (Phase::Closed, Some(Outcome::Subsided), None));
    assert_eq!((now.resolved_at, now.closed_at), (Some(at(20)), Some(at(30))));
    assert!(!now.why.is_empty());
    assert_eq!(see(journal, alert("a", 0, Some(20)), 31).await, Sighted::Stale);
    let all = journal.issues(IssueFilter { limit: 10, ..IssueFilter::default() }).await.unwrap();
    assert_eq!(all.len(), 1);
}

pub async fn what_is_said_about_a_known_alert_is_kept_up_to_date(journal: &dyn Journal) {
    let id = opened(journal, "a").await;
    let other_words: Labels = [("summary", "worse")].into_iter().collect();
    let reworded = |alert: Alert| Alert { annotations: other_words.clone(), ..alert };
    // What is seen, and what the issue holds then.
    let cases = [
        (reworded(alert("a", 0, None)), reworded(alert("a", 0, None))),
        (alert("a", 3, None), alert("a", 3, None)),
        (alert("a", 3, Some(9)), alert("a", 3, Some(9))),
        (alert("a", 3, Some(8)), alert("a", 3, Some(8))),
        (reworded(alert("a", 2, Some(5))), alert("a", 3, Some(8))),
    ];
    for (received, (seen, expected)) in (10..).zip(cases) {
        see(journal, seen, received).await;
        let now = issue(journal, id).await;
        assert_eq!(now.resolved_at, expected.ends_at);
        assert_eq!(now.alert, expected);
    }
}

/// Alertmanager's API cuts to milliseconds what its webhook sends in nanoseconds: it is the same start.
pub async fn starts_are_told_apart_by_the_millisecond(journal: &dyn Journal) {
    let precise = |nanos: i32| {
        let starts_at = jiff::Timestamp::new(1_800_000_000, nanos).unwrap();
        Alert { starts_at, ..alert("a", 0, None) }
    };
    let id = opened_by(journal, precise(5_000_123)).await;
    for (nanos, expected) in [
        (5_000_123, Sighted::Known(id)),
        (5_000_000, Sighted::Known(id)),
        (5_999_999, Sighted::Known(id)),
        (4_999_999, Sighted::Stale),
    ] {
        assert_eq!(see(journal, precise(nanos), 2).await, expected, "{nanos}");
        assert_eq!(issue(journal, id).await.alert, precise(5_000_123), "the alert is kept as it came");
    }
    let over = Alert { ends_at: Some(at(9)), status: AlertStatus::Resolved, ..precise(5_000_123) };
    assert_eq!(see(journal, over, 10).await, Sighted::Resolved(id));
    journal.commit(vec![step(id, Event::Close)]).await.unwrap();
    assert_eq!(see(journal, precise(5_999_999), 4).await, Sighted::Stale);
    assert!(matches!(see(journal, precise(6_000_000), 5).await, Sighted::Opened(_)));
}

/// Of what the Prometheus servers of a pair say, Alertmanager keeps the earliest start: the end may come with an earlier
/// one than the alert that opened the issue.
pub async fn an_end_with_an_earlier_start_ends_the_issue(journal: &dyn Journal) {
    let a = match see(journal, alert("a", 10, None), 11).await {
        Sighted::Opened(id) => id,
        other => panic!("{other:?}"),
    };
    let cases = [
        (0, None, Sighted::Stale),
        (0, Some(10), Sighted::Stale),
        (0, Some(20), Sighted::Resolved(a)),
        // The start that was seen stays known: what is late does not fire again, and nothing is said twice.
        (10, None, Sighted::Stale),
        (0, None, Sighted::Stale),
        (0, Some(20), Sighted::Known(a)),
    ];
    for (received, (starts, ends, expected)) in (21..).zip(cases) {
        assert_eq!(see(journal, alert("a", starts, ends), received).await, expected, "{starts} {ends:?}");
    }
    let now = issue(journal, a).await;
    assert_eq!((now.resolved_at, now.wake_at), (Some(at(20)), Some(at(23))));
    assert_eq!(now.alert, alert("a", 10, Some(20)));
    // Too late to be late, and with the start of the other server.
    assert_eq!(see(journal, alert("a", 0, None), 319).await, Sighted::Stale);
    assert_eq!(see(journal, alert("a", 0, None), 320).await, Sighted::Refired(a));
    assert_eq!(see(journal, alert("a", 10, None), 321).await, Sighted::Known(a));
    assert_eq!(issue(journal, a).await.alert, alert("a", 10, None));

    // All of it in one transaction.
    let first = journal.receive(receipt(1)).await.unwrap();
    let batch = [(10, None, 11), (0, None, 12), (0, Some(20), 21), (10, None, 22), (0, Some(20), 23)];
    let batch: Vec<Sighting> =
        batch.into_iter().map(|(starts, ends, at)| sighting(alert("b", starts, ends), at)).collect();
    let b = IssueId(a.0 + 1);
    let known = [Sighted::Stale, Sighted::Resolved(b), Sighted::Stale, Sighted::Known(b)];
    let expected: Vec<Sighted> = std::iter::once(Sighted::Opened(b)).chain(known).collect();
    assert_eq!(journal.expand(batch.clone().into(), vec![finished(first, 5)]).await.unwrap(), expected);
    let before = issue(journal, b).await;
    assert_eq!((before.resolved_at, &before.alert), (Some(at(20)), &alert("b", 10, Some(20))));
    let again = journal.expand(batch.into(), Vec::new()).await.unwrap();
    assert!(again.iter().all(|seen| matches!(seen, Sighted::Known(_) | Sighted::Stale)), "{again:?}");
    assert_eq!(issue(journal, b).await, before, "expanding twice changes nothing");
}

async fn opened_by(journal: &dyn Journal, alert: Alert) -> IssueId {
    match see(journal, alert, 1).await {
        Sighted::Opened(id) => id,
        other => panic!("{other:?}"),
    }
}

pub async fn many_sightings_are_answered_in_their_order(journal: &dyn Journal) {
    let first = journal.receive(receipt(1)).await.unwrap();
    let resting = |sighting: Sighting| {
        let outcome = Some((Outcome::Unmatched, "no rule is for it".to_owned()));
        let opening = Opening {
            rule: None,
            priority: None,
            component: None,
            wake_at: None,
            outcome,
            told: Vec::new(),
            ..sighting.opening
        };
        Sighting { opening, ..sighting }
    };
    let sightings: Vec<Sighting> =
        (0..1000).map(|number| resting(sighting(alert(&format!("a{}", number % 700), 0, None), 1))).collect();
    let answers = journal.expand(sightings.into(), vec![finished(first, 1000)]).await.unwrap();
    let id = |number: i64| IssueId(number + 1);
    let expected: Vec<Sighted> =
        (0..700).map(|n| Sighted::Opened(id(n))).chain((0..300).map(|n| Sighted::Known(id(n)))).collect();
    assert_eq!(answers, expected);
    let now = issue(journal, id(5)).await;
    assert_eq!(
        (now.phase, now.outcome, now.rule, now.priority, now.component),
        (Phase::Rested, Some(Outcome::Unmatched), None, None, None)
    );
    assert_eq!(now.why, "no rule is for it");
    assert_eq!(journal.totals().await.unwrap().open_issues, 700);
}
