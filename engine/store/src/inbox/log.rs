//! The log as a whole: a few files that take turns. A file is used again when every receipt in it is done.
//!
//! Every file begins with a mark, so that the newest one alone tells how far the receipts are expanded and which numbers
//! have been given. Numbers have no gaps, which is how damage is told from the end.
//!
//! A write that failed may leave whole records behind, whose numbers and positions the next write gives again. If that goes
//! to the same place, it is over them; if it goes to another file, the mark that this begins with says that they never were.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use selfheal_runtime::ports::journal::{NewReceipt, Progress};

use super::record::{self, Entry, MARK_BYTES, Mark, Receipt};
use super::segment::{AppendFault, Segment};

/// Files that are kept although nothing in them is needed; what a storm has left behind beyond them is given back.
const SPARE_MAX: usize = 3;

/// The log, for the one thread that writes it.
pub(super) struct Log {
    directory: PathBuf,
    /// The last is the one that is written to; the others are older, in no order.
    pub(super) segments: Vec<Segment>,
    next_file: u64,
    next_position: u64,
    pub(super) mark: Mark,
    /// Receipts after the mark that are done out of turn.
    done: BTreeSet<i64>,
    buffer: Vec<u8>,
}

/// Where a receipt that is not done stands.
#[derive(Clone, Debug)]
pub(super) struct Place {
    file: Arc<File>,
    offset: usize,
    length: usize,
}

impl Place {
    /// Reads the receipt; `None` when the file has been used again since, for it was done then.
    pub(super) fn read(&self, number: i64) -> io::Result<Option<Receipt>> {
        let mut bytes = vec![0; self.length];
        self.file.read_exact_at(&mut bytes, self.offset as u64)?;
        Ok(match record::read(&bytes) {
            Some((_, Entry::Receipt(receipt), _)) if receipt.number == number => Some(receipt),
            _ => None,
        })
    }
}

/// Receipts that are not done, by number.
pub(super) type Places = BTreeMap<i64, Place>;

/// The bytes that storing receipts takes at most.
pub(super) fn needed(receipts: &[NewReceipt]) -> usize {
    receipts.iter().map(record::receipt_bytes).sum::<usize>() + 2 * MARK_BYTES
}

