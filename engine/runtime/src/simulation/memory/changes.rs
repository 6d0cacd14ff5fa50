//! A transaction: every write in order, and what takes them back when the precondition of a later one does not hold.

use jiff::Timestamp;
use selfheal_core::issue::{Event, IssueId, Outcome, Phase};
use selfheal_core::remediation::IntentState;
use selfheal_core::success::SuccessRecord;
use serde_json::Value;

use super::holds::Held;
use super::state::{Ended, State};
use crate::ports::journal::{Approval, Intent, Issue, Remediation, Write};
use crate::ports::{JournalFault, JournalFaultKind};

/// What a write has changed, as it was before.
enum Before {
    Issue(Box<Issue>),
    Held(IssueId, Held),
    Ended(Outcome, Option<Ended>),
    Remediation(usize, Box<Remediation>),
    Intent(usize, Box<Intent>),
    Approval(usize, Box<Approval>),
    Failures((String, String, Timestamp), Option<u32>),
    Successes((String, String), Option<SuccessRecord>),
    Setting(String, Option<Value>),
}

/// How many rows there were before the transaction; what was added is cut off.
struct Lengths {
    records: usize,
    remediations: usize,
    intents: usize,
    approvals: usize,
    notified: i64,
}

impl State {
    /// All writes, or none.
    pub(super) fn commit(&mut self, writes: Vec<Write>) -> Result<(), JournalFault> {
        let lengths = Lengths {
            records: self.records.len(),
            remediations: self.remediations.len(),
            intents: self.intents.len(),
            approvals: self.approvals.len(),
            notified: self.notified,
        };
        let mut changed = Vec::new();
        let done = writes.into_iter().try_for_each(|write| self.apply(write, &mut changed));
        done.map_err(|(kind, what)| {
            self.take_back(changed, &lengths);
            JournalFault { kind, what }
        })
    }

    fn take_back(&mut self, changed: Vec<Before>, lengths: &Lengths) {
        for before in changed.into_iter().rev() {
            match before {
                Before::Issue(issue) => {
                    self.issues.insert(issue.id, *issue);
                }
                Before::Held(issue, held) => self.holds.put_back(issue, held),
                Before::Ended(outcome, ended) => put_back(&mut self.ended, outcome, ended),
                Before::Remediation(place, remediation) => self.remediations[place] = *remediation,
                Before::Intent(place, intent) => self.intents[place] = *intent,
                Before::Approval(place, approval) => self.approvals[place] = *approval,
                Before::Failures(key, tries) => put_back(&mut self.failures, key, tries),
                Before::Successes(key, record) => put_back(&mut self.successes, key, record),
                Before::Setting(key, value) => put_back(&mut self.settings, key, value),
            }
        }
        self.records.truncate(lengths.records);
        self.remediations.truncate(lengths.remediations);
        self.intents.truncate(lengths.intents);
        self.approvals.truncate(lengths.approvals);
        self.notified = lengths.notified;
        self.outbox.retain(|id, _| *id <= lengths.notified);
    }

    fn apply(&mut self, write: Write, changed: &mut Vec<Before>) -> Result<(), (JournalFaultKind, String)> {
        let Write::Hold { tenure, at, lease } = write else {
            return self.change_rows(write, changed).map_err(|what| (JournalFaultKind::Conflict, what));
        };
        changed.push(Before::Held(tenure.issue, self.holds.of(tenure.issue)));
        if self.holds.hold(tenure, at, lease) {
            return Ok(());
        }
        changed.pop();
        let what = format!("{} is not in epoch {} any more", tenure.issue, tenure.epoch);
        Err((JournalFaultKind::Fenced, what))
    }

