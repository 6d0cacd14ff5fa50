//! The log through restarts, reuse, torn writes, damage and a disk without space.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use selfheal_runtime::ports::JournalFaultKind;
use selfheal_runtime::ports::journal::{NewReceipt, Progress, Receipt, ReceiptId};

use super::log::Log;
use super::segment::{AppendFault, SEGMENT_BYTES};
use super::{Breakage, Inbox};

fn receipt(bytes: usize) -> NewReceipt {
    let body = (0..bytes).map(|n| u8::try_from(n % 251).unwrap()).collect();
    NewReceipt { received_at: Timestamp::UNIX_EPOCH, source: "alertmanager", trace: "t".repeat(32), body }
}

fn done(number: i64) -> Progress {
    Progress { receipt: ReceiptId(number), expanded: 1, finished: true }
}

fn open(folder: &Path) -> Inbox {
    Inbox::open(&folder.join("inbox"), &Arc::default(), &Breakage::default()).unwrap()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        std::fs::read_dir(folder.join("inbox")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

async fn waiting(inbox: &Inbox) -> Vec<Receipt> {
    inbox.unexpanded(ReceiptId(0), usize::MAX).await.unwrap()
}

async fn check(inbox: &Inbox) -> Result<(), String> {
    inbox.check().await.map_err(|fault| fault.what)
}

fn numbers(receipts: &[Receipt]) -> Vec<i64> {
    receipts.iter().map(|receipt| receipt.id.0).collect()
}

#[tokio::test]
async fn what_is_not_done_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let inbox = open(folder.path());
    for number in 1..=5 {
        assert_eq!(inbox.receive(receipt(100)).await.unwrap(), ReceiptId(number));
    }
    let partly = Progress { receipt: ReceiptId(3), expanded: 7, finished: false };
    inbox.note(vec![done(1), done(4), partly, done(2)]).await.unwrap();
    drop(inbox);
    // Done out of turn is forgotten with the process; to expand it again changes nothing.
    let inbox = open(folder.path());
    let left = waiting(&inbox).await;
    assert_eq!(numbers(&left), [3, 4, 5]);
    assert_eq!(left.iter().map(|receipt| receipt.expanded).collect::<Vec<_>>(), [7, 0, 0]);
    assert_eq!(left[0].body, receipt(100).body);
    assert_eq!(inbox.unexpanded(ReceiptId(3), 1).await.unwrap()[0].id, ReceiptId(4));
    inbox.note((3..=5).map(done).collect()).await.unwrap();
    assert_eq!(inbox.receive(receipt(1)).await.unwrap(), ReceiptId(6), "no number is given twice");
    assert_eq!(numbers(&waiting(&inbox).await), [6]);
}

/// The space of what is done is used again, what is not done stays, and numbers go on.
#[test]
fn files_take_turns() {
    let folder = tempfile::tempdir().unwrap();
    let (mut log, _) = Log::open(folder.path()).unwrap();
    let body = SEGMENT_BYTES / 3;
    let mut notes = Vec::new();
    for number in 1..=40 {
        let places = log.append(&[receipt(body)], &std::mem::take(&mut notes)).unwrap();
        assert_eq!(places[0].0, number);
        // The seventh is never done, and with it nothing after it.
        if number < 7 {
            notes.push(done(number));
        }
    }
    let many = std::fs::read_dir(folder.path()).unwrap().count();
    assert!((17..=20).contains(&many), "{many} files for 34 receipts of a third each");
    log.append(&[], &(7..=40).map(done).collect::<Vec<_>>()).unwrap();
    for _ in 0..20 {
        let number = log.append(&[receipt(body)], &[]).unwrap()[0].0;
        log.append(&[], &[done(number)]).unwrap();
    }
    let few = std::fs::read_dir(folder.path()).unwrap().count();
    assert!(few <= 5, "{few} files when everything is done");
    log.append(&[receipt(2 * SEGMENT_BYTES)], &[]).unwrap();
    drop(log);
    let (log, places) = Log::open(folder.path()).unwrap();
    assert_eq!((log.mark.highest, places.len()), (61, 1));
    assert_eq!(places[&61].read(61).unwrap().unwrap().body.len(), 2 * SEGMENT_BYTES);
}

/// A write that was cut off anywhere loses nothing that was written before it, and what it leaves is never taken for
/// more than it is.
#[test]
fn a_torn_write_loses_only_itself() {
    let folder = tempfile::tempdir().unwrap();
    let (mut log, _) = Log::open(folder.path()).unwrap();
    let first = log.append(&[receipt(50), receipt(50)], &[]).unwrap();
    assert_eq!(first.len(), 2);
    let path = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    let before = std::fs::read(&path).unwrap();
    log.append(&[receipt(60), receipt(60)], &[done(1)]).unwrap();
    drop(log);
    let after = std::fs::read(&path).unwrap();
    let from = before.iter().zip(&after).position(|(a, b)| a != b).unwrap();
    let to = after.iter().rposition(|byte| *byte != 0).unwrap();
    for cut in from..=to {
        let mut torn = after.clone();
        torn[cut..].fill(0);
        std::fs::write(&path, &torn).unwrap();
        let (mut log, places) = Log::open(folder.path()).unwrap();
        assert!(places.contains_key(&2), "cut at {cut}");
        assert!(places.len() <= 3, "cut at {cut}");
        let number = log.mark.highest;
        assert_eq!(log.append(&[receipt(10)], &[]).unwrap()[0].0, number + 1, "cut at {cut}");
        let (_, places) = Log::open(folder.path()).unwrap();
        assert_eq!(places[&(number + 1)].read(number + 1).unwrap().unwrap().body.len(), 10, "cut at {cut}");
    }
}

/// Has a write to a file fail that leaves all of its records behind, as one may that a quota has cut off.
fn fail(log: &mut Log, folder: &Path, file: usize, batch: &[NewReceipt], progress: &[Progress]) {
    let elsewhere = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), elsewhere.path().join(entry.file_name())).unwrap();
    }
    Log::open(elsewhere.path()).unwrap().0.append(batch, progress).unwrap();
    let path = log.segments[file].path.clone();
    let written = std::fs::read(elsewhere.path().join(path.file_name().unwrap())).unwrap();
    // One that is only read stands for a file that cannot be written.
    let file = std::mem::replace(&mut log.segments[file].file, Arc::new(File::open(&path).unwrap()));
    let fault = log.append(batch, progress).unwrap_err();
    assert!(matches!(fault, AppendFault::NotWritten(_)), "{fault:?}");
    log.segments.iter_mut().find(|segment| segment.path == path).unwrap().file = file;
    std::fs::write(&path, written).unwrap();
}

