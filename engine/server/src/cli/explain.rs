//! `explain`: in plain sentences, why something was or was not done about an issue, and what one can do now.

use std::io::Write;

use selfheal_core::issue::IssueId;
use serde_json::{Value, json};

use super::client::Client;
use super::colour;
use super::exit::{Exit, Failure};
use super::output::{self, Output, list, moment, text};

pub(super) async fn run(
    issue: IssueId,
    client: &Client,
    output: Output,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let story = client.get(&["issues", &issue.to_string()], &[]).await?;
    match output {
        Output::Text => {
            for sentence in sentences(&story) {
                writeln!(out, "{sentence}")?;
            }
            for (number, hint) in hints(&story).iter().enumerate() {
                let label = if number == 0 { "\nYou can:\n" } else { "" };
                writeln!(out, "{label}  {hint}")?;
            }
        }
        Output::Json => {
            let id = text(&story["issue"], "id");
            output::json(out, &json!({ "issue": id, "because": sentences(&story), "can": hints(&story) }))?;
        }
    }
    Ok(Exit::Good)
}

/// What happened, in the order in which one asks.
fn sentences(story: &Value) -> Vec<String> {
    let issue = &story["issue"];
    let mut said = vec![opening(issue)];
    let decided: Vec<&Value> =
        list(story, "story").iter().filter(|entry| entry["kind"] == "decided").collect();
    match text(issue, "rule").as_str() {
        "" if text(issue, "outcome") == "unmatched" => {
            said.push("No rule in use is for this alert.".to_owned())
        }
        "" => said.push("No rule treats it yet.".to_owned()),
        rule => said.push(format!("The rule {rule} is for it.")),
    }
    if decided.len() > 1 {
        said.push(format!("It was decided about {} times; this is the last.", decided.len()));
    }
    if let Some(last) = decided.last() {
        said.push(format!("At {}: {}.", moment(last, "at"), text(last, "summary").trim_end_matches('.')));
        said.extend(list(&last["facts"], "verdicts").iter().filter_map(verdict));
    }
    for remediation in list(story, "remediations") {
        said.push(remediated(remediation));
    }
    said.extend(list(story, "approvals").iter().map(approval));
    for entry in list(story, "story") {
        match entry["kind"].as_str() {
            Some("acknowledged") => {
                said.push(format!(
                    "{} has taken it in hand at {}.",
                    text(entry, "actor"),
                    moment(entry, "at")
                ));
            }
            Some("silenced" | "unsilenced") => {
                said.push(format!(
                    "{} at {}: {}.",
                    text(entry, "actor"),
                    moment(entry, "at"),
                    text(entry, "summary")
                ));
            }
            Some("escalated") => {
                said.push(format!("At {}: {}.", moment(entry, "at"), text(entry, "summary")))
            }
            _ => {}
        }
    }
    said.push(standing(story));
    said
}

fn opening(issue: &Value) -> String {
    let severity = match text(issue, "severity") {
        severity if severity.is_empty() => String::new(),
        severity => format!(", severity {}", colour::by_word(&severity, &severity)),
    };
    let resolved = match moment(issue, "resolved_at") {
        at if at.is_empty() => "fires".to_owned(),
        at => format!("fired until {at}"),
    };
    format!(
        "{}: {} about {} {resolved}, since {}{severity}.",
        colour::bold(&text(issue, "id")),
        text(issue, "type"),
        text(issue, "resource"),
        moment(issue, "starts_at"),
    )
}

/// What a guard had against it; nothing when it let the plan pass.
fn verdict(verdict: &Value) -> Option<String> {
    let (guard, why) = (text(verdict, "guard"), text(verdict, "why"));
    Some(match verdict["verdict"].as_str().unwrap_or_default() {
        "pass" | "" => return None,
        "hold" => format!("  The guard {guard} held it until {}: {why}.", moment(verdict, "until")),
        "refuse" => format!("  The guard {guard} refused: {why}."),
        "shadow" => format!("  The guard {guard} let it only be shown: {why}."),
        "ask" => format!("  The guard {guard} wants a person to approve: {why}."),
        other => format!("  The guard {guard} said {other}: {why}."),
    })
}

fn remediated(remediation: &Value) -> String {
    let status = text(remediation, "status");
    let shown = colour::by_word(&status, &status);
    let why = match text(remediation, "why") {
        why if why.is_empty() => String::new(),
        why => format!(", because {why}"),
    };
    format!(
        "{} began at {} to do {}: {shown}{why}.",
        text(remediation, "id"),
        moment(remediation, "started_at"),
        text(remediation, "description"),
    )
}

