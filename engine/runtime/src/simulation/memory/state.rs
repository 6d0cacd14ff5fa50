//! The rows, and how notifications become issues.

use std::collections::BTreeMap;

use jiff::Timestamp;
use selfheal_core::alert::{Alert, AlertStatus};
use selfheal_core::issue::{IssueId, Outcome};
use selfheal_core::labels::{Fingerprint, Labels};
use selfheal_core::remediation::RemediationId;
use selfheal_core::sighting::{LatestIssue, Meaning, kept, meaning};
use selfheal_core::success::SuccessRecord;
use serde_json::Value;

use super::holds::Holds;
use crate::ports::Course;
use crate::ports::journal::{
    Approval, Delivery, Intent, Issue, NewReceipt, Notice, OutboxMessage, Progress, Receipt, ReceiptId,
    Record, Remediation, Sighted, Sighting,
};

/// All rows. Those in a `Vec` are in the order in which they were written.
#[derive(Default)]
pub(super) struct State {
    pub(super) receipts: BTreeMap<ReceiptId, Receipt>,
    received: i64,
    pub(super) issues: BTreeMap<IssueId, Issue>,
    pub(super) opened: i64,
    pub(super) holds: Holds,
    latest: BTreeMap<Fingerprint, IssueId>,
    pub(super) records: Vec<Record>,
    pub(super) remediations: Vec<Remediation>,
    /// Remediations whose details were forgotten.
    pub(super) courses: Vec<(RemediationId, Course)>,
    pub(super) intents: Vec<Intent>,
    pub(super) approvals: Vec<Approval>,
    /// By rule, resource and time.
    pub(super) failures: BTreeMap<(String, String, Timestamp), u32>,
    pub(super) successes: BTreeMap<(String, String), SuccessRecord>,
    pub(super) outbox: BTreeMap<i64, OutboxMessage>,
    pub(super) notified: i64,
    pub(super) settings: BTreeMap<String, Value>,
    pub(super) ended: BTreeMap<Outcome, Ended>,
}

/// How many remediations have ended in one way, and how long they took in all.
#[derive(Clone, Copy, Default)]
pub(super) struct Ended {
    pub(super) count: u64,
    pub(super) seconds: f64,
}

impl State {
    pub(super) fn receive(&mut self, receipt: NewReceipt) -> ReceiptId {
        self.received += 1;
        let id = ReceiptId(self.received);
        let NewReceipt { received_at, source, trace, body } = receipt;
        let source = source.to_owned();
        self.receipts.insert(id, Receipt { id, received_at, source, trace, body, expanded: 0 });
        self.holds.received(id, received_at);
        id
    }

    pub(super) fn progress(&mut self, progress: Progress) {
        if progress.finished {
            self.receipts.remove(&progress.receipt);
            self.holds.finished(progress.receipt);
        } else if let Some(receipt) = self.receipts.get_mut(&progress.receipt) {
            receipt.expanded = progress.expanded;
        }
    }

