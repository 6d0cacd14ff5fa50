//! Every change at the target is of one intent that the journal knows, and no intent changes anything twice: once at
//! most when it is applied, once at most when it is undone.
//!
//! Each application marks its object with its intent, and an undo puts back the mark of before. So a mark that was never
//! seen is an application. Any other change is an undo, of which there are no more than the journal has undone
//! intents of that action at that object: an undo whose time has come finds the mark of a later change, and puts back one
//! from before its own.

use std::collections::BTreeMap;

use selfheal_test_kubernetes::{Change, INTENT_ANNOTATION};
use serde_json::Value;

use super::{Evidence, Intent, RemediationId, Violation};

/// What a rule changes, by the action that changes it.
const FIELDS: [(&str, &str); 3] = [
    ("k8s.rollout_restart", "/spec/template/metadata/annotations"),
    ("k8s.memory", "/spec/template/spec/containers/0/resources/limits/memory"),
    ("k8s.cpu", "/spec/template/spec/containers/0/resources/limits/cpu"),
];

pub(super) fn judge(evidence: Evidence<'_>) -> Vec<Violation> {
    let intents = &evidence.journal.intents;
    let mut violations = Vec::new();
    let mut applied: BTreeMap<&str, usize> = BTreeMap::new();
    let mut undone: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut turns: BTreeMap<&str, Vec<RemediationId>> = BTreeMap::new();
    let all: Vec<Change> = evidence.changes.clone().by_requests().0;
    for change in &all {
        let (before, after) = (change.before.as_deref().and_then(mark), mark(&change.object));
        let own = after.filter(|mark| before == after || !applied.contains_key(mark));
        let Some(own) = own else {
            *undone.entry((&change.name, field_of(change))).or_default() += 1;
            continue;
        };
        *applied.entry(own).or_default() += 1;
        match intents.get(own) {
            Some(intent) => turns.entry(&change.name).or_default().push(intent.remediation),
            None => {
                let what = format!("{} was changed for {own}, which is not in the journal", change.name);
                violations.push(Violation::new(what));
            }
        }
    }
    violations.extend(intents.values().filter_map(|intent| {
        let times = applied.get(intent.id.as_str()).copied().unwrap_or_default();
        let Intent { id, action, target, state, said, .. } = intent;
        fault(intent, times).map(|fault| {
            let what = format!("{action} at {target} {fault}: {times} times; intent {id} is {state}: {said}");
            Violation::at(what, [intent.remediation.0])
        })
    }));
    violations.extend(undone.into_iter().filter_map(|((name, action), times)| {
        let of_object =
            |intent: &&Intent| intent.action == action && intent.target.ends_with(&format!("/{name}"));
        let of_object: Vec<&Intent> = intents.values().filter(of_object).collect();
        let known =
            of_object.iter().filter(|intent| matches!(intent.state.as_str(), "undone" | "undo_failed"));
        let known = known.count();
        (times > known).then(|| {
            let what = format!("{action} at {name} was undone {times} times, {known} times by the journal");
            Violation::at(what, of_object.iter().map(|intent| intent.remediation.0))
        })
    }));
    violations.extend(turns.into_iter().filter_map(|(name, turns)| out_of_turn(name, &turns)));
    violations
}

/// The intent that an object is marked with.
fn mark(object: &Value) -> Option<&str> {
    object["metadata"]["annotations"][INTENT_ANNOTATION].as_str()
}

/// The action by what was changed.
fn field_of(change: &Change) -> &'static str {
    let differs = |pointer: &str| {
        let before = change.before.as_deref().and_then(|before| before.pointer(pointer));
        before != change.object.pointer(pointer)
    };
    FIELDS.iter().find(|(_, pointer)| differs(pointer)).map_or("no action", |(action, _)| action)
}

fn fault(intent: &Intent, applied: usize) -> Option<&'static str> {
    // A restart changes something always; a value may have been there already.
    let must = usize::from(intent.action == "k8s.rollout_restart");
    match intent.state.as_str() {
        _ if applied > 1 => Some("happened more than once"),
        "not_applied" if applied > 0 => Some("happened, although it certainly did not"),
        "done" | "applied" | "unhelpful" | "undoing" | "undone" | "undo_failed" if applied < must => {
            Some("is said to have happened, and did not")
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
            Arc::new(json!({
                "metadata": { "annotations": { INTENT_ANNOTATION: mark } },
                "spec": { "template": { "metadata": { "annotations": { "at": mark } } } },
            }))
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
            target: "kubernetes/web".to_owned(),
            state: state.to_owned(),
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
            (
                &[("a", 1, "undone")],
                &[(None, a), (a, None), (a, None)],
                &["was undone 2 times, 1 times by the journal"],
            ),
            (&[("a", 1, "done")], &[], &["said to have happened"]),
            (&[("a", 1, "not_applied")], &[(None, a)], &["although it certainly did not"]),
            (&[("a", 1, "done")], &[(None, a), (a, None)], &["was undone 1 times, 0 times by the journal"]),
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
