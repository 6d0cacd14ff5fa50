//! The report of an incident, in Markdown: a pure function of an issue's story.
//!
//! It says what happened in the order in which a reader asks: what was it, what came of it, when, why, what was changed and
//! how that was verified, and what is left to do. Texts that come from alerts and targets are escaped ([`text`]), so that
//! they are shown and do nothing.

mod actions;
mod changes;
mod text;
mod work;

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};
use selfheal_core::issue::{Outcome, Phase};
use selfheal_core::remediation::IntentState;
use selfheal_runtime::ports::journal::{DecisionFacts, Record, Story};

use text::{code, span, words};

/// Entries of the timeline; what is more is counted.
const TIMELINE_MAX: usize = 200;
/// The longest text of one entry, in characters.
const ENTRY_CHARS_MAX: usize = 600;

/// Writes the report of an issue as it stands now.
pub fn markdown(story: &Story) -> String {
    let mut page = String::new();
    heading(&mut page, story);
    summary(&mut page, story);
    timeline(&mut page, story);
    cause(&mut page, story);
    work::write(&mut page, story);
    actions::write(&mut page, story);
    page
}

fn line(page: &mut String, text: &str) {
    page.push_str(text);
    page.push('\n');
}

fn heading(page: &mut String, story: &Story) {
    let issue = &story.issue;
    line(page, &format!("# {}: {} at {}", issue.id, words(issue.alert.name()), words(&issue.resource)));
    line(page, "");
}

fn summary(page: &mut String, story: &Story) {
    let issue = &story.issue;
    line(page, "## Summary\n");
    let is_under_way = issue.phase == Phase::Remediating;
    let is_back = story.intents.iter().any(|intent| intent.state == IntentState::Undone);
    let outcome = match issue.outcome {
        _ if is_under_way => "a plan is under way",
        Some(Outcome::Denied) if is_back => "what was done has been taken back",
        Some(outcome) => said(outcome),
        None => "nothing has been decided yet",
    };
    let known = is_under_way || issue.why.is_empty() || issue.outcome == Some(Outcome::Unmatched);
    let why = if known { String::new() } else { format!(": {}", words(&issue.why)) };
    line(page, &format!("{}{why}.\n", capital(outcome)));
    let mut rows: Vec<(&str, String)> = Vec::new();
    if let Some(severity) = issue.alert.labels.get("severity") {
        rows.push(("Severity", words(severity)));
    }
    rows.push((
        "State",
        format!("{}{}", issue.phase, issue.outcome.map_or_else(String::new, |o| format!(", {o}"))),
    ));
    rows.push(("Firing since", format!("{:.0}", issue.alert.starts_at)));
    rows.push(("Received", format!("{:.0}", issue.received_at)));
    if let Some(at) = issue.resolved_at {
        let took = at.duration_since(issue.alert.starts_at);
        rows.push(("Resolved", format!("{at:.0}, after {}", span(took))));
    }
    if let Some(at) = issue.closed_at {
        rows.push(("Closed", format!("{at:.0}")));
    }
    rows.push(("Rule", issue.rule.as_deref().map_or_else(|| "none".to_owned(), code)));
    let remediations = story.remediations.len() + story.forgotten.len();
    let forgotten = if story.forgotten.is_empty() { "" } else { "; their details were forgotten" };
    rows.push(("Remediations", format!("{remediations}{forgotten}")));
    for (name, value) in [("Summary", "summary"), ("Description", "description")] {
        if let Some(text) = issue.alert.annotations.get(value) {
            rows.push((name, words(text)));
        }
    }
    for (name, value) in [("Runbook", "runbook_url"), ("Dashboard", "dashboard_url")] {
        if let Some(address) = issue.alert.annotations.get(value) {
            rows.push((name, text::link(address)));
        }
    }
    line(page, "| | |\n|---|---|");
    for (name, value) in rows {
        line(page, &format!("| {name} | {value} |"));
    }
    line(page, "");
}

