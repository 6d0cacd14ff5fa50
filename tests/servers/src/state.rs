//! The directory that the test processes of one user share: port reservations and prepared data.

use crate::error::{Error, While};
use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::PathBuf,
};

/// The shared directory, created when it is not there.
///
/// # Errors
///
/// When it cannot be created, or is another user's: its name is predictable and the parent is writable for all.
pub(crate) fn directory() -> Result<PathBuf, Error> {
    let user = rustix::process::getuid().as_raw();
    let path = std::env::temp_dir().join(format!("selfheal-test-servers-{user}"));
    // Others may pass through, because PostgreSQL's prepared data belongs to another user than root.
    match DirBuilder::new().mode(0o711).create(&path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => fs::symlink_metadata(&path),
    }
    .and_then(|metadata| {
        if metadata.is_dir() && metadata.uid() == user {
            Ok(())
        } else {
            Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is not this user's directory; remove it"))
        }
    })
    .doing(|| format!("use {}", path.display()))?;
    Ok(path)
}
