//! Whoever can write the journal and has no key removes something and excuses it, or makes the chain anew; signatures say
//! what was done. Whoever keeps a key out of the journal's reach needs to trust nobody who can write it.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use std::fmt::Write as _;
use std::time::Duration;

use selfheal_core::audit::{Checkpoint, Finding, Forgot, Head, Key, Numbers};
use selfheal_runtime::ports::Journal;
use selfheal_runtime::ports::journal::{Horizons, Record, Write, verify};
use selfheal_store::{PostgresJournal, PostgresSettings, SqliteJournal};
use selfheal_test_servers::{Postgres, require};
use serde_json::{Value, json};

#[path = "journal_conformance/sample.rs"]
#[expect(dead_code, reason = "the cases of the conformance tests use the rest")]
mod sample;

use sample::{at, record};

/// The key in use, the one before it, and one that is not selfheal's.
fn keys() -> [Key; 3] {
    ["now", "before", "foreign"].map(|name| Key::new(name.repeat(12).as_bytes()).unwrap())
}

fn head(journal: &[Head], seq: usize) -> Head {
    journal[seq - 1]
}

fn checkpoint(checkpoint: &Checkpoint) -> Record {
    record(None, Checkpoint::KIND, json!(checkpoint))
}

fn forgot(records: &[i64], signed: Option<Checkpoint>) -> Record {
    let records = records.iter().copied().collect();
    record(None, Forgot::KIND, json!(Forgot { records, signed }))
}

/// Six records; a checkpoint by the key from before; retention, which forgets the first two; one more; a checkpoint. Gives
/// all heads.
async fn fill(journal: &dyn Journal) -> Vec<Head> {
    let [now, before, _] = keys();
    let mut heads = Vec::new();
    let note = async |heads: &mut Vec<Head>, record: Record| {
        journal.commit(vec![Write::Record(record)]).await.unwrap();
        heads.push(journal.chain().await.unwrap().head);
    };
    for number in 0..6 {
        let old = record(None, "switched", json!({ "number": number }));
        note(&mut heads, Record { at: at(number), ..old }).await;
    }
    let signed = before.sign(head(&heads, 6), &Numbers::default());
    note(&mut heads, checkpoint(&signed)).await;
    let horizons = Horizons { failures: at(0), actions: at(0), events: at(2), now: at(8) };
    assert_eq!(journal.forget(horizons, 100, Some(&now)).await.unwrap(), 2);
    heads.push(journal.chain().await.unwrap().head);
    note(&mut heads, record(None, "switched", Value::Null)).await;
    let signed = now.sign(head(&heads, 9), &Numbers::default());
    note(&mut heads, checkpoint(&signed)).await;
    heads
}

/// What is done: SQL that both understand, and records that are put in as selfheal does it, with their links.
struct Case {
    name: &'static str,
    sql: &'static str,
    /// Whether the chain is made anew from the third link on.
    anew: bool,
    put_in: Vec<Record>,
    known: Vec<Head>,
    found: Vec<Finding>,
}

