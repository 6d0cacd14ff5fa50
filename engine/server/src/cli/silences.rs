//! `silences`: those that stand at Alertmanager, one for an issue's alert, and its end.

use std::io::Write;

use clap::Subcommand;
use selfheal_core::issue::IssueId;
use selfheal_core::span::Span;
use serde_json::{Value, json};

use super::client::Client;
use super::exit::{Exit, Failure};
use super::output::{self, Output, list, moment, text};
use super::table::Table;

#[derive(Debug, Subcommand)]
pub(super) enum SilencesCommand {
    /// List the silences that stand at Alertmanager, whoever made them
    List,
    /// Keep the alert of an issue quiet: Alertmanager tells nobody of it, and selfheal does nothing about it
    ///
    /// Done again, it changes the end of the silence. It needs alertmanager.urls in the server's configuration.
    Add {
        /// The issue: issue-17, or 17
        issue: IssueId,
        /// For how long, from now on: 1m to 31d
        #[arg(long = "for", value_name = "DURATION")]
        duration: Span,
        /// Why, for the record and for Alertmanager's comment
        #[arg(long, default_value = "", hide_default_value = true)]
        reason: String,
    },
    /// End the silence of an issue's alert before its time
    End {
        /// The issue: issue-17, or 17
        issue: IssueId,
    },
}

pub(super) async fn run(
    command: SilencesCommand,
    client: &Client,
    output: Output,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let (answer, page) = match command {
        SilencesCommand::List => {
            let answer = client.get(&["silences"], &[]).await?;
            let page = table(&answer).to_string();
            (answer, page)
        }
        SilencesCommand::Add { issue, duration, reason } => {
            let body = json!({ "duration": duration, "reason": reason }).to_string().into_bytes();
            let answer = client.post(&["issues", &issue.to_string(), "silence"], body).await?;
            let (id, issue, until) =
                (text(&answer, "id"), text(&answer, "issue_id"), moment(&answer, "until"));
            let page = format!("{issue}: its alert is quiet until {until} (silence {id})\n");
            (answer, page)
        }
        SilencesCommand::End { issue } => {
            let answer = client.delete(&["issues", &issue.to_string(), "silence"]).await?;
            let issue = text(&answer, "issue_id");
            let page = match list(&answer, "ended").len() {
                0 => format!("{issue}: no silence stands\n"),
                _ => format!("{issue}: its alert is heard again\n"),
            };
            (answer, page)
        }
    };
    match output {
        Output::Text => write!(out, "{page}")?,
        Output::Json => output::json(out, &answer)?,
    }
    Ok(Exit::Good)
}

fn table(silences: &Value) -> Table {
    let mut table = Table::new(&["ISSUE", "UNTIL", "BY", "MATCHERS", "REASON", "ID"]);
    for silence in silences.as_array().into_iter().flatten() {
        let matchers: Vec<&str> = list(silence, "matchers").iter().filter_map(Value::as_str).collect();
        table.row(vec![
            text(silence, "issue_id"),
            moment(silence, "until"),
            text(silence, "by"),
            output::plain(&matchers.join(", ")),
            text(silence, "reason"),
            text(silence, "id"),
        ]);
    }
    table
}