fn approval(approval: &Value) -> String {
    let answer = &approval["answer"];
    let what = text(approval, "description");
    match (text(approval, "state").as_str(), answer.is_object()) {
        (state, true) => format!(
            "{} was {state} by {} at {}: {}.",
            what,
            text(answer, "by"),
            moment(answer, "at"),
            text(answer, "reason")
        ),
        ("expired", _) => format!(
            "{what} waited for approval until {}, and nobody answered.",
            moment(approval, "expires_at")
        ),
        _ => format!(
            "{what} waits for approval until {}: {}.",
            moment(approval, "expires_at"),
            text(approval, "why")
        ),
    }
}

/// How it stands.
fn standing(story: &Value) -> String {
    let issue = &story["issue"];
    let approved = list(story, "approvals").last().is_some_and(|approval| approval["state"] == "granted");
    let (phase, outcome, why) = (text(issue, "phase"), text(issue, "outcome"), text(issue, "why"));
    // What is said above already is not said again.
    let asked = phase == "awaiting_approval" && !approved;
    let known = why.is_empty() || asked || outcome == "unmatched";
    let because = if known { String::new() } else { format!(" ({why})") };
    let next = match moment(issue, "wake_at") {
        at if at.is_empty() => String::new(),
        at => format!(" It is looked at again at {at}."),
    };
    let stands = match (phase.as_str(), outcome.as_str()) {
        ("waiting", _) if why.is_empty() => {
            "It waits out its priority's delay, as it may pass by itself".to_owned()
        }
        ("waiting", _) => "It waits".to_owned(),
        ("awaiting_approval", _) if approved => "It is approved, and held".to_owned(),
        ("awaiting_approval", _) => "It waits for a person".to_owned(),
        ("remediating", _) => "A plan is under way".to_owned(),
        (_, "") => format!("It is {phase}"),
        (_, "denied") if any_intent(story, "undone") => "So what was done has been taken back".to_owned(),
        (_, name) => {
            let taken_back = any_intent(story, "undone") && !any_intent(story, "done") && name != "unwound";
            let then = if taken_back { "; the change has been taken back since" } else { "" };
            match name.parse().map(crate::report::said) {
                Ok(sentence) => format!("So {sentence}{then}"),
                Err(_) => format!("So the outcome is {name}{then}"),
            }
        }
    };
    format!("{stands}{because}.{next}")
}

/// Whether a change of a remediation is in a state, such as `done` or `undone`.
fn has_intent(remediation: &Value, state: &str) -> bool {
    list(remediation, "intents").iter().any(|intent| intent["state"] == state)
}

fn any_intent(story: &Value, state: &str) -> bool {
    list(story, "remediations").iter().any(|remediation| has_intent(remediation, state))
}

