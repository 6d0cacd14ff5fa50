//! The questions that take more than a look at one row.

use std::collections::BTreeMap;

use jiff::Timestamp;
use selfheal_core::issue::{IssueId, Outcome};
use selfheal_core::remediation::IntentState;

use super::state::State;
use crate::ports::journal::{
    Intent, Issue, IssueFilter, OutboxMessage, Remediation, RemediationFilter, Story, Totals,
};

/// The most issues of one answer.
const ISSUES_MAX: u32 = 1_000;
/// The most remediations of one answer.
const REMEDIATIONS_MAX: u32 = 10_000;

impl State {
    pub(super) fn list_issues(&self, filter: &IssueFilter) -> Vec<Issue> {
        let wanted = |issue: &&Issue| {
            filter.open.is_none_or(|open| issue.phase.is_open() == open)
                && filter.phase.is_none_or(|phase| issue.phase == phase)
                && filter.outcome.is_none_or(|outcome| issue.outcome == Some(outcome))
                && filter.rule.as_ref().is_none_or(|rule| issue.rule.as_ref() == Some(rule))
                && filter.fingerprint.is_none_or(|fingerprint| issue.fingerprint == fingerprint)
                && filter.before.is_none_or(|before| issue.id < before)
        };
        let most = filter.limit.clamp(1, ISSUES_MAX) as usize;
        self.issues.values().rev().filter(wanted).take(most).cloned().collect()
    }

    pub(super) fn list_remediations(&self, filter: &RemediationFilter) -> Vec<Remediation> {
        let end = match filter.before {
            None => self.remediations.len(),
            Some(before) => {
                self.remediations.iter().position(|remediation| remediation.id == before).unwrap_or(0)
            }
        };
        let wanted = |remediation: &&Remediation| {
            filter.issue.is_none_or(|issue| remediation.id.issue == issue)
                && filter.running.is_none_or(|running| remediation.ended_at.is_none() == running)
                && filter.since.is_none_or(|since| remediation.started_at >= since)
        };
        let most = filter.limit.clamp(1, REMEDIATIONS_MAX) as usize;
        self.remediations[..end].iter().rev().filter(wanted).take(most).cloned().collect()
    }

    pub(super) fn story(&self, id: IssueId) -> Option<Story> {
        let issue = self.issues.get(&id)?.clone();
        let of_issue = |remediation: &&Remediation| remediation.id.issue == id;
        Some(Story {
            issue,
            records: self.records.iter().filter(|record| record.issue == Some(id)).cloned().collect(),
            remediations: self.remediations.iter().filter(of_issue).cloned().collect(),
            intents: self.intents.iter().filter(|intent| intent.remediation.issue == id).cloned().collect(),
            approvals: self.approvals.iter().filter(|approval| approval.issue == id).cloned().collect(),
        })
    }

    pub(super) fn wakes(
        &self,
        after: Option<(Timestamp, IssueId)>,
        most: usize,
    ) -> Vec<(Timestamp, IssueId)> {
        let open = self.issues.values().filter(|issue| issue.phase.is_open());
        let due = open.filter_map(|issue| issue.wake_at.map(|wake_at| (wake_at, issue.id)));
        let mut wakes: Vec<_> = due.filter(|wake| after.is_none_or(|after| *wake > after)).collect();
        wakes.sort_unstable();
        wakes.truncate(most);
        wakes
    }

    /// What helped and must be undone all the same, with its time.
    pub(super) fn reverts(&self) -> impl Iterator<Item = (Timestamp, &Intent)> {
        let helped = self.intents.iter().filter(|intent| intent.state == IntentState::Done);
        helped.filter_map(|intent| intent.revert_at.map(|at| (at, intent)))
    }

    pub(super) fn reverts_due(&self, now: Timestamp) -> Vec<Intent> {
        let mut due: Vec<_> = self.reverts().filter(|(at, _)| *at <= now).collect();
        due.sort_by_key(|(at, _)| *at);
        due.into_iter().map(|(_, intent)| intent.clone()).collect()
    }

    /// Those that have waited longest beyond their time, in the order in which they were written.
    pub(super) fn due_messages(&self, now: Timestamp, most: usize) -> Vec<OutboxMessage> {
        let mut due: Vec<_> = self.outbox.values().filter(|message| message.next_at <= now).collect();
        due.sort_by_key(|message| (message.next_at, message.id));
        due.truncate(most);
        due.sort_by_key(|message| message.id);
        due.into_iter().cloned().collect()
    }

    pub(super) fn totals(&self) -> Totals {
        let mut remediations: BTreeMap<Outcome, u64> = BTreeMap::new();
        let mut duration_seconds = 0.0;
        for remediation in &self.remediations {
            let (Some(outcome), Some(ended_at)) = (remediation.outcome, remediation.ended_at) else {
                continue;
            };
            *remediations.entry(outcome).or_default() += 1;
            duration_seconds += ended_at.duration_since(remediation.started_at).as_secs_f64().max(0.0);
        }
        let open = self.issues.values().filter(|issue| issue.phase.is_open()).count();
        Totals { issues: self.issues.len() as u64, open_issues: open as u64, remediations, duration_seconds }
    }
}
