//! `config check`: the whole configuration, checked, and what is in force.

use std::io::Write;

use super::arguments::ConfigCommand;
use super::exit::{Exit, Failure};
use super::output::{self, Output};
use crate::load::{self, LoadFault, Place};

pub(super) fn run(command: &ConfigCommand, output: Output, out: &mut dyn Write) -> Result<Exit, Failure> {
    let ConfigCommand::Check(place) = command;
    match (load::configuration(&Place::from(place.clone())), output) {
        (Ok(configuration), Output::Text) => {
            write!(out, "{}", configuration.summary())?;
            writeln!(out, "the configuration is good")?;
            Ok(Exit::Good)
        }
        (Ok(configuration), Output::Json) => {
            output::json(out, &configuration)?;
            Ok(Exit::Good)
        }
        (Err(LoadFault::Refused(refused)), Output::Json) => {
            output::json(out, &refused)?;
            Ok(Exit::Usage)
        }
        (Err(fault), _) => Err(Failure::usage(fault.to_string())),
    }
}
