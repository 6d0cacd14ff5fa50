//! A data directory made once and copied for every server.

use crate::{
    error::{Error, While},
    program::{self, User},
    server, state,
};
use std::{
    fs::{self, File},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};

/// Copies the prepared data of this version of PostgreSQL to `target`, preparing it first when nobody has.
pub(super) fn copy(postgres: &Path, user: Option<User>, target: &Path) -> Result<(), Error> {
    let template = prepare(postgres, user)?;
    // Root's copy keeps the owner and the mode, without which PostgreSQL refuses the directory.
    run(Command::new("cp").arg("-a").arg(&template).arg(target))
}

fn prepare(postgres: &Path, user: Option<User>) -> Result<PathBuf, Error> {
    let initdb = program::find_postgres("initdb")?;
    let shared = state::directory()?;
    let template = shared.join(format!("postgres-{}", version(postgres)?));
    let lock_path = shared.join("postgres-template.lock");
    let locking = || format!("lock {}", lock_path.display());
    // One process prepares, the others wait; the lock ends with this function or with this process.
    let lock = File::create(&lock_path).doing(locking)?;
    lock.lock().doing(locking)?;
    if template.join("PG_VERSION").exists() {
        return Ok(template);
    }
    let workshop = server::directory("initdb", user)?;
    let data = workshop.path().join("data");
    let mut command = Command::new(initdb);
    command
        .arg("-D")
        .arg(&data)
        .args(["--username", super::USER, "--auth", "trust", "--encoding", "UTF8", "--locale", "C"])
        // Small segments make small copies; nothing here survives a crash of the machine, so nothing is synced.
        .args(["--wal-segsize", "1", "--no-sync", "--no-instructions"])
        .current_dir(workshop.path());
    if let Some(User { uid, gid }) = user {
        command.uid(uid).gid(gid);
    }
    run(&mut command)?;
    // A move within one file system is atomic: the template is there whole, or not at all.
    let half = shared.join("postgres-template.half");
    run(Command::new("rm").arg("-rf").arg("--").arg(&half))?;
    run(Command::new("cp").arg("-a").arg(&data).arg(&half))?;
    fs::rename(&half, &template).doing(|| format!("rename {} to {}", half.display(), template.display()))?;
    Ok(template)
}

/// The version as the program tells it, made fit for a file's name: `15.14`.
fn version(postgres: &Path) -> Result<String, Error> {
    let output = Command::new(postgres)
        .arg("--version")
        .output()
        .doing(|| format!("ask {} for its version", postgres.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.split_ascii_whitespace().nth(2).unwrap_or("unknown");
    Ok(version.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '.').collect())
}

fn run(command: &mut Command) -> Result<(), Error> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().doing(|| format!("run {name}"))?;
    if output.status.success() {
        return Ok(());
    }
    let log = [output.stdout, output.stderr].concat();
    Err(Error::Failed {
        server: name,
        reason: format!("it ended with {}", output.status),
        log: String::from_utf8_lossy(&log).into_owned(),
    })
}
