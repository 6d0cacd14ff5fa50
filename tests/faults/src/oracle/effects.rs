//! Every change at the target is of one intent that the journal knows, and no intent changes anything twice: once at
//! most when it is applied, once at most when it is undone.
//!
//! Each change marks its object with its intent, and an undo puts back the mark of before. So a mark that was never seen
//! is an application, and any other change is the undo of the intent whose mark it found.

use std::collections::BTreeMap;

use selfheal_test_kubernetes::{Change, INTENT_ANNOTATION};
use serde_json::Value;

use super::{Evidence, Intent, RemediationId, Violation};

/// What happened at the target for one intent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Happened {
    applied: usize,
    undone: usize,
}

pub(super) fn judge(evidence: Evidence<'_>) -> Vec<Violation> {
    let intents = &evidence.journal.intents;
    let mut violations = Vec::new();
    let mut happened: BTreeMap<&str, Happened> = BTreeMap::new();
    let mut turns: BTreeMap<&str, Vec<RemediationId>> = BTreeMap::new();
    let all: Vec<Change> = evidence.changes.clone().by_requests().0;
    for change in &all {
        let (before, after) = (change.before.as_deref().and_then(mark), mark(&change.object));
        let intent = match (before, after) {
            (_, Some(mark)) if !happened.contains_key(mark) => {
                happened.entry(mark).or_default().applied += 1;
                mark
            }
            (Some(same), Some(mark)) if same == mark => {
                happened.entry(mark).or_default().applied += 1;
                mark
            }
            (Some(mark), _) => {
                happened.entry(mark).or_default().undone += 1;
                mark
            }
            (None, _) => {
                let what = format!("{} was changed by a request without an intent of its own", change.path);
                violations.push(Violation::new(what));
                continue;
            }
        };
        match intents.get(intent) {
            None => {
                let what = format!("{} was changed for {intent}, which is not in the journal", change.name);
                violations.push(Violation::new(what));
            }
            // What is taken back when its time is over may come into another remediation.
            Some(intent) if intent.reverted => {}
            Some(intent) => turns.entry(&change.name).or_default().push(intent.remediation),
        }
    }
    violations.extend(intents.values().filter_map(|intent| {
        let happened = happened.get(intent.id.as_str()).copied().unwrap_or_default();
        let Intent { id, action, target, state, said, .. } = intent;
        fault(intent, happened).map(|fault| {
            let Happened { applied, undone } = happened;
            let what = format!(
                "{action} at {target} {fault}: applied {applied} times, undone {undone} times; intent {id} is {state}: {said}"
            );
            Violation::at(what, [intent.remediation.0])
        })
    }));
    violations.extend(turns.into_iter().filter_map(|(name, turns)| out_of_turn(name, &turns)));
    violations
}

/// The intent that an object is marked with.
fn mark(object: &Value) -> Option<&str> {
    object["metadata"]["annotations"][INTENT_ANNOTATION].as_str()
}

fn fault(intent: &Intent, happened: Happened) -> Option<&'static str> {
    let Happened { applied, undone } = happened;
    // A restart changes something always; a value may have been there already.
    let must = usize::from(intent.action == "k8s.rollout_restart");
    match intent.state.as_str() {
        _ if applied > 1 => Some("happened more than once"),
        _ if undone > 1 => Some("was undone more than once"),
        "not_applied" if applied > 0 => Some("happened, although it certainly did not"),
        "done" | "applied" | "unhelpful" | "undoing" | "undone" | "undo_failed" if applied < must => {
            Some("is said to have happened, and did not")
        }
        "done" | "unhelpful" | "not_applied" | "unknown" if undone > 0 => {
            Some("was undone, and the journal does not know")
        }
        _ => None,
    }
}

/// Whether two remediations changed an object by turns: each must have ended before the next began.
fn out_of_turn(name: &str, turns: &[RemediationId]) -> Option<Violation> {
    let mut over: Vec<RemediationId> = Vec::new();
    for turn in turns {
        if over.last() == Some(turn) {
            continue;
        }
        if over.contains(turn) {
            let what = format!("{name} was changed by several remediations by turns: {turns:?}");
            return Some(Violation::at(what, [turn.0]));
        }
        over.push(*turn);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::Journal;
    use crate::oracle::tests::check;
    use selfheal_test_kubernetes::{Changes, Origin};
    use serde_json::json;
    use std::sync::Arc;

    fn change(before: Option<&str>, after: Option<&str>) -> Change {
        let object = |mark: Option<&str>| {
            Arc::new(json!({ "metadata": { "annotations": { INTENT_ANNOTATION: mark } } }))
        };
        Change {
            revision: 0,
            origin: Origin::Request,
            verb: "patch".to_owned(),
            group: "apps".to_owned(),
            resource: "deployments".to_owned(),
            subresource: String::new(),
            namespace: "shop".to_owned(),
            name: "web".to_owned(),
            path: "/web".to_owned(),
            user_agent: String::new(),
            field_manager: String::new(),
            intent_sent: None,
            intent: None,
            before: Some(object(before)),
            object: object(after),
        }
    }

    fn intent(id: &str, issue: i64, state: &str) -> Intent {
        Intent {
            id: id.to_owned(),
            remediation: (issue, 1),
            action: "k8s.rollout_restart".to_owned(),
            target: "web".to_owned(),
            state: state.to_owned(),
            reverted: false,
            said: String::new(),
        }
    }

    #[test]
    fn what_happened_is_held_against_the_journal() {
        // Intents with their issues and states; changes from one mark to another.
        type Case<'a> =
            (&'a [(&'a str, i64, &'a str)], &'a [(Option<&'a str>, Option<&'a str>)], &'a [&'a str]);
        let (a, b) = (Some("a"), Some("b"));
        let cases: [Case<'_>; 11] = [
            (&[("a", 1, "done")], &[(None, a)], &[]),
            (&[("a", 1, "unknown")], &[], &[]),
            (&[("a", 1, "undone")], &[(None, a), (a, None)], &[]),
            (&[("a", 1, "done"), ("b", 2, "undone")], &[(None, a), (a, b), (b, a)], &[]),
            (&[("a", 1, "done")], &[(None, a), (a, a)], &["happened more than once"]),
            (&[("a", 1, "undone")], &[(None, a), (a, None), (a, None)], &["undone more than once"]),
            (&[("a", 1, "done")], &[], &["said to have happened"]),
            (&[("a", 1, "not_applied")], &[(None, a)], &["although it certainly did not"]),
            (&[("a", 1, "done")], &[(None, a), (a, None)], &["the journal does not know"]),
            (&[], &[(None, a)], &["not in the journal"]),
            (
                &[("a", 1, "done"), ("b", 2, "done"), ("c", 1, "done")],
                &[(None, a), (a, b), (b, Some("c"))],
                &["by turns"],
            ),
        ];
        for (intents, changes, expected) in cases {
            let intents =
                intents.iter().map(|(id, issue, state)| ((*id).to_owned(), intent(id, *issue, state)));
            let journal = Journal { intents: intents.collect(), ..Journal::default() };
            let changes = Changes(changes.iter().map(|(before, after)| change(*before, *after)).collect());
            check(&journal, &BTreeMap::new(), &changes, expected);
        }
    }
}
