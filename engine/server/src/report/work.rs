//! What was done: each remediation with its plan, the changes of each step as a diff, and how it was verified.

use selfheal_core::issue::Outcome;
use selfheal_runtime::ports::journal::{Intent, Remediation, Story};
use serde_json::Value;

use super::text::{block, code, span, words};
use super::{changes, line, said};

/// Writes what was done.
pub(super) fn write(page: &mut String, story: &Story) {
    line(page, "## What was done\n");
    if story.remediations.is_empty() && story.forgotten.is_empty() {
        line(page, "Nothing was changed.\n");
    }
    for course in &story.forgotten {
        let ended = course.outcome.map_or("it did not end", said);
        let (rule, began) = (code(&course.rule), course.started_at);
        line(page, &format!("- A plan of rule {rule} began {began:.0}. Outcome: {ended}."));
    }
    if !story.forgotten.is_empty() {
        line(page, "\nWhat it changed in detail has been forgotten (`retention.actions`).\n");
    }
    for remediation in &story.remediations {
        one(page, story, remediation);
    }
    for approval in &story.approvals {
        let answer = match &approval.answer {
            None => format!("is waited for until {:.0}", approval.expires_at),
            Some(answer) => {
                let said = if answer.granted { "granted" } else { "refused" };
                format!("{said} by {} at {:.0}: {}", words(&answer.by), answer.at, words(&answer.reason))
            }
        };
        line(
            page,
            &format!(
                "Approval of plan {}, asked at {:.0} ({}): {answer}.\n",
                code(&approval.plan_hash.short()),
                approval.asked_at,
                words(&approval.why)
            ),
        );
        previews(page, &approval.previews);
    }
    verification(page, story);
}

fn one(page: &mut String, story: &Story, remediation: &Remediation) {
    line(page, &format!("### {}\n", remediation.id));
    let outcome = remediation.outcome.map_or("it is under way", said);
    let took = remediation
        .ended_at
        .map(|ended| format!(", took {}", span(ended.duration_since(remediation.started_at))));
    let approved = remediation.approved_by.as_deref().map(|by| format!(", approved by {}", words(by)));
    line(
        page,
        &format!(
            "Plan {} of rule {}, began {:.0}{}{}. Outcome: {outcome}{}.\n",
            code(&remediation.plan_hash.short()),
            code(&remediation.rule),
            remediation.started_at,
            took.unwrap_or_default(),
            approved.unwrap_or_default(),
            if remediation.why.is_empty() {
                String::new()
            } else {
                format!(" ({})", words(&remediation.why))
            },
        ),
    );
    let intents: Vec<&Intent> =
        story.intents.iter().filter(|intent| intent.remediation == remediation.id).collect();
    if intents.is_empty() {
        line(page, "No step was begun.\n");
    }
    for intent in intents {
        line(
            page,
            &format!(
                "- step {}, try {}: {} at {} — **{}**{}\n",
                code(&intent.path),
                intent.try_number,
                code(&intent.action),
                code(&intent.target),
                intent.state,
                if intent.said.is_empty() { String::new() } else { format!(", {}", words(&intent.said)) },
            ),
        );
        line(page, &changes::shown(story, remediation, intent));
        line(page, "");
    }
}

/// What the targets showed when a person was asked.
fn previews(page: &mut String, previews: &Value) {
    for step in previews.as_array().into_iter().flatten() {
        let (action, preview) = (step["action"].as_str().unwrap_or_default(), &step["preview"]);
        let summary = preview["summary"].as_str().or_else(|| preview["failed"].as_str()).unwrap_or_default();
        line(page, &format!("- {}: {}\n", code(action), words(summary)));
        let lines = changes::of_preview(preview);
        if !lines.is_empty() {
            line(page, &block("diff", &lines.join("\n")));
            line(page, "");
        }
    }
}

fn verification(page: &mut String, story: &Story) {
    line(page, "## Verification\n");
    let kinds = ["verified", "not_verified"];
    let verified = story.records.iter().filter(|record| kinds.contains(&record.kind.as_str()));
    let mut any = false;
    for record in verified {
        any = true;
        let mark = if record.kind == "verified" { "held" } else { "did not hold" };
        line(page, &format!("- {:.0} {mark}: {}", record.at, words(&record.summary)));
    }
    if !any {
        let under_way = story.remediations.iter().any(|remediation| remediation.ended_at.is_none());
        line(
            page,
            match story.issue.outcome {
                _ if under_way => "Nothing has been verified yet.",
                Some(Outcome::Applied) => "The plan names nothing to verify it by.",
                _ => "There was nothing to verify.",
            },
        );
    }
    if let Some(at) = story.issue.resolved_at {
        line(page, &format!("- {at:.0} the alert is resolved"));
    }
    line(page, "");
}
