//! What each guard says.

use std::time::Duration;

use super::{Facts, Guard, LedgerReading, Says};
use crate::moment::later;
use crate::policy::{Contested, covers};
use crate::rule::Mode;
use crate::span::Span;

/// How long to wait before asking again for a place among the running remediations.
const CONCURRENCY_RETRY: Duration = Duration::from_secs(5);
/// How long to wait before asking a ledger again that could not be reached.
const LEDGER_RETRY: Duration = Duration::from_secs(10);
/// How long a rule in a storm is held before it is looked at again.
const STORM_HOLD: Duration = Duration::from_secs(60);
/// What is said where nobody would take anything back.
pub(super) const UNCONTESTED: &str = "nobody else is known to decide about what is changed";

/// What a guard says about the facts, and why.
pub(super) fn ask(guard: Guard, facts: &Facts<'_>) -> (Says, String) {
    match guard {
        Guard::Switch => match facts.switch_off {
            None => (Says::Pass, "automatic remediation is on".to_owned()),
            Some(why) => (Says::Refuse, format!("automatic remediation is off: {why}")),
        },
        Guard::Mode => match facts.mode {
            Mode::Shadow => (Says::Shadow, "the mode is shadow: nothing is changed".to_owned()),
            mode => (Says::Pass, format!("the mode is {mode}")),
        },
        Guard::Maintenance => match facts.maintenance {
            None => (Says::Pass, "no maintenance window covers the alert".to_owned()),
            Some((reason, until)) => (Says::Hold { until }, format!("maintenance until {until}: {reason}")),
        },
        Guard::Storm => storm(facts),
        Guard::Duplicate => by_ledger(facts, duplicate),
        Guard::Cooldown => by_ledger(facts, cooldown),
        Guard::Rate => by_ledger(facts, rate),
        Guard::Concurrency => by_ledger(facts, concurrency),
        Guard::BlastRadius => blast_radius(facts),
        Guard::Breaker => match facts.breakers_open.iter().max_by_key(|(_, until)| *until) {
            None => (Says::Pass, "no circuit breaker is open".to_owned()),
            Some((adapter, until)) => (
                Says::Hold { until: *until },
                format!("the circuit breaker of {adapter} is open until {until}, after repeated failures"),
            ),
        },
        Guard::Ownership => ownership(facts),
        Guard::Policy => limits(facts),
        Guard::Approval => approval(facts),
    }
}

fn storm(facts: &Facts<'_>) -> (Says, String) {
    let most = facts.policy.storm_per_minute;
    let count = format!("{} new issues of this rule in the last minute", facts.new_issues);
    if most == 0 || facts.new_issues <= most {
        (Says::Pass, count)
    } else if facts.storm_released {
        (Says::Pass, format!("at least {count}; a person let the rule go on"))
    } else {
        (Says::Hold { until: later(facts.now, STORM_HOLD) }, format!("at least {count}, more than {most}"))
    }
}

/// What a guard says that goes by the ledger.
fn by_ledger(facts: &Facts<'_>, ask: fn(&Facts<'_>, &LedgerReading) -> (Says, String)) -> (Says, String) {
    match facts.ledger {
        Ok(reading) => ask(facts, reading),
        Err(why) => {
            let until = later(facts.now, LEDGER_RETRY);
            (Says::Hold { until }, format!("the ledger cannot be asked, so nothing is done: {why}"))
        }
    }
}

fn duplicate(_: &Facts<'_>, reading: &LedgerReading) -> (Says, String) {
    match &reading.duplicate {
        None => (Says::Pass, "nobody else is treating this issue".to_owned()),
        Some(holder) => (Says::Refuse, format!("{holder} is treating this issue")),
    }
}

fn cooldown(facts: &Facts<'_>, reading: &LedgerReading) -> (Says, String) {
    let span = Span::from(facts.cooldown);
    match reading.cooling_until {
        None => (Says::Pass, format!("not treated in the last {span}")),
        // A cooldown that has begun is not shortened by an edit.
        Some(until) if until > later(facts.now, facts.cooldown) => (
            Says::Hold { until },
            format!(
                "treated when its cooldown was longer than the {span} of now; cooling down until {until}"
            ),
        ),
        Some(until) => {
            (Says::Hold { until }, format!("treated less than {span} ago; cooling down until {until}"))
        }
    }
}

