//! `switch`: where automatic remediation stands, and turning it.

use std::io::Write;

use clap::Subcommand;
use serde_json::json;

use super::client::Client;
use super::exit::{Exit, Failure};
use super::output::{self, Output, moment, text};

#[derive(Debug, Subcommand)]
pub(super) enum SwitchCommand {
    /// Show where the switch stands, who turned it, and why
    Show,
    /// Turn automatic remediation on
    On {
        /// Why, for the record
        #[arg(long)]
        reason: String,
    },
    /// Turn automatic remediation off; what is under way is finished
    Off {
        /// Why, for the record
        #[arg(long)]
        reason: String,
    },
}

pub(super) async fn run(
    command: SwitchCommand,
    client: &Client,
    output: Output,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let turn = |enabled: bool, reason: String| {
        json!({ "enabled": enabled, "reason": reason }).to_string().into_bytes()
    };
    let answer = match command {
        SwitchCommand::Show => client.get(&["switch"], &[]).await?,
        SwitchCommand::On { reason } => client.post(&["toggle-auto-remediation"], turn(true, reason)).await?,
        SwitchCommand::Off { reason } => {
            client.post(&["toggle-auto-remediation"], turn(false, reason)).await?
        }
    };
    match output {
        Output::Json => output::json(out, &answer)?,
        Output::Text => {
            let stands = if answer["auto_remediation_enabled"] == true { "on" } else { "off" };
            let stands = super::colour::by_word(stands, stands);
            if answer["at"].is_null() {
                writeln!(
                    out,
                    "automatic remediation is {stands} by the configuration; nobody has turned it"
                )?;
            } else {
                let (by, at, why) = (text(&answer, "by"), moment(&answer, "at"), text(&answer, "why"));
                writeln!(out, "automatic remediation is {stands}; {by} turned it {stands} at {at}: {why}")?;
            }
        }
    }
    Ok(Exit::Good)
}
