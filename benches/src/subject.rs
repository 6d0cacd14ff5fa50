//! The processes that are measured: selfheal itself, and the floor beside which it is measured.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use selfheal_test_servers::{Child, ChildOptions, Port, http};
use tempfile::TempDir;

use crate::error::{Error, While};
use crate::metrics::Metrics;

/// How long a process may take until it answers.
const READY_LIMIT: Duration = Duration::from_secs(60);
/// How long it may take to stop.
const STOP_LIMIT: Duration = Duration::from_secs(20);
/// Between two looks whether it answers.
const READY_LOOK: Duration = Duration::from_micros(500);

/// The programs, and where their data goes.
#[derive(Clone, Debug)]
pub struct Programs {
    /// The release build of selfheal.
    pub selfheal: PathBuf,
    /// The floor.
    pub floor: PathBuf,
    /// On the disk that is measured.
    pub directory: PathBuf,
}

/// How selfheal is set up. Whatever is not said is as shipped.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// Names and texts of the rules.
    pub rules: Vec<(String, String)>,
    /// YAML of the section `policy`.
    pub policy: String,
    /// YAML of the section `intake`.
    pub intake: String,
    /// YAML of the section `adapters`.
    pub adapters: String,
    /// YAML of the section `journal`.
    pub journal: String,
    /// YAML of the section `ledger`.
    pub ledger: String,
}

/// So large that intake itself is measured, not the 503 with which it protects what comes after it.
pub const ALL_TAKEN: &str = "{backlog_max: 100000000}";

/// Limits raised so far that none of them holds anything back.
pub const NO_LIMITS: &str = "{per_target_per_hour: 10000, in_all_per_hour: 1000000, concurrent: 1000, \
    storm_per_minute: 0, delays: {critical: 0s}}";

/// What a process has in memory, in MiB.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Now.
    pub resident: f64,
    /// At most so far.
    pub peak: f64,
}

/// A running process.
pub struct Subject {
    child: Child,
    port: Port,
    directory: TempDir,
    /// From starting the program to its first answer that it is ready.
    pub started_in: Duration,
}

impl Subject {
    /// Starts selfheal with an empty journal and waits until it is ready.
    ///
    /// # Errors
    /// It cannot be started, or does not become ready; its log says why.
    pub fn selfheal(programs: &Programs, setup: &Setup) -> Result<Self, Error> {
        let (directory, port) = (place(programs)?, Port::reserve()?);
        let write =
            |path: &Path, text: &str| std::fs::write(path, text).doing(format!("write {}", path.display()));
        let rules = directory.path().join("rules");
        std::fs::create_dir(&rules).doing("make the directory of rules")?;
        for (name, text) in &setup.rules {
            write(&rules.join(format!("{name}.rhai")), text)?;
        }
        let section = |name: &str, yaml: &str| match yaml {
            "" => String::new(),
            yaml => format!("{name}: {yaml}\n"),
        };
        let configuration = format!(
            "listen: {}\ndata: {}\nrules: {}\n{}{}{}{}{}",
            port.address(),
            directory.path().join("data").display(),
            rules.display(),
            section("policy", &setup.policy),
            section("intake", &setup.intake),
            section("adapters", &setup.adapters),
            section("journal", &setup.journal),
            section("ledger", &setup.ledger),
        );
        let file = directory.path().join("selfheal.yaml");
        write(&file, &configuration)?;
        let mut command = Command::new(&programs.selfheal);
        command.arg("serve").arg("--config").arg(&file).current_dir(directory.path());
        Self::start("selfheal", command, directory, port)
    }

    /// Starts the floor and waits until it answers.
    ///
    /// # Errors
    /// As for selfheal.
    pub fn floor(programs: &Programs) -> Result<Self, Error> {
        let (directory, port) = (place(programs)?, Port::reserve()?);
        let mut command = Command::new(&programs.floor);
        command.arg("--listen").arg(port.address());
        Self::start("floor", command, directory, port)
    }

