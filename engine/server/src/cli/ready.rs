//! `ready`: whether a server takes alerts in, as an exit code.

use std::io::Write;

use super::client::Client;
use super::exit::{Exit, Failure};
use super::output::{self, Output, list, plain, text};

pub(super) async fn run(client: &Client, output: Output, out: &mut dyn Write) -> Result<Exit, Failure> {
    let answer = client.ready().await?;
    let status = text(&answer, "status");
    match output {
        Output::Json => output::json(out, &answer)?,
        Output::Text => {
            writeln!(out, "{}", status.replace('_', " "))?;
            for reason in list(&answer, "reasons") {
                writeln!(out, "  {}", plain(reason.as_str().unwrap_or_default()))?;
            }
        }
    }
    Ok(if matches!(status.as_str(), "ready" | "degraded") { Exit::Good } else { Exit::Unreachable })
}
