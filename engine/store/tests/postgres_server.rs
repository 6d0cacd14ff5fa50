//! The journal on PostgreSQL when the server is not as it should be: sessions that are ended in the middle of commits, many
//! replicas that start at once, a schema of a newer version, a server that is not there.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use selfheal_runtime::ports::journal::{Audit as _, Horizons, NewReceipt, Record, Write};
use selfheal_runtime::ports::{Journal, JournalFaultKind};
use selfheal_store::{PostgresFaultKind, PostgresJournal, PostgresSettings};
use selfheal_test_servers::{Postgres, require};

/// Commits that are answered while sessions are ended.
const COMMITS: i64 = 1600;
/// Commits between two ends of all sessions.
const BETWEEN: u32 = 25;

fn settings(postgres: &Postgres) -> PostgresSettings {
    PostgresSettings {
        url: format!("{}?sslmode=disable", postgres.url()),
        ca: None,
        connect_timeout: Duration::from_secs(10),
        statement_timeout: Duration::from_secs(10),
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// What was answered as committed is there once, and what was refused is not, although the answers to commits are lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn lost_answers_to_commits_are_looked_for() {
    let postgres = Arc::new(require!(Postgres::start()));
    let journal = Arc::new(PostgresJournal::open(&settings(&postgres)).await.unwrap());
    let over = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicU32::new(0));
    let ending = {
        let (postgres, over, answered) = (Arc::clone(&postgres), Arc::clone(&over), Arc::clone(&answered));
        tokio::task::spawn_blocking(move || {
            let killer = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'selfheal'";
            let mut session = postgres.session("killer").unwrap();
            let (mut ended, mut next) = (0, BETWEEN);
            while !over.load(Ordering::Relaxed) {
                if answered.load(Ordering::Relaxed) < next {
                    std::thread::yield_now();
                    continue;
                }
                next += BETWEEN;
                let rows = session.sql(killer).unwrap();
                ended += rows[0][0].as_deref().unwrap().parse::<u32>().unwrap();
            }
            ended
        })
    };
    let workers = (0..8).map(|worker| {
        let (journal, answered) = (Arc::clone(&journal), Arc::clone(&answered));
        tokio::spawn(async move {
            let (mut committed, mut refused) = (Vec::new(), Vec::new());
            for number in 0..COMMITS / 8 {
                let second = worker * COMMITS + number;
                let write =
                    Write::CountFailure { rule: "r".to_owned(), resource: "x".to_owned(), at: at(second) };
                let commit = journal.commit(vec![write]).await;
                answered.fetch_add(1, Ordering::Relaxed);
                match commit {
                    Ok(()) => committed.push(second),
                    Err(fault) => {
                        assert_eq!(fault.kind, JournalFaultKind::Unavailable, "{fault}");
                        assert!(!fault.what.contains("not known"), "{fault}");
                        refused.push(second);
                    }
                }
            }
            (committed, refused)
        })
    });
    let (mut committed, mut refused) = (Vec::new(), Vec::new());
    for worker in workers.collect::<Vec<_>>() {
        let (yes, no) = worker.await.unwrap();
        committed.extend(yes);
        refused.extend(no);
    }
    over.store(true, Ordering::Relaxed);
    assert!(ending.await.unwrap() > 10, "sessions were ended");
    let rows = postgres.sql("SELECT at / 1000000, tries FROM failures ORDER BY at").unwrap();
    let number = |cell: &Option<String>| cell.as_deref().unwrap().parse::<i64>().unwrap();
    let found: Vec<i64> = rows.iter().map(|row| number(&row[0])).collect();
    committed.sort_unstable();
    assert_eq!(found, committed, "{} were refused", refused.len());
    assert!(rows.iter().all(|row| number(&row[1]) == 1), "each happened once");
}

