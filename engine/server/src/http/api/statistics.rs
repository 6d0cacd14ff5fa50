//! `/statistics`: totals since the beginning, from the journal.

use std::collections::BTreeMap;

use selfheal_core::issue::Outcome;
use selfheal_runtime::ports::journal::Totals;
use serde::Serialize;

use super::query::Query;
use super::{Answered, Call, ok};

/// Totals since the beginning.
#[derive(Debug, PartialEq, Serialize)]
struct Statistics {
    total_issues_detected: u64,
    open_issues: u64,
    /// Remediations that ended.
    total_remediations: u64,
    successful_remediations: u64,
    failed_remediations: u64,
    /// Percent of those that succeeded or failed, with two decimals; null while there are none.
    success_rate: Option<f64>,
    /// For people: `2.3 seconds`.
    average_remediation_time: String,
    /// Null while there are none.
    average_remediation_seconds: Option<f64>,
    by_outcome: BTreeMap<Outcome, u64>,
}

impl Statistics {
    fn of(totals: Totals) -> Self {
        let counted = |success| -> u64 {
            let fitting =
                totals.remediations.iter().filter(|(outcome, _)| outcome.success() == Some(success));
            fitting.map(|(_, count)| count).sum()
        };
        let (successful, failed) = (counted(true), counted(false));
        let all: u64 = totals.remediations.values().sum();
        let percent = successful as f64 * 100.0 / (successful + failed) as f64;
        let seconds = totals.duration_seconds / all as f64;
        Self {
            total_issues_detected: totals.issues,
            open_issues: totals.open_issues,
            total_remediations: all,
            successful_remediations: successful,
            failed_remediations: failed,
            success_rate: (successful + failed > 0).then(|| (percent * 100.0).round() / 100.0),
            average_remediation_time: if all > 0 {
                format!("{seconds:.1} seconds")
            } else {
                "none yet".to_owned()
            },
            average_remediation_seconds: (all > 0).then_some(seconds),
            by_outcome: totals.remediations,
        }
    }
}

pub(super) async fn totals(call: Call) -> Answered {
    Query::read(call.request.query_string(), &[])?;
    ok(&Statistics::of(call.app.engine.journal.totals().await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_count_what_succeeded_or_failed() {
        let totals = |remediations: &[(Outcome, u64)], duration_seconds| Totals {
            issues: 147,
            open_issues: 3,
            remediations: remediations.iter().copied().collect(),
            duration_seconds,
        };
        let none = Statistics::of(totals(&[], 0.0));
        assert_eq!((none.success_rate, none.average_remediation_seconds), (None, None));
        let some = Statistics::of(totals(
            &[
                (Outcome::Recovered, 100),
                (Outcome::Applied, 24),
                (Outcome::Unwound, 18),
                (Outcome::Subsided, 8),
            ],
            345.0,
        ));
        assert_eq!(some.total_remediations, 150);
        assert_eq!((some.successful_remediations, some.failed_remediations), (124, 18));
        assert_eq!(some.success_rate, Some(87.32));
        assert_eq!(some.average_remediation_time, "2.3 seconds");
    }
}
