//! Whoever has the journal changes it with the means of its database; the audit chain says what was done.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use std::path::Path;
use std::time::Duration;

use selfheal_core::audit::{Finding, Head};
use selfheal_core::issue::{Event, Outcome};
use selfheal_runtime::ports::Journal;
use selfheal_runtime::ports::journal::{Audit, EndFacts, Horizons, Record, Remediation, Write, verify};
use selfheal_store::{PostgresAudit, PostgresJournal, PostgresSettings, SqliteAudit, SqliteJournal};
use selfheal_test_servers::{Postgres, require};
use serde_json::json;

#[path = "journal_conformance/sample.rs"]
#[expect(dead_code, reason = "the cases of the conformance tests use the rest")]
mod sample;

use sample::{at, opened, plan, record, remediation, remediation_id, resolved, step};

/// Eight records, and the heads after the fifth and the last.
async fn fill(journal: &dyn Journal) -> [Head; 2] {
    let mut heads = Vec::new();
    for number in 0..8 {
        let record = record(None, "switched", json!({ "number": number }));
        journal.commit(vec![Write::Record(record)]).await.unwrap();
        heads.push(journal.chain().await.unwrap().head);
    }
    [heads[4], heads[7]]
}

/// What is done, in SQL that both understand, and what is found with the head known that was noted at the end.
fn cases([_, last]: [Head; 2]) -> Vec<(&'static str, Vec<Finding>)> {
    let removed = |record: u64| Finding::Removed { seq: record, record: record.cast_signed() };
    vec![
        ("SELECT 1", vec![]),
        (
            "UPDATE records SET summary = 'nobody' WHERE id = 3",
            vec![Finding::Altered { seq: 3, record: 3 }],
        ),
        ("UPDATE records SET facts = NULL WHERE id = 4", vec![Finding::Altered { seq: 4, record: 4 }]),
        ("DELETE FROM records WHERE id = 3", vec![removed(3)]),
        (
            "DELETE FROM records WHERE id = 3; DELETE FROM audit WHERE record = 3",
            vec![Finding::LinksRemoved { from: 3, to: 3 }],
        ),
        (
            "CREATE TABLE one AS SELECT * FROM records WHERE id = 2;
             UPDATE records SET facts = (SELECT facts FROM records WHERE id = 6) WHERE id = 2;
             UPDATE records SET facts = (SELECT facts FROM one) WHERE id = 6",
            // The number of a record is part of it, so that none can stand for another.
            vec![Finding::Altered { seq: 2, record: 2 }, Finding::Altered { seq: 6, record: 6 }],
        ),
        (
            "UPDATE audit SET record = 11 - record WHERE record IN (5, 6)",
            vec![Finding::Broken { seq: 5 }, Finding::Swapped { seq: 5, other: 6 }, Finding::Broken { seq: 6 }],
        ),
        (
            "DELETE FROM audit WHERE seq > 6; UPDATE audit_head SET seq = 6,
             hash = (SELECT hash FROM audit WHERE seq = 6)",
            vec![Finding::Cut { end: 6, known: last }, Finding::Unlinked { records: 2 }],
        ),
        (
            "DELETE FROM records WHERE id > 6; DELETE FROM audit WHERE seq > 6; UPDATE audit_head SET seq = 6,
             hash = (SELECT hash FROM audit WHERE seq = 6)",
            vec![Finding::Cut { end: 6, known: last }],
        ),
    ]
}

/// Two issues whose remediations have ended; the details of the first one's were forgotten.
async fn treat(journal: &dyn Journal) {
    for name in ["one", "two"] {
        let issue = opened(journal, name).await;
        let id = remediation_id(issue, 1);
        let begun = Remediation { plan_hash: plan().hash(), ..remediation(id, 10) };
        let (plan_hash, approved_by) = (begun.plan_hash, begun.approved_by.clone());
        let facts = json!(EndFacts { seconds: 20.0, outcome: Outcome::Recovered, plan_hash, approved_by });
        let ended = Record { remediation: Some(id), ..record(Some(issue), EndFacts::KIND, facts) };
        let end = Write::End { id, outcome: Outcome::Recovered, why: String::new(), at: at(30) };
        let begin = vec![step(issue, Event::Begin), Write::Begin(Box::new(begun))];
        journal.commit(begin).await.unwrap();
        journal.commit(vec![Write::Record(ended), end, step(issue, Event::Rest)]).await.unwrap();
        resolved(journal, name).await;
        journal.commit(vec![step(issue, Event::Close)]).await.unwrap();
        if name == "one" {
            let horizons = Horizons { failures: at(0), actions: at(1000), events: at(0), now: at(2000) };
            assert_eq!(journal.forget(horizons, 10, None).await.unwrap(), 1);
        }
    }
}

/// What is done to tables that the chain does not cover.
fn treated_cases() -> Vec<(&'static str, Vec<Finding>)> {
    let other = |number: u32, what| {
        let remediation = format!("remediation-{number}-1");
        vec![Finding::Contradicted { remediation, what }]
    };
    let removed =
        |number: u32| vec![Finding::RemediationRemoved { remediation: format!("remediation-{number}-1") }];
    vec![
        ("SELECT 1", vec![]),
        ("UPDATE remediations SET outcome = 'unwound'", other(2, "outcome")),
        ("UPDATE remediations SET outcome = NULL, ended_at = NULL", other(2, "outcome")),
        ("UPDATE remediations SET approved_by = 'mallory'", other(2, "approver")),
        ("UPDATE remediations SET plan_hash = '00'", other(2, "plan hash")),
        ("UPDATE remediations SET plan = replace(plan, '10m', '1m')", other(2, "plan")),
        ("UPDATE courses SET outcome = 'unwound'", other(1, "outcome")),
        ("DELETE FROM remediations", removed(2)),
        ("DELETE FROM courses", removed(1)),
        ("DELETE FROM issues WHERE id = 2", vec![Finding::IssueRemoved { issue: "issue-2".to_owned() }]),
    ]
}