    fn change_rows(&mut self, write: Write, changed: &mut Vec<Before>) -> Result<(), String> {
        match write {
            Write::Hold { .. } => {}
            Write::Wake { issue: id, at } => {
                if self.issues.get(&id).is_some_and(|issue| issue.phase.is_open()) {
                    let issue = self.change(id, changed)?;
                    issue.wake_at = Some(issue.wake_at.map_or(at, |wake_at| wake_at.min(at)));
                    changed.push(Before::Held(id, self.holds.of(id)));
                    self.holds.call(id);
                }
            }
            Write::Move { issue: id, event, wake_at, outcome, why, at } => {
                let again = self.holds.of(id).again;
                let issue = self.change(id, changed)?;
                let resolved = issue.resolved_at.is_some();
                let to = issue.phase.next(event).filter(|to| to.is_open() || resolved);
                let to = to.ok_or_else(|| stuck(issue, event))?;
                issue.phase = to;
                issue.wake_at = if to.is_open() && again {
                    // What was called for since it was taken is looked at again.
                    Some(wake_at.map_or(at, |wake_at| wake_at.min(at)))
                } else {
                    // What is resolved is looked at until it is closed.
                    wake_at.or((to.is_open() && resolved).then_some(at))
                };
                issue.closed_at = (to == Phase::Closed).then_some(at);
                issue.outcome = outcome.or(issue.outcome);
                issue.why = why;
            }
            Write::AssignRule { issue, rule, priority, component } => {
                let issue = self.change(issue, changed)?;
                issue.rule = Some(rule);
                issue.priority = Some(priority);
                issue.component = Some(component);
            }
            Write::SetLevel { issue, level, at } => {
                let issue = self.change(issue, changed)?;
                issue.level = level;
                issue.level_since = Some(at);
            }
            Write::Record(mut record) => {
                record.issue = record.issue.or(record.remediation.map(|remediation| remediation.issue));
                self.records.push(record);
            }
            Write::Begin(remediation) => {
                let id = remediation.id;
                let stands = |other: &Remediation| {
                    other.id == id || (other.id.issue == id.issue && other.ended_at.is_none())
                };
                if self.remediations.iter().any(stands) {
                    return Err(format!("{id} exists, or another remediation of {} is running", id.issue));
                }
                if let Ok(issue) = self.change(id.issue, changed) {
                    issue.remediations += 1;
                }
                self.remediations.push(*remediation);
            }
            Write::End { id, outcome, why, at } => {
                let running = |other: &Remediation| other.id == id && other.ended_at.is_none();
                let place = self.remediations.iter().position(running);
                let place = place.ok_or_else(|| format!("{id} is not running"))?;
                let remediation = &mut self.remediations[place];
                changed.push(Before::Remediation(place, Box::new(remediation.clone())));
                remediation.outcome = Some(outcome);
                remediation.why = why;
                remediation.ended_at = Some(at);
                let took = at.duration_since(remediation.started_at).as_secs_f64().max(0.0);
                changed.push(Before::Ended(outcome, self.ended.get(&outcome).copied()));
                let ended = self.ended.entry(outcome).or_default();
                ended.count += 1;
                ended.seconds += took;
            }
            Write::Intend(intent) => {
                if self.intents.iter().any(|other| other.id == intent.id) {
                    return Err(format!("intent {} exists", intent.id));
                }
                self.intents.push(*intent);
            }
            Write::MoveIntent { id, from, to, said, at, revert_at } => {
                if !from.may_become(to) {
                    return Err(format!("an intent that is {from} cannot become {to}"));
                }
                let place = self.intents.iter().position(|intent| intent.id == id);
                let place = place.ok_or_else(|| format!("there is no intent {id}"))?;
                let intent = &mut self.intents[place];
                if intent.state != from {
                    return Err(format!("intent {id} is {} and not {from}", intent.state));
                }
                changed.push(Before::Intent(place, Box::new(intent.clone())));
                intent.state = to;
                intent.said = said;
                intent.changed_at = at;
                intent.revert_at = revert_at;
                if to == IntentState::Applied {
                    intent.applied_at = Some(at);
                }
            }
            Write::Ask(approval) => {
                if self.approvals.iter().any(|other| other.id == approval.id) {
                    return Err(format!("approval {} exists", approval.id));
                }
                self.approvals.push(*approval);
            }
            Write::Answer { id, plan_hash, answer } => {
                let place = self.approvals.iter().position(|approval| approval.id == id);
                let place = place.ok_or_else(|| format!("there is no approval {id}"))?;
                let approval = &mut self.approvals[place];
                if let Some(first) = &approval.answer {
                    let said = if first.granted { "granted" } else { "denied" };
                    return Err(format!("approval {id} was {said} by {} at {}", first.by, first.at));
                }
                if approval.plan_hash != plan_hash {
                    let (asked, named) = (approval.plan_hash.short(), plan_hash.short());
                    return Err(format!("approval {id} is for plan {asked}, not for plan {named}"));
                }
                if answer.granted && answer.at >= approval.expires_at {
                    return Err(format!("approval {id} expired at {}", approval.expires_at));
                }
                changed.push(Before::Approval(place, Box::new(approval.clone())));
                approval.answer = Some(answer);
            }
            Write::CountFailure { rule, resource, at } => {
                let key = (rule, resource, at);
                changed.push(Before::Failures(key.clone(), self.failures.get(&key).copied()));
                *self.failures.entry(key).or_default() += 1;
            }
            Write::CountResult { rule, action, success } => {
                let key = (rule, action);
                changed.push(Before::Successes(key.clone(), self.successes.get(&key).copied()));
                let record = self.successes.entry(key).or_default();
                *(if success { &mut record.successes } else { &mut record.failures }) += 1;
            }
            Write::Notify(notice) => self.notify(notice),
            Write::Set { key, value } => {
                let before = self.settings.insert(key.clone(), value);
                changed.push(Before::Setting(key, before));
            }
        }
        Ok(())
    }

    /// An issue that is about to be changed.
    fn change(&mut self, id: IssueId, changed: &mut Vec<Before>) -> Result<&mut Issue, String> {
        let issue = self.issues.get_mut(&id).ok_or_else(|| format!("there is no {id}"))?;
        changed.push(Before::Issue(Box::new(issue.clone())));
        Ok(issue)
    }
}

fn put_back<K: Ord, V>(map: &mut std::collections::BTreeMap<K, V>, key: K, value: Option<V>) {
    match value {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    };
}

fn stuck(issue: &Issue, event: Event) -> String {
    format!("{} is {}, from where {event:?} leads nowhere now", issue.id, issue.phase)
}
