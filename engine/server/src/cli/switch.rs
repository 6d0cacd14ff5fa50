//! `switch`: where automatic remediation stands, and turning it.

use std::io::Write;

use clap::Subcommand;
use serde_json::{Value, json};

use super::client::Client;
use super::exit::{Exit, Failure};
use super::output::{self, Output, list, moment, text};

#[derive(Debug, Subcommand)]
pub(super) enum SwitchCommand {
    /// Show where the switch stands, who turned it, and what holds remediations back besides
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
            write!(out, "{}", held_back(&answer))?;
        }
    }
    Ok(Exit::Good)
}

/// What holds remediations back besides: a line each.
fn held_back(standing: &Value) -> String {
    let mut lines = String::new();
    for storm in list(standing, "storms") {
        let rule = text(storm, "rule");
        let count = format!("{} new issues within a minute", text(storm, "new_issues"));
        lines.push_str(&if storm["held"] == true {
            format!(
                "{rule} is held: a storm of {count}, more than {}; selfheal rules release {rule} lets it go on\n",
                text(storm, "most")
            )
        } else {
            format!("{rule} goes on despite a storm of {count}, until {}\n", moment(storm, "released_until"))
        });
    }
    let limit = &standing["hourly_limit"];
    if limit.is_object() {
        let (most, until) = (text(limit, "most"), moment(limit, "until"));
        lines.push_str(&format!(
            "the hourly limit of {most} remediations is reached; the next may begin at {until}\n"
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_back_is_told_in_lines() {
        let standing = json!({
            "storms": [
                { "rule": "disk", "new_issues": 60, "most": 20, "held": true, "released_until": null },
                { "rule": "lag", "new_issues": 30, "most": 20, "held": false, "released_until": "2026-11-22T12:00:00.5Z" },
            ],
            "hourly_limit": { "most": 100, "until": "2026-11-22T12:30:00Z" },
        });
        let expected = "disk is held: a storm of 60 new issues within a minute, more than 20; selfheal rules release disk lets it go on\n\
            lag goes on despite a storm of 30 new issues within a minute, until 2026-11-22T12:00:00Z\n\
            the hourly limit of 100 remediations is reached; the next may begin at 2026-11-22T12:30:00Z\n";
        assert_eq!(held_back(&standing), expected);
        assert_eq!(held_back(&json!({ "auto_remediation_enabled": true })), "");
    }
}