#[tokio::test]
async fn sqlite_tells_when_tables_contradict_the_records() {
    for (sql, expected) in treated_cases() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.sqlite");
        let journal = SqliteJournal::open(&path).unwrap();
        treat(&journal).await;
        tamper(&path, sql);
        check(&SqliteAudit::open(&path).unwrap(), sql, &[], &expected).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_tells_when_tables_contradict_the_records() {
    let server = require!(Postgres::start());
    for (case, (sql, expected)) in treated_cases().into_iter().enumerate() {
        let (settings, url) = database(&server, case);
        treat(&PostgresJournal::open(&settings).await.unwrap()).await;
        alter(&url, sql).await;
        check(&PostgresAudit::new(&settings).unwrap(), sql, &[], &expected).await;
    }
}

/// An empty database of its own.
fn database(server: &Postgres, case: usize) -> (PostgresSettings, String) {
    let name = format!("case_{case}");
    server.sql(&format!("CREATE DATABASE {name}")).unwrap();
    let url = format!("postgres://postgres@127.0.0.1:{}/{name}?sslmode=disable", server.port());
    let settings = PostgresSettings {
        url: url.clone(),
        ca: None,
        connect_timeout: Duration::from_secs(10),
        statement_timeout: Duration::from_secs(10),
    };
    (settings, url)
}

/// What goes through all that there is takes longer than a statement of the engine's may.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_lets_the_auditor_take_longer_than_the_engine() {
    let server = require!(Postgres::start());
    let (settings, url) = database(&server, 0);
    fill(&PostgresJournal::open(&settings).await.unwrap()).await;
    // Whoever asks where the chain begins waits for a second.
    alter(
        &url,
        "ALTER TABLE audit_head RENAME TO head;
         CREATE VIEW audit_head AS SELECT head.* FROM head, pg_sleep(1)",
    )
    .await;
    let hasty = PostgresSettings { statement_timeout: Duration::from_millis(100), ..settings };
    assert_eq!(PostgresAudit::new(&hasty).unwrap().unlinked().await.unwrap(), 0);
}

async fn alter(url: &str, sql: &str) {
    let (owner, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    owner.batch_execute(sql).await.unwrap();
}

async fn check(audit: &dyn Audit, case: &str, known: &[Head], expected: &[Finding]) {
    let verified = verify(audit, known.to_vec(), vec![]).await.unwrap();
    assert_eq!(verified.findings, expected, "{case}");
}

fn tamper(path: &Path, sql: &str) {
    rusqlite::Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

#[tokio::test]
async fn sqlite_tells_what_was_done_while_it_is_served() {
    for case in 0.. {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.sqlite");
        let journal = SqliteJournal::open(&path).unwrap();
        let heads = fill(&journal).await;
        let cases = cases(heads);
        let Some((sql, expected)) = cases.get(case) else { return };
        tamper(&path, sql);
        let audit = SqliteAudit::open(&path).unwrap();
        check(&audit, sql, &heads, expected).await;
        check(&journal, sql, &heads, expected).await;
    }
}

#[tokio::test]
async fn an_end_that_was_cut_off_whole_is_found_by_a_noted_head_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite");
    let journal = SqliteJournal::open(&path).unwrap();
    let [fifth, last] = fill(&journal).await;
    tamper(&path, "DELETE FROM records WHERE id > 6; DELETE FROM audit WHERE seq > 6");
    check(&journal, "the journal's own head", &[], &[Finding::Cut { end: 6, known: last }]).await;
    let set = "UPDATE audit_head SET seq = 6, hash = (SELECT hash FROM audit WHERE seq = 6)";
    tamper(&path, set);
    check(&journal, "nothing is known", &[], &[]).await;
    check(&journal, "an early head", &[fifth], &[]).await;
    // What is made anew ends as late as before.
    for _ in 0..2 {
        let record = record(None, "forged", json!(null));
        journal.commit(vec![Write::Record(record)]).await.unwrap();
    }
    check(&journal, "made anew, nothing is known", &[], &[]).await;
    check(&journal, "made anew", &[last], &[Finding::Rechained { known: last }]).await;
}

#[tokio::test]
async fn a_journal_from_before_gets_its_chain_from_then_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite");
    drop(SqliteJournal::open(&path).unwrap());
    tamper(
        &path,
        "DROP TABLE courses; DROP TABLE audit; DROP TABLE audit_head; DROP INDEX intents_to_revert_by_target; PRAGMA user_version = 3;
         INSERT INTO records (id, at, kind, actor, summary) VALUES (41, 1, 'old', 'selfheal', '')",
    );
    let fault = SqliteAudit::open(&path).err().unwrap();
    assert!(fault.to_string().contains("no audit chain yet"), "{fault}");
    let journal = SqliteJournal::open(&path).unwrap();
    let [_, last] = fill(&journal).await;
    assert_eq!((journal.chain().await.unwrap().first, last.seq), (42, 8));
    check(&journal, "older records need no link", &[last], &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_tells_what_was_done() {
    let server = require!(Postgres::start());
    for case in 0.. {
        let (settings, url) = database(&server, case);
        let journal = PostgresJournal::open(&settings).await.unwrap();
        let heads = fill(&journal).await;
        let cases = cases(heads);
        let Some((sql, expected)) = cases.get(case) else { return };
        alter(&url, sql).await;
        check(&PostgresAudit::new(&settings).unwrap(), sql, &heads, expected).await;
    }
}
