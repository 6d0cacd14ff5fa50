//! `config check`: the whole configuration, checked, and what is in force.

use std::io::Write;

use clap::{Args, Subcommand};
use selfheal_contract::Catalog;
use selfheal_runtime::checks::Check;
use selfheal_script::{Compiler, Limits, RuleSet};

use super::arguments::PlaceArguments;
use super::exit::{Exit, Failure};
use super::output::{self, Output};
use crate::config::{Configuration, Missing};
use crate::load::{self, LoadFault, Place};
use crate::{assemble, checks};

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Check the whole configuration and show what is in force
    ///
    /// Ends with 0 when it is good, and with 2 when it has faults: all of them are told, each with its place. A note says what is
    /// no fault and perhaps not meant.
    Check(CheckArguments),
}

#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    #[command(flatten)]
    place: PlaceArguments,
    /// Leave open what cannot be had here: files of secrets that are there only where selfheal runs, variables that are set
    /// only there. Everything else is checked, and what was left open is told
    #[arg(long)]
    without_secrets: bool,
}

pub(super) fn run(command: &ConfigCommand, output: Output, out: &mut dyn Write) -> Result<Exit, Failure> {
    let ConfigCommand::Check(CheckArguments { place, without_secrets }) = command;
    let missing = if *without_secrets { Missing::LeftOpen } else { Missing::Refused };
    let place = Place { missing, ..Place::from(place.clone()) };
    match (load::configuration(&place), output) {
        (Ok(configuration), _) => good(configuration, missing, output, out),
        (Err(LoadFault::Refused(refused)), Output::Json) => {
            output::json(out, &refused)?;
            Ok(Exit::Usage)
        }
        (Err(fault), _) => Err(Failure::usage(fault.to_string())),
    }
}

/// What is to be said of checks by the rules that will be used. Rules that cannot be are `rules check`'s to judge.
fn unmatched(
    configuration: &Configuration,
    catalog: &Catalog,
    checks: &[Check],
) -> impl Iterator<Item = String> {
    let compiler = Compiler::new(catalog, configuration.settings.clone(), Limits::default());
    let files = crate::serve::rules(&configuration.rules).ok();
    let set = files.and_then(|(files, _)| RuleSet::build(&compiler, files).ok());
    set.map(|set| checks::unmatched(checks, &set)).unwrap_or_default().into_iter()
}

/// Shows what is in force. What checks name is looked up among the adapters; nothing is connected.
fn good(
    mut configuration: Configuration,
    missing: Missing,
    output: Output,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let shown = match output {
        Output::Text => Err(configuration.summary()),
        Output::Json => {
            Ok(serde_json::to_value(&configuration).map_err(|fault| Failure::usage(fault.to_string()))?)
        }
    };
    let mut notes = String::new();
    if !configuration.checks.each.is_empty() {
        let adapters = std::mem::take(&mut configuration.adapters);
        let catalog = match missing {
            Missing::Refused => assemble::catalog(adapters),
            Missing::LeftOpen => assemble::functions(adapters),
        };
        let catalog = catalog.map_err(|fault| Failure::usage(fault.to_string()))?;
        let checks = checks::prepare(&configuration.checks, &catalog).map_err(Failure::usage)?;
        notes = unmatched(&configuration, &catalog, &checks).map(|note| format!("note: {note}\n")).collect();
    }
    match shown {
        Ok(json) => output::json(out, &json)?,
        Err(summary) => writeln!(out, "{summary}{notes}the configuration is good")?,
    }
    Ok(Exit::Good)
}
