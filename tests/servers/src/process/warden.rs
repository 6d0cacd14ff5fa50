//! Ends a server, and removes its directory, when the test process dies without running any Drop.
//!
//! A shell waits for the end of a pipe that only the test process holds, so that it wakes however that one ends: by
//! SIGKILL, by an abort, by a time limit. The kernel's own parent-death signal would not do: it follows the thread that
//! started the server, and a test's thread ends before a server does that several tests share.

use rustix::process::{Pid, Signal};
use std::{
    io,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
};

/// Waits for the pipe's end; asks the server to go; kills its group when it stays; removes its directory.
///
/// dash understands a group's negative number only after `-s <signal> --`.
const SCRIPT: &str = r#"
    read -r nothing
    kill -s CONT -- "-$1"
    kill -s "$2" -- "$1"
    tries=0
    while kill -s 0 -- "$1" && [ $tries -lt 10 ]; do sleep 1; tries=$((tries + 1)); done
    kill -s KILL -- "-$1"
    if [ -n "$3" ]; then rm -rf -- "$3"; fi
"#;

/// A watcher of one server. Dismissed on Drop, when its server is already gone.
#[derive(Debug)]
pub(super) struct Warden(Child);

impl Warden {
    /// Watches over the process group that `leader` leads.
    pub(super) fn watch(leader: Pid, signal: Signal, directory: Option<&Path>) -> io::Result<Self> {
        let watcher = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "selfheal-test-warden"])
            .arg(leader.as_raw_nonzero().to_string())
            .arg(signal.as_raw().to_string())
            .arg(directory.unwrap_or(Path::new("")))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .current_dir("/")
            .spawn()?;
        Ok(Self(watcher))
    }
}

impl Drop for Warden {
    fn drop(&mut self) {
        // The standard input is closed only by `wait`, after the kill: the script never gets past its first line.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
