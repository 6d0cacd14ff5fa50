//! One replica: its configuration, its process, and its ways to the servers.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use selfheal_test_servers::{Child, ChildOptions, Error, Port, http};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::draw::End;
use crate::way::Way;

/// Makes the program be selfheal instead of what tries it.
pub const AS_SELFHEAL: &str = "SELFHEAL_FAULTS_AS_SELFHEAL";
/// What Alertmanager shows at the door.
pub const WEBHOOK_TOKEN: &str = "a-token-for-the-webhook";
/// What a look at the API shows.
const API_TOKEN: &str = "a-token-for-the-harness";

/// Of a log, what a failure shows.
const TAIL_LINES: usize = 15;

/// The ways of one replica.
pub struct Ways {
    /// To PostgreSQL.
    pub journal: Way,
    /// To Redis.
    pub ledger: Way,
    /// To the Kubernetes API.
    pub target: Way,
}

impl Ways {
    /// The way to a server.
    #[must_use]
    pub fn to(&self, end: End) -> &Way {
        match end {
            End::Journal => &self.journal,
            End::Ledger => &self.ledger,
            End::Target => &self.target,
        }
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Way> {
        End::ALL.into_iter().map(|end| self.to(end))
    }
}

/// A replica.
pub struct Replica {
    number: usize,
    child: Mutex<Option<Child>>,
    /// Which program it is.
    program: Program,
    port: Port,
    /// Its ways.
    pub ways: Ways,
    directory: TempDir,
}

/// The program that the replicas are.
#[derive(Clone, Debug)]
pub enum Program {
    /// This one, told to be selfheal.
    Own,
    /// Another one.
    Other(PathBuf),
}

impl Program {
    /// The command with these arguments.
    ///
    /// # Errors
    /// When this program's own file cannot be told.
    pub fn command(&self) -> Result<Command, Error> {
        let own = || {
            std::env::current_exe()
                .map_err(|source| Error::Io { what: "find this program's own file".to_owned(), source })
        };
        let mut command = match self {
            Self::Own => Command::new(own()?),
            Self::Other(path) => Command::new(path),
        };
        // What happens to stand in the tester's environment is no part of it.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy().to_ascii_uppercase();
            if text.contains("PROXY") || text.starts_with("SELFHEAL_") {
                command.env_remove(&name);
            }
        }
        if matches!(self, Self::Own) {
            command.env(AS_SELFHEAL, "1");
        }
        Ok(command)
    }
}

impl Replica {
    /// Writes its configuration, to which its own ways and credentials are added, and its rules.
    ///
    /// # Errors
    /// When files cannot be written.
    pub fn prepare(
        number: usize,
        program: Program,
        port: Port,
        ways: Ways,
        mut settings: Value,
        rules: &[(&str, u64, &str)],
    ) -> Result<Self, Error> {
        let io = |source| Error::Io { what: format!("prepare replica {number}"), source };
        let directory = tempfile::Builder::new().prefix("selfheal-faults-").tempdir().map_err(io)?;
        let journal =
            format!("postgres://postgres@127.0.0.1:{}/postgres?sslmode=disable", ways.journal.port());
        settings["journal"]["url"] = json!(journal);
        settings["ledger"]["url"] = json!(format!("redis://127.0.0.1:{}/", ways.ledger.port()));
        let target = format!("http://127.0.0.1:{}", ways.target.port());
        settings["adapters"]["kubernetes"]["clusters"] = json!({ "default": { "url": target } });
        settings["intake"] = json!({ "bearer_tokens": [WEBHOOK_TOKEN] });
        settings["api"] = json!({ "tokens": [{ "name": "harness", "token": API_TOKEN, "role": "viewer" }] });
        // JSON is YAML.
        fs::write(directory.path().join("selfheal.yaml"), settings.to_string()).map_err(io)?;
        let folder = directory.path().join("rules");
        fs::create_dir(&folder).map_err(io)?;
        for (name, _, text) in rules {
            fs::write(folder.join(format!("{}.rhai", name.to_lowercase())), text).map_err(io)?;
        }
        Ok(Self { number, child: Mutex::default(), program, port, ways, directory })
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the process, if it does not run.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&self) -> Result<(), Error> {
        let mut slot = self.child();
        if slot.as_mut().is_some_and(|child| child.exit_status().is_none()) {
            return Ok(());
        }
        let mut command = self.program.command()?;
        command.arg("serve").arg("--listen").arg(self.port.address());
        command.arg("--config").arg(self.configuration());
        command.arg("--data").arg(self.directory.path().join("data"));
        command.arg("--rules").arg(self.directory.path().join("rules"));
        let name = format!("replica {}", self.number);
        *slot = Some(Child::spawn(&name, command, &self.log_file(), ChildOptions::default())?);
        Ok(())
    }

    /// Ends the process with SIGKILL.
    pub fn kill(&self) {
        if let Some(mut child) = self.child().take() {
            child.kill();
        }
    }

    /// Stops it (SIGSTOP), or lets it go on.
    pub fn freeze(&self, freeze: bool) {
        match self.child().as_mut() {
            Some(child) if freeze => child.pause(),
            Some(child) => child.resume(),
            None => {}
        }
    }

    /// How it ended by itself, if it did; only told once.
    pub fn ended_by_itself(&self) -> Option<String> {
        let mut slot = self.child();
        let status = slot.as_mut()?.exit_status()?;
        *slot = None;
        Some(status.to_string())
    }

    /// Whether it says that it is ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        http::get(&self.url("/ready")).is_ok_and(|answer| answer.is_success())
    }

    /// Its configuration.
    #[must_use]
    pub fn configuration(&self) -> PathBuf {
        self.directory.path().join("selfheal.yaml")
    }

    fn log_file(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    /// What it has written, over all its lives.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read(self.log_file())
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// The end of that.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let all: Vec<&str> = log.lines().collect();
        all[all.len().saturating_sub(TAIL_LINES)..].join("\n")
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.port.address())
    }

    /// Waits for the process to end in order.
    pub fn stop(&self, within: Duration) {
        if let Some(mut child) = self.child().take() {
            child.stop(within);
        }
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        // Before its directory.
        self.kill();
    }
}
