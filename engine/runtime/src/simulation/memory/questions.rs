//! The questions that take more than a look at one row.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use selfheal_core::health::Gravity;
use selfheal_core::issue::{IssueId, Outcome};
use selfheal_core::remediation::IntentState;
use serde::Serialize;

use super::state::State;
use crate::ports::history::{Course, Episode};
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
                && filter
                    .severity
                    .as_deref()
                    .is_none_or(|severity| label(issue, "severity") == Some(severity))
                && (filter.among.is_empty() || filter.among.contains(&issue.id))
                && filter
                    .gravity
                    .is_none_or(|gravity| Gravity::of(label(issue, "severity"), issue.priority) == gravity)
                && filter.namespace.as_deref().is_none_or(|name| label(issue, "namespace") == Some(name))
                && filter.resource.as_ref().is_none_or(|resource| holds(resource, &[&issue.resource]))
                && filter.component.is_none_or(|component| issue.component == Some(component))
                && filter.since.is_none_or(|since| issue.received_at >= since)
                && filter.until.is_none_or(|until| issue.received_at < until)
                && filter.before.is_none_or(|before| issue.id < before)
                && filter.text.as_ref().is_none_or(|text| {
                    let rule = issue.rule.as_deref().unwrap_or_default();
                    holds(text, &[rule, &issue.resource, &issue.why, &as_json(&issue.alert)])
                })
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
                && filter.rule.as_ref().is_none_or(|rule| remediation.rule == *rule)
                && (filter.outcomes.is_empty()
                    || remediation.outcome.is_some_and(|outcome| filter.outcomes.contains(&outcome)))
                && filter
                    .resource
                    .as_ref()
                    .is_none_or(|resource| holds(resource, &[self.resource(remediation.id.issue)]))
                && filter.since.is_none_or(|since| remediation.started_at >= since)
                && filter.until.is_none_or(|until| remediation.started_at < until)
                && filter.text.as_ref().is_none_or(|text| {
                    let (plan, resource) = (as_json(&remediation.plan), self.resource(remediation.id.issue));
                    holds(text, &[&remediation.rule, &remediation.why, &plan, resource])
                })
        };
        let most = filter.limit.clamp(1, REMEDIATIONS_MAX) as usize;
        self.remediations[..end].iter().rev().filter(wanted).take(most).cloned().collect()
    }

    /// What an issue is about.
    fn resource(&self, issue: IssueId) -> &str {
        self.issues.get(&issue).map_or("", |issue| &issue.resource)
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
            forgotten: self.forgotten(id),
        })
    }

    pub(super) fn episodes(&self, since: Timestamp, most: usize) -> Vec<Episode> {
        let wanted = self.issues.values().rev().filter(|issue| issue.closed_at.is_none_or(|at| at >= since));
        wanted.take(most).map(|issue| self.episode(issue)).collect()
    }

    fn episode(&self, issue: &Issue) -> Episode {
        let own = self.remediations.iter().filter(|remediation| remediation.id.issue == issue.id);
        let mut courses = self.forgotten(issue.id);
        courses.extend(own.map(|remediation| self.course(remediation)));
        Episode {
            issue: issue.id,
            name: issue.alert.name().to_owned(),
            severity: label(issue, "severity").map(str::to_owned),
            rule: issue.rule.clone(),
            priority: issue.priority,
            component: issue.component,
            resource: issue.resource.clone(),
            starts_at: issue.alert.starts_at,
            received_at: issue.received_at,
            resolved_at: issue.resolved_at,
            closed_at: issue.closed_at,
            outcome: issue.outcome,
            courses,
        }
    }

    /// A remediation, as statistics see it.
    pub(super) fn course(&self, remediation: &Remediation) -> Course {
        let intents = self.intents.iter().filter(|intent| intent.remediation == remediation.id);
        Course {
            rule: remediation.rule.clone(),
            started_at: remediation.started_at,
            effect_at: intents.filter_map(|intent| intent.applied_at).min(),
            ended_at: remediation.ended_at,
            outcome: remediation.outcome,
        }
    }

    fn forgotten(&self, issue: IssueId) -> Vec<Course> {
        let own = self.courses.iter().filter(|(id, _)| id.issue == issue);
        own.map(|(_, course)| course.clone()).collect()
    }

    pub(super) fn openings_since(&self, rule: &str, since: Timestamp) -> u32 {
        let wanted = |issue: &&Issue| issue.rule.as_deref() == Some(rule) && issue.received_at >= since;
        u32::try_from(self.issues.values().filter(wanted).count()).unwrap_or(u32::MAX)
    }

    pub(super) fn endings_since(&self, since: Timestamp) -> Vec<(Outcome, u64)> {
        let mut endings: BTreeMap<&str, (Outcome, u64)> = BTreeMap::new();
        let ended = self.remediations.iter().filter(|remediation| remediation.ended_at >= Some(since));
        for outcome in ended.filter_map(|remediation| remediation.outcome) {
            endings.entry(outcome.name()).or_insert((outcome, 0)).1 += 1;
        }
        endings.into_values().collect()
    }

    /// What helped and must be undone all the same, with its time, in the order in which it was intended.
    pub(super) fn reverts(&self) -> impl DoubleEndedIterator<Item = (Timestamp, &Intent)> {
        let stands = |intent: &&Intent| matches!(intent.state, IntentState::Done | IntentState::Undoing);
        self.intents.iter().filter(stands).filter_map(|intent| intent.revert_at.map(|at| (at, intent)))
    }

    /// Those on which no later one stands.
    pub(super) fn last_reverts(&self) -> impl Iterator<Item = (Timestamp, &Intent)> {
        let mut later = BTreeSet::new();
        self.reverts().rev().filter(move |(_, intent)| later.insert((&intent.target, &intent.action)))
    }

    pub(super) fn reverts_due(&self, now: Timestamp) -> Vec<Intent> {
        let mut due: Vec<_> = self.last_reverts().filter(|(at, _)| *at <= now).collect();
        // Of those of one time, the first that was intended comes first.
        due.reverse();
        due.sort_by_key(|(at, _)| *at);
        due.into_iter().map(|(_, intent)| intent.clone()).collect()
    }

    /// Messages for a sink before which no other one about the same issue waits.
    pub(super) fn first_messages(&self, sink: &str) -> impl Iterator<Item = &OutboxMessage> {
        let mut subjects = BTreeSet::new();
        let own = self.outbox.values().filter(move |message| message.sink == sink);
        own.filter(move |message| {
            let subject = message.subject();
            subject.is_none_or(|subject| subjects.insert(subject))
        })
    }

    /// Those that have waited longest beyond their time, in the order in which they were written.
    pub(super) fn due_messages(&self, sink: &str, now: Timestamp, most: usize) -> Vec<OutboxMessage> {
        let mut due: Vec<_> = self.first_messages(sink).filter(|message| message.next_at <= now).collect();
        due.sort_by_key(|message| (message.next_at, message.id));
        due.truncate(most);
        due.sort_by_key(|message| message.id);
        due.into_iter().cloned().collect()
    }

    pub(super) fn totals(&self) -> Totals {
        let open = self.issues.values().filter(|issue| issue.phase.is_open()).count();
        Totals {
            issues: self.opened.unsigned_abs(),
            open_issues: open as u64,
            remediations: self.ended.iter().map(|(outcome, ended)| (*outcome, ended.count)).collect(),
            duration_seconds: self.ended.values().map(|ended| ended.seconds).sum(),
        }
    }
}

fn label<'i>(issue: &'i Issue, name: &str) -> Option<&'i str> {
    issue.alert.labels.get(name)
}

/// Whether a text is in what these say, in whatever case of ASCII letters.
fn holds(text: &str, parts: &[&str]) -> bool {
    parts.join(" ").to_ascii_lowercase().contains(&text.to_ascii_lowercase())
}

fn as_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
