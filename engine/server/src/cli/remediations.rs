//! `remediations`: the list, one with its steps, and taking one back.

use std::io::Write;

use clap::Subcommand;
use selfheal_core::issue::IssueId;
use selfheal_core::remediation::RemediationId;
use serde_json::{Value, json};

use super::client::Client;
use super::colour;
use super::exit::{Exit, Failure};
use super::output::{self, Output, list, moment, text};
use super::table::Table;

#[derive(Debug, Subcommand)]
pub(super) enum RemediationsCommand {
    /// List remediations, newest first
    List {
        /// At most this many
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        /// Only of this issue
        #[arg(long)]
        issue: Option<IssueId>,
        /// Only running ones (true) or ended ones (false)
        #[arg(long, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
        running: Option<bool>,
        /// Only those before this one
        #[arg(long, value_name = "REMEDIATION")]
        before: Option<RemediationId>,
    },
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

pub(super) async fn run(
    command: RemediationsCommand,
    client: &Client,
    output: Output,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let (answer, page) = match command {
        RemediationsCommand::List { limit, issue, running, before } => {
            let running = running.map(|running| running.to_string());
            let (issue, before) =
                (issue.map(|issue| issue.to_string()), before.map(|before| before.to_string()));
            let optional = [("issue", issue), ("running", running), ("before", before)];
            let mut query = vec![("limit", limit.to_string())];
            query.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
            let answer = client.get(&["remediations"], &query).await?;
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
    let mut table = Table::new(&["ID", "STARTED", "SECONDS", "STATUS", "OUTCOME", "RULE", "WHAT"]);
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
