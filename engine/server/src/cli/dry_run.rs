//! `dry-run`: what would be done about alerts, by a server or without one.

use std::io::{Read as _, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use selfheal_runtime::dry_run::DryRunFault;
use selfheal_script::RuleFile;
use serde_json::{Map, Value, json};

use super::approvals::previews;
use super::client::Client;
use super::exit::{Exit, Failure};
use super::output::{self, Output, list, plain, text};
use crate::config::{FILE_VARIABLE, Overrides};
use crate::load::Place;
use crate::serve::{self, OfflineFault, ServeFault};

/// The longest body and rule that are read, in bytes: what a server takes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// What the file should be.
const EXPECTED: &str = "expected a file with what Alertmanager posts, or -";
/// Rules that did not match and are still shown, for each alert.
const UNMATCHED_SHOWN_MAX: usize = 10;

#[derive(Debug, Args)]
pub(super) struct DryRunArguments {
    /// What Alertmanager posts: a file with the JSON body, or - for standard input
    pub(super) file: PathBuf,
    /// Try this rule in place of the one of its name, or beside the others
    #[arg(long, value_name = "FILE")]
    pub(super) rule: Option<PathBuf>,
    /// The server that answers; without one, this process does
    #[arg(long, env = "SELFHEAL_SERVER", value_name = "URL", help_heading = "Server")]
    pub(super) server: Option<String>,
    /// The API token; better given in the environment, where other users do not see it
    #[arg(
        long,
        env = "SELFHEAL_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN",
        help_heading = "Server"
    )]
    pub(super) token: Option<String>,
    /// The configuration, without a server
    #[arg(long, env = FILE_VARIABLE, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// The directory of rules, without a server [default: ./rules]
    #[arg(long, value_name = "DIR")]
    pub(super) rules: Option<String>,
}

pub(super) async fn run(
    arguments: DryRunArguments,
    output: Output,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let body = read(&arguments.file).map_err(|fault| fault.with(EXPECTED))?;
    let edited = arguments.rule.as_deref().map(rule).transpose()?;
    let server = arguments.server.as_deref().filter(|server| !server.is_empty());
    let answer = match server {
        Some(server) => {
            Client::new(Some(server), arguments.token.as_deref())?
                .post(&["dry-run"], with_rule(body, edited.as_ref())?)
                .await?
        }
        None => offline(&arguments, &body, edited).await?,
    };
    match output {
        Output::Json => output::json(out, &answer)?,
        Output::Text => write!(out, "{}", page(&answer))?,
    }
    Ok(if list(&answer, "malformed").is_empty() { Exit::Good } else { Exit::Findings })
}

/// The configured rules and adapters answer from this process.
async fn offline(
    arguments: &DryRunArguments,
    body: &[u8],
    edited: Option<RuleFile>,
) -> Result<Value, Failure> {
    let file = arguments.config.clone().filter(|file| !file.as_os_str().is_empty());
    let overrides = Overrides { rules: arguments.rules.clone(), ..Overrides::default() };
    let answer = serve::dry_run_offline(&Place { file, overrides, ..Place::default() }, body, edited)
        .await
        .map_err(|fault| {
        let text = fault.to_string();
        match fault {
            OfflineFault::DryRun(DryRunFault::Body(_)) => Failure::findings(text).with(EXPECTED),
            OfflineFault::Rules(_)
            | OfflineFault::DryRun(DryRunFault::Rule(_) | DryRunFault::TooManyAlerts(_)) => {
                Failure::findings(text)
            }
            OfflineFault::Serve(ServeFault::Journal(_)) | OfflineFault::DryRun(DryRunFault::Journal(_)) => {
                Failure::internal(text)
            }
            OfflineFault::Serve(_) => Failure::usage(text),
        }
    })?;
    serde_json::to_value(answer).map_err(|error| Failure::internal(error.to_string()))
}

/// Reads a file, or standard input for `-`.
fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let fault = |what: String| Failure::usage(format!("{} cannot be read: {what}", path.display()));
    let mut bytes = Vec::new();
    let read = match path == Path::new("-") {
        true => std::io::stdin().lock().take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes),
        false => {
            std::fs::File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        }
    };
    read.map_err(|error| fault(error.to_string()))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(fault(format!("it is longer than {FILE_BYTES_MAX} bytes")));
    }
    Ok(bytes)
}

fn rule(path: &Path) -> Result<RuleFile, Failure> {
    let fault = |what: &str| Failure::usage(format!("--rule {}: {what}", path.display()));
    let name = path.file_stem().and_then(|stem| stem.to_str()).ok_or_else(|| fault("the name is no text"))?;
    let text = String::from_utf8(read(path)?).map_err(|_| fault("the text is no UTF-8"))?;
    Ok(RuleFile::new(name, path.display().to_string(), text))
}