/// Starts again and again, and stores one more each time: everything that was acknowledged is there, and is what it was.
fn check_starts(folder: &Path, mut acknowledged: Vec<(i64, usize)>, case: &str) {
    for start in 1..=3 {
        let (mut log, places) =
            Log::open(folder).unwrap_or_else(|fault| panic!("{case}, start {start}: {fault}"));
        for (number, bytes) in &acknowledged {
            let place =
                places.get(number).unwrap_or_else(|| panic!("{case}, start {start}: {number} is lost"));
            let found = place.read(*number).unwrap().map(|receipt| receipt.body.len());
            assert_eq!(found, Some(*bytes), "{case}, start {start}: {number}");
        }
        let more = 10 + start;
        acknowledged.push((log.append(&[receipt(more)], &[]).unwrap()[0].0, more));
    }
}

#[test]
fn what_a_failed_write_left_behind_harms_nothing() {
    // It goes to another file.
    const LARGE: usize = SEGMENT_BYTES;
    // What failed, whether with a mark, and what was stored then.
    let cases: [(&[usize], bool, &[usize]); 8] = [
        (&[50, 50, 50], false, &[]),
        (&[50, 50, 50], false, &[50]),
        (&[50, 50, 50], false, &[LARGE]),
        (&[50, 50, 50], true, &[LARGE]),
        (&[50, 50, 50], true, &[50, LARGE]),
        (&[50, 50, 50, 50, 50, 50], false, &[LARGE, 10]),
        (&[50, 50, 50], false, &[LARGE, LARGE]),
        // The end of the new ones is, by chance, where the last of the old ones begins.
        (&[100, 7], true, &[33, 33]),
    ];
    for (left, marks, then) in cases {
        let case = format!("{left:?} {marks} {then:?}");
        let folder = tempfile::tempdir().unwrap();
        let (mut log, _) = Log::open(folder.path()).unwrap();
        log.append(&[receipt(50)], &[]).unwrap();
        let left: Vec<NewReceipt> = left.iter().copied().map(receipt).collect();
        let progress = if marks { vec![done(1)] } else { Vec::new() };
        fail(&mut log, folder.path(), 0, &left, &progress);
        let stored = |bytes: &usize| (log.append(&[receipt(*bytes)], &[]).unwrap()[0].0, *bytes);
        let acknowledged = then.iter().map(stored).collect();
        drop(log);
        check_starts(folder.path(), acknowledged, &case);
    }
}

