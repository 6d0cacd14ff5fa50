//! The floor of every promise: what it takes this machine to have some bytes on disk.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use crate::error::{Error, While};
use crate::statistics::Times;

/// What one commit of the journal writes at least, in bytes: a page and its frame.
const WRITE_BYTES: usize = 4096 + 24;

/// A file that grows by a page with every sync. It has no name any more, and is gone when this is dropped.
#[derive(Debug)]
pub struct Disk {
    file: File,
}

impl Disk {
    /// A file in a directory of the disk in question.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn open(directory: &Path) -> Result<Self, Error> {
        let file =
            tempfile::tempfile_in(directory).doing(format!("make a file in {}", directory.display()))?;
        Ok(Self { file })
    }

    /// Appends a page and waits until it is on disk (fdatasync).
    ///
    /// # Errors
    /// The disk does not take it.
    pub fn sync(&mut self) -> Result<(), Error> {
        self.file.write_all(&[7; WRITE_BYTES]).and_then(|()| self.file.sync_data()).doing("sync")
    }

    /// The times of so many syncs, one after the other.
    ///
    /// # Errors
    /// The disk does not take one.
    pub fn times(&mut self, count: usize) -> Result<Times, Error> {
        let mut times = Times::default();
        for _ in 0..count {
            let begun = Instant::now();
            self.sync()?;
            times.add(begun.elapsed());
        }
        Ok(times)
    }
}