    /// One alert, by the table of `core::sighting`.
    pub(super) fn see(&mut self, sighting: Sighting) -> Sighted {
        let latest = self.latest.get(&sighting.alert.fingerprint).and_then(|id| self.issues.get_mut(id));
        let known = latest.as_ref().map(|issue| LatestIssue {
            open: issue.phase.is_open(),
            starts_at: issue.alert.starts_at,
            resolved_at: issue.resolved_at,
        });
        let resolved_at = sighting.alert.ends_at.unwrap_or(sighting.received_at);
        match (meaning(known, &sighting.alert, sighting.received_at), latest) {
            (Meaning::Open, _) => Sighted::Opened(self.open(sighting, None)),
            (Meaning::OpenResolved, _) => {
                self.open(sighting, Some(resolved_at));
                Sighted::Stale
            }
            (Meaning::Refire, Some(issue)) => {
                issue.resolved_at = None;
                issue.wake_at = Some(sighting.opening.wake_at.unwrap_or(sighting.received_at));
                let summary = format!("the alert fires again since {}", sighting.alert.starts_at);
                let record = told(issue.id, "refired", summary, sighting.received_at);
                issue.alert = kept(issue.alert.starts_at, &sighting.alert).into_owned();
                let id = issue.id;
                self.records.push(record);
                self.holds.call(id);
                Sighted::Refired(id)
            }
            (Meaning::Resolve, Some(issue)) => {
                issue.resolved_at = Some(resolved_at);
                issue.wake_at = Some(sighting.received_at);
                let summary = format!("the alert was resolved at {resolved_at}");
                let record = told(issue.id, "resolved", summary, sighting.received_at);
                issue.alert = kept(issue.alert.starts_at, &sighting.alert).into_owned();
                let id = issue.id;
                self.records.push(record);
                self.holds.call(id);
                Sighted::Resolved(id)
            }
            (Meaning::Known, Some(issue)) => {
                let alert = sighting.alert;
                let no_older = alert.starts_at.as_millisecond() >= issue.alert.starts_at.as_millisecond();
                if no_older && content(&alert) != content(&issue.alert) {
                    issue.resolved_at = issue.resolved_at.map(|_| resolved_at);
                    issue.alert = alert;
                }
                Sighted::Known(issue.id)
            }
            (Meaning::Stale | Meaning::Refire | Meaning::Resolve | Meaning::Known, _) => Sighted::Stale,
        }
    }

    /// Opens an issue; one whose alert is resolved already is closed at once.
    fn open(&mut self, sighting: Sighting, resolved_at: Option<Timestamp>) -> IssueId {
        self.opened += 1;
        let id = IssueId(self.opened);
        if let Some(at) = sighting.take_at.filter(|_| resolved_at.is_none()) {
            self.holds.take_new(id, at);
        }
        if resolved_at.is_none() {
            sighting.opening.told.iter().for_each(|notice| self.notify(notice.about(id)));
        }
        let issue = sighting.opened(id, resolved_at);
        self.latest.insert(issue.fingerprint, id);
        self.issues.insert(id, issue);
        id
    }

    pub(super) fn notify(&mut self, Notice { sink, news, at }: Notice) {
        self.notified += 1;
        let id = self.notified;
        self.outbox.insert(id, OutboxMessage { id, sink, news: *news, tries: 0, next_at: at });
    }

    /// Removes an issue.
    pub(super) fn remove(&mut self, id: IssueId) {
        self.holds.forget(id);
        let Some(issue) = self.issues.remove(&id) else { return };
        if self.latest.get(&issue.fingerprint) == Some(&id) {
            let mut earlier = self.issues.values().rev();
            match earlier.find(|other| other.fingerprint == issue.fingerprint) {
                Some(other) => self.latest.insert(issue.fingerprint, other.id),
                None => self.latest.remove(&issue.fingerprint),
            };
        }
    }

    pub(super) fn delivered(&mut self, id: i64, delivery: Delivery) {
        match delivery {
            Delivery::Finished => {
                self.outbox.remove(&id);
            }
            Delivery::Again(next_at) => {
                if let Some(message) = self.outbox.get_mut(&id) {
                    message.tries += 1;
                    message.next_at = next_at;
                }
            }
        }
    }
}

/// What tells whether a known alert says anything new. Not its generator URL, which differs between the Prometheus
/// servers of a pair, and not the end of a firing alert, which is only a promise.
fn content(alert: &Alert) -> (&Labels, i64, AlertStatus, Option<Timestamp>) {
    let end = alert.ends_at.filter(|_| alert.status == AlertStatus::Resolved);
    (&alert.annotations, alert.starts_at.as_millisecond(), alert.status, end)
}

fn told(issue: IssueId, kind: &str, summary: String, at: Timestamp) -> Record {
    Record {
        issue: Some(issue),
        remediation: None,
        at,
        kind: kind.to_owned(),
        actor: "selfheal".to_owned(),
        summary,
        facts: Value::Null,
    }
}
