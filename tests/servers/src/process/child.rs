//! A guard around one started process.

use super::{tree, warden::Warden};
use crate::{
    error::{Error, While},
    wait::poll,
};
use rustix::process::{Pid, Signal};
use std::{
    fs::{self, File},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

/// Of a log, what a failure shows.
const TAIL_LINES: usize = 40;
/// How long a process has on Drop when it must clean up after itself.
const DROP_GRACE: Duration = Duration::from_secs(5);

/// How to treat a process.
#[derive(Debug, Clone)]
pub struct ChildOptions {
    /// What asks it to end in order; SIGTERM by default.
    pub stop_signal: Signal,
    /// What ends it on Drop; SIGKILL by default, another only for a program that leaves something behind otherwise.
    pub drop_signal: Signal,
    /// A directory to remove if this test process is killed before it could do so itself.
    pub directory: Option<PathBuf>,
}

impl Default for ChildOptions {
    fn default() -> Self {
        Self { stop_signal: Signal::TERM, drop_signal: Signal::KILL, directory: None }
    }
}

/// A process with its descendants, ended on Drop, and also when this process dies without running it.
///
/// Its output goes to a log file, whose end is printed when the guard is dropped by a panic.
#[derive(Debug)]
pub struct Child {
    name: String,
    log: PathBuf,
    options: ChildOptions,
    pid: Pid,
    process: std::process::Child,
    /// Dropped, and so dismissed, after this guard's own Drop has ended the process.
    _warden: Warden,
}

impl Child {
    /// Starts the command in a process group of its own, without input, its output appended to the file `log`.
    ///
    /// # Errors
    ///
    /// When the log cannot be opened or the program cannot be started.
    pub fn spawn(name: &str, mut command: Command, log: &Path, options: ChildOptions) -> Result<Self, Error> {
        let opening = || format!("open the log {}", log.display());
        let output = File::options().create(true).append(true).open(log).doing(opening)?;
        let errors = output.try_clone().doing(opening)?;
        let mut process = command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .doing(|| format!("start {name}"))?;
        let pid = Pid::from_child(&process);
        match Warden::watch(pid, options.drop_signal, options.directory.as_deref()) {
            Ok(warden) => {
                let log = log.to_owned();
                Ok(Self { name: name.to_owned(), log, options, pid, process, _warden: warden })
            }
            Err(source) => {
                tree::kill(pid);
                let _ = process.wait();
                Err(Error::Io { what: format!("start the warden of {name}"), source })
            }
        }
    }

    /// The process's number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// How the process ended, or `None` while it runs.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        // The only fault that the system documents is to wait for someone else's child.
        self.process.try_wait().expect("the process is this one's child")
    }

    /// Waits for the process to end by itself; `None` when it still runs after the time.
    pub fn wait(&mut self, within: Duration) -> Option<ExitStatus> {
        poll(within, || self.exit_status())
    }

    /// Sends a signal to the process alone; nothing happens when it has ended.
    pub fn signal(&mut self, signal: Signal) {
        if self.exit_status().is_none() {
            tree::send(self.pid, signal);
        }
    }

    /// Stops (SIGSTOP) the process and its descendants, and returns when they stand still: connections stay open, and
    /// the kernel still accepts new ones, but nothing answers.
    pub fn pause(&mut self) {
        if self.exit_status().is_none() {
            tree::pause(self.pid);
        }
    }

    /// Lets (SIGCONT) the process and its descendants go on.
    pub fn resume(&mut self) {
        if self.exit_status().is_none() {
            tree::resume(self.pid);
        }
    }

    /// Asks the process to end in order, and kills it when it has not done so within the time. A paused one is resumed.
    pub fn stop(&mut self, within: Duration) -> ExitStatus {
        self.end(self.options.stop_signal, within)
    }

    /// Kills (SIGKILL) the process and its descendants, as a crash would, and returns when they are gone.
    pub fn kill(&mut self) -> ExitStatus {
        if self.exit_status().is_none() {
            tree::kill(self.pid);
        }
        self.process.wait().expect("the process is this one's child")
    }

    /// All that the process has written so far, bytes that are no UTF-8 replaced.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// The last lines of [`log`](Self::log), at most 40.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }

    fn end(&mut self, signal: Signal, within: Duration) -> ExitStatus {
        self.signal(signal);
        self.resume();
        match self.wait(within) {
            Some(status) => status,
            None => self.kill(),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.options.drop_signal == Signal::KILL {
            self.kill();
        } else {
            self.end(self.options.drop_signal, DROP_GRACE);
        }
        if thread::panicking() {
            eprintln!("--- the end of the log of {} ---\n{}", self.name, self.log_tail());
        }
    }
}
