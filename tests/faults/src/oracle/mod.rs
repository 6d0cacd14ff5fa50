//! What must hold in the end: nothing that was acknowledged is lost, nothing was done twice, everything has ended, and no
//! limit was exceeded.

mod effects;
mod journal;
mod limits;

use std::collections::BTreeMap;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use selfheal_test_kubernetes::Changes;

pub use journal::{Intent, Issue, Journal, Remediation, RemediationId};

use crate::door::Told;
use crate::house::Limits;

/// What does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What, in a sentence.
    pub what: String,
    /// The issues whose stories tell more.
    pub issues: Vec<i64>,
}

impl Violation {
    /// One without an issue.
    #[must_use]
    pub fn new(what: String) -> Self {
        Self { what, issues: Vec::new() }
    }

    fn at(what: String, issues: impl IntoIterator<Item = i64>) -> Self {
        Self { what, issues: issues.into_iter().collect() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// What there is to judge by.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// What the journal says.
    pub journal: &'a Journal,
    /// What was acknowledged, with when it was first.
    pub acknowledged: &'a BTreeMap<Told, Timestamp>,
    /// What was changed at the target.
    pub changes: &'a Changes,
    /// The operator's limits.
    pub limits: Limits,
}

/// Judges everything.
#[must_use]
pub fn judge(evidence: Evidence<'_>) -> Vec<Violation> {
    let mut violations = lost(evidence);
    violations.extend(unended(evidence.journal));
    violations.extend(effects::judge(evidence));
    violations.extend(limits::judge(evidence));
    violations
}

/// How much later than an alert was acknowledged its issue may have opened. A notification whose replica has died is expanded by
/// another one, and a later notification may be faster.
const EXPANDED_LATE: SignedDuration = SignedDuration::from_mins(2);

/// What was acknowledged and is not in the journal. An alert is in an issue that knows its start, or in one of about that time that
/// knows a later one: what came long afterwards does not stand for it.
fn lost(evidence: Evidence<'_>) -> Vec<Violation> {
    let mut of_print: BTreeMap<&str, Vec<&Issue>> = BTreeMap::new();
    for issue in evidence.journal.issues.values() {
        of_print.entry(&issue.fingerprint).or_default().push(issue);
    }
    let is_lost = |((print, start, _), at): &(&Told, &Timestamp)| {
        // The journal keeps microseconds.
        let holds = |issue: &&Issue| {
            let (known, start) = (issue.starts_at.as_microsecond(), start.as_microsecond());
            known == start || (known > start && issue.received_at <= **at + EXPANDED_LATE)
        };
        !of_print.get(print.as_str()).is_some_and(|issues| issues.iter().any(holds))
    };
    let lost = evidence.acknowledged.iter().filter(is_lost).map(|((print, start, fires), at)| {
        let state = if *fires { "fires" } else { "fired" };
        Violation::new(format!(
            "the alert {print}, which {state} since {start}, was acknowledged at {at}, and is not in the journal"
        ))
    });
    lost.collect()
}

/// What has not ended.
fn unended(journal: &Journal) -> Vec<Violation> {
    let issues =
        journal.issues.values().filter(|issue| issue.outcome.is_none() || issue.phase != "closed").map(
            |issue| {
                let Issue { id, phase, outcome, why, .. } = issue;
                let outcome = outcome.as_deref().unwrap_or("none");
                Violation::at(format!("issue-{id} is {phase}, its outcome {outcome}: {why}"), [*id])
            },
        );
    let remediations =
        journal.remediations.values().filter(|remediation| remediation.ended_at.is_none()).map(
            |Remediation { id: (issue, ordinal), .. }| {
                Violation::at(format!("remediation-{issue}-{ordinal} has not ended"), [*issue])
            },
        );
    let open = |state: &str| matches!(state, "executing" | "applied" | "undoing");
    let intents = journal.intents.values().filter(|intent| open(&intent.state)).map(|intent| {
        Violation::at(format!("intent {} is {}", intent.id, intent.state), [intent.remediation.0])
    });
    issues.chain(remediations).chain(intents).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    pub(crate) const LIMITS: Limits = Limits { concurrent: 1, per_target: 2, in_all: 3 };

    pub(crate) fn check(
        journal: &Journal,
        acknowledged: &BTreeMap<Told, Timestamp>,
        changes: &Changes,
        expected: &[&str],
    ) {
        let found = judge(Evidence { journal, acknowledged, changes, limits: LIMITS });
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (violation, expected) in found.iter().zip(expected) {
            assert!(violation.what.contains(expected), "{violation} is not {expected:?}");
        }
    }

    fn issue(id: i64, print: &str, start: i64, phase: &str, outcome: Option<&str>) -> Issue {
        Issue {
            id,
            fingerprint: print.to_owned(),
            starts_at: at(start),
            received_at: at(7),
            phase: phase.to_owned(),
            outcome: outcome.map(str::to_owned),
            why: String::new(),
            looked_at: true,
        }
    }

    #[test]
    fn what_was_acknowledged_is_there_and_has_ended() {
        let closed = |print, start| issue(1, print, start, "closed", Some("skipped"));
        let cases: [(Issue, &str, i64, i64, &[&str]); 7] = [
            (closed("a", 5), "a", 5, -120, &[]),
            (closed("a", 6), "a", 5, 8, &[]),
            (closed("a", 6), "a", 5, -113, &[]),
            (
                closed("a", 6),
                "a",
                5,
                -114,
                &["since 1970-01-01T00:00:05Z, was acknowledged at 1969-12-31T23:58:06Z"],
            ),
            (closed("a", 4), "a", 5, 8, &["and is not in the journal"]),
            (closed("b", 5), "a", 5, 8, &["and is not in the journal"]),
            (issue(1, "a", 5, "rested", None), "a", 5, 8, &["issue-1 is rested, its outcome none"]),
        ];
        for (issue, print, start, acknowledged_at, expected) in cases {
            let journal = Journal { issues: BTreeMap::from([(1, issue)]), ..Journal::default() };
            let acknowledged = BTreeMap::from([((print.to_owned(), at(start), true), at(acknowledged_at))]);
            check(&journal, &acknowledged, &Changes::default(), expected);
        }
    }
}
