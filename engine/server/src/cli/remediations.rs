//! `remediations`: the list, one with its steps, and taking one back.

use std::io::Write;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use selfheal_core::issue::{IssueId, Outcome};
use selfheal_core::remediation::RemediationId;
use selfheal_runtime::ports::Clock as _;
use serde_json::{Value, json};

use super::client::Client;
use super::colour;
use super::exit::{Exit, Failure};
use super::issues::one_of;
use super::output::{self, Output, list, moment, text};
use super::since::Since;
use super::table::Table;
use crate::clock::SystemClock;

#[derive(Debug, Subcommand)]
pub(super) enum RemediationsCommand {
    /// List remediations, newest first
    List(ListArguments),
    /// Show one remediation with its steps
    Show {
        /// The remediation: remediation-17-1
        remediation: RemediationId,
    },
    /// Take back what an ended remediation applied, last first
    Rollback {
        /// The remediation: remediation-17-1
        remediation: RemediationId,
        /// Why, for the record
        #[arg(long, default_value = "", hide_default_value = true)]
        reason: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct ListArguments {
    /// At most this many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Only of this issue
    #[arg(long)]
    issue: Option<IssueId>,
    /// Only running ones (true) or ended ones (false)
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    running: Option<bool>,
    /// Only those that ended so
    #[arg(long, value_parser = one_of(Outcome::NAMES))]
    outcome: Option<String>,
    /// Only of this rule
    #[arg(long)]
    rule: Option<String>,
    /// Only of issues about a resource whose name holds this text
    #[arg(long, value_name = "TEXT")]
    resource: Option<String>,
    /// Only those that hold this text: in the rule, the reason, the plan or the resource
    #[arg(long)]
    text: Option<String>,
    /// Only those that began within this time, or since this moment: 2h, 2026-11-22T03:34:39Z
    #[arg(long, value_name = "TIME")]
    since: Option<Since>,
    /// Only those before this one
    #[arg(long, value_name = "REMEDIATION")]
    before: Option<RemediationId>,
}

impl ListArguments {
    /// What is asked for, as the API names it.
    fn query(self, now: Timestamp) -> Vec<(&'static str, String)> {
        let optional = [
            ("issue", self.issue.map(|issue| issue.to_string())),
            ("running", self.running.map(|running| running.to_string())),
            ("outcome", self.outcome),
            ("rule", self.rule),
            ("resource", self.resource),
            ("text", self.text),
            ("since", self.since.map(|since| since.before(now).to_string())),
            ("before", self.before.map(|before| before.to_string())),
        ];
        let given = optional.into_iter().filter_map(|(name, value)| Some((name, value?)));
        std::iter::once(("limit", self.limit.to_string())).chain(given).collect()
    }
}

pub(super) async fn run(
    command: RemediationsCommand,
    client: &Client,
    output: Output,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let (answer, page) = match command {
        RemediationsCommand::List(list) => {
            let answer = client.get(&["remediations"], &list.query(SystemClock::new().now())).await?;
            let page = table(&answer).to_string();
            (answer, page)
        }
        RemediationsCommand::Show { remediation } => {
            let answer = client.get(&["remediations", &remediation.to_string()], &[]).await?;
            let page = page(&answer);
            (answer, page)
        }
        RemediationsCommand::Rollback { remediation, reason } => {
            let body = json!({ "reason": reason }).to_string().into_bytes();
            let answer = client.post(&["remediations", &remediation.to_string(), "rollback"], body).await?;
            let page = rolled_back(&answer);
            (answer, page)
        }
    };
    match output {
        Output::Text => write!(out, "{page}")?,
        Output::Json => output::json(out, &answer)?,
    }
    Ok(if answer["status"] == "failed" && answer["failed"].is_object() { Exit::Findings } else { Exit::Good })
}

fn table(remediations: &Value) -> Table {
    let mut table =
        Table::new(&["ID", "STARTED", "SECONDS", "STATUS", "OUTCOME", "RESOURCE", "RULE", "WHAT"]);
    for remediation in remediations.as_array().into_iter().flatten() {
        let seconds = remediation["duration_seconds"]
            .as_f64()
            .map_or_else(String::new, |seconds| format!("{seconds:.1}"));
        table.row(vec![
            text(remediation, "id"),
            moment(remediation, "started_at"),
            seconds,
            text(remediation, "status"),
            text(remediation, "outcome"),
            text(remediation, "resource"),
            text(remediation, "rule"),
            text(remediation, "description"),
        ]);
    }
    table
}

fn page(remediation: &Value) -> String {
    let mut page = format!(
        "{}: {} ({}) for {}\nrule {}, plan {}, began {}\n",
        text(remediation, "id"),
        colour::by_word(&text(remediation, "status"), &text(remediation, "status")),
        text(remediation, "description"),
        text(remediation, "issue_id"),
        text(remediation, "rule"),
        text(remediation, "plan_hash"),
        moment(remediation, "started_at"),
    );
    for (name, label) in [("completed_at", "ended"), ("approved_by", "approved by"), ("why", "why")] {
        let value = if name.ends_with("_at") { moment(remediation, name) } else { text(remediation, name) };
        if !value.is_empty() {
            page.push_str(&format!("{label}: {value}\n"));
        }
    }
    let mut table = Table::new(&["STEP", "TRY", "ACTION", "TARGET", "STATE", "SAID"]);
    for intent in list(remediation, "intents") {
        table.row(
            ["path", "try_number", "action", "target", "state", "said"]
                .map(|name| text(intent, name))
                .to_vec(),
        );
    }
    page.push_str(&table.to_string());
    page
}

/// What a rollback came to.
fn rolled_back(answer: &Value) -> String {
    let status = text(answer, "status");
    let mut page = format!("{}: {}\n", text(answer, "id"), colour::by_word(&status, &status));
    for (name, label) in [("undone", "taken back"), ("stays", "stays as it is")] {
        for one in list(answer, name) {
            page.push_str(&format!("  {label}: {}, {}\n", text(one, "action"), text(one, "said")));
        }
    }
    let failed = &answer["failed"];
    if failed.is_object() {
        page.push_str(&format!(
            "  failed: {}, {}; a person is needed\n",
            text(failed, "action"),
            text(failed, "said")
        ));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollback_is_told() {
        let answer = json!({
            "id": "remediation-1-1", "status": "failed",
            "undone": [{ "action": "fake.note", "said": "removed" }],
            "stays": [{ "action": "fake.page", "said": "cannot be taken back" }],
            "failed": { "action": "fake.lock", "said": "is\u{1b}[2J gone" },
        });
        let page = rolled_back(&answer);
        for part in
            ["taken back: fake.note, removed", "stays as it is: fake.page", "failed: fake.lock, is [2J gone"]
        {
            assert!(page.contains(part), "{page}");
        }
    }
}
