//! What only the writer's own side can bring about: a disk without space, a request that cannot be carried out among
//! others, a writer that panics.

use std::path::Path;

use rusqlite::Connection;
use selfheal_runtime::ports::journal::{ReceiptId, Write};
use selfheal_runtime::ports::{Journal, JournalFault, JournalFaultKind};
use serde_json::{Value, json};

use super::SqliteJournal;
use super::fault::Trouble;
use super::statements::Statements;
use super::writer::Work;

/// Something that is done to the writer's connection.
struct Do<F>(F);

impl<F: Fn(&Connection) -> Result<(), Trouble> + Send + 'static> Work for Do<F> {
    type Answer = ();

    fn run(&self, statements: &Statements<'_>) -> Result<(), Trouble> {
        (self.0)(statements.connection())
    }

    fn bytes(&self) -> usize {
        0
    }
}

async fn sql(journal: &SqliteJournal, text: &'static str) -> Result<(), JournalFault> {
    journal.queue().submit(Do(move |connection: &Connection| Ok(connection.execute_batch(text)?))).await
}

fn kind<T: std::fmt::Debug>(result: Result<T, JournalFault>) -> JournalFaultKind {
    result.unwrap_err().kind
}

fn open(folder: &Path) -> SqliteJournal {
    SqliteJournal::open(&folder.join("journal.db")).unwrap()
}

fn set(key: &str, value: Value) -> Vec<Write> {
    vec![Write::Set { key: key.to_owned(), value }]
}

#[tokio::test]
async fn a_full_disk_is_unavailable_and_then_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path());
    journal.commit(set("before", json!(1))).await.unwrap();
    // SQLite reports a full disk when the file may have no further page.
    sql(&journal, "PRAGMA max_page_count = 1").await.unwrap();
    let large = || Value::String("x".repeat(100_000));
    for attempt in 0..3 {
        let fault = journal.commit(set("large", large())).await.unwrap_err();
        assert_eq!(fault.kind, JournalFaultKind::Unavailable, "{attempt}: {fault}");
        assert!(fault.what.contains("free space"), "{fault}");
    }
    assert_eq!(journal.setting("large").await.unwrap(), None);
    assert_eq!(journal.setting("before").await.unwrap(), Some(json!(1)));
    sql(&journal, "PRAGMA max_page_count = 1000000").await.unwrap();
    journal.commit(set("large", large())).await.unwrap();
    assert_eq!(journal.setting("large").await.unwrap(), Some(large()));
}

/// A backup or somebody's shell that holds the file delays the journal, and is no harm to it.
#[tokio::test]
async fn another_program_that_locks_the_file_is_waited_out_or_unavailable() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path());
    let other = Connection::open(folder.path().join("journal.db")).unwrap();
    sql(&journal, "PRAGMA busy_timeout = 1").await.unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(kind(journal.commit(set("a", json!(1))).await), JournalFaultKind::Unavailable);
    other.execute_batch("ROLLBACK").unwrap();
    journal.commit(set("a", json!(1))).await.unwrap();
}

#[tokio::test]
async fn a_request_that_fails_takes_no_neighbour_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path());
    // What each request does, and what it is answered.
    let fail = "INSERT INTO settings VALUES ('lost', '1'); INSERT INTO checks VALUES (1, 1)";
    let requests = [
        ("INSERT INTO settings VALUES ('a', '1')", None),
        (fail, Some(JournalFaultKind::Unavailable)),
        ("INSERT INTO settings VALUES ('b', '2')", None),
        ("UPDATE settings SET value = '3' WHERE key = 'a'", None),
        (fail, Some(JournalFaultKind::Unavailable)),
    ];
    // The first request holds the writer until all the others are queued, so that they are one batch.
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let hold = Do(move |_: &Connection| {
        held.lock().unwrap().recv().ok();
        Ok(())
    });
    let (first, results, ()) = tokio::join!(
        journal.queue().submit(hold),
        futures::future::join_all(requests.iter().map(|(text, _)| sql(&journal, text))),
        async move { release.send(()).unwrap() },
    );
    first.unwrap();
    for ((text, expected), result) in requests.iter().zip(results) {
        assert_eq!(result.err().map(|fault| fault.kind), *expected, "{text}");
    }
    for (key, expected) in [("a", Some(json!(3))), ("b", Some(json!(2))), ("lost", None)] {
        assert_eq!(journal.setting(key).await.unwrap(), expected, "{key}");
    }
}

#[tokio::test]
async fn a_writer_that_panics_breaks_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path());
    journal.commit(set("a", json!(1))).await.unwrap();
    let panic = Do(|_: &Connection| -> Result<(), Trouble> { panic!("an invariant does not hold") });
    assert_eq!(kind(journal.queue().submit(panic).await), JournalFaultKind::Broken);
    assert_eq!(kind(journal.commit(set("a", json!(2))).await), JournalFaultKind::Broken);
    assert_eq!(kind(journal.check().await), JournalFaultKind::Broken);
    assert_eq!(kind(journal.setting("a").await), JournalFaultKind::Broken);
    assert_eq!(kind(journal.unexpanded(ReceiptId(0), 1).await), JournalFaultKind::Broken);
    drop(journal);
    assert_eq!(open(folder.path()).setting("a").await.unwrap(), Some(json!(1)));
}

#[tokio::test]
async fn a_failed_sync_breaks_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path());
    let sync = Do(|_: &Connection| {
        let error = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR_FSYNC);
        Err(Trouble::Sqlite(rusqlite::Error::SqliteFailure(error, None)))
    });
    assert_eq!(kind(journal.queue().submit(sync).await), JournalFaultKind::Broken);
    assert_eq!(kind(journal.commit(set("a", json!(1))).await), JournalFaultKind::Broken);
}
