//! `report`: the report of an incident, in Markdown.

use std::io::Write;

use selfheal_core::issue::IssueId;
use serde_json::json;

use super::client::Client;
use super::exit::{Exit, Failure};
use super::output::{self, Output, plain_lines};

pub(super) async fn run(
    issue: IssueId,
    client: &Client,
    output: Output,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let report = client.get_text(&["issues", &issue.to_string(), "report"]).await?;
    match output {
        Output::Text => write!(out, "{}", plain_lines(&report))?,
        Output::Json => output::json(out, &json!({ "issue": issue.to_string(), "markdown": report }))?,
    }
    Ok(Exit::Good)
}
