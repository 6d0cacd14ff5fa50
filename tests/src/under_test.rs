//! selfheal as it is, but with a journal that kills the process where a test wants it.
//!
//! `SELFHEAL_TEST_KILL_AT=before:3` ends `selfheal-under-test serve` with SIGKILL when the third write comes to the journal,
//! `after:3` when that write is durable and nobody has been told. Without that variable it is the program itself.

use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use clap::Parser;
use selfheal_runtime::ports::{Journal, JournalFault};
use selfheal_server::config::Overrides;
use selfheal_server::load::Place;
use selfheal_server::serve::{WrapJournal, serve};
use selfheal_tests::journal::{Call, Watch, Watched};

/// When to die: before:N or after:N.
const KILL_AT: &str = "SELFHEAL_TEST_KILL_AT";

/// The command line.
#[derive(Parser)]
enum Command {
    /// Receives alerts and heals.
    Serve {
        /// The configuration.
        #[arg(long)]
        config: Option<PathBuf>,
        /// The directory of rules.
        #[arg(long)]
        rules: Option<String>,
        /// The directory for what must outlive the process.
        #[arg(long)]
        data: Option<String>,
        /// The address to serve HTTP on.
        #[arg(long)]
        listen: Option<String>,
    },
}

/// The moment at which the process dies.
#[derive(Clone, Copy)]
enum Moment {
    Before(u32),
    After(u32),
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = |number: &str| number.parse().ok();
        match text.split_once(':') {
            Some(("before", number)) => read(number).map(Self::Before),
            Some(("after", number)) => read(number).map(Self::After),
            _ => None,
        }
        .ok_or_else(|| format!("{text:?} is no moment: expected before:<number> or after:<number>"))
    }
}

#[async_trait]
impl Watch for Moment {
    type Flight = ();

    async fn before(&self, call: Call) -> Result<(), JournalFault> {
        if matches!((self, call), (Self::Before(then), Call::Write(now)) if *then == now) {
            die();
        }
        Ok(())
    }

    async fn after(&self, call: Call) {
        if matches!((self, call), (Self::After(then), Call::Write(now)) if *then == now) {
            die();
        }
    }
}

/// As a crash would: nothing is cleaned up, nothing is said.
fn die() {
    let own = rustix::process::getpid();
    // There is no way to go on if the system refuses to kill a process at its own wish.
    if rustix::process::kill_process(own, rustix::process::Signal::KILL).is_err() {
        std::process::abort();
    }
}

/// Serves until it is told to stop or its time has come.
async fn serve_until(moment: Moment) -> Result<(), String> {
    let Command::Serve { config, rules, data, listen } = Command::parse();
    let overrides = Overrides { listen, data, rules };
    let place = Place { file: config, overrides, ..Place::default() };
    let wrap: WrapJournal =
        Box::new(move |journal| Arc::new(Watched::new(journal, moment)) as Arc<dyn Journal>);
    serve(&place, Some(wrap)).await.map_err(|fault| fault.to_string())
}

fn main() -> ExitCode {
    let Ok(moment) = std::env::var(KILL_AT) else { return selfheal_server::cli::main() };
    // A second provider cannot be installed, and does no harm.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let served = moment.parse().and_then(|moment| {
        let runtime = tokio::runtime::Runtime::new().map_err(|fault| fault.to_string())?;
        runtime.block_on(serve_until(moment))
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("{fault}");
            ExitCode::from(2)
        }
    }
}
