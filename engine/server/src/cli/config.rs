//! `config check`: the whole configuration, checked, and what is in force.

use std::io::Write;

use clap::Subcommand;

use super::arguments::PlaceArguments;
use super::exit::{Exit, Failure};
use super::output::{self, Output};
use crate::config::Configuration;
use crate::load::{self, LoadFault, Place};
use crate::{assemble, checks};

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Check the whole configuration and show what is in force
    Check(PlaceArguments),
}

pub(super) fn run(command: &ConfigCommand, output: Output, out: &mut dyn Write) -> Result<Exit, Failure> {
    let ConfigCommand::Check(place) = command;
    match (load::configuration(&Place::from(place.clone())), output) {
        (Ok(configuration), _) => good(configuration, output, out),
        (Err(LoadFault::Refused(refused)), Output::Json) => {
            output::json(out, &refused)?;
            Ok(Exit::Usage)
        }
        (Err(fault), _) => Err(Failure::usage(fault.to_string())),
    }
}

/// Shows what is in force. What checks name is looked up among the adapters; nothing is connected.
fn good(mut configuration: Configuration, output: Output, out: &mut dyn Write) -> Result<Exit, Failure> {
    let shown = match output {
        Output::Text => Err(configuration.summary()),
        Output::Json => {
            Ok(serde_json::to_value(&configuration).map_err(|fault| Failure::usage(fault.to_string()))?)
        }
    };
    if !configuration.checks.each.is_empty() {
        let adapters = std::mem::take(&mut configuration.adapters);
        let catalog = assemble::catalog(adapters).map_err(|fault| Failure::usage(fault.to_string()))?;
        checks::prepare(&configuration.checks, &catalog).map_err(Failure::usage)?;
    }
    match shown {
        Ok(json) => output::json(out, &json)?,
        Err(summary) => writeln!(out, "{summary}the configuration is good")?,
    }
    Ok(Exit::Good)
}
