//! Puts selfheal under load and prints each figure beside its floor, as rows for README.md.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use selfheal_benches::cases;
use selfheal_benches::error::{Error, While};
use selfheal_benches::report::{self, Row};
use selfheal_benches::scenarios::{self, Bench, Overload};
use selfheal_benches::statistics::millis;
use selfheal_benches::subject::Programs;

/// Measures selfheal as ratios to floors of the same run.
#[derive(Parser)]
#[command(args_override_self = true)]
struct Arguments {
    /// What to measure.
    #[command(subcommand)]
    scenario: Scenario,
    /// The release build of selfheal; beside this program if not given.
    #[arg(long, global = true)]
    selfheal: Option<PathBuf>,
    /// Where journals are kept: a directory on the disk that is to be measured.
    #[arg(long, global = true, default_value = ".")]
    directory: PathBuf,
    /// How often floor and selfheal take turns.
    #[arg(long, global = true, default_value_t = 5)]
    rounds: usize,
    /// Seconds under load in each turn.
    #[arg(long, global = true, default_value_t = 5)]
    seconds: u64,
    /// Connections of the client.
    #[arg(long, global = true, default_value_t = 64)]
    connections: usize,
    /// Threads of the client.
    #[arg(long, global = true, default_value_t = 2)]
    threads: usize,
}

#[derive(Subcommand)]
enum Scenario {
    /// Single rooms within one process: parsing, deciding, the journal.
    Rooms,
    /// Notifications a second that are on disk when they are answered.
    Intake,
    /// From the POST to the first statement at the target.
    Latency,
    /// Alerts a second from receipt to outcome.
    Stream,
    /// Intake while a thousand listen to the live stream.
    Listeners,
    /// Intake on PostgreSQL, beside SQLite.
    Postgres,
    /// Claims of the ledger on Redis, beside a bare script.
    Ledger,
    /// A backlog worked off by one process on SQLite, one on PostgreSQL and Redis, and three of those.
    Drain {
        /// Alerts that wait.
        #[arg(long, default_value_t = 100_000)]
        alerts: u64,
    },
    /// Start to ready, and idle memory.
    Start,
    /// 100 000 alerts in one body.
    Storm,
    /// Ten times what can be worked off, for --seconds.
    Overload {
        /// What the alerts lead to.
        #[arg(long, value_enum, default_value_t = What::Skip)]
        what: What,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum What {
    /// A line in the log.
    Log,
    /// Nothing, by decision.
    Skip,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(rows) => {
            report::print(&rows);
            ExitCode::SUCCESS
        }
        Err(error) => {
            report::note(error);
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<Vec<Row>, Error> {
    let bench = bench(arguments)?;
    let sync = bench.sync()?;
    println!("{}; one fdatasync: p50 {}, p99 {}", report::machine(), millis(sync.p50), millis(sync.p99));
    match arguments.scenario {
        Scenario::Rooms => rooms(&bench),
        Scenario::Intake => scenarios::intake(&bench),
        Scenario::Latency => scenarios::latency(&bench),
        Scenario::Stream => scenarios::stream(&bench),
        Scenario::Listeners => scenarios::listeners(&bench),
        Scenario::Postgres => scenarios::postgres(&bench),
        Scenario::Ledger => scenarios::ledger(&bench),
        Scenario::Drain { alerts } => scenarios::drain(&bench, alerts.max(1)),
        Scenario::Start => scenarios::start(&bench),
        Scenario::Storm => scenarios::storm(&bench),
        Scenario::Overload { what: What::Log } => scenarios::overload(&bench, Overload::Log),
        Scenario::Overload { what: What::Skip } => scenarios::overload(&bench, Overload::Skip),
    }
}

fn bench(arguments: &Arguments) -> Result<Bench, Error> {
    let here = std::env::current_exe().doing("find this program")?;
    let beside = |name: &str| here.with_file_name(name);
    let absolute = |path: PathBuf| path.canonicalize().doing(format!("find {}", path.display()));
    Ok(Bench {
        programs: Programs {
            selfheal: match &arguments.selfheal {
                Some(path) => absolute(path.clone())?,
                None => beside("selfheal"),
            },
            floor: beside("floor"),
            directory: absolute(arguments.directory.clone())?,
        },
        rounds: arguments.rounds.max(1),
        seconds: Duration::from_secs(arguments.seconds),
        connections: arguments.connections.max(1),
        threads: arguments.threads.clamp(1, arguments.connections.max(1)),
    })
}

fn rooms(bench: &Bench) -> Result<Vec<Row>, Error> {
    let directory =
        tempfile::tempdir_in(&bench.programs.directory).doing("make a directory for the journals")?;
    let mut cases = cases::all(directory.path())?;
    // A turn of a room is short; as many make up for it.
    Ok(cases.iter_mut().map(|case| case.compare(bench.rounds * 8)).collect())
}
