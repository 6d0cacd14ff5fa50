//! The journal's file: who may open it, and what is left in it by a process that is killed.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use jiff::Timestamp;
use selfheal_core::alert::{Alert, AlertStatus};
use selfheal_core::labels::Labels;
use selfheal_runtime::ports::Journal;
use selfheal_runtime::ports::journal::{
    Audit as _, NewReceipt, Opening, Progress, ReceiptId, Sighted, Sighting, Write,
};
use selfheal_store::{OpenFaultKind, SqliteJournal};
use serde_json::json;

/// Names the folder for the process that is killed; set, this test binary is that process.
const VICTIM: &str = "SELFHEAL_STORE_TEST_VICTIM";
/// Answers to wait for before the kill.
const ANSWERS: usize = 2_000;

#[tokio::test]
async fn one_process_has_it_and_the_next_finds_everything() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let journal = SqliteJournal::open(&path).unwrap();
    let fault = SqliteJournal::open(&path).err().unwrap();
    assert_eq!(fault.kind, OpenFaultKind::InUse);
    assert!(fault.to_string().contains("another selfheal process"), "{fault}");
    let (rule, at) = ("r".to_owned(), jiff::Timestamp::UNIX_EPOCH);
    let long = "x".repeat(5000);
    let failed =
        |resource: &str| Write::CountFailure { rule: rule.clone(), resource: resource.to_owned(), at };
    let setting = Write::Set { key: "a".to_owned(), value: json!(1) };
    journal.commit(vec![setting, failed("short"), failed(&long)]).await.unwrap();
    drop(journal);
    let journal = SqliteJournal::open(&path).unwrap();
    assert_eq!(journal.setting("a").await.unwrap(), Some(json!(1)));
    for (resource, wanted) in [("short", 1), (long.as_str(), 1), ("another", 0)] {
        assert_eq!(journal.failures_since("r", resource, at).await.unwrap(), wanted, "{resource:.9}");
    }
}

#[test]
fn what_cannot_be_opened_is_named() {
    let change = |text: &'static str| {
        move |path: &Path| {
            drop(SqliteJournal::open(path).unwrap());
            rusqlite::Connection::open(path).unwrap().execute_batch(text).unwrap();
        }
    };
    type Prepare = Box<dyn Fn(&Path)>;
    let cases: [(Prepare, OpenFaultKind, &str); 4] = [
        (Box::new(change("PRAGMA user_version = 99")), OpenFaultKind::Newer, "version 99"),
        (Box::new(|path| std::fs::write(path, [7; 8192]).unwrap()), OpenFaultKind::Damaged, "backup"),
        (Box::new(|path| std::fs::create_dir(path).unwrap()), OpenFaultKind::Unusable, "journal.db"),
        (
            Box::new(|path| std::fs::create_dir(path.with_extension("db.lock")).unwrap()),
            OpenFaultKind::Unusable,
            "cannot lock",
        ),
    ];
    for (prepare, kind, text) in cases {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        prepare(&path);
        let fault = SqliteJournal::open(&path).err().unwrap();
        assert_eq!(fault.kind, kind, "{fault}");
        assert!(fault.to_string().contains(text), "{fault}");
    }
}

