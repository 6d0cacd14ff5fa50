//! Approvals, the outbox, settings.

use selfheal_core::issue::IssueId;
use selfheal_runtime::ports::journal::{Answer, ApprovalFilter, Delivery, Notice, OutboxMessage, Write};
use selfheal_runtime::ports::{ESCALATION, Journal, News};
use serde_json::json;

use super::sample::{approval, at, conflict, hash, news, opened};

fn answer(id: &str, plan: &str, granted: bool, seconds: i64) -> Write {
    let answer = Answer { granted, by: "bob".to_owned(), at: at(seconds), reason: "fine".to_owned() };
    Write::Answer { id: id.to_owned(), plan_hash: hash(plan), answer }
}

pub async fn an_approval_is_answered_once_and_for_its_plan(journal: &dyn Journal) {
    let issue = opened(journal, "a").await;
    for id in ["one", "two"] {
        journal.commit(vec![Write::Ask(Box::new(approval(id, issue)))]).await.unwrap();
    }
    // Each answer, and what the refusal of it must name.
    let cases = [
        (answer("absent", "plan", true, 20), Some("absent")),
        (answer("one", "another plan", true, 20), Some("another")),
        (answer("one", "plan", true, 900), Some("expired")),
        (answer("one", "plan", true, 899), None),
        (answer("one", "plan", false, 899), Some("granted by bob")),
        (answer("two", "plan", false, 5000), None),
        (answer("two", "plan", true, 20), Some("denied by bob")),
    ];
    for (write, refusal) in cases {
        match refusal {
            None => journal.commit(vec![write]).await.unwrap(),
            Some("another") => {
                assert!(conflict(journal, vec![write]).await.contains(&hash("another plan").short()))
            }
            Some(text) => {
                let what = conflict(journal, vec![write]).await;
                assert!(what.contains(text), "{what}");
            }
        }
    }
    conflict(journal, vec![Write::Ask(Box::new(approval("one", issue)))]).await;
    let one = journal.approval("one").await.unwrap().unwrap();
    let expected = Answer { granted: true, by: "bob".to_owned(), at: at(899), reason: "fine".to_owned() };
    assert_eq!(one.answer, Some(expected));
    assert_eq!(journal.approval("absent").await.unwrap(), None);
}

pub async fn approvals_are_listed_newest_first(journal: &dyn Journal) {
    let issue = opened(journal, "a").await;
    for id in ["one", "two", "three"] {
        journal.commit(vec![Write::Ask(Box::new(approval(id, issue)))]).await.unwrap();
    }
    journal.commit(vec![answer("two", "plan", true, 20)]).await.unwrap();
    for (only_open, before, limit, expected) in [
        (true, None, 10, vec!["three", "one"]),
        (false, None, 10, vec!["three", "two", "one"]),
        (true, None, 1, vec!["three"]),
        (false, Some("three"), 1, vec!["two"]),
        (true, Some("two"), 10, vec!["one"]),
        (false, Some("one"), 10, vec![]),
        (false, Some("absent"), 10, vec![]),
    ] {
        let filter = ApprovalFilter { only_open, before: before.map(str::to_owned), limit };
        let found = journal.approvals(filter.clone()).await.unwrap();
        let found: Vec<&str> = found.iter().map(|found| found.id.as_str()).collect();
        assert_eq!(found, expected, "{filter:?}");
    }
    assert_eq!(journal.approval("one").await.unwrap(), Some(approval("one", issue)));
}