    fn start(name: &str, command: Command, directory: TempDir, port: Port) -> Result<Self, Error> {
        let log = directory.path().join("log");
        let begun = Instant::now();
        // A journal may be large: it goes even if this process is killed.
        let options =
            ChildOptions { directory: Some(directory.path().to_owned()), ..ChildOptions::default() };
        let mut child = Child::spawn(name, command, &log, options)?;
        let url = format!("http://{}/ready", port.address());
        while begun.elapsed() < READY_LIMIT {
            if http::get(&url).is_ok_and(|answer| answer.is_success()) {
                let started_in = begun.elapsed();
                return Ok(Self { child, port, directory, started_in });
            }
            if child.exit_status().is_some() {
                break;
            }
            std::thread::sleep(READY_LOOK);
        }
        Err(Error::Server(format!("{name} did not become ready:\n{}", child.log_tail())))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port.number()).into()
    }

    /// Where it keeps its data, on the disk that is measured.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// What it says of itself.
    ///
    /// # Errors
    /// It does not answer.
    pub fn metrics(&self) -> Result<Metrics, Error> {
        Metrics::read(&self.port.address())
    }

    /// What it has in memory, as the kernel counts it.
    ///
    /// # Errors
    /// It is gone.
    pub fn memory(&self) -> Result<Memory, Error> {
        let path = format!("/proc/{}/status", self.child.pid());
        let status = std::fs::read_to_string(&path).doing(format!("read {path}"))?;
        let mebibytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            let kibibytes = line.split_whitespace().next().and_then(|number| number.parse::<f64>().ok());
            kibibytes.unwrap_or_default() / 1024.0
        };
        Ok(Memory { resident: mebibytes("VmRSS:"), peak: mebibytes("VmHWM:") })
    }

    /// The seconds of processor time that it has used.
    ///
    /// # Errors
    /// It is gone.
    pub fn processor_seconds(&self) -> Result<f64, Error> {
        let path = format!("/proc/{}/stat", self.child.pid());
        let stat = std::fs::read_to_string(&path).doing(format!("read {path}"))?;
        // After the name, which may hold anything: state is field 3, user and system time are 14 and 15, in hundredths.
        let fields: Vec<&str> =
            stat.rsplit(')').next().unwrap_or_default().split_ascii_whitespace().collect();
        let field =
            |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or_default();
        Ok((field(11) + field(12)) / 100.0)
    }

    /// The journal's file with its log, in MiB.
    pub fn journal_mebibytes(&self) -> f64 {
        let data = self.directory.path().join("data");
        let bytes = |name: &str| std::fs::metadata(data.join(name)).map_or(0, |file| file.len());
        (bytes("journal.sqlite") + bytes("journal.sqlite-wal")) as f64 / (1024.0 * 1024.0)
    }

    /// Asks until `done` says so, for at most `limit`; gives the last answer.
    ///
    /// # Errors
    /// It does not answer, or is not done in time.
    pub fn wait_until(
        &self,
        what: &str,
        limit: Duration,
        done: impl Fn(&Metrics) -> bool,
    ) -> Result<Metrics, Error> {
        let begun = Instant::now();
        loop {
            let metrics = self.metrics()?;
            if done(&metrics) {
                return Ok(metrics);
            }
            if begun.elapsed() > limit {
                return Err(Error::Server(format!("waited {limit:?} in vain until {what}")));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Stops it in order.
    ///
    /// # Errors
    /// It ended with another code than 0.
    pub fn stop(mut self) -> Result<(), Error> {
        let status = self.child.stop(STOP_LIMIT);
        if status.success() {
            return Ok(());
        }
        Err(Error::Server(format!("it ended with {status}:\n{}", self.child.log_tail())))
    }
}

fn place(programs: &Programs) -> Result<TempDir, Error> {
    TempDir::with_prefix_in("selfheal-bench-", &programs.directory)
        .doing(format!("make a directory in {}", programs.directory.display()))
}
