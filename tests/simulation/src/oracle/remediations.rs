//! What is allowed: one remediation at a time, within the policy, with a person's word where one is needed; and that a
//! decision depends on nothing but what it was given.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use selfheal_core::hash::ContentHash;
use selfheal_core::policy::RATE_WINDOW;
use selfheal_core::remediation::RemediationId;
use selfheal_runtime::ports::journal::{Answer, Record, Remediation, Write};
use serde_json::Value;

use super::{Invariant, Oracle};
use crate::rules;

/// A claim is granted a little before its remediation is durable: a slow journal may be in between.
const SLACK: Duration = Duration::from_secs(30);

/// What is known of remediations, approvals and decisions.
#[derive(Default)]
pub(super) struct Remediations {
    running: BTreeMap<RemediationId, Vec<String>>,
    /// Rule, target, and from when its cooldown counts.
    begun: Vec<(String, String, Duration)>,
    /// Plans that people were asked about, when the question ends, and the answer.
    approvals: BTreeMap<String, Asked>,
    /// The plan for a rule, a level, an issue and what was read.
    plans: BTreeMap<(String, u64, i64, String), String>,
}

struct Asked {
    plan: ContentHash,
    expires_at: Timestamp,
    answer: Option<Answer>,
}

impl Remediations {
    /// A running remediation, other than this one, to which a target is granted.
    pub(super) fn others_at(
        &self,
        id: RemediationId,
        target: &str,
        granted: &impl Fn(RemediationId) -> bool,
    ) -> Option<RemediationId> {
        let at_target = |(other, targets): &(&RemediationId, &Vec<String>)| {
            **other != id && granted(**other) && targets.iter().any(|held| held == target)
        };
        self.running.iter().find(at_target).map(|(other, _)| *other)
    }

    /// What stands in the way of a remediation that begins. The ledger keeps others from its targets, as long as it
    /// remembers; the journal keeps others from its issue, always.
    fn in_the_way(
        &self,
        remediation: &Remediation,
        ledger_remembers: bool,
        granted: &impl Fn(RemediationId) -> bool,
    ) -> Option<String> {
        let (id, targets) = (remediation.id, &remediation.claim.targets);
        if let Some(other) = self.running.keys().find(|other| other.issue == id.issue) {
            return Some(format!("{id} begins while {other} is at work on the same issue"));
        }
        let mut others = targets.iter().filter(|_| ledger_remembers);
        let other = others.find_map(|target| self.others_at(id, target, granted))?;
        Some(format!("{id} begins at {targets:?} while {other} is at work there"))
    }

    /// Whether a person has granted this plan, in time.
    fn granted(&self, remediation: &Remediation) -> bool {
        let of_plan = self.approvals.values().filter(|asked| asked.plan == remediation.plan_hash);
        let mut answered = of_plan.filter_map(|asked| Some((asked.answer.as_ref()?, asked.expires_at)));
        remediation.approved_by.is_some()
            && answered.any(|(answer, expires_at)| {
                answer.granted && answer.at < expires_at && remediation.started_at <= expires_at
            })
    }
}

impl Oracle {
    pub(super) fn remediation_written(&self, write: &Write) {
        match write {
            Write::Begin(remediation) => self.begins(remediation),
            Write::End { id, .. } => {
                self.state().remediations.running.remove(id);
            }
            Write::Ask(approval) => {
                let (plan, expires_at) = (approval.plan_hash, approval.expires_at);
                let asked = Asked { plan, expires_at, answer: None };
                self.state().remediations.approvals.insert(approval.id.clone(), asked);
            }
            Write::Answer { id, answer, .. } => {
                if let Some(asked) = self.state().remediations.approvals.get_mut(id) {
                    asked.answer = Some(answer.clone());
                }
            }
            Write::Record(record) if record.kind == "decided" => self.decided(record),
            _ => {}
        }
    }

