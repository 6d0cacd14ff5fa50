//! What came of all tests: a page for people, data for scripts.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use selfheal_script::{Coverage, Part, Place, RuleFile, What};
use serde::Serialize;
use similar::{ChangeTag, TextDiff};

use super::differ::Difference;

/// Everything that came of a run. Serialises as `--output json` prints it.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// The tests, in the order in which they ran.
    pub tests: Vec<Ran>,
    /// The rules of the directory, by ascending name.
    pub rules: Vec<RuleCoverage>,
    /// How long it took, in the time of the machine.
    #[serde(skip)]
    pub took: Duration,
}

/// A test that ran.
#[derive(Debug, Serialize)]
pub struct Ran {
    /// Its file.
    pub file: String,
    /// The line where it begins, from 1.
    pub line: usize,
    /// Its name.
    pub name: String,
    /// What is not as it expects; it passed when there is nothing.
    pub differences: Vec<Difference>,
}

/// What tests reached of a rule.
#[derive(Debug, Serialize)]
pub struct RuleCoverage {
    /// The rule.
    pub rule: String,
    /// Its file.
    pub file: String,
    /// Statements of its functions. Where no test loaded it, they are not known, and this is 0.
    pub statements: usize,
    /// Ways that are no statements: where an `if` without `else` does not hold, each side of `||`, `&&` and `??`.
    pub branches: usize,
    /// Those of both that were reached.
    pub reached: usize,
    /// Those that were not, with their text.
    pub missed: Vec<Missed>,
}

/// A statement or branch that no test reached.
#[derive(Debug, Serialize)]
pub struct Missed {
    /// What it is, and where.
    #[serde(flatten)]
    pub part: Part,
    /// Its line of the rule's text.
    pub text: String,
}

impl RuleCoverage {
    /// What was reached of a rule.
    pub(super) fn of(rule: &RuleFile, parts: Option<&BTreeSet<Part>>, coverage: &Coverage) -> Self {
        let empty = BTreeSet::new();
        let parts = parts.unwrap_or(&empty);
        let reached = coverage.reached(&rule.name, parts);
        let text =
            |part: &Part| rule.text.lines().nth(part.place.line - 1).unwrap_or_default().trim().to_owned();
        let missed =
            parts.difference(&reached).map(|part| Missed { part: *part, text: text(part) }).collect();
        let statements = parts.iter().filter(|part| part.what == What::Statement).count();
        Self {
            rule: rule.name.to_string(),
            file: rule.path.to_string(),
            statements,
            branches: parts.len() - statements,
            reached: reached.len(),
            missed,
        }
    }

    /// Whether any test asked it.
    pub fn is_tested(&self) -> bool {
        self.reached > 0
    }

    /// The share of its statements and branches that was reached, 0 to 100.
    pub fn percent(&self) -> f64 {
        percent(self.reached, self.statements + self.branches)
    }
}

fn percent(reached: usize, all: usize) -> f64 {
    if all == 0 { 0.0 } else { reached as f64 * 100.0 / all as f64 }
}

/// What was missed, in the report.
fn said(what: What) -> &'static str {
    match what {
        What::Statement => "not reached",
        What::Side => "never looked at",
        What::Else => "always holds",
        What::Short => "never decided by the left",
    }
}

impl Report {
    /// Tests that failed.
    pub fn failed(&self) -> usize {
        self.tests.iter().filter(|test| !test.differences.is_empty()).count()
    }

    /// The least coverage of any rule, 0 to 100: an average would hide a rule without a test behind others.
    pub fn least_percent(&self) -> f64 {
        self.rules.iter().map(RuleCoverage::percent).fold(100.0, f64::min)
    }

    /// The page for people. `colour` is for terminals; `coverage` is left out where only some tests ran.
    pub fn page(&self, colour: bool, coverage: bool) -> String {
        let mut page = String::new();
        for test in &self.tests {
            test.write(&mut page, colour);
        }
        if coverage {
            self.coverage(&mut page);
        }
        let (all, failed) = (self.tests.len(), self.failed());
        let took = self.took.as_secs_f64();
        let counted = if all == 1 { "1 test".to_owned() } else { format!("{all} tests") };
        let summary = if failed == 0 {
            "passed".to_owned()
        } else {
            format!("{failed} failed, {} passed", all - failed)
        };
        writeln!(page, "{counted}: {summary}, in {took:.2} s").expect("writing to a String cannot fail");
        page
    }

    fn coverage(&self, page: &mut String) {
        let width = self.rules.iter().map(|rule| rule.rule.len()).max().unwrap_or(0).max("RULE".len());
        page.push_str(&format!("\n{:width$}  STATEMENTS  BRANCHES  REACHED\n", "RULE"));
        for rule in &self.rules {
            let reached = if rule.is_tested() {
                format!("{:.0} %", rule.percent().floor())
            } else {
                "no test".to_owned()
            };
            let RuleCoverage { rule, statements, branches, .. } = rule;
            page.push_str(&format!("{rule:width$}  {statements:>10}  {branches:>8}  {reached:>7}\n"));
        }
        for rule in self.rules.iter().filter(|rule| rule.is_tested()) {
            for Missed { part: Part { place, what }, text } in &rule.missed {
                let (missed, Place { line, column }) = (said(*what), place);
                page.push_str(&format!("{missed}: {}:{line}:{column}: {text}\n", rule.file));
            }
        }
        page.push('\n');
    }
}

impl Ran {
    fn write(&self, page: &mut String, colour: bool) {
        let Self { file, line, name, differences } = self;
        if differences.is_empty() {
            page.push_str(&format!("ok    {file}: {name}\n"));
            return;
        }
        page.push_str(&format!("FAIL  {file}:{line}: {name}\n"));
        for difference in differences {
            difference.write(page, file, colour);
        }
    }
}

impl Difference {
    fn write(&self, page: &mut String, file: &str, colour: bool) {
        page.push_str(&format!("      {file}:{}: {} (- expected, + came)\n", self.line, self.what));
        let (expected, actual) = (self.expected.join("\n"), self.actual.join("\n"));
        for change in TextDiff::from_lines(&expected, &actual).iter_all_changes() {
            let (sign, paint) = match change.tag() {
                ChangeTag::Delete => ('-', "\x1b[31m"),
                ChangeTag::Insert => ('+', "\x1b[32m"),
                ChangeTag::Equal => (' ', ""),
            };
            let line = shown(change.value().trim_end_matches('\n'));
            let (paint, plain) = if colour && !paint.is_empty() { (paint, "\x1b[0m") } else { ("", "") };
            page.push_str(&format!("        {paint}{sign} {line}{plain}\n"));
        }
        if let Some(help) = &self.help {
            page.push_str(&format!("        help: {}\n", shown(help)));
        }
    }
}

/// A text on one line, without what could rewrite a terminal.
fn shown(text: &str) -> String {
    text.chars().map(|c| if crate::outgoing::is_hidden(c) { ' ' } else { c }).collect()
}