/// The same where the write that failed was the first to its file, and what comes then does not fit there: the file with
/// the newest mark stays, and the two that begin after it are told apart.
#[test]
fn what_failed_at_the_beginning_of_a_file_harms_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (mut log, _) = Log::open(folder.path()).unwrap();
    log.append(&[receipt(50)], &[]).unwrap();
    // The second file is larger than the first.
    log.append(&[receipt(SEGMENT_BYTES)], &[done(1)]).unwrap();
    log.append(&[], &[done(2)]).unwrap();
    fail(&mut log, folder.path(), 0, &[receipt(SEGMENT_BYTES / 16), receipt(50)], &[]);
    let number = log.append(&[receipt(SEGMENT_BYTES)], &[]).unwrap()[0].0;
    assert_eq!((number, log.segments.len()), (3, 3), "the file with the newest mark is not used again");
    drop(log);
    check_starts(folder.path(), vec![(3, SEGMENT_BYTES)], "a file's beginning");
}

/// What was acknowledged and cannot be read is told, not passed over.
#[tokio::test]
async fn damage_is_told_from_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let inbox = open(folder.path());
    for _ in 0..4 {
        inbox.receive(receipt(SEGMENT_BYTES / 2)).await.unwrap();
    }
    drop(inbox);
    let files = files(folder.path());
    assert_eq!(files.len(), 4, "{files:?}");
    let mut content = std::fs::read(&files[1]).unwrap();
    content[1000] ^= 1;
    std::fs::write(&files[1], content).unwrap();
    let fault =
        Inbox::open(&folder.path().join("inbox"), &Arc::default(), &Breakage::default()).err().unwrap();
    assert!(fault.to_string().contains("notification 2"), "{fault}");
}

#[tokio::test]
async fn without_space_it_is_unavailable_and_then_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let inbox = open(folder.path());
    // A name that is taken stands for a file that cannot be made.
    let first = folder.path().join("inbox/00000001.log");
    std::fs::create_dir(&first).unwrap();
    assert_eq!(check(&inbox).await, Ok(()), "nothing is known");
    for _ in 0..2 {
        let fault = inbox.receive(receipt(1)).await.unwrap_err();
        assert_eq!(fault.kind, JournalFaultKind::Unavailable, "{fault}");
        assert_eq!(check(&inbox).await, Err(fault.what), "who asks is told");
    }
    std::fs::remove_dir(&first).unwrap();
    assert_eq!(check(&inbox).await, Ok(()), "it finds out by itself, when nobody sends");
    assert_eq!(inbox.receive(receipt(1)).await.unwrap(), ReceiptId(1));
}

/// A small write that fits into what is left says nothing of one that does not.
#[tokio::test]
async fn a_check_makes_room_for_what_had_none() {
    let folder = tempfile::tempdir().unwrap();
    let inbox = open(folder.path());
    inbox.receive(receipt(SEGMENT_BYTES / 2)).await.unwrap();
    let second = folder.path().join("inbox/00000002.log");
    std::fs::create_dir(&second).unwrap();
    assert!(inbox.receive(receipt(SEGMENT_BYTES / 2)).await.is_err());
    assert!(inbox.check().await.is_err());
    inbox.receive(receipt(1)).await.unwrap();
    assert_eq!(check(&inbox).await, Ok(()), "the last could be stored");
    assert!(inbox.receive(receipt(SEGMENT_BYTES / 2)).await.is_err());
    std::fs::remove_dir(&second).unwrap();
    assert_eq!(check(&inbox).await, Ok(()));
    drop(inbox);
    let inbox = open(folder.path());
    assert_eq!(numbers(&waiting(&inbox).await), [1, 2], "and nothing is lost by it");
    assert_eq!(inbox.receive(receipt(1)).await.unwrap(), ReceiptId(3));
}
