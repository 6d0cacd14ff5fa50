//! Finding the servers' programs, and the user to run those that refuse to run as root.

use crate::{Missing, error::Error};
use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

/// Where Debian has programs that an ordinary user's PATH may leave out.
const MORE_FOLDERS: [&str; 4] = ["/usr/local/bin", "/usr/bin", "/usr/local/sbin", "/usr/sbin"];

/// Finds a program in PATH, then in the usual folders.
pub(crate) fn find(program: &'static str, package: &'static str) -> Result<PathBuf, Missing> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(MORE_FOLDERS.map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|file| is_executable(file))
        .ok_or(Missing { program, package })
}

/// Finds a program of PostgreSQL's newest version in Debian's folders, which are not in PATH, then in PATH.
pub(crate) fn find_postgres(program: &'static str) -> Result<PathBuf, Missing> {
    let newest = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            let file = entry.path().join("bin").join(program);
            is_executable(&file).then_some((version, file))
        })
        .max_by_key(|(version, _)| *version);
    match newest {
        Some((_, file)) => Ok(file),
        None => find(program, "postgresql"),
    }
}

pub(crate) fn is_executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// A user of this machine, by numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// Whom to run a server as that refuses to run as root: `None` when this process is not root.
///
/// # Errors
///
/// When neither the server's own user nor `nobody` exists.
pub(crate) fn unprivileged(name: &str) -> Result<Option<User>, Error> {
    if !rustix::process::getuid().is_root() {
        return Ok(None);
    }
    [name, "nobody"].into_iter().find_map(look_up).map(Some).ok_or_else(|| Error::Failed {
        server: name.to_owned(),
        reason: format!("it does not run as root, and neither the user {name} nor nobody exists"),
        log: String::new(),
    })
}

fn look_up(name: &str) -> Option<User> {
    let number = |flag: &str| -> Option<u32> {
        let output = Command::new("id").args([flag, name]).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    Some(User { uid: number("-u")?, gid: number("-g")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_named_with_its_package() {
        let missing = find("no-such-program", "no-such-package").unwrap_err();
        assert_eq!(
            missing.to_string(),
            "no-such-program is missing (tests/install-servers.sh installs no-such-package)"
        );
        assert!(find("sh", "dash").is_ok());
    }

    #[test]
    fn users_are_looked_up_by_name() {
        assert_eq!(look_up("root").map(|user| user.uid), Some(0));
        assert!(look_up("no-such-user").is_none());
    }
}
