//! What is left to do after an incident, as far as the story tells.

use selfheal_core::issue::{Outcome, Phase};
use selfheal_core::remediation::IntentState;
use selfheal_runtime::ports::journal::Story;

use super::line;
use super::text::{code, words};

/// Writes what is left to do.
pub(super) fn write(page: &mut String, story: &Story) {
    line(page, "## Open action items\n");
    let items = items(story);
    if items.is_empty() {
        line(page, "None that selfheal knows of.");
    }
    for item in items {
        line(page, &format!("- [ ] {item}"));
    }
}

/// The items, the most urgent first.
fn items(story: &Story) -> Vec<String> {
    let issue = &story.issue;
    let mut items = Vec::new();
    for intent in &story.intents {
        let what = format!("{} at {}", code(&intent.action), code(&intent.target));
        match intent.state {
            IntentState::UndoFailed => {
                items.push(format!("Take {what} back by hand: {}", words(&intent.said)))
            }
            IntentState::Unknown => {
                items.push(format!("Find out whether {what} has happened: {}", words(&intent.said)))
            }
            IntentState::Unhelpful => {
                items.push(format!("Decide whether {what} is to stay: it did not help"))
            }
            _ => {}
        }
        if let Some(at) = intent.revert_at.filter(|_| intent.state == IntentState::Done) {
            items.push(format!("See that {what} is taken back at {at:.0}, as planned"));
        }
    }
    if story.approvals.iter().any(|approval| approval.answer.is_none())
        && issue.phase == Phase::AwaitingApproval
    {
        items.push("Answer the approval that is waited for".to_owned());
    }
    if issue.resolved_at.is_none() && issue.phase != Phase::Closed {
        items.push("The alert still fires: look at what it is about".to_owned());
    }
    items.extend(issue.outcome.and_then(|outcome| lesson(outcome, story)));
    items
}

/// What the outcome suggests for the next time.
fn lesson(outcome: Outcome, story: &Story) -> Option<String> {
    let rule = story.issue.rule.as_deref().map(code).unwrap_or_default();
    Some(match outcome {
        Outcome::Unmatched => "Write a rule for this alert, or keep it from being sent here".to_owned(),
        Outcome::Unwound | Outcome::Kept | Outcome::Escalated => {
            format!("Find the cause, and teach rule {rule} a plan that helps")
        }
        Outcome::Failed => {
            format!("Repair rule {rule}, or what it reads and changes: {}", words(&story.issue.why))
        }
        Outcome::Expired => "See why nobody answered in time: who is told, and when".to_owned(),
        Outcome::Applied => format!("Give the plan of rule {rule} something to verify it by"),
        Outcome::Recovered if story.remediations.len() > 1 => {
            format!("It took {} remediations: see whether the cause is still there", story.remediations.len())
        }
        _ => return None,
    })
}
