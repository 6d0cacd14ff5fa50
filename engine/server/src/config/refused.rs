//! What an operator gets for a faulty configuration: every fault, as a page to read and as data.

use selfheal_contract::settings::{Fault, Faults};
use serde::Serialize;

use super::origins::{Origin, Origins};
use super::overlay::path_of;
use super::render::render;
use super::variables::VARIABLES;

/// A configuration that cannot be used. Displays as the page.
#[derive(Debug, Clone, Serialize, thiserror::Error)]
#[error("{page}")]
pub struct Refused {
    /// All faults, each with its line; ends with a line break. Holds no secret.
    #[serde(skip)]
    page: String,
    /// The same as data, in the same order.
    faults: Vec<Refusal>,
}

/// One fault of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// What the value came from: the file's name, an environment variable, a flag.
    pub source: String,
    /// The line in the file, from 1, if it is there.
    pub line: Option<usize>,
    /// The character in that line, from 1.
    pub column: Option<usize>,
    /// The value at fault, such as `adapters.postgres.targets.main.url`; empty for the whole.
    pub path: String,
    /// What is wrong and what was expected.
    pub problem: String,
    /// What to do about it, where that is known.
    pub help: Option<String>,
}

impl Refused {
    pub(super) fn new(faults: &Faults, file_name: &str, text: &str, origins: &Origins) -> Self {
        let faults: Vec<Fault> = faults.iter().map(|fault| helped(fault, origins)).collect();
        let page = render(&faults, file_name, text, origins);
        let refusal = |fault: Fault| {
            let origin = origins.of(fault.at);
            Refusal {
                source: origin.map_or_else(|| file_name.to_owned(), |origin| origin.name().to_owned()),
                line: origin.is_none().then_some(fault.at.line),
                column: origin.is_none().then_some(fault.at.column),
                path: fault.path.as_str().to_owned(),
                problem: fault.problem,
                help: fault.help,
            }
        };
        Self { page, faults: faults.into_iter().map(refusal).collect() }
    }

    /// All faults, in the order of the page; at least one.
    pub fn faults(&self) -> &[Refusal] {
        &self.faults
    }
}

/// Where a variable made a section necessary that lacks a value, names the variable that gives it: who sets things
/// by environment may have no file at all.
fn helped(fault: &Fault, origins: &Origins) -> Fault {
    let mut fault = fault.clone();
    if let (Some(Origin::Variable(cause)), None) = (origins.of(fault.at), &fault.help) {
        let gives = VARIABLES.iter().find(|variable| path_of(variable.path) == fault.path);
        fault.help = gives
            .filter(|variable| variable.name != cause)
            .map(|variable| format!("set {} too, or take {cause} away", variable.name));
    }
    fault
}