fn rate(facts: &Facts<'_>, reading: &LedgerReading) -> (Says, String) {
    match (&reading.target_full, reading.all_full_until) {
        (None, None) => (Says::Pass, "within the hourly limits".to_owned()),
        (Some((target, until)), _) => (
            Says::Hold { until: *until },
            format!("{target} was treated {} times in the last hour", facts.policy.per_target_per_hour),
        ),
        (None, Some(until)) => {
            (Says::Hold { until }, format!("{} remediations in the last hour", facts.policy.in_all_per_hour))
        }
    }
}

fn concurrency(facts: &Facts<'_>, reading: &LedgerReading) -> (Says, String) {
    let most = facts.policy.concurrent;
    let until = later(facts.now, CONCURRENCY_RETRY);
    match &reading.busy {
        Some((target, holder)) => {
            (Says::Hold { until }, format!("{holder} is at work on {target}; one at a time"))
        }
        None if reading.running >= most => (
            Says::Hold { until },
            format!("{} remediations are running, the most there may be", reading.running),
        ),
        None => (Says::Pass, format!("{} of {most} remediations are running", reading.running)),
    }
}

fn blast_radius(facts: &Facts<'_>) -> (Says, String) {
    let most = facts.policy.blast_radius;
    match facts.assessments.iter().max_by_key(|assessment| assessment.blast_radius) {
        Some(widest) if widest.blast_radius > most => (
            Says::Refuse,
            format!(
                "the blast radius of {} is {}; the policy allows {most} at most",
                widest.target, widest.blast_radius
            ),
        ),
        Some(widest) => (Says::Pass, format!("the widest blast radius is {}", widest.blast_radius)),
        None => (Says::Pass, "affects nothing".to_owned()),
    }
}

fn ownership(facts: &Facts<'_>) -> (Says, String) {
    if facts.contested.is_empty() {
        return (Says::Pass, UNCONTESTED.to_owned());
    }
    let contested: Vec<String> =
        facts.contested.iter().map(|(step, by)| format!("step {step}: {by}")).collect();
    let why = contested.join("; ");
    match facts.policy.contested {
        Contested::Act => (Says::Pass, format!("{why}; the policy says to act all the same")),
        Contested::Ask => match facts.approved_by {
            Some(who) => (Says::Pass, format!("{why}; approved by {who}")),
            None => (Says::Ask, why),
        },
        Contested::Refuse => (Says::Refuse, why),
    }
}

fn limits(facts: &Facts<'_>) -> (Says, String) {
    let policy = facts.policy;
    let steps = facts.plan.steps();
    let mut faults = Vec::new();
    if steps.len() > policy.steps as usize {
        faults.push(format!("the plan has {} steps, more than {}", steps.len(), policy.steps));
    }
    for (step, assessment) in steps.iter().zip(facts.assessments) {
        let action = step.action.name();
        if policy.forbidden.iter().any(|pattern| covers(pattern, &action)) {
            faults.push(format!("step {}: the policy forbids {action}", step.path));
        }
        if let Some(why) = &assessment.forbidden {
            faults.push(format!("step {}: {why}", step.path));
        }
        let (least, most) = (policy.replicas_min, policy.replicas_max);
        if let Some(replicas) = assessment.replicas.filter(|replicas| !(least..=most).contains(replicas)) {
            faults.push(format!("step {}: {replicas} replicas, allowed are {least} to {most}", step.path));
        }
    }
    if faults.is_empty() {
        (Says::Pass, format!("{} step(s), within the policy", steps.len()))
    } else {
        (Says::Refuse, faults.join("; "))
    }
}

fn approval(facts: &Facts<'_>) -> (Says, String) {
    let mut reasons = Vec::new();
    if facts.mode == Mode::Approve {
        reasons.push("the mode is approve".to_owned());
    }
    for (step, assessment) in facts.plan.steps().iter().zip(facts.assessments) {
        let action = step.action.name();
        let by_policy = facts.policy.needs_approval.iter().any(|pattern| covers(pattern, &action));
        let by_policy = by_policy.then(|| format!("the policy asks for it for {action}"));
        let own = [step.options.needs_approval.clone(), assessment.approval.clone(), by_policy];
        reasons.extend(own.into_iter().flatten().map(|why| format!("step {}: {why}", step.path)));
    }
    match (reasons.is_empty(), facts.approved_by) {
        (true, _) => (Says::Pass, "no approval is needed".to_owned()),
        (false, Some(who)) => (Says::Pass, format!("approved by {who}")),
        (false, None) => (Says::Ask, reasons.join("; ")),
    }
}