pub async fn the_outbox_gives_what_is_due(journal: &dyn Journal) {
    let notify = |title: &str, seconds| {
        let news = Box::new(News { issue: None, ..news(title) });
        Write::Notify(Notice { sink: "slack".to_owned(), news, at: at(seconds) })
    };
    journal.commit(vec![notify("a", 10), notify("b", 10), notify("c", 50), notify("d", 10)]).await.unwrap();
    let due = |now: i64, most: usize| async move {
        let messages = journal.outbox("slack", at(now), most).await.unwrap();
        messages.into_iter().map(|message| (message.news.title, message.tries)).collect::<Vec<_>>()
    };
    let expected =
        |pairs: &[(&str, u32)]| pairs.iter().map(|(t, n)| ((*t).to_owned(), *n)).collect::<Vec<_>>();
    assert_eq!(due(9, 10).await, expected(&[]));
    assert_eq!(due(10, 10).await, expected(&[("a", 0), ("b", 0), ("d", 0)]));
    assert_eq!(due(10, 2).await, expected(&[("a", 0), ("b", 0)]));
    let messages = journal.outbox("slack", at(10), 10).await.unwrap();
    let first = &messages[0];
    let whole = OutboxMessage {
        id: first.id,
        sink: "slack".to_owned(),
        news: News { issue: None, ..news("a") },
        tries: 0,
        next_at: at(10),
    };
    assert_eq!(first, &whole);
    journal
        .delivered(vec![(first.id, Delivery::Finished), (messages[1].id, Delivery::Again(at(40)))])
        .await
        .unwrap();
    assert_eq!(due(30, 10).await, expected(&[("d", 0)]));
    assert_eq!(due(60, 10).await, expected(&[("b", 1), ("c", 0), ("d", 0)]));
    journal.delivered(vec![(first.id, Delivery::Finished)]).await.unwrap();
}

pub async fn each_sink_has_a_queue_and_each_issue_an_order(journal: &dyn Journal) {
    let notify = |sink: &str, title: &str, issue: Option<i64>| {
        let news = Box::new(News { issue: issue.map(IssueId), ..news(title) });
        Write::Notify(Notice { sink: sink.to_owned(), news, at: at(10) })
    };
    let writes = vec![
        notify("slack", "a", Some(1)),
        notify("slack", "b", Some(1)),
        notify("slack", "c", Some(2)),
        notify("pager", "d", Some(1)),
        notify(ESCALATION, "e", Some(1)),
        notify(ESCALATION, "f", Some(1)),
    ];
    journal.commit(writes).await.unwrap();
    let due = |sink: &'static str, now: i64| async move {
        let messages = journal.outbox(sink, at(now), 10).await.unwrap();
        messages.iter().map(|message| message.news.title.clone()).collect::<String>()
    };
    assert_eq!((due("slack", 10).await, due("pager", 10).await), ("ac".to_owned(), "d".to_owned()));
    assert_eq!(due(ESCALATION, 10).await, "ef", "what is told later has no order");
    let waiting = journal.waiting().await.unwrap();
    let counted: Vec<(&str, u64)> = waiting.iter().map(|one| (one.sink.as_str(), one.count)).collect();
    assert_eq!(counted, [(ESCALATION, 2), ("pager", 1), ("slack", 3)]);
    assert!(waiting.iter().all(|one| one.oldest_at == news("a").at));
    let messages = journal.outbox("slack", at(10), 10).await.unwrap();
    let deliveries = vec![(messages[0].id, Delivery::Again(at(90))), (messages[1].id, Delivery::Finished)];
    journal.delivered(deliveries).await.unwrap();
    assert_eq!(due("slack", 80).await, "", "the second waits for the first");
    assert_eq!(journal.next_delivery("slack").await.unwrap(), Some(at(90)));
    journal.delivered(vec![(messages[0].id, Delivery::Finished)]).await.unwrap();
    assert_eq!(due("slack", 80).await, "b");
    assert_eq!(journal.next_delivery("slack").await.unwrap(), Some(at(10)));
    assert_eq!(journal.next_delivery("absent").await.unwrap(), None);
    for (but_for, before, expected) in [("slack", 10, 0), ("slack", 11, 3), ("slack", 11, 0)] {
        let forgotten = journal.forget_messages(vec![but_for.to_owned()], at(before)).await.unwrap();
        assert_eq!(forgotten, expected);
    }
    assert_eq!((due("slack", 80).await, due("pager", 80).await), ("b".to_owned(), String::new()));
}

pub async fn settings_are_replaced(journal: &dyn Journal) {
    assert_eq!(journal.setting("switch").await.unwrap(), None);
    for value in [json!({ "on": false, "by": "ann" }), json!(null), json!("ü")] {
        journal.commit(vec![Write::Set { key: "switch".to_owned(), value: value.clone() }]).await.unwrap();
        assert_eq!(journal.setting("switch").await.unwrap(), Some(value));
    }
}

pub async fn it_can_be_checked(journal: &dyn Journal) {
    journal.check().await.unwrap();
}
