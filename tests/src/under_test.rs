//! selfheal as it is, but with a journal that kills the process where a test wants it.
//!
//! `selfheal-under-test serve` takes the arguments of `selfheal serve`; `SELFHEAL_TEST_KILL_AT=before:3` ends it with
//! SIGKILL when the third write comes to the journal, `after:3` when that write is durable and nobody has been told.

use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use clap::Parser;
use selfheal_runtime::ports::Journal;
use selfheal_server::config::Overrides;
use selfheal_server::load::Place;
use selfheal_server::serve::{WrapJournal, serve};
use selfheal_tests::journal::{Call, Watch, Watched};

/// The command line.
#[derive(Parser)]
enum Command {
    /// Receives alerts and heals, until it is told to stop or its time has come.
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
        /// When to die: before:N or after:N.
        #[arg(long, env = "SELFHEAL_TEST_KILL_AT")]
        kill_at: Option<Moment>,
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

    async fn before(&self, call: Call) {
        if matches!((self, call), (Self::Before(then), Call::Write(now)) if *then == now) {
            die();
        }
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

#[tokio::main]
async fn main() -> ExitCode {
    // A second provider cannot be installed, and does no harm.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let Command::Serve { config, rules, data, listen, kill_at } = Command::parse();
    let place = Place { file: config, overrides: Overrides { listen, data, rules } };
    let wrap = kill_at.map(|moment| -> WrapJournal {
        Box::new(move |journal| Arc::new(Watched::new(journal, moment)) as Arc<dyn Journal>)
    });
    match serve(&place, wrap).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("{fault}");
            ExitCode::from(2)
        }
    }
}
