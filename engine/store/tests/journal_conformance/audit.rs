//! Every record has its link, whoever wrote it, and forgetting keeps the chain whole.

use selfheal_core::audit::{Forgot, KEY_BYTES_MIN, Key};
use selfheal_core::issue::{Event, IssueId};
use selfheal_runtime::ports::Journal;
use selfheal_runtime::ports::journal::{Horizons, Write, verify};
use serde_json::{Value, json};

use super::sample::{alert, at, opened, record, resolved, see, step};

pub async fn every_record_is_linked_to_those_before(journal: &dyn Journal) {
    let start = journal.chain().await.unwrap();
    assert_eq!((start.first, start.head.seq), (1, 0));
    assert_eq!(verify(journal, vec![start.head], vec![]).await.unwrap().findings, []);

    let id = opened(journal, "a").await;
    let mut odd = record(Some(id), "decided", json!({ "b": 1.0e-7, "a": [null, "ü\u{0}"] }));
    odd.summary = "a\0b 'c' \\ \u{1f600}".to_owned();
    let empty = record(None, "", Value::Null);
    journal.commit(vec![Write::Record(odd), Write::Record(empty)]).await.unwrap();
    see(journal, alert("b", 0, Some(5)), 50).await;
    let many = futures::future::join_all((0..40).map(|number| {
        let writes = vec![
            Write::Record(record(Some(id), "one", json!(number))),
            Write::Record(record(None, "other", json!(number))),
        ];
        journal.commit(writes)
    }));
    many.await.into_iter().for_each(Result::unwrap);

    let chain = journal.chain().await.unwrap();
    let entries = journal.links(0, 1000).await.unwrap();
    let seqs: Vec<u64> = entries.iter().map(|entry| entry.link.seq).collect();
    assert_eq!(seqs, (1..=chain.head.seq).collect::<Vec<_>>());
    assert_eq!(entries.last().unwrap().link.head(), chain.head);
    assert!(entries.iter().all(|entry| entry.record.as_ref().unwrap().0 == entry.link.content));
    assert!(chain.head.seq >= 82, "{}", chain.head);
    assert_eq!(journal.links(5, 2).await.unwrap(), entries[5..7]);
    let verified = verify(journal, vec![entries[3].link.head(), chain.head], vec![]).await.unwrap();
    assert_eq!((verified.findings, verified.head), (vec![], chain.head));
}

pub async fn what_was_refused_has_no_link(journal: &dyn Journal) {
    let id = opened(journal, "a").await;
    let before = journal.chain().await.unwrap();
    let refused = vec![
        Write::Record(record(Some(id), "x", Value::Null)),
        Write::SetLevel { issue: IssueId(999), level: 1, at: at(1) },
    ];
    journal.commit(refused).await.unwrap_err();
    assert_eq!(journal.chain().await.unwrap(), before);
}

pub async fn what_is_forgotten_leaves_its_links(journal: &dyn Journal) {
    for name in ["a", "b"] {
        let id = opened(journal, name).await;
        journal.commit(vec![Write::Record(record(Some(id), "decided", Value::Null))]).await.unwrap();
        resolved(journal, name).await;
        journal.commit(vec![step(id, Event::Close)]).await.unwrap();
    }
    let open = opened(journal, "open").await;
    let key = Key::new(&[b'k'; KEY_BYTES_MIN]).unwrap();
    let noted = journal.chain().await.unwrap().head;
    for round in 0..6 {
        journal.commit(vec![Write::Record(record(None, "switched", json!(round)))]).await.unwrap();
        let horizons =
            Horizons { failures: at(1000), actions: at(1000), events: at(1000), now: at(2000 + round) };
        // From the fourth round on there is a key.
        let key = (round > 2).then_some(&key);
        while journal.forget(horizons, 2, key).await.unwrap() > 0 {}
        // Each time it is again the newest records that go: no number is given twice.
        let verified = verify(journal, vec![noted], key.into_iter().cloned().collect()).await.unwrap();
        assert_eq!((verified.findings, verified.signed > 0), (vec![], round > 2), "round {round}");
    }
    let entries = journal.links(0, 1000).await.unwrap();
    let kept: Vec<_> = entries.iter().filter_map(|entry| Some(&entry.record.as_ref()?.1)).collect();
    let forgotten: u64 = kept
        .iter()
        .filter(|record| record.kind == Forgot::KIND)
        .map(|record| serde_json::from_value::<Forgot>(record.facts.clone()).unwrap().records.count())
        .sum();
    let verified = verify(journal, vec![], vec![]).await.unwrap();
    assert_eq!(verified.forgotten, forgotten);
    assert_eq!(entries.iter().filter(|entry| entry.record.is_none()).count() as u64, forgotten);
    assert!(kept.iter().all(|record| record.issue == Some(open) || record.kind == Forgot::KIND), "{kept:?}");
}
