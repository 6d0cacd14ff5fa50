//! One file of the log. Its space is there before anything is written to it, so that a sync has only the content to wait
//! for and not the file system's own journal.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::record::{self, Entry};

/// The space of one file, unless a batch needs more.
pub(super) const SEGMENT_BYTES: usize = 8 * 1024 * 1024;
/// Zeros are written in pieces of this size.
const PIECE: usize = 256 * 1024;

/// A file of the log.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) file: Arc<File>,
    pub(super) path: PathBuf,
    pub(super) bytes: usize,
    /// Where the next record goes.
    pub(super) end: usize,
    /// The highest number of a receipt in it.
    pub(super) highest: i64,
}

impl Segment {
    /// Makes a file of at least `least` bytes.
    pub(super) fn create(directory: &Path, number: u64, least: usize) -> io::Result<Self> {
        let path = directory.join(format!("{number:08}.log"));
        let made = || -> io::Result<Self> {
            let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
            let (zeros, bytes) = (vec![0; PIECE], least.max(SEGMENT_BYTES).next_multiple_of(PIECE));
            for offset in (0..bytes).step_by(PIECE) {
                file.write_all_at(&zeros, offset as u64)?;
            }
            file.sync_all()?;
            File::open(directory)?.sync_all()?;
            Ok(Self { file: Arc::new(file), path: path.clone(), bytes, end: 0, highest: 0 })
        };
        // A file that is only half there would take the space that the next try needs.
        made().inspect_err(|_| drop(std::fs::remove_file(&path)))
    }

    /// Reads a file: its records in order, each with its place in the log and in the file.
    pub(super) fn open(path: PathBuf) -> io::Result<(Self, Vec<Found>)> {
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        let bytes = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
        let content = std::fs::read(&path)?;
        let (mut found, mut end, mut highest) = (Vec::new(), 0, 0);
        // The position of the next record, and the highest number that was given before it.
        let mut next: Option<(u64, i64)> = None;
        while let Some((position, entry, length)) = record::read(&content[end..]) {
            let (before, after) = match &entry {
                Entry::Receipt(receipt) => (receipt.number - 1, receipt.number),
                Entry::Mark(mark) => (mark.highest, mark.highest),
            };
            // What an earlier use of the file or a write that failed left behind is no continuation, even where it stands just
            // where one would.
            if next.is_some_and(|next| next != (position, before)) {
                break;
            }
            next = Some((position + 1, after));
            if matches!(entry, Entry::Receipt(_)) {
                highest = after;
            }
            found.push(Found { position, entry, offset: end, length });
            end += length;
        }
        Ok((Self { file: Arc::new(file), path, bytes, end, highest }, found))
    }

    /// Writes at the end and waits until it is on the disk; the end does not move unless that succeeds.
    pub(super) fn append(&mut self, buffer: &[u8]) -> Result<(), AppendFault> {
        self.file.write_all_at(buffer, self.end as u64).map_err(AppendFault::NotWritten)?;
        self.file.sync_data().map_err(AppendFault::Unknown)?;
        self.end += buffer.len();
        Ok(())
    }
}

/// A record that was found in a file.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) position: u64,
    pub(super) entry: Entry,
    pub(super) offset: usize,
    pub(super) length: usize,
}

/// Why something was not appended.
#[derive(Debug)]
pub(super) enum AppendFault {
    /// Nothing of it counts; it may be tried again.
    NotWritten(io::Error),
    /// Nobody can say what is on the disk.
    Unknown(io::Error),
}
