//! `silences`: those that stand at Alertmanager, one for an issue's alert, and its end.

use std::io::Write;

use serde_json::{Value, json};

use super::arguments::SilencesCommand;
use super::client::Client;
use super::exit::{Exit, Failure};
use super::output::{self, Output, list, moment, text};
use super::table::Table;

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
            let answer = client.post(&["issues", &issue, "silence"], body).await?;
            let (id, issue, until) =
                (text(&answer, "id"), text(&answer, "issue_id"), moment(&answer, "until"));
            let page = format!("{issue}: its alert is quiet until {until} (silence {id})\n");
            (answer, page)
        }
        SilencesCommand::End { issue } => {
            let answer = client.delete(&["issues", &issue, "silence"]).await?;
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