/// A backup that is restored knows nothing of the writers that are at work.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_writer_whose_row_is_gone_gets_another_and_writes_once() {
    let postgres = require!(Postgres::start());
    let journal = PostgresJournal::open(&settings(&postgres)).await.unwrap();
    for second in 0..3 {
        let write = Write::CountFailure { rule: "r".to_owned(), resource: "x".to_owned(), at: at(second) };
        journal.commit(vec![write]).await.unwrap();
        postgres.sql("DELETE FROM writers").unwrap();
    }
    let rows = postgres.sql("SELECT at / 1000000, tries FROM failures ORDER BY at").unwrap();
    let rows: Vec<Vec<&str>> =
        rows.iter().map(|row| row.iter().flatten().map(String::as_str).collect()).collect();
    assert_eq!(rows, [["0", "1"], ["1", "1"], ["2", "1"]]);
}

/// What `selfheal migrate --help` says that a role needs which may not change the schema.
const GRANTS: &str = "GRANT USAGE ON SCHEMA public TO worker;
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO worker";

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_role_that_may_not_change_the_schema_does_the_work() {
    let postgres = require!(Postgres::start());
    postgres.sql("CREATE ROLE worker LOGIN").unwrap();
    let owner = settings(&postgres);
    let worker = PostgresSettings { url: owner.url.replace("postgres@", "worker@"), ..owner.clone() };
    let refused = async || {
        let fault = PostgresJournal::open(&worker).await.err().unwrap();
        assert_eq!(fault.kind, PostgresFaultKind::Migration, "{fault}");
        assert!(fault.to_string().contains("selfheal migrate --help"), "{fault}");
    };
    refused().await;
    let (_, version) = PostgresJournal::migrate(&owner).await.unwrap();
    refused().await;
    postgres.sql(GRANTS).unwrap();
    assert_eq!(PostgresJournal::migrate(&worker).await.unwrap(), (version, version));

    let journal = PostgresJournal::open(&worker).await.unwrap();
    let now = at(0);
    let receipt =
        NewReceipt { received_at: now, source: "test", trace: "t".to_owned(), body: b"{}".to_vec() };
    journal.receive(receipt).await.unwrap();
    let record = Record {
        issue: None,
        remediation: None,
        at: now,
        kind: "switch".to_owned(),
        actor: "anna".to_owned(),
        summary: String::new(),
        facts: serde_json::Value::Null,
    };
    let set = Write::Set { key: "switch".to_owned(), value: serde_json::Value::Null };
    journal.commit(vec![set, Write::Record(record)]).await.unwrap();
    assert!(journal.lease("task", "one", now, Duration::from_secs(1)).await.unwrap());
    let later = at(100);
    let horizons = Horizons { failures: later, actions: later, events: later, now: later };
    assert_eq!(journal.forget(horizons, 10, None).await.unwrap(), 1);
    assert_eq!(journal.chain().await.unwrap().head.seq, 2);

    postgres.sql(&format!("DELETE FROM schema_version WHERE version = {version}")).unwrap();
    refused().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn replicas_that_start_at_once_bring_the_schema_up_to_date_once() {
    let postgres = require!(Postgres::start());
    let settings = settings(&postgres);
    let starting = (0..6).map(|_| {
        let settings = settings.clone();
        tokio::spawn(async move { PostgresJournal::migrate(&settings).await.unwrap() })
    });
    let mut found = Vec::new();
    for one in starting.collect::<Vec<_>>() {
        found.push(one.await.unwrap().0);
    }
    assert_eq!(found.iter().filter(|version| **version == 0).count(), 1, "{found:?}");

    postgres.sql("INSERT INTO schema_version VALUES (999, now())").unwrap();
    let newer = PostgresJournal::open(&settings).await.err().unwrap();
    assert_eq!(newer.kind, PostgresFaultKind::Newer);
    assert!(newer.to_string().contains("use a newer selfheal"), "{newer}");
    postgres.stop();
    let away = PostgresJournal::open(&settings).await.err().unwrap();
    assert_eq!(away.kind, PostgresFaultKind::Unreachable, "{away}");
}