    fn begins(&self, remediation: &Remediation) {
        let (id, targets) = (remediation.id, &remediation.claim.targets);
        let at = self.timeline.elapsed();
        let mut found = Vec::new();
        let mut state = self.state();
        let (exact, remembers) = (!state.inexact, !state.forgotten);
        if let Some(other) = state.effects.taken_back_at(targets).filter(|_| remembers) {
            let what = format!("{id} begins at {targets:?} while {other} is taken back there");
            found.push((Invariant::OneAtATime, what));
        }
        let granted = |other| state.effects.is_granted(other, at);
        let in_the_way = state.remediations.in_the_way(remediation, remembers, &granted);
        found.extend(in_the_way.map(|what| (Invariant::OneAtATime, what)));
        let counted_from = state.effects.granted_first(id).unwrap_or(at);
        let known = &mut state.remediations;
        if exact {
            let too_often =
                targets.iter().find_map(|target| self.too_often(known, &remediation.rule, target, at));
            found.extend(too_often.map(|what| (Invariant::PolicyHolds, format!("{id}: {what}"))));
        }
        found
            .extend(self.too_much(remediation).map(|what| (Invariant::PolicyHolds, format!("{id}: {what}"))));
        let needs_person = remediation.plan.steps().iter().any(|step| step.options.needs_approval.is_some());
        if needs_person && !known.granted(remediation) {
            found.push((Invariant::ApprovalHolds, format!("{id} begins without a person's word")));
        }
        if remediation.rule == rules::ENDLESS {
            found.push((Invariant::ScriptsAreBounded, format!("{id}: a script without an end has a plan")));
        }
        known.running.insert(id, targets.clone());
        known
            .begun
            .extend(targets.iter().map(|target| (remediation.rule.clone(), target.clone(), counted_from)));
        drop(state);
        for (invariant, what) in found {
            self.broken(invariant, what);
        }
    }

    /// Whether a target is treated again too soon, or too often within an hour.
    fn too_often(&self, known: &Remediations, rule: &str, target: &str, at: Duration) -> Option<String> {
        let before = || known.begun.iter().filter(|(_, other, _)| other == target);
        let cooldown = self.policy.cooldown_min;
        let cooling = before().find(|(other, _, began)| other == rule && at + SLACK < *began + cooldown);
        if let Some((.., began)) = cooling {
            return Some(format!("{rule} treated {target} {:?} ago", at.saturating_sub(*began)));
        }
        let within = |(.., began): &&(String, String, Duration)| at + SLACK < *began + RATE_WINDOW;
        let (count, most) = (before().filter(within).count(), self.policy.per_target_per_hour as usize);
        (count >= most)
            .then(|| format!("{target} was treated {count} times within the hour, {most} is the limit"))
    }

    /// Whether a plan is more than the policy allows, by what the double says of its actions.
    fn too_much(&self, remediation: &Remediation) -> Option<String> {
        let steps = remediation.plan.steps();
        if steps.len() > self.policy.steps as usize {
            return Some(format!("{} steps", steps.len()));
        }
        steps.iter().find_map(|step| {
            let value = step.action.params.get("value").and_then(Value::as_u64).unwrap_or(0);
            match step.action.action.as_str() {
                "shake" => Some("an action with the radius of a cluster".to_owned()),
                "scale" if value > u64::from(self.policy.replicas_max) => Some(format!("{value} replicas")),
                _ => None,
            }
        })
    }

    /// The same alert and readings give the same plan, whatever happened meanwhile.
    fn decided(&self, record: &Record) {
        let facts = &record.facts;
        let (Some(rule), Some(hash)) = (facts["rule"].as_str(), facts["plan_hash"].as_str()) else { return };
        let chosen = facts["choices"].as_array().is_some_and(|choices| !choices.is_empty());
        // What was approved was decided before; what was chosen depends on what has helped.
        if chosen || facts["observed"].is_null() {
            return;
        }
        let issue = record.issue.map_or(0, |issue| issue.0);
        let level = facts["level"].as_u64().unwrap_or(0);
        let key = (rule.to_owned(), level, issue, facts["observed"].to_string());
        let before = self.state().remediations.plans.insert(key, hash.to_owned());
        if let Some(before) = before.filter(|before| before != hash) {
            let what = format!("rule {rule} for issue {issue}: plan {before} once, and now {hash}");
            self.broken(Invariant::PlanIsPure, what);
        }
    }
}