/// What one can do now, as commands.
fn hints(story: &Value) -> Vec<String> {
    let issue = &story["issue"];
    let id = text(issue, "id");
    let mut hints: Vec<(String, &str)> = Vec::new();
    for approval in list(story, "approvals").iter().filter(|approval| approval["state"] == "open") {
        let approval = text(approval, "id");
        hints.push((format!("selfheal approvals show {approval}"), "the plan, and what it would do"));
        hints.push((format!("selfheal approvals grant {approval}"), "or refuse"));
    }
    match text(issue, "outcome").as_str() {
        "unmatched" => hints.push(("selfheal rules list".to_owned(), "which rules there are, and for what")),
        "refused" if text(issue, "why").starts_with("switch") => {
            hints.push(("selfheal switch on --reason ...".to_owned(), "let selfheal act again"));
        }
        // Left as it is until a person asks, or much later.
        _ if text(issue, "phase") == "rested"
            && !text(issue, "rule").is_empty()
            && issue["resolved_at"].is_null() =>
        {
            hints.push((format!("selfheal issues remediate {id}"), "have its rule asked again now"));
        }
        _ => {}
    }
    let done = |remediation: &&Value| remediation["success"] == true && has_intent(remediation, "done");
    if let Some(done) = list(story, "remediations").iter().rev().find(done) {
        let rollback = format!("selfheal remediations rollback {}", text(done, "id"));
        hints.push((rollback, "take it back, as far as that can be done"));
    }
    if text(issue, "phase") != "closed" {
        hints.push((format!("selfheal issues acknowledge {id}"), "say that you look after it"));
        if story["silence"].is_object() {
            hints.push((format!("selfheal silences end {id}"), "hear of its alert again"));
        } else {
            hints.push((format!("selfheal silences add {id} --for 2h"), "keep its alert quiet"));
        }
    }
    hints.push((format!("selfheal report {id}"), "everything, as a report"));
    let width = hints.iter().map(|(command, _)| command.chars().count()).max().unwrap_or_default();
    hints.into_iter().map(|(command, what)| format!("{command:<width$}  # {what}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_something_was_or_was_not_done() {
        let issue = |more: Value| {
            let mut issue = json!({
                "id": "issue-7", "type": "Disk", "resource": "host/a", "severity": "critical", "phase": "rested",
                "starts_at": "2026-11-22T12:00:00Z", "rule": "disk", "outcome": null, "why": "", "wake_at": null,
            });
            more.as_object().unwrap().iter().for_each(|(name, value)| issue[name] = value.clone());
            issue
        };
        let decided = |summary: &str, verdicts: Value| json!([{ "kind": "decided", "at": "2026-11-22T12:00:01.5Z", "summary": summary, "facts": { "verdicts": verdicts } }]);
        let cases: [(Value, &[&str], &str); 8] = [
            (
                json!({ "issue": issue(json!({ "rule": null, "outcome": "unmatched", "why": "no rule is for this alert" })) }),
                &["No rule in use is for this alert.", "So nothing was done: no rule is for this alert."],
                "rules list",
            ),
            (
                json!({
                    "issue": issue(json!({ "phase": "waiting", "why": "cooldown: 5 m", "wake_at": "2026-11-22T12:05:00Z" })),
                    "story": decided("held", json!([
                        { "guard": "mode", "verdict": "pass", "why": "auto" },
                        { "guard": "cooldown", "verdict": "hold", "until": "2026-11-22T12:05:00Z", "why": "tried 1 m ago" },
                    ])),
                }),
                &[
                    "The guard cooldown held it until 2026-11-22T12:05:00Z: tried 1 m ago.",
                    "It waits (cooldown: 5 m). It is looked at again at 2026-11-22T12:05:00Z.",
                ],
                "acknowledge issue-7",
            ),
            (
                json!({
                    "issue": issue(json!({ "phase": "awaiting_approval" })),
                    "approvals": [{ "id": "abc", "state": "open", "description": "pg::kill()", "why": "risky", "expires_at": "2026-11-22T12:15:00Z" }],
                }),
                &["pg::kill() waits for approval until 2026-11-22T12:15:00Z: risky."],
                "approvals grant abc",
            ),
            (
                json!({
                    "issue": issue(json!({ "phase": "closed", "outcome": "recovered", "resolved_at": "2026-11-22T12:02:00Z" })),
                    "remediations": [{ "id": "remediation-7-1", "status": "success", "success": true, "description": "pg::kill()", "why": "idle\u{7}",
                        "intents": [{ "state": "done" }] }],
                }),
                &[
                    "fired until 2026-11-22T12:02:00Z",
                    "to do pg::kill(): success, because idle .",
                    "So it was healed",
                ],
                "rollback remediation-7-1",
            ),
            (
                json!({
                    "issue": issue(json!({ "phase": "awaiting_approval", "why": "cooldown: 5 m", "wake_at": "2026-11-22T12:05:00Z" })),
                    "approvals": [{ "id": "abc", "state": "granted", "description": "pg::kill()", "answer": { "by": "ann", "reason": "go" } }],
                }),
                &[
                    "pg::kill() was granted by ann",
                    "It is approved, and held (cooldown: 5 m). It is looked at again at 2026-11-22T12:05:00Z.",
                ],
                "acknowledge issue-7",
            ),
            (
                json!({
                    "issue": issue(json!({ "outcome": "recovered" })),
                    "remediations": [{ "id": "remediation-7-1", "success": true, "intents": [{ "state": "undone" }] }],
                }),
                &["So it was healed, and that was verified; the change has been taken back since."],
                "report issue-7",
            ),
            (
                json!({
                    "issue": issue(json!({ "outcome": "denied", "why": "nobody answered" })),
                    "approvals": [{ "id": "abc", "state": "expired", "description": "pg::kill()", "expires_at": "2026-11-22T12:15:00Z" }],
                }),
                &["pg::kill() waited for approval until 2026-11-22T12:15:00Z, and nobody answered."],
                "issues remediate issue-7",
            ),
            (
                json!({
                    "issue": issue(json!({ "outcome": "denied", "why": "ann had it rolled back" })),
                    "remediations": [{ "id": "remediation-7-1", "success": true, "intents": [{ "state": "undone" }] }],
                }),
                &["So what was done has been taken back (ann had it rolled back)."],
                "report issue-7",
            ),
        ];
        for (story, parts, hint) in cases {
            let page = sentences(&story).join("\n");
            for part in parts {
                assert!(page.contains(part), "{part}:\n{page}");
            }
            let hints = hints(&story).join("\n");
            assert!(hints.contains(hint), "{hint}");
            let applied = page.contains("success, because idle");
            assert_eq!(hints.contains("rollback"), applied, "only what stands can be taken back:\n{page}");
        }
    }
}
