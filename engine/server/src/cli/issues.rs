//! `issues`: the list, and one with its story.

use std::io::Write;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use jiff::Timestamp;
use selfheal_core::issue::{IssueId, Outcome, Phase};
use selfheal_core::rule::Component;
use selfheal_runtime::ports::Clock as _;
use serde_json::{Value, json};

use super::client::Client;
use super::exit::{Exit, Failure};
use super::output::{self, Output, list, moment, text};
use super::since::Since;
use super::table::Table;
use crate::clock::SystemClock;

#[derive(Debug, Subcommand)]
pub(super) enum IssuesCommand {
    /// List issues, newest first
    List(Box<ListArguments>),
    /// Say that you have taken an issue in hand: nobody else is told about it then
    Acknowledge {
        /// The issue: issue-17, or 17
        issue: IssueId,
        /// Why, for the record
        #[arg(long, default_value = "", hide_default_value = true)]
        reason: String,
    },
    /// Ask for a remediation now: also of an issue that rests, such as after an approval that was refused or has expired
    ///
    /// The rules decide anew, past the wait for their priority; all guards hold. Where the plan needs an approval, somebody else
    /// must give it: two people must want what one has asked for.
    Remediate {
        /// The issue: issue-17, or 17
        issue: IssueId,
        /// Why, for the record
        #[arg(long, default_value = "", hide_default_value = true)]
        reason: String,
    },
    /// Tell an issue's whole story, from receipt to outcome
    Show {
        /// The issue: issue-17, or 17
        issue: IssueId,
    },
}

#[derive(Debug, Args)]
pub(super) struct ListArguments {
    /// At most this many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Only open ones (true) or closed ones (false)
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    open: Option<bool>,
    /// Only in this phase
    #[arg(long, value_parser = one_of(Phase::NAMES))]
    phase: Option<String>,
    /// Only with this outcome
    #[arg(long, value_parser = one_of(Outcome::NAMES))]
    outcome: Option<String>,
    /// Only as bad as this: critical, high, medium, low, or a word of alerts such as warning (medium) or P1 (critical)
    #[arg(long, value_name = "WORD")]
    severity: Option<String>,
    /// Only of this namespace
    #[arg(long)]
    namespace: Option<String>,
    /// Only about a resource whose name holds this text
    #[arg(long, value_name = "TEXT")]
    resource: Option<String>,
    /// Only those that weigh on this part of the health score
    #[arg(long, value_parser = one_of(Component::NAMES))]
    component: Option<String>,
    /// Only treated by this rule
    #[arg(long)]
    rule: Option<String>,
    /// Only those that hold this text: in the rule, the resource, the reason, a label or an annotation
    #[arg(long)]
    text: Option<String>,
    /// Only those received within this time, or since this moment: 2h, 2026-11-22T03:34:39Z
    #[arg(long, value_name = "TIME")]
    since: Option<Since>,
    /// Only those before this one
    #[arg(long, value_name = "ISSUE")]
    before: Option<IssueId>,
}

impl ListArguments {
    /// What is asked for, as the API names it.
    fn query(self, now: Timestamp) -> Vec<(&'static str, String)> {
        let optional = [
            ("open", self.open.map(|open| open.to_string())),
            ("phase", self.phase),
            ("outcome", self.outcome),
            ("severity", self.severity),
            ("namespace", self.namespace),
            ("resource", self.resource),
            ("component", self.component),
            ("rule", self.rule),
            ("text", self.text),
            ("since", self.since.map(|since| since.before(now).to_string())),
            ("before", self.before.map(|before| before.to_string())),
        ];
        let given = optional.into_iter().filter_map(|(name, value)| Some((name, value?)));
        std::iter::once(("limit", self.limit.to_string())).chain(given).collect()
    }
}

