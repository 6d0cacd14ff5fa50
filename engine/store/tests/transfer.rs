//! A journal moves from SQLite to PostgreSQL whole, once, and into nothing but an empty database.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use std::path::Path;
use std::time::Duration;

use selfheal_core::issue::{Event, IssueId, Outcome};
use selfheal_runtime::ports::Journal;
use selfheal_runtime::ports::journal::Audit as _;
use selfheal_runtime::ports::journal::{ApprovalFilter, IssueFilter, Notice, ReceiptId, Write, verify};
use selfheal_store::{MoveFault, PostgresJournal, PostgresSettings, SqliteJournal, move_journal};
use selfheal_test_servers::{Postgres, require};
use serde_json::json;

#[path = "journal_conformance/sample.rs"]
#[expect(dead_code, reason = "the cases of the conformance tests use the rest")]
mod sample;

use sample::{
    alert, approval, at, finished, hash, intent, news, opened, receipt, record, remediation, remediation_id,
    resolved, see, sighting, step,
};

fn settings(postgres: &Postgres) -> PostgresSettings {
    PostgresSettings {
        url: format!("{}?sslmode=disable", postgres.url()),
        ca: None,
        connect_timeout: Duration::from_secs(10),
        statement_timeout: Duration::from_secs(10),
    }
}

/// A resource with a name so long that no index of PostgreSQL has room for it.
fn long_name() -> String {
    (0..1024).map(|part| hash(&part.to_string()).to_string()).collect::<String>() + "\0"
}

/// Something of everything.
async fn fill(journal: &SqliteJournal) {
    let id = opened(journal, "a").await;
    let first = remediation_id(id, 1);
    let mut odd = record(Some(id), "decided", json!({ "a": [null, "ü"] }));
    odd.summary = "a\0b 'c' \\".to_owned();
    journal
        .commit(vec![
            Write::Record(odd),
            Write::Record(record(None, "switched", json!(null))),
            Write::Ask(Box::new(approval("abc", id))),
            step(id, Event::Begin),
            Write::Begin(Box::new(remediation(first, 10))),
            Write::Intend(Box::new(intent(first, "one"))),
            Write::End { id: first, outcome: Outcome::Recovered, why: String::new(), at: at(30) },
            Write::CountFailure { rule: "r".to_owned(), resource: "x".to_owned(), at: at(1) },
            Write::CountFailure { rule: "r".to_owned(), resource: long_name(), at: at(1) },
            Write::CountResult { rule: "r".to_owned(), action: "a.b".to_owned(), success: true },
            Write::Notify(Notice { sink: "log".to_owned(), news: Box::new(news("t")), at: at(1) }),
            Write::Set { key: "switch".to_owned(), value: json!({ "on": false }) },
        ])
        .await
        .unwrap();
    journal.delivered(vec![(1, selfheal_runtime::ports::journal::Delivery::Finished)]).await.unwrap();
    opened(journal, "closed").await;
    resolved(journal, "closed").await;
    journal.commit(vec![step(IssueId(2), Event::Close)]).await.unwrap();
    let many = journal.receive(receipt(9)).await.unwrap();
    let sightings: Vec<_> =
        (0..1200).map(|number| sighting(alert(&format!("m{number}"), 0, None), 1)).collect();
    journal.expand(sightings.into(), vec![finished(many, 1200)]).await.unwrap();
    journal.receive(receipt(11)).await.unwrap();
}

async fn open(path: &Path) -> SqliteJournal {
    SqliteJournal::open(path).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_moved_and_nothing_twice() {
    let postgres = require!(Postgres::start());
    let settings = settings(&postgres);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite");
    let journal = open(&path).await;
    fill(&journal).await;
    let refused = move_journal(&path, &settings).await.unwrap_err();
    assert!(matches!(refused, MoveFault::Source(_)), "it is in use: {refused}");

    let all = IssueFilter { limit: 1000, ..IssueFilter::default() };
    let before = (
        journal.issues(all.clone()).await.unwrap(),
        journal.totals().await.unwrap(),
        journal.successes().await.unwrap(),
        journal.setting("switch").await.unwrap(),
        journal.approvals(ApprovalFilter { limit: 10, ..ApprovalFilter::default() }).await.unwrap(),
        journal.unexpanded(ReceiptId(0), 10).await.unwrap(),
    );
    let story = journal.story(IssueId(1)).await.unwrap().unwrap();
    let chain = journal.chain().await.unwrap();
    drop(journal);
    let moved = move_journal(&path, &settings).await.unwrap();
    let rows = |name: &str| moved.iter().find(|table| table.name == name).unwrap().rows;
    assert_eq!((rows("issues"), rows("receipts"), rows("intents"), rows("outbox")), (1202, 1, 1, 0));

    let journal = PostgresJournal::open(&settings).await.unwrap();
    let after = (
        journal.issues(all).await.unwrap(),
        journal.totals().await.unwrap(),
        journal.successes().await.unwrap(),
        journal.setting("switch").await.unwrap(),
        journal.approvals(ApprovalFilter { limit: 10, ..ApprovalFilter::default() }).await.unwrap(),
        journal.unexpanded(ReceiptId(0), 10).await.unwrap(),
    );
    assert_eq!(after, before);
    for resource in ["x", &long_name()] {
        assert_eq!(journal.failures_since("r", resource, at(0)).await.unwrap(), 1);
    }
    let mut expected = story;
    expected.records[0].summary = "a\u{fffd}b 'c' \\".to_owned();
    assert_eq!(journal.story(IssueId(1)).await.unwrap().unwrap(), expected);
    assert_eq!(journal.chain().await.unwrap(), chain);
    // It goes on where the other ended: no number is given twice.
    assert!(journal.receive(receipt(12)).await.unwrap() > before.5[0].id);
    assert!(matches!(
        see(&journal, alert("new", 0, None), 20).await,
        selfheal_runtime::ports::journal::Sighted::Opened(IssueId(1203))
    ));
    journal
        .commit(vec![
            Write::Notify(Notice { sink: "log".to_owned(), news: Box::new(news("u")), at: at(1) }),
            Write::Record(record(None, "switched", json!(null))),
        ])
        .await
        .unwrap();
    let verified = verify(&journal, vec![chain.head], vec![]).await.unwrap();
    assert_eq!(verified.findings, []);
    assert!(verified.links > chain.head.seq, "the chain goes on");
    assert_eq!(journal.outbox("log", at(9), 9).await.unwrap()[0].id, 2);
    assert_eq!(journal.take(at(20), 9999, Vec::new()).await.unwrap().len(), 1202, "nobody holds anything");

    let again = move_journal(&path, &settings).await.unwrap_err();
    assert!(matches!(again, MoveFault::NotEmpty("receipts")), "{again}");
    assert_eq!(open(&path).await.totals().await.unwrap(), before.1, "the source stays");
}
