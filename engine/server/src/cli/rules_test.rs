//! `rules test`: runs the tests of rules and says what came of them.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::colour;
use super::exit::{Exit, Failure};
use super::output::{self, Output};
use crate::rule_tests::{self, Report, Selection, TestsFault};

#[derive(Debug, Args)]
pub(super) struct TestArguments {
    /// The directory of rules, with their tests in its folder `tests`
    #[arg(default_value = "rules")]
    pub(super) dir: String,
    /// Only tests whose `file: name` contains this; coverage is not shown then
    #[arg(long, value_name = "TEXT", conflicts_with = "coverage_min")]
    pub(super) filter: Option<String>,
    /// The least share of each rule's statements and branches that the tests must reach, in percent
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(super) coverage_min: Option<u8>,
}

pub(super) fn run(arguments: TestArguments, output: Output, out: &mut dyn Write) -> Result<Exit, Failure> {
    let TestArguments { dir, filter, coverage_min } = arguments;
    let is_partial = filter.is_some();
    let selection = Selection { directory: PathBuf::from(dir), filter };
    let report = rule_tests::run(&selection).map_err(|fault| {
        let text = fault.to_string();
        match fault {
            TestsFault::Compile(_) => Failure::findings(text),
            TestsFault::Machinery(_) => Failure::internal(text),
            TestsFault::Rules(_)
            | TestsFault::Unreadable { .. }
            | TestsFault::Refused(_)
            | TestsFault::Nothing(_) => Failure::usage(text),
        }
    })?;
    match output {
        Output::Json => output::json(out, &report)?,
        Output::Text => write!(out, "{}", report.page(colour::is_on(), !is_partial))?,
    }
    judge(&report, coverage_min)
}

fn judge(report: &Report, coverage_min: Option<u8>) -> Result<Exit, Failure> {
    if report.failed() > 0 {
        return Ok(Exit::Findings);
    }
    let Some(least) = coverage_min.map(f64::from) else { return Ok(Exit::Good) };
    let low: Vec<String> = report
        .rules
        .iter()
        .filter(|rule| rule.percent() < least)
        .map(|rule| format!("{} ({:.0} %)", rule.rule, rule.percent().floor()))
        .collect();
    if low.is_empty() {
        return Ok(Exit::Good);
    }
    Err(Failure::findings(format!(
        "less than {least} % of the statements and branches are reached of: {}",
        low.join(", ")
    )))
}