pub(super) async fn run(
    command: IssuesCommand,
    client: &Client,
    output: Output,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    match command {
        IssuesCommand::List(list) => {
            let issues = client.get(&["issues"], &list.query(SystemClock::new().now())).await?;
            match output {
                Output::Text => write!(out, "{}", table(&issues))?,
                Output::Json => output::json(out, &issues)?,
            }
        }
        IssuesCommand::Acknowledge { issue, reason } => {
            let body = json!({ "reason": reason }).to_string().into_bytes();
            let answer = client.post(&["issues", &issue.to_string(), "acknowledge"], body).await?;
            match output {
                Output::Text => writeln!(out, "{}: you have it in hand", text(&answer, "issue_id"))?,
                Output::Json => output::json(out, &answer)?,
            }
        }
        IssuesCommand::Remediate { issue, reason } => {
            let body = json!({ "reason": reason }).to_string().into_bytes();
            let answer = client.post(&["manual-remediate", &issue.to_string()], body).await?;
            match output {
                Output::Text => write!(out, "{}", asked(&answer))?,
                Output::Json => output::json(out, &answer)?,
            }
        }
        IssuesCommand::Show { issue } => {
            let story = client.get(&["issues", &issue.to_string()], &[]).await?;
            match output {
                Output::Text => write!(out, "{}", page(&story))?,
                Output::Json => output::json(out, &story)?,
            }
        }
    }
    Ok(Exit::Good)
}

/// What came of asking for a remediation.
fn asked(answer: &Value) -> String {
    let issue = text(answer, "issue_id");
    match (answer["id"].as_str(), answer["status"].as_str()) {
        (Some(id), _) => {
            format!("{issue}: {} began: {}\n", output::plain(id), text(answer, "description"))
        }
        (None, Some("awaiting_approval")) => format!(
            "{issue}: a person is asked: {}\nsomebody else must approve it: selfheal approvals list\n",
            text(answer, "why")
        ),
        (None, _) => {
            format!("{issue}: nothing began ({}): {}\n", text(answer, "status"), text(answer, "why"))
        }
    }
}

/// One of these names.
pub(super) fn one_of<T>(names: &'static [(&'static str, T)]) -> PossibleValuesParser {
    PossibleValuesParser::new(names.iter().map(|(name, _)| *name))
}

fn table(issues: &Value) -> Table {
    let mut table =
        Table::new(&["ID", "DETECTED", "PHASE", "OUTCOME", "SEVERITY", "TYPE", "RESOURCE", "RULE", "WHY"]);
    for issue in issues.as_array().into_iter().flatten() {
        let mut row = vec![text(issue, "id"), moment(issue, "detected_at")];
        row.extend(
            ["phase", "outcome", "severity", "type", "resource", "rule"].iter().map(|name| text(issue, name)),
        );
        row.push(output::headline(issue, "why"));
        table.row(row);
    }
    table
}

fn page(story: &Value) -> String {
    let issue = &story["issue"];
    let mut page =
        format!("{}: {} about {}", text(issue, "id"), text(issue, "type"), text(issue, "resource"));
    for (name, label) in
        [("severity", "severity"), ("phase", "phase"), ("outcome", "outcome"), ("rule", "rule")]
    {
        if !text(issue, name).is_empty() {
            page.push_str(&format!(", {label} {}", text(issue, name)));
        }
    }
    page.push('\n');
    for name in ["description", "why"] {
        if !text(issue, name).is_empty() {
            page.push_str(&format!("{name}: {}\n", text(issue, name)));
        }
    }
    for (name, label) in [("runbook_url", "runbook"), ("dashboard_url", "dashboard")] {
        let address = text(&issue["annotations"], name);
        if !address.is_empty() {
            page.push_str(&format!("{label}: {address}\n"));
        }
    }
    if !text(issue, "wake_at").is_empty() {
        page.push_str(&format!("looked at next: {}\n", moment(issue, "wake_at")));
    }
    page.push('\n');
    let mut table = Table::new(&["TIME", "WHAT", "WHO", ""]);
    for entry in list(story, "story") {
        table.row(vec![
            moment(entry, "at"),
            text(entry, "kind"),
            text(entry, "actor"),
            text(entry, "summary"),
        ]);
    }
    page.push_str(&table.to_string());
    for remediation in list(story, "remediations") {
        page.push_str(&format!(
            "\n{}: {} ({}), plan {}\n",
            text(remediation, "id"),
            text(remediation, "status"),
            text(remediation, "description"),
            text(remediation, "plan_hash"),
        ));
        for intent in list(remediation, "intents") {
            let (path, action, state) = (text(intent, "path"), text(intent, "action"), text(intent, "state"));
            page.push_str(&format!(
                "  {path}  {action} at {}: {state}, {}\n",
                text(intent, "target"),
                text(intent, "said")
            ));
        }
    }
    page
}