/// Puts the edited rule into the body, where the server looks for it.
fn with_rule(body: Vec<u8>, edited: Option<&RuleFile>) -> Result<Vec<u8>, Failure> {
    let Some(file) = edited else { return Ok(body) };
    let mut members: Map<String, Value> = serde_json::from_slice(&body)
        .map_err(|error| Failure::findings(format!("the body is no JSON object: {error}")))?;
    members.insert("rule".to_owned(), json!({ "name": &*file.name, "text": &*file.text }));
    serde_json::to_vec(&members).map_err(|error| Failure::internal(error.to_string()))
}

fn page(answer: &Value) -> String {
    let mut page = String::new();
    for fault in list(answer, "malformed") {
        page.push_str(&format!("malformed: {}\n", plain(fault.as_str().unwrap_or_default())));
    }
    for alert in list(answer, "alerts") {
        if !page.is_empty() {
            page.push('\n');
        }
        page.push_str(&labels(&alert["alert"]["labels"]));
        // What a compiler says of a rule points into its text, line by line.
        let summary = output::plain_lines(alert["summary"].as_str().unwrap_or_default());
        page.push('\n');
        summary.lines().for_each(|line| page.push_str(&format!("  {line}\n")));
        for rule in list(alert, "rules").iter().filter(|rule| rule["matches"] == true) {
            page.push_str(&looked(rule));
        }
        page.push_str(&unmatched(alert));
    }
    page
}

/// `DiskFull {job="x", severity="high"}`
fn labels(labels: &Value) -> String {
    let name = text(labels, "alertname");
    let others: Vec<String> = labels
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| *name != "alertname")
        .map(|(name, value)| format!("{}={}", plain(name), plain(&value.to_string())))
        .collect();
    format!("{name} {{{}}}", others.join(", "))
}

/// A rule that matched: what it saw, what it planned, and what the guards said.
fn looked(rule: &Value) -> String {
    let (name, decision) = (text(rule, "rule"), &rule["decision"]);
    if !decision.is_object() {
        return format!("\n  rule {name} matches too; an earlier one decided\n");
    }
    let mut page = format!("\n  rule {name} matches\n");
    for (name, reading) in decision["observed"].as_object().into_iter().flatten() {
        page.push_str(&format!("    observed {}: {}\n", plain(name), plain(&reading.to_string())));
    }
    for choice in list(decision, "choices") {
        page.push_str(&format!("    choice at {}: {}\n", text(choice, "path"), text(choice, "why")));
    }
    if !text(decision, "plan_hash").is_empty() {
        page.push_str(&format!("    plan {}\n", text(decision, "plan_hash")));
        page.push_str(&indented(&previews(&rule["previews"])));
    }
    for verdict in list(decision, "verdicts") {
        let (guard, says, why) = (text(verdict, "guard"), text(verdict, "verdict"), text(verdict, "why"));
        page.push_str(&format!("    {says:<6}  {guard:<12}  {why}\n"));
    }
    page
}

fn indented(lines: &str) -> String {
    lines.lines().map(|line| format!("    {line}\n")).collect()
}

/// The rules that did not match, each with the first matcher that does not hold.
fn unmatched(alert: &Value) -> String {
    let others: Vec<&Value> = list(alert, "rules").iter().filter(|rule| rule["matches"] != true).collect();
    let mut page = String::new();
    for rule in others.iter().take(UNMATCHED_SHOWN_MAX) {
        let failed = list(rule, "matchers").iter().find(|matcher| matcher["holds"] != true);
        let why = failed.map_or_else(String::new, |matcher| {
            let label = text(matcher, "label");
            match matcher["actual"].as_str() {
                Some(actual) => {
                    format!("{} does not hold, {label} is {:?}", text(matcher, "matcher"), plain(actual))
                }
                None => format!("{} does not hold, there is no {label}", text(matcher, "matcher")),
            }
        });
        page.push_str(&format!("\n  rule {} does not match: {why}", text(rule, "rule")));
    }
    let more = others.len().saturating_sub(UNMATCHED_SHOWN_MAX)
        + usize::try_from(alert["rules_not_listed"].as_u64().unwrap_or(0)).unwrap_or(usize::MAX);
    if more > 0 {
        page.push_str(&format!("\n  {more} more rules do not match"));
    }
    if !page.is_empty() {
        page.push('\n');
    }
    page
}
