//! Lets three replicas of selfheal suffer, and says whether everything held that must hold.

use std::io::{IsTerminal as _, Write as _, stderr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use selfheal_faults::replica::{AS_SELFHEAL, Program};
use selfheal_faults::{Options, run};
use selfheal_test_servers::{Error, servers_required};

/// Between two lines about how it goes, where they are not written over one another.
const TELL_EVERY: Duration = Duration::from_secs(30);

/// Runs three replicas of selfheal on one PostgreSQL journal and one Redis ledger, feeds them by a pair of Alertmanagers,
/// and lets faults happen that a seed draws: replicas that are killed, frozen or cut off, connections that are reset,
/// answers that get lost, requests that come late, PostgreSQL, Redis, Alertmanager and Kafka's brokers that die. In the end
/// everything is mended, and it must hold that nothing that was acknowledged is lost, that nothing was done twice, that
/// everything has ended, that no limit was exceeded, and that the audit chain is whole. What does not hold is
/// printed with the seed, the faults and the stories of the issues.
///
/// All servers are started by this program, on free ports, and end with it. Exit codes: 0 everything held, or a server is
/// missing (SKIPPED is printed; 2 with SELFHEAL_REQUIRE_SERVERS=1); 1 something does not hold; 2 a server did not do its
/// part.
#[derive(Parser)]
#[command(name = "faults", version)]
struct Arguments {
    /// The first seed; drawn from the time unless given.
    #[arg(long)]
    seed: Option<u64>,
    /// How many seeds to run, one after the other; stops at the first that fails.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// How many faults a run has. 500 take about half an hour.
    #[arg(long, default_value_t = 500)]
    faults: usize,
    /// A run of 25 faults, in about two minutes.
    #[arg(long, conflicts_with = "faults")]
    short: bool,
    /// The program to try; this very build of selfheal unless given.
    #[arg(long, value_name = "FILE")]
    selfheal: Option<PathBuf>,
}

fn main() -> ExitCode {
    if std::env::var_os(AS_SELFHEAL).is_some() {
        return selfheal_server::cli::main();
    }
    let arguments = Arguments::parse();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let first = arguments.seed.unwrap_or(now.as_secs());
    let program = arguments.selfheal.map_or(Program::Own, Program::Other);
    let faults = if arguments.short { 25 } else { arguments.faults };
    for seed in first..first.saturating_add(arguments.seeds) {
        println!("seed {seed}, {faults} faults");
        let mut progress = Progress::new();
        let options = Options { seed, faults, program: program.clone() };
        let ended = run(&options, &mut |line| progress.tell(line));
        progress.end();
        match ended {
            Ok(report) if report.violations.is_empty() => println!("seed {seed}: all holds. {report}"),
            Ok(report) => {
                println!("{report}\nseed {seed} failed: run it again with --seed {seed} --faults {faults}");
                return ExitCode::FAILURE;
            }
            Err(Error::Missing(missing)) if !servers_required() => {
                println!("SKIPPED: {missing}");
                return ExitCode::SUCCESS;
            }
            Err(error) => {
                println!("seed {seed} could not be run: {error}");
                return ExitCode::from(2);
            }
        }
    }
    ExitCode::SUCCESS
}

/// Says how it goes: on a terminal in one line that changes, elsewhere now and then.
struct Progress {
    terminal: bool,
    told: Option<Instant>,
}

impl Progress {
    fn new() -> Self {
        Self { terminal: stderr().is_terminal(), told: None }
    }

    fn tell(&mut self, line: &str) {
        let every = if self.terminal { Duration::from_secs(1) } else { TELL_EVERY };
        if self.told.is_some_and(|at| at.elapsed() < every) {
            return;
        }
        self.told = Some(Instant::now());
        // Nobody is left to tell when standard error is closed.
        let _ = if self.terminal { write!(stderr(), "\r\x1b[K{line}") } else { writeln!(stderr(), "{line}") };
    }

    fn end(&self) {
        if self.terminal {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}