fn cases(heads: &[Head]) -> Vec<Case> {
    let [now, before, foreign] = keys();
    let removed = |record: u64| Finding::Removed { seq: record, record: record.cast_signed() };
    let forged =
        |seq: u64, key: &Key| Finding::Forged { seq, record: seq.cast_signed(), key: key.name().to_owned() };
    let last = head(heads, 10);
    let four = || Numbers::from_iter([4]);
    let in_the_name_of_now =
        |records: &Numbers| Checkpoint { key: now.name().to_owned(), ..foreign.sign(last, records) };
    let case = |name, sql, put_in: Vec<Record>, found| Case {
        name,
        sql,
        anew: false,
        put_in,
        known: Vec::new(),
        found,
    };
    const REMOVE: &str = "DELETE FROM records WHERE id = 4";
    const CUT: &str = "DELETE FROM records WHERE id > 9; DELETE FROM audit WHERE seq > 9;
        UPDATE audit_head SET seq = 9, hash = (SELECT hash FROM audit WHERE seq = 9)";
    vec![
        case("nothing", "SELECT 1", vec![], vec![]),
        case(
            "removed, and excused without a signature",
            REMOVE,
            vec![forgot(&[4], None)],
            vec![removed(4), Finding::Unsigned { seq: 11, record: 11 }],
        ),
        case(
            "removed, and excused in the name of the key",
            REMOVE,
            vec![forgot(&[4], Some(in_the_name_of_now(&four())))],
            vec![removed(4), forged(11, &now)],
        ),
        case(
            "removed, and excused by a foreign key",
            REMOVE,
            vec![forgot(&[4], Some(foreign.sign(last, &four())))],
            vec![removed(4), Finding::UnknownKey { seq: 11, record: 11, key: foreign.name().to_owned() }],
        ),
        case(
            "removed, and excused by the signature of a checkpoint",
            REMOVE,
            vec![forgot(&[4], Some(before.sign(head(heads, 6), &Numbers::default())))],
            vec![removed(4), forged(11, &before)],
        ),
        case(
            "removed, and what retention forgot said once more",
            REMOVE,
            vec![forgot(&[1, 2], Some(now.sign(head(heads, 7), &Numbers::from_iter([1, 2]))))],
            vec![removed(4)],
        ),
        case(
            "what retention has said removed",
            "DELETE FROM records WHERE id = 8",
            vec![],
            vec![removed(1), removed(2), removed(8)],
        ),
        case(
            "what retention has said altered",
            "UPDATE records SET facts = replace(facts, '1-2', '1-4') WHERE id = 8; DELETE FROM records WHERE id = 4",
            vec![],
            vec![removed(1), removed(2), removed(4), Finding::Altered { seq: 8, record: 8 }],
        ),
        case(
            "a checkpoint put in",
            "SELECT 1",
            vec![checkpoint(&in_the_name_of_now(&Numbers::default()))],
            vec![forged(11, &now)],
        ),
        case(
            "altered, and swapped",
            "UPDATE records SET summary = 'nobody' WHERE id = 3;
             UPDATE audit SET record = 11 - record WHERE record IN (5, 6)",
            vec![],
            vec![
                Finding::Altered { seq: 3, record: 3 },
                Finding::Broken { seq: 5 },
                Finding::Swapped { seq: 5, other: 6 },
                Finding::Broken { seq: 6 },
            ],
        ),
        case("the end cut off, nothing noted", CUT, vec![], vec![]),
        Case {
            known: vec![last],
            ..case("the end cut off", CUT, vec![], vec![Finding::Cut { end: 9, known: last }])
        },
        Case {
            anew: true,
            ..case(
                "made anew",
                "UPDATE records SET summary = 'nobody' WHERE id = 3",
                vec![],
                vec![
                    // Both checkpoints and what retention said are about the chain that was.
                    removed(1),
                    Finding::SignatureMissing { from: 1, to: 10 },
                    removed(2),
                    Finding::Rechained { known: head(heads, 6) },
                    Finding::Rechained { known: head(heads, 7) },
                    Finding::Rechained { known: head(heads, 9) },
                ],
            )
        },
        Case {
            anew: true,
            ..case(
                "made anew, without the signatures",
                "UPDATE records SET kind = 'noted', summary = 'nobody' WHERE id IN (3, 7, 8, 10)",
                vec![],
                vec![removed(1), Finding::SignatureMissing { from: 1, to: 10 }, removed(2)],
            )
        },
    ]
}

/// Makes the chain anew from the third link on, over the records as they are now: SQL with hashes as `blob` writes them.
async fn made_anew(journal: &dyn Journal, blob: fn(&str) -> String) -> String {
    let entries = journal.links(0, 100).await.unwrap();
    let mut head = entries[1].link.head();
    let mut sql = String::new();
    for entry in &entries[2..] {
        let content = entry.record.as_ref().map_or(entry.link.content, |(content, _)| *content);
        let link = head.link(entry.link.record, entry.link.at_micros, content);
        head = link.head();
        let (content, hash) = (blob(&link.content.to_string()), blob(&link.hash.to_string()));
        writeln!(sql, "UPDATE audit SET content = {content}, hash = {hash} WHERE seq = {};", link.seq)
            .unwrap();
    }
    writeln!(sql, "UPDATE audit_head SET hash = {};", blob(&head.hash.to_string())).unwrap();
    sql
}

async fn check(journal: &dyn Journal, case: Case) {
    for record in case.put_in {
        journal.commit(vec![Write::Record(record)]).await.unwrap();
    }
    let [now, before, _] = keys();
    let verified = verify(journal, case.known, vec![now, before]).await.unwrap();
    assert_eq!(verified.findings, case.found, "{}", case.name);
}

#[tokio::test]
async fn sqlite_tells_what_was_done() {
    for number in 0.. {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.sqlite");
        let journal = SqliteJournal::open(&path).unwrap();
        let heads = fill(&journal).await;
        let Some(case) = cases(&heads).into_iter().nth(number) else { return };
        let owner = rusqlite::Connection::open(&path).unwrap();
        owner.execute_batch(case.sql).unwrap();
        if case.anew {
            owner.execute_batch(&made_anew(&journal, |hex| format!("X'{hex}'")).await).unwrap();
        }
        check(&journal, case).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_tells_what_was_done() {
    let server = require!(Postgres::start());
    for number in 0.. {
        let name = format!("case_{number}");
        server.sql(&format!("CREATE DATABASE {name}")).unwrap();
        let url = format!("postgres://postgres@127.0.0.1:{}/{name}?sslmode=disable", server.port());
        let settings = PostgresSettings {
            url: url.clone(),
            ca: None,
            connect_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(10),
        };
        let journal = PostgresJournal::open(&settings).await.unwrap();
        let heads = fill(&journal).await;
        let Some(case) = cases(&heads).into_iter().nth(number) else { return };
        let (owner, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        owner.batch_execute(case.sql).await.unwrap();
        if case.anew {
            owner
                .batch_execute(&made_anew(&journal, |hex| format!("'\\x{hex}'::bytea")).await)
                .await
                .unwrap();
        }
        check(&journal, case).await;
    }
}
