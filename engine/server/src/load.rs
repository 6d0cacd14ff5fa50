//! Reads the configuration from where the operator has put it.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::config::{self, Configuration, Missing, Overrides, Refused, Sources};

/// The longest file that a configuration may be or name, in bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Where the configuration comes from.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// The file; without one, defaults, environment and flags make the configuration.
    pub file: Option<PathBuf>,
    /// What flags say.
    pub overrides: Overrides,
    /// What becomes of values that cannot be had.
    pub missing: Missing,
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadFault {
    /// The file cannot be read.
    #[error("the configuration {path} cannot be read: {fault}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        fault: io::Error,
    },
    /// It has faults.
    #[error("{0}")]
    Refused(#[from] Refused),
}

/// Reads and checks the configuration.
///
/// # Errors
/// It cannot be read, or it has faults: all of them, each with its place.
pub fn configuration(place: &Place) -> Result<Configuration, LoadFault> {
    // A variable that is no UTF-8 cannot be one of ours.
    let environment: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let text = match &place.file {
        None => None,
        Some(path) => Some(read_file(path).map_err(|fault| {
            let path = path.display().to_string();
            LoadFault::Unreadable { path, fault }
        })?),
    };
    let name = place.file.as_ref().map_or_else(|| "defaults".to_owned(), |path| path.display().to_string());
    let missing = place.missing;
    let sources = Sources { environment: &environment, read_file: &read_file, missing };
    let roster = selfheal_roster::ROSTER;
    Ok(config::check(text.as_deref(), &name, &sources, &place.overrides, roster)?)
}

fn read_file(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = std::fs::File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if read as u64 > FILE_BYTES_MAX {
        return Err(io::Error::other(format!("it is longer than {FILE_BYTES_MAX} bytes")));
    }
    Ok(text)
}