impl Log {
    /// Opens the log in `directory`, which exists.
    ///
    /// # Errors
    /// A file cannot be read, or a receipt that is not done is missing from them.
    pub(super) fn open(directory: &Path) -> io::Result<(Self, Places)> {
        let mut log = Self {
            directory: directory.to_owned(),
            segments: Vec::new(),
            next_file: 1,
            next_position: 1,
            mark: Mark::default(),
            done: BTreeSet::new(),
            buffer: Vec::new(),
        };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(directory)? {
            let path = entry?.path();
            let number = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
            let Some(number) = number.filter(|_| path.extension().is_some_and(|end| end == "log")) else {
                continue;
            };
            log.next_file = log.next_file.max(number + 1);
            files.push(Segment::open(path)?);
        }
        files.sort_by_key(|(_, found)| found.first().map_or(0, |first| first.position));
        let mut places = Places::new();
        for (segment, found) in files {
            for record in found {
                // The newest file is the last: what an older one holds beyond was left behind, and does not count.
                log.next_position = record.position + 1;
                match record.entry {
                    Entry::Mark(mark) => {
                        // Numbers that had not been given by then are of a write that failed.
                        drop(places.split_off(&(mark.highest + 1)));
                        log.mark = mark;
                    }
                    Entry::Receipt(receipt) => {
                        log.mark.highest = receipt.number;
                        let (offset, length) = (record.offset, record.length);
                        places.insert(
                            receipt.number,
                            Place { file: Arc::clone(&segment.file), offset, length },
                        );
                    }
                }
            }
            log.segments.push(segment);
        }
        let Mark { through, highest, .. } = log.mark;
        places.retain(|number, _| *number > through);
        if i64::try_from(places.len()).unwrap_or(i64::MAX) != highest - through {
            let missing =
                (through + 1..=highest).find(|number| !places.contains_key(number)).unwrap_or(highest);
            let what = format!(
                "notification {missing}, which was acknowledged, is missing from {}: restore the folder from a backup, or \
                 move it away to go on without it (Alertmanager sends again what still fires)",
                directory.display()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        Ok((log, places))
    }

    /// Stores receipts, with the mark as `progress` moves it on. All of it is on the disk when this returns.
    pub(super) fn append(
        &mut self,
        receipts: &[NewReceipt],
        progress: &[Progress],
    ) -> Result<Vec<(i64, Place)>, AppendFault> {
        self.put(receipts, progress, needed(receipts), !progress.is_empty())
    }

    /// Tries whether so many bytes ([`needed`]) could be stored: makes room for them, and writes the mark once more.
    pub(super) fn probe(&mut self, bytes: usize) -> Result<(), AppendFault> {
        self.put(&[], &[], bytes, true).map(drop)
    }

    fn put(
        &mut self,
        receipts: &[NewReceipt],
        progress: &[Progress],
        bytes: usize,
        marks: bool,
    ) -> Result<Vec<(i64, Place)>, AppendFault> {
        let (mark, done) = self.moved(progress);
        if self.segments.last().is_none_or(|segment| segment.end + bytes > segment.bytes) {
            self.turn(bytes).map_err(AppendFault::NotWritten)?;
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let segment = self.segments.last_mut().expect("one was just made where there was none");
        let (mut position, mut number) = (self.next_position, self.mark.highest);
        let mut places = Vec::with_capacity(receipts.len());
        if segment.end == 0 || marks {
            record::write_mark(&mut buffer, position, &mark);
            position += 1;
        }
        for receipt in receipts {
            number += 1;
            let start = buffer.len();
            record::write_receipt(&mut buffer, position, number, receipt);
            position += 1;
            let (offset, length) = (segment.end + start, buffer.len() - start);
            places.push((number, Place { file: Arc::clone(&segment.file), offset, length }));
        }
        let appended = segment.append(&buffer);
        self.buffer = buffer;
        if segment.end == 0 {
            // It failed where a file begins. Files are ordered by where they begin, so the next must not begin there, too.
            self.next_position = position;
        }
        appended?;
        segment.highest = number;
        self.next_position = position;
        self.mark = Mark { highest: number, ..mark };
        self.done = done;
        Ok(places)
    }

    /// The mark and what is done beyond it, as they will be.
    fn moved(&self, progress: &[Progress]) -> (Mark, BTreeSet<i64>) {
        let (mut mark, mut done) = (self.mark, self.done.clone());
        for Progress { receipt, expanded, finished } in progress {
            if *finished {
                done.insert(receipt.0);
            } else if receipt.0 > mark.through {
                mark.partial = (receipt.0, *expanded);
            }
        }
        while done.remove(&(mark.through + 1)) {
            mark.through += 1;
        }
        done.retain(|number| *number > mark.through);
        if mark.partial.0 <= mark.through {
            mark.partial = (0, 0);
        }
        (mark, done)
    }

    /// Goes on in another file: one whose receipts are all done, or a new one.
    fn turn(&mut self, bytes: usize) -> io::Result<()> {
        // By the mark that is on the disk: what a newer one would free is still needed if that is not written whole.
        let through = self.mark.through;
        let free = |segment: &Segment| segment.highest <= through;
        let fits = |segment: &Segment| free(segment) && segment.bytes >= bytes;
        let next = match self.segments[..self.older()].iter().position(fits) {
            Some(found) => Segment { end: 0, highest: 0, ..self.segments.remove(found) },
            None => {
                let made = Segment::create(&self.directory, self.next_file, bytes)?;
                self.next_file += 1;
                made
            }
        };
        let mut spare = self.segments[..self.older()].iter().filter(|segment| free(segment)).count();
        let mut at = 0;
        while spare > SPARE_MAX {
            if free(&self.segments[at]) {
                let gone = self.segments.remove(at);
                // What cannot be removed is in nobody's way.
                let _ = std::fs::remove_file(&gone.path);
                spare -= 1;
            } else {
                at += 1;
            }
        }
        self.segments.push(next);
        Ok(())
    }

    /// How many files, from the first, are older than the one with the newest mark. That one must stay until another holds a
    /// mark, which the files after it do not: the first write to them failed.
    fn older(&self) -> usize {
        self.segments.iter().rposition(|segment| segment.end > 0).unwrap_or(0)
    }
}
