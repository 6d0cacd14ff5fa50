//! The command line: `selfheal serve`, and what people and pipelines ask beside it.
//!
//! [`arguments`] says what can be typed. Commands that need a running server go through [`client`]; `rules check`,
//! `rules test`, `config check` and `dry-run` work without one. Each command writes its answer to standard output, for people or as
//! JSON, and ends with an [`Exit`]; what went wrong goes to standard error.

mod approvals;
mod arguments;
mod audit;
mod client;
mod colour;
mod config;
mod dry_run;
mod exit;
mod explain;
mod issues;
mod journal;
mod output;
mod progress;
mod rbac;
mod ready;
mod remediations;
mod report;
mod rules;
mod rules_test;
mod silences;
mod since;
mod switch;
mod table;

use std::io::{self, IsTerminal as _, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory as _, Parser as _};

use crate::assemble::AssembleFault;
use crate::load::Place;
use crate::serve::{self, ServeFault};
use arguments::{Arguments, Asking, Command};
use client::Client;
pub use exit::{Exit, Failure};
use journal::JournalCommand;
use output::Output;

/// How long threads may take to end when the command has ended.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    // HTTP clients panic without one. A second call changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let arguments = Arguments::parse();
    let variable = |name| std::env::var(name).ok();
    let (no_color, term) = (variable("NO_COLOR"), variable("TERM"));
    colour::decide(io::stdout().is_terminal(), no_color.as_deref(), term.as_deref());
    let mut out = io::stdout().lock();
    let ended = run(arguments, &mut out).and_then(|exit| Ok(out.flush().map(|()| exit)?));
    match ended {
        Ok(exit) => exit.into(),
        Err(failure) => {
            // Nobody is left to tell when standard error is closed, too.
            let _ = failure.tell(&mut io::stderr().lock());
            failure.exit.into()
        }
    }
}

fn run(arguments: Arguments, out: &mut dyn Write) -> Result<Exit, Failure> {
    let runtime = match arguments.command {
        Command::Serve(_) => tokio::runtime::Builder::new_multi_thread().enable_all().build(),
        _ => tokio::runtime::Builder::new_current_thread().enable_all().build(),
    };
    let runtime =
        runtime.map_err(|error| Failure::internal(format!("no threads can be started: {error}")))?;
    let ended = runtime.block_on(execute(arguments, out));
    // A question that the disk does not answer must not keep the process.
    runtime.shutdown_timeout(STOP_LIMIT);
    ended
}

async fn execute(arguments: Arguments, out: &mut dyn Write) -> Result<Exit, Failure> {
    let Arguments { output, command } = arguments;
    match command {
        Command::Serve(place) => serve(&place.into()).await,
        Command::Rules(command) => rules::run(command, output, out).await,
        Command::Config(command) => config::run(&command, output, out),
        Command::Migrate(place) => journal::migrate(&place.into(), output, out).await,
        Command::Journal(JournalCommand::Move(place)) => {
            journal::move_to_postgres(&place.into(), output, out).await
        }
        Command::Audit(command) => audit::run(command, output, out).await,
        Command::DryRun(arguments) => dry_run::run(arguments, output, out).await,
        Command::Issues(Asking { server, command }) => {
            issues::run(command, &Client::of(&server)?, output, out).await
        }
        Command::Explain { issue, server } => explain::run(issue, &Client::of(&server)?, output, out).await,
        Command::Report { issue, server } => report::run(issue, &Client::of(&server)?, output, out).await,
        Command::Remediations(Asking { server, command }) => {
            remediations::run(command, &Client::of(&server)?, output, out).await
        }
        Command::Completions { shell } => {
            // Into memory first: the generator does not expect that its reader goes away.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "selfheal", &mut script);
            out.write_all(&script)?;
            Ok(Exit::Good)
        }
        Command::Approvals(Asking { server, command }) => {
            approvals::run(command, &Client::of(&server)?, output, out).await
        }
        Command::Silences(Asking { server, command }) => {
            silences::run(command, &Client::of(&server)?, output, out).await
        }
        Command::Ready(server) => ready::run(&Client::of(&server)?, output, out).await,
        Command::Switch(Asking { server, command }) => {
            switch::run(command, &Client::of(&server)?, output, out).await
        }
        Command::Rbac(arguments) => rbac::run(arguments, output, out),
        Command::Version => {
            let version = env!("CARGO_PKG_VERSION");
            match output {
                Output::Text => writeln!(out, "selfheal {version}")?,
                Output::Json => {
                    output::json(out, &serde_json::json!({ "name": "selfheal", "version": version }))?
                }
            }
            Ok(Exit::Good)
        }
    }
}

async fn serve(place: &Place) -> Result<Exit, Failure> {
    serve::serve(place, None).await.map(|()| Exit::Good).map_err(|fault| not_served(&fault))
}

fn not_served(fault: &ServeFault) -> Failure {
    let exit = match fault {
        ServeFault::Broken(_) | ServeFault::Journal(_) | ServeFault::Assemble(AssembleFault::System(_)) => {
            Exit::Internal
        }
        ServeFault::Assemble(AssembleFault::Unreachable(_)) => Exit::Unreachable,
        ServeFault::Load(_)
        | ServeFault::Assemble(_)
        | ServeFault::Telemetry(_)
        | ServeFault::Rules(_)
        | ServeFault::Listen { .. } => Exit::Usage,
    };
    Failure::new(exit, fault.to_string())
}

#[cfg(test)]
mod tests;