/// An expansion does not wait for the disk; until it is there, a machine that loses its power still has the notification.
#[tokio::test]
async fn what_is_expanded_stays_in_the_inbox_until_the_journal_is_on_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let journal = SqliteJournal::open(&folder.path().join("journal.db")).unwrap();
    let finished = |receipt| vec![Progress { receipt, expanded: 1, finished: true }];
    let expand = async |name: &str| {
        let receipt = journal.receive(receipt(0)).await.unwrap();
        let seen = journal.expand([sighting(name)].into(), finished(receipt)).await.unwrap();
        assert!(matches!(seen[..], [Sighted::Opened(_)]), "{seen:?}");
    };
    // What is in the inbox's files after the next notification, with which its notes are written.
    let in_files = async || {
        journal.receive(receipt(0)).await.unwrap();
        let copy = tempfile::tempdir().unwrap();
        std::fs::create_dir(copy.path().join("journal-inbox")).unwrap();
        for file in std::fs::read_dir(folder.path().join("journal-inbox")).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), copy.path().join("journal-inbox").join(file.file_name())).unwrap();
        }
        let copy = SqliteJournal::open(&copy.path().join("journal.db")).unwrap();
        let waiting = copy.unexpanded(ReceiptId(0), usize::MAX).await.unwrap();
        waiting.into_iter().map(|receipt| receipt.id.0).collect::<Vec<_>>()
    };
    expand("a").await;
    assert_eq!(in_files().await, [1, 2], "a loss of power takes the issue, not the notification");
    journal.expand([].into(), finished(ReceiptId(2))).await.unwrap();
    journal.commit(vec![Write::Set { key: "a".to_owned(), value: json!(1) }]).await.unwrap();
    assert_eq!(in_files().await, [3], "the commit has brought both to the disk");
    journal.expand([].into(), finished(ReceiptId(3))).await.unwrap();
    expand("b").await;
    assert_eq!(in_files().await, [4, 5]);
    // Whoever is told where the audit chain ends may rely on it.
    journal.chain().await.unwrap();
    assert_eq!(in_files().await, [5, 6]);
    drop(journal);
    let journal = SqliteJournal::open(&folder.path().join("journal.db")).unwrap();
    assert_eq!(journal.unexpanded(ReceiptId(0), 9).await.unwrap().len(), 2, "5 and 6 were never expanded");
}

/// A process that receives and tells each answer on its output is killed in the middle; what it has told is there.
#[tokio::test]
async fn what_was_answered_is_there_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_process_that_is_killed", "--nocapture", "--test-threads=1"])
        .env(VICTIM, folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(victim.stdout.take().unwrap());
    let mut told: Vec<i64> = Vec::new();
    let answer =
        |line: &str| line.trim_end().strip_prefix("answered ").and_then(|number| number.parse::<i64>().ok());
    let mut line = String::new();
    while told.len() < ANSWERS {
        line.clear();
        assert_ne!(output.read_line(&mut line).unwrap(), 0, "it ended by itself");
        told.extend(answer(&line));
    }
    victim.kill().unwrap();
    victim.wait().unwrap();
    // What it told between our last look and its death counts too; its very last line may be cut.
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    let whole = rest.rfind('\n').map_or("", |end| &rest[..end]);
    told.extend(whole.lines().filter_map(answer));

    let journal = SqliteJournal::open(&folder.path().join("journal.db")).unwrap();
    let kept = journal.unexpanded(ReceiptId(0), usize::MAX).await.unwrap();
    let kept: std::collections::HashSet<i64> = kept.into_iter().map(|receipt| receipt.id.0).collect();
    let lost: Vec<&i64> = told.iter().filter(|number| !kept.contains(*number)).collect();
    assert!(lost.is_empty(), "{lost:?} of {}", told.len());
    let highest = i64::try_from(kept.len()).unwrap();
    assert!((1..=highest).all(|number| kept.contains(&number)), "numbers without a gap");
    assert_eq!(journal.receive(receipt(0)).await.unwrap(), ReceiptId(highest + 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_process_that_is_killed() {
    let Some(folder) = std::env::var_os(VICTIM) else { return };
    let journal = SqliteJournal::open(&Path::new(&folder).join("journal.db")).unwrap();
    // Each of several callers goes on until the process is killed.
    let callers = (0..16).map(async |caller| -> () {
        loop {
            let ReceiptId(number) = journal.receive(receipt(caller)).await.unwrap();
            println!("answered {number}");
        }
    });
    futures::future::join_all(callers).await;
}

fn receipt(caller: u8) -> NewReceipt {
    let received_at = Timestamp::UNIX_EPOCH;
    NewReceipt { received_at, source: "alertmanager", trace: String::new(), body: vec![caller; 3_000] }
}

fn sighting(name: &str) -> Sighting {
    let labels: Labels = [("alertname", name)].into_iter().collect();
    let at = Timestamp::UNIX_EPOCH;
    Sighting {
        received_at: at,
        trace: "0af7651916cd43dd8448eb211c80319c".to_owned(),
        alert: Alert {
            status: AlertStatus::Firing,
            annotations: Labels::default(),
            starts_at: at,
            ends_at: None,
            generator_url: "".into(),
            heard_by: None,
            fingerprint: labels.fingerprint(),
            labels,
        },
        opening: Opening {
            rule: None,
            priority: None,
            component: None,
            resource: String::new(),
            wake_at: None,
            outcome: None,
            told: Vec::new(),
        },
        take_at: None,
    }
}
