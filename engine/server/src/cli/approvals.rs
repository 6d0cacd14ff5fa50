//! `approvals`: plans that wait for a person, and the answer.

use std::io::Write;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::Client;
use super::exit::{Exit, Failure};
use super::output::{self, Output, list, moment, text};
use super::table::Table;

/// How much of a plan's hash tells it apart for people.
const HASH_CHARS: usize = 12;

#[derive(Debug, Subcommand)]
pub(super) enum ApprovalsCommand {
    /// List plans that wait for a person
    List {
        /// Also those that were answered or have expired
        #[arg(long)]
        all: bool,
    },
    /// Show one plan with the previews of its steps
    Show {
        /// The approval's id
        id: String,
    },
    /// Let a plan run
    Grant(AnswerArguments),
    /// Keep a plan from running
    Refuse(AnswerArguments),
}

#[derive(Debug, Args)]
pub(super) struct AnswerArguments {
    /// The approval's id
    pub(super) id: String,
    /// Why, for the record
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(super) reason: String,
    /// Only if the plan's hash begins so, as it was shown
    #[arg(long, value_name = "HASH")]
    pub(super) plan: Option<String>,
}

pub(super) async fn run(
    command: ApprovalsCommand,
    client: &Client,
    output: Output,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let answer = match &command {
        ApprovalsCommand::List { all } => client.get(&["approvals"], &[("all", all.to_string())]).await?,
        ApprovalsCommand::Show { id } => client.get(&["approvals", id], &[]).await?,
        ApprovalsCommand::Grant(arguments) => decide(client, arguments, "grant").await?,
        ApprovalsCommand::Refuse(arguments) => decide(client, arguments, "refuse").await?,
    };
    match (output, &command) {
        (Output::Json, _) => output::json(out, &answer)?,
        (Output::Text, ApprovalsCommand::List { .. }) => write!(out, "{}", table(&answer))?,
        (Output::Text, ApprovalsCommand::Show { .. }) => write!(out, "{}", page(&answer))?,
        (Output::Text, _) => writeln!(
            out,
            "{} for {}: plan {} ({})",
            text(&answer, "state"),
            text(&answer, "issue_id"),
            short(&answer),
            text(&answer, "description"),
        )?,
    }
    Ok(Exit::Good)
}

/// Answers for the plan that the approval holds now; it never holds another.
async fn decide(client: &Client, arguments: &AnswerArguments, decision: &str) -> Result<Value, Failure> {
    let approval = client.get(&["approvals", &arguments.id], &[]).await?;
    let hash = text(&approval, "plan_hash");
    if let Some(expected) = &arguments.plan
        && !hash.starts_with(expected.as_str())
    {
        return Err(Failure::findings(format!("the approval is for plan {hash}, not for {expected}")));
    }
    let body = json!({ "decision": decision, "plan_hash": hash, "reason": arguments.reason });
    client.post(&["approvals", &arguments.id], body.to_string().into_bytes()).await
}

fn short(approval: &Value) -> String {
    text(approval, "plan_hash").chars().take(HASH_CHARS).collect()
}

fn table(approvals: &Value) -> Table {
    let mut table =
        Table::new(&["ID", "STATE", "ISSUE", "ALERT", "RESOURCE", "RULE", "PLAN", "EXPIRES", "WHAT"]);
    for approval in approvals.as_array().into_iter().flatten() {
        table.row(vec![
            text(approval, "id"),
            text(approval, "state"),
            text(approval, "issue_id"),
            text(approval, "type"),
            text(approval, "resource"),
            text(approval, "rule"),
            short(approval),
            moment(approval, "expires_at"),
            text(approval, "description"),
        ]);
    }
    table
}

fn page(approval: &Value) -> String {
    let mut page = format!(
        "{} ({}), asked at {}, expires at {}\nissue {}: {} about {}\nrule {}, plan {}\nwhy: {}\n",
        text(approval, "id"),
        text(approval, "state"),
        moment(approval, "asked_at"),
        moment(approval, "expires_at"),
        text(approval, "issue_id"),
        text(approval, "type"),
        text(approval, "resource"),
        text(approval, "rule"),
        text(approval, "plan_hash"),
        text(approval, "why"),
    );
    page.push_str(&previews(&approval["previews"]));
    let answer = &approval["answer"];
    if answer.is_object() {
        let said = if answer["granted"] == true { "granted" } else { "refused" };
        let (by, at, reason) = (text(answer, "by"), moment(answer, "at"), text(answer, "reason"));
        page.push_str(&format!("{by} {said} it at {at}: {reason}\n"));
    }
    page
}

/// The steps of a plan with what each would do.
pub(super) fn previews(previews: &Value) -> String {
    let mut page = String::new();
    for step in previews.as_array().into_iter().flatten() {
        page.push_str(&format!("  {}  {}\n", text(step, "path"), text(step, "action")));
        let preview = &step["preview"];
        match preview["failed"].as_str() {
            Some(why) => page.push_str(&format!("       no preview: {}\n", output::plain(why))),
            None => page.push_str(&format!("       {}\n", text(preview, "summary"))),
        }
        for change in list(preview, "changes") {
            let (what, from, to) = (text(change, "what"), &change["from"], &change["to"]);
            page.push_str(&output::plain(&format!("       {what}: {from} -> {to}")));
            page.push('\n');
        }
    }
    page
}
