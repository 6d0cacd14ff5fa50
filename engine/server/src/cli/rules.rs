//! `rules`: checks and tests rules, documents what they can use, shows and releases those of a server.

use std::io::Write;
use std::path::PathBuf;

use clap::Subcommand;
use selfheal_contract::Catalog;
use selfheal_script::{Compiler, Diagnostic, Limits, RuleFile, RuleSet, Severity, definitions, reference};
use serde_json::{Value, json};

use super::arguments::ServerArguments;
use super::client::Client;
use super::exit::{Exit, Failure};
use super::output::{self, Output, list, plain, text};
use super::rules_test::{self, TestArguments};
use super::table::Table;
use crate::config::{Configuration, FILE_VARIABLE, Missing, Overrides};
use crate::load::{self, Place};
use crate::{assemble, watch};

#[derive(Debug, Subcommand)]
pub(super) enum RulesCommand {
    /// Compile all rules and say what is wrong with them, like a compiler
    Check {
        /// The directory of rules; the configured one, if not given
        dir: Option<String>,
        /// The configuration whose adapters and settings the rules use
        #[arg(long, env = FILE_VARIABLE, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Run the tests of rules, DIR/tests/*.yaml, and say which statements and branches of the rules they do not reach
    ///
    /// Each test names alerts, what probes read, and what happened before; and expects which rules match, what they
    /// plan, what the guards say, what is done and what people are told. The real engine runs it in virtual time; no
    /// target is touched, and neither configuration nor environment is read. The form is documented in
    /// rules/tests/README.md.
    ///
    /// Ends with 0 when all tests passed; 1 when one failed, a rule does not compile or coverage is too low; 2 when a
    /// file of tests is faulty, or there is no test.
    Test(TestArguments),
    /// Print what rules can use: the language, actions, probes (Markdown)
    Reference {
        /// The configuration whose adapters are documented
        #[arg(long, env = FILE_VARIABLE, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Print the editor definitions of what rules can use (.d.rhai)
    Definitions {
        /// The configuration whose adapters are defined
        #[arg(long, env = FILE_VARIABLE, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Show the rules that a server has in use
    List(ServerArguments),
    /// Let a rule go on for an hour although it is flooded with new issues
    Release {
        /// The rule's name
        rule: String,
        #[command(flatten)]
        server: ServerArguments,
    },
}

pub(super) async fn run(command: RulesCommand, output: Output, out: &mut dyn Write) -> Result<Exit, Failure> {
    match command {
        RulesCommand::Check { dir, config } => check(dir, config, output, out),
        RulesCommand::Test(arguments) => rules_test::run(arguments, output, out),
        RulesCommand::Reference { config } => page(&reference(&configured(config, None)?.1), output, out),
        RulesCommand::Definitions { config } => page(&definitions(&configured(config, None)?.1), output, out),
        RulesCommand::List(server) => show(&Client::of(&server)?.get(&["rules"], &[]).await?, output, out),
        RulesCommand::Release { rule, server } => {
            let answer = Client::of(&server)?.post(&["rules", &rule, "release"], Vec::new()).await?;
            match output {
                Output::Text => writeln!(out, "{}: {}", text(&answer, "rule"), text(&answer, "message"))?,
                Output::Json => output::json(out, &answer)?,
            }
            Ok(Exit::Good)
        }
    }
}

/// The configuration, and the adapters that it gives. Nothing is connected: adapters do that on first use. What they and the
/// rules need of each other takes no secret, so what cannot be had is left open.
pub(super) fn configured(
    config: Option<PathBuf>,
    rules: Option<String>,
) -> Result<(Configuration, Catalog), Failure> {
    let file = config.filter(|file| !file.as_os_str().is_empty());
    let overrides = Overrides { rules, ..Overrides::default() };
    let place = Place { file, overrides, missing: Missing::LeftOpen };
    let mut configuration = load::configuration(&place).map_err(|fault| Failure::usage(fault.to_string()))?;
    let adapters = std::mem::take(&mut configuration.adapters);
    let catalog = assemble::functions(adapters).map_err(|fault| Failure::usage(fault.to_string()))?;
    Ok((configuration, catalog))
}

fn check(
    dir: Option<String>,
    config: Option<PathBuf>,
    output: Output,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let is_asked_for = dir.is_some();
    let (configuration, catalog) = configured(config, dir)?;
    let files = if is_asked_for {
        watch::read_rules(&configuration.rules)
    } else {
        crate::serve::rules(&configuration.rules).map(|(files, _)| files)
    };
    let files = files.map_err(|fault| Failure::usage(fault.to_string()))?;
    let compiler = Compiler::new(&catalog, configuration.settings.clone(), Limits::default());
    let checked = Checked::of(&compiler, files);
    match output {
        Output::Text => write!(out, "{}", checked.page())?,
        Output::Json => output::json(out, &checked.json())?,
    }
    Ok(if checked.count(Severity::Error) > 0 { Exit::Findings } else { Exit::Good })
}

struct Checked {
    rules: usize,
    diagnostics: Vec<Diagnostic>,
}

impl Checked {
    fn of(compiler: &Compiler, files: Vec<RuleFile>) -> Self {
        let rules = files.len();
        let diagnostics = match RuleSet::build(compiler, files) {
            Ok(set) => set.warnings().cloned().collect(),
            Err(diagnostics) => diagnostics,
        };
        Self { rules, diagnostics }
    }

    fn count(&self, severity: Severity) -> usize {
        self.diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count()
    }

    fn page(&self) -> String {
        let mut page: String = self
            .diagnostics
            .iter()
            .map(|diagnostic| format!("{}\n\n", output::plain_lines(&diagnostic.to_string())))
            .collect();
        let (errors, warnings) = (self.count(Severity::Error), self.count(Severity::Warning));
        let rules = counted(self.rules, "rule");
        page.push_str(&match (errors, warnings) {
            (0, 0) => format!("{rules} {} good\n", if self.rules == 1 { "is" } else { "are" }),
            (0, warnings) => format!("{rules} can be used, with {}\n", counted(warnings, "warning")),
            (errors, 0) => format!("{} in {rules}: none is taken into use\n", counted(errors, "error")),
            (errors, warnings) => {
                let (errors, warnings) = (counted(errors, "error"), counted(warnings, "warning"));
                format!("{errors} and {warnings} in {rules}: none is taken into use\n")
            }
        });
        page
    }

    fn json(&self) -> Value {
        json!({
            "rules": self.rules,
            "errors": self.count(Severity::Error),
            "warnings": self.count(Severity::Warning),
            "diagnostics": self.diagnostics,
        })
    }
}

fn counted(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

fn page(page: &str, output: Output, out: &mut dyn Write) -> Result<Exit, Failure> {
    match output {
        Output::Text => write!(out, "{page}")?,
        Output::Json => output::json(out, &json!({ "text": page }))?,
    }
    Ok(Exit::Good)
}

fn show(answer: &Value, output: Output, out: &mut dyn Write) -> Result<Exit, Failure> {
    if output == Output::Json {
        output::json(out, answer)?;
        return Ok(Exit::Good);
    }
    let mut table = Table::new(&["NAME", "PRIORITY", "MODE", "COOLDOWN", "COMPONENT", "ISSUES", "MATCHERS"]);
    for rule in list(answer, "rules") {
        let matchers: Vec<String> = list(rule, "matchers")
            .iter()
            .map(|matcher| plain(matcher.as_str().unwrap_or_default()))
            .collect();
        let mut row: Vec<String> =
            ["name", "priority", "mode", "cooldown", "component", "issues_since_start"]
                .iter()
                .map(|name| text(rule, name))
                .collect();
        row.push(matchers.join(", "));
        table.row(row);
    }
    write!(out, "{table}")?;
    writeln!(
        out,
        "\ngeneration {}, in use since {}",
        text(answer, "generation"),
        output::moment(answer, "since")
    )?;
    let refusal = &answer["refusal"];
    if refusal.is_object() {
        writeln!(out, "\nnewer texts are refused since {}:\n", output::moment(refusal, "at"))?;
        writeln!(out, "{}", output::plain_lines(refusal["text"].as_str().unwrap_or_default()))?;
    }
    if answer["recalled"].is_string() {
        let since = output::moment(answer, "recalled");
        writeln!(out, "\nin use are the rules of {since}, which the journal has from an earlier process")?;
    }
    Ok(Exit::Good)
}
