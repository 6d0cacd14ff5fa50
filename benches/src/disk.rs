//! The floor of every promise: what it takes this machine to have some bytes on disk.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use crate::error::{Error, While};
use crate::statistics::Times;

/// What one commit of the journal writes at least, in bytes: a page and its frame.
const WRITE_BYTES: usize = 4096 + 24;

/// Appends a page to a file in a directory and syncs it (fdatasync), so many times.
///
/// # Errors
/// The directory cannot be written.
pub fn sync_times(directory: &Path, count: usize) -> Result<Times, Error> {
    let path = directory.join("sync");
    let mut file = File::create(&path).doing(format!("make {}", path.display()))?;
    let page = [7; WRITE_BYTES];
    let mut times = Times::default();
    for _ in 0..count {
        let begun = Instant::now();
        file.write_all(&page).and_then(|()| file.sync_data()).doing("sync")?;
        times.add(begun.elapsed());
    }
    std::fs::remove_file(&path).doing(format!("remove {}", path.display()))?;
    Ok(times)
}