/// An outcome as a sentence.
pub(crate) fn said(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Recovered => "it was healed, and that was verified",
        Outcome::Applied => "a change was made; the plan names nothing to verify it by",
        Outcome::Unwound => "a change was tried, did not help, and was taken back",
        Outcome::Kept => "a change was tried and did not help; it was kept",
        Outcome::Stuck => "a change could not be taken back",
        Outcome::Unknown => "a change may or may not have happened",
        Outcome::Refused => "nothing was done: a guard refused",
        Outcome::Shadowed => "nothing was done: it was only decided and shown",
        Outcome::Skipped => "nothing was done: the rule decided so",
        Outcome::Unmatched => "nothing was done: no rule is for this alert",
        Outcome::Denied => "nothing was done: a person refused the plan",
        Outcome::Expired => "nothing was done: nobody answered in time",
        Outcome::Escalated => "every plan was tried too often",
        Outcome::Subsided => "the alert went away before anything was done",
        Outcome::Failed => "the rule, its probes or its target could not be used",
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn timeline(page: &mut String, story: &Story) {
    let issue = &story.issue;
    line(page, "## Timeline\n");
    let mut entries: Vec<(Timestamp, String)> = vec![
        (issue.alert.starts_at, "the alert began to fire".to_owned()),
        (issue.received_at, "selfheal heard of it".to_owned()),
    ];
    entries.extend(issue.resolved_at.map(|at| (at, "the alert was resolved".to_owned())));
    entries.extend(story.records.iter().map(|record| (record.at, entry(record))));
    // Stable: what happened at one moment stays in the order in which it was noted.
    entries.sort_by_key(|(at, _)| *at);
    let left_out = entries.len().saturating_sub(TIMELINE_MAX);
    let mut before: Option<Timestamp> = None;
    for (at, text) in entries.into_iter().take(TIMELINE_MAX) {
        let after = before
            .map(|before| at.duration_since(before))
            .filter(|after| *after >= SignedDuration::from_secs(1));
        let after = after.map_or_else(String::new, |after| format!(" (+{})", span(after)));
        line(page, &format!("- {at:.0}{after} {text}"));
        before = Some(at);
    }
    if left_out > 0 {
        line(page, &format!("- … and {left_out} more"));
    }
    line(page, "");
}

fn entry(record: &Record) -> String {
    let who =
        if record.actor == "selfheal" { String::new() } else { format!(" by {}", words(&record.actor)) };
    let text = crate::sinks::cut(&record.summary, ENTRY_CHARS_MAX);
    format!("**{}**{who}: {}", words(&record.kind), words(&text))
}

/// The latest decision that read something, or else the latest.
pub(crate) fn decision(story: &Story) -> Option<DecisionFacts> {
    let decided = story.records.iter().rev().filter(|record| record.kind == "decided");
    let facts = decided.filter_map(|record| serde_json::from_value(record.facts.clone()).ok());
    let (read, other): (Vec<DecisionFacts>, Vec<_>) = facts
        .partition(|facts: &DecisionFacts| facts.observed.as_object().is_some_and(|seen| !seen.is_empty()));
    read.into_iter().chain(other).next()
}

fn cause(page: &mut String, story: &Story) {
    line(page, "## Cause, as far as known\n");
    let issue = &story.issue;
    let mut labels = String::new();
    for (name, value) in issue.alert.labels.iter().take(40) {
        let _ = write!(labels, " {}", code(&format!("{name}={value}")));
    }
    line(page, &format!("The alert:{labels}\n"));
    match decision(story) {
        None => line(page, "No rule has read anything about it."),
        Some(facts) if facts.observed.as_object().is_none_or(|seen| seen.is_empty()) => {
            line(
                page,
                &format!("Rule {} (generation {}) read nothing.", code(&facts.rule), facts.generation),
            );
        }
        Some(facts) => {
            line(page, &format!("Rule {} (generation {}) read:\n", code(&facts.rule), facts.generation));
            let observed = serde_json::to_string_pretty(&facts.observed).unwrap_or_default();
            line(page, &text::block("json", &observed));
            for choice in &facts.choices {
                line(page, &format!("- at {}: {}", code(&choice.path), words(&choice.why)));
            }
        }
    }
    line(page, "");
}

#[cfg(test)]
mod tests;
