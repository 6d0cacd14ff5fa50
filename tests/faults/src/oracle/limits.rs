//! No limit is exceeded: how many remediations run at a time, how often a target is treated, and never two at one.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{Evidence, Remediation, Violation};

/// The window of the rates.
const WINDOW: SignedDuration = SignedDuration::from_hours(1);

pub(super) fn judge(evidence: Evidence<'_>) -> Vec<Violation> {
    let limits = evidence.limits;
    let all: Vec<&Remediation> = evidence.journal.remediations.values().collect();
    let mut by_target: BTreeMap<&str, Vec<&Remediation>> = BTreeMap::new();
    for remediation in &all {
        for target in &remediation.targets {
            by_target.entry(target).or_default().push(remediation);
        }
    }
    let mut violations = Vec::new();
    violations.extend(beyond(&most_at_once(&all), limits.concurrent, "ran at the same time"));
    violations.extend(beyond(&most_within(&all, WINDOW), limits.in_all, "began within an hour"));
    for (target, of_target) in by_target {
        let within = most_within(&of_target, WINDOW);
        violations.extend(beyond(&within, limits.per_target, &format!("of {target} began within an hour")));
        violations.extend(beyond(&most_at_once(&of_target), 1, &format!("of {target} ran at the same time")));
    }
    violations
}

fn beyond(found: &[&Remediation], most: usize, what: &str) -> Option<Violation> {
    let names: Vec<String> = found
        .iter()
        .map(|remediation| {
            let (issue, ordinal) = remediation.id;
            let until = remediation.ended_at.map_or_else(|| "now".to_owned(), |at| at.to_string());
            format!("remediation-{issue}-{ordinal} ({} to {until})", remediation.started_at)
        })
        .collect();
    let shown = names[..names.len().min(12)].join(", ");
    (found.len() > most).then(|| {
        let what = format!("{} remediations {what}, {most} at most: {shown}", found.len());
        Violation::at(what, found.iter().take(4).map(|remediation| remediation.id.0))
    })
}

/// The largest number of remediations that were under way at one moment.
fn most_at_once<'a>(all: &[&'a Remediation]) -> Vec<&'a Remediation> {
    largest(all, |one, at| one.started_at <= at && one.ended_at.is_none_or(|end| end > at))
}

/// The largest number of remediations that began within a time.
fn most_within<'a>(all: &[&'a Remediation], window: SignedDuration) -> Vec<&'a Remediation> {
    largest(all, |one, at| one.started_at <= at && at.duration_since(one.started_at) < window)
}

/// Counted at each beginning, at which alone a number grows.
fn largest<'a>(
    all: &[&'a Remediation],
    counts: impl Fn(&Remediation, Timestamp) -> bool,
) -> Vec<&'a Remediation> {
    all.iter()
        .map(|at| all.iter().copied().filter(|one| counts(one, at.started_at)).collect::<Vec<_>>())
        .max_by_key(Vec::len)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::Journal;
    use crate::oracle::tests::{at, check};
    use selfheal_test_kubernetes::Changes;

    #[test]
    fn limits_are_counted_by_beginnings_and_by_what_runs() {
        // Of each: its target, its beginning and its end. The limits: 1 at once, 2 of a target, 3 in all.
        type Runs<'a> = &'a [(&'a str, i64, i64)];
        let cases: [(Runs<'_>, &[&str]); 6] = [
            (&[("a", 0, 10), ("b", 10, 20), ("c", 20, 30)], &[]),
            (&[("a", 0, 10), ("b", 9, 20)], &["2 remediations ran at the same time, 1 at most"]),
            (&[("a", 0, 10), ("a", 9, 20)], &["ran at the same time", "of a ran at the same time"]),
            (&[("a", 0, 1), ("a", 2, 3), ("a", 4, 5)], &["of a began within an hour, 2 at most"]),
            (&[("a", 0, 1), ("a", 2, 3), ("a", 3700, 3800)], &[]),
            (
                &[("a", 0, 1), ("b", 2, 3), ("c", 4, 5), ("d", 6, 7)],
                &["4 remediations began within an hour, 3 at most"],
            ),
        ];
        for (runs, expected) in cases {
            let mut journal = Journal::default();
            for (number, (target, from, to)) in (1..).zip(runs) {
                let remediation = Remediation {
                    id: (number, 1),
                    targets: vec![(*target).to_owned()],
                    started_at: at(*from),
                    ended_at: Some(at(*to)),
                    outcome: None,
                };
                journal.remediations.insert(remediation.id, remediation);
            }
            check(&journal, &BTreeMap::new(), &Changes::default(), expected);
        }
    }
}
