//! Guards: the checks that a plan must pass before it may run. Pure: facts in, verdicts out.
//!
//! Every guard is asked, in the order of [`Guard::ALL`], and every verdict is recorded, so that a person sees not only
//! the first thing that stood in the way. The ruling follows from all verdicts: a refusal outweighs shadow mode, which
//! outweighs a hold, which outweighs the need to ask.

mod asked;
mod ruling;

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::ruling::{Ruling, rule_on};
use crate::plan::Plan;
use crate::policy::{Assessment, Policy};
use crate::rule::{Mode, names};

/// A guard's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guard {
    /// Automatic remediation is switched on.
    Switch,
    /// The mode lets plans run.
    Mode,
    /// Nobody else is treating this.
    Duplicate,
    /// No maintenance window covers the alert.
    Maintenance,
    /// The rule is not flooded with new issues.
    Storm,
    /// The last remediation was long enough ago.
    Cooldown,
    /// Few enough remediations in the last hour.
    Rate,
    /// Few enough remediations at this moment.
    Concurrency,
    /// No step affects more than it may.
    BlastRadius,
    /// The adapters are in working order.
    Breaker,
    /// Nobody else would take the change back.
    Ownership,
    /// The plan stays within the operator's limits.
    Policy,
    /// A person has approved, where one must.
    Approval,
}

names! {
    Guard: Guard::Switch = "switch", Guard::Mode = "mode", Guard::Duplicate = "duplicate",
        Guard::Maintenance = "maintenance", Guard::Storm = "storm", Guard::Cooldown = "cooldown",
        Guard::Rate = "rate", Guard::Concurrency = "concurrency", Guard::BlastRadius = "blast_radius",
        Guard::Breaker = "breaker", Guard::Ownership = "ownership", Guard::Policy = "policy", Guard::Approval = "approval";
}

/// One guard's answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Which guard.
    pub guard: Guard,
    /// What it says.
    #[serde(flatten)]
    pub says: Says,
    /// On which facts.
    pub why: String,
}

/// What a guard can say.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Says {
    /// Go on.
    Pass,
    /// Not before this time.
    Hold {
        /// When to ask again.
        until: Timestamp,
    },
    /// No.
    Refuse,
    /// Stop here and only show what would have been done.
    Shadow,
    /// A person must approve first.
    Ask,
}

/// Who would take the change of a plan back that may run all the same: what the guard over ownership let pass with a word
/// about it.
pub fn contest(verdicts: &[Verdict]) -> Option<&str> {
    let let_pass = |verdict: &&Verdict| {
        verdict.guard == Guard::Ownership && verdict.says == Says::Pass && verdict.why != asked::UNCONTESTED
    };
    verdicts.iter().find(let_pass).map(|verdict| verdict.why.as_str())
}

/// What the ledger holds that bears on a claim.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LedgerReading {
    /// A running remediation of the same issue and rule, other than the one that asks.
    pub duplicate: Option<String>,
    /// One of the targets at which a running remediation is at work, and that remediation.
    pub busy: Option<(String, String)>,
    /// The latest end of a cooldown of this rule and one of the targets.
    pub cooling_until: Option<Timestamp>,
    /// The target that has reached its hourly limit and keeps the claim waiting longest, and when it may be treated again.
    pub target_full: Option<(String, Timestamp)>,
    /// When anything may be treated again, if the hourly limit in all is reached.
    pub all_full_until: Option<Timestamp>,
    /// Remediations that are running, without the one that asks.
    pub running: u32,
}

/// Everything that the guards look at.
pub struct Facts<'a> {
    /// The time.
    pub now: Timestamp,
    /// The operator's limits.
    pub policy: &'a Policy,
    /// Whether automatic remediation is switched on, and if not, who said so and why.
    pub switch_off: Option<&'a str>,
    /// The mode that holds for the rule ([`Policy::mode_for`]).
    pub mode: Mode,
    /// The rule's cooldown.
    pub cooldown: Duration,
    /// The maintenance window that covers the alert: its reason and end.
    pub maintenance: Option<(&'a str, Timestamp)>,
    /// New issues of the rule within the last minute; counted no further than it takes to call it a storm.
    pub new_issues: u32,
    /// Whether a person has let the rule go on despite a storm.
    pub storm_released: bool,
    /// What the ledger holds, or why it could not be asked.
    pub ledger: Result<&'a LedgerReading, &'a str>,
    /// Adapters of the plan whose breaker is open, with the time of the next trial.
    pub breakers_open: &'a [(String, Timestamp)],
    /// The plan.
    pub plan: &'a Plan,
    /// What each step means, in the order of [`Plan::steps`].
    pub assessments: &'a [Assessment],
    /// Steps whose change somebody else would take back: the step, and who and what.
    pub contested: &'a [(String, String)],
    /// Who approved exactly this plan, if somebody did.
    pub approved_by: Option<&'a str>,
}

/// Asks every guard.
pub fn judge(facts: &Facts<'_>) -> Vec<Verdict> {
    Guard::NAMES
        .iter()
        .map(|(_, guard)| {
            let (says, why) = asked::ask(*guard, facts);
            Verdict { guard: *guard, says, why }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{ActionCall, Draft, StepDraft, StepOptions};
    use crate::policy::{BlastRadius, Contested, Reversal};
    use crate::success::SuccessRecord;

    fn plan() -> Plan {
        let action = ActionCall { adapter: "k8s".into(), action: "scale".into(), params: Default::default() };
        let draft = Draft::Step(Box::new(StepDraft { action, options: StepOptions::default(), line: None }));
        draft.resolve(0, &|_| SuccessRecord::default()).unwrap().0
    }

    fn assessment() -> Assessment {
        Assessment {
            target: "k8s/prod/app".into(),
            blast_radius: BlastRadius::Object,
            reversal: Reversal::Restores,
            replicas: Some(5),
            approval: None,
            forbidden: None,
        }
    }

    /// Judges the usual case after a change to it; gives the ruling's first word and the guard that decided.
    fn check(change: impl FnOnce(&mut Facts<'_>, &mut Policy), more: Option<Assessment>) -> String {
        let (plan, mut policy, reading) = (plan(), Policy::default(), LedgerReading::default());
        let assessments = [more.unwrap_or_else(assessment)];
        let base = Policy::default();
        let mut facts = Facts {
            now: Timestamp::UNIX_EPOCH,
            policy: &base,
            switch_off: None,
            mode: Mode::Auto,
            cooldown: Duration::from_secs(300),
            maintenance: None,
            new_issues: 1,
            storm_released: false,
            ledger: Ok(&reading),
            breakers_open: &[],
            plan: &plan,
            assessments: &assessments,
            contested: &[],
            approved_by: None,
        };
        change(&mut facts, &mut policy);
        let facts = Facts { policy: &policy, ..facts };
        let ruling = rule_on(&judge(&facts));
        let text = format!("{ruling:?}");
        let guard = match &ruling {
            Ruling::Admit => "",
            Ruling::Hold { why, .. }
            | Ruling::Refuse { why }
            | Ruling::Shadow { why }
            | Ruling::Ask { why } => why.split(':').next().unwrap(),
        };
        format!("{} {guard}", text.split([' ', '{']).next().unwrap()).trim().to_owned()
    }

    #[test]
    fn every_guard_can_stop_a_plan() {
        let soon = Timestamp::from_second(60).unwrap();
        let open: &[(String, Timestamp)] = Box::leak(Box::new([("k8s".to_owned(), soon)]));
        let reading = |change: fn(&mut LedgerReading)| {
            let mut reading = LedgerReading::default();
            change(&mut reading);
            Box::leak(Box::new(reading)) as &LedgerReading
        };
        assert_eq!(check(|_, _| {}, None), "Admit");
        assert_eq!(check(|f, _| f.switch_off = Some("by ann"), None), "Refuse switch");
        assert_eq!(check(|f, _| f.mode = Mode::Shadow, None), "Shadow mode");
        assert_eq!(check(|f, _| f.mode = Mode::Approve, None), "Ask approval");
        assert_eq!(check(|f, _| f.maintenance = Some(("upgrade", soon)), None), "Hold maintenance");
        assert_eq!(check(|f, _| f.new_issues = 21, None), "Hold storm");
        assert_eq!(check(|f, _| (f.new_issues, f.storm_released) = (21, true), None), "Admit");
        assert_eq!(
            check(|f, _| f.ledger = Err("refused"), None),
            "Hold duplicate, cooldown, rate, concurrency",
            "what they say in the same words is said once"
        );
        assert_eq!(check(|f, _| f.breakers_open = open, None), "Hold breaker");
        let contested: &[(String, String)] = Box::leak(Box::new([("1".to_owned(), "by Flux".to_owned())]));
        for (says, wanted) in [
            (Contested::Act, "Admit"),
            (Contested::Ask, "Ask ownership"),
            (Contested::Refuse, "Refuse ownership"),
        ] {
            assert_eq!(check(|f, p| (f.contested, p.contested) = (contested, says), None), wanted);
        }
        assert_eq!(check(|_, p| p.steps = 0, None), "Refuse policy");
        assert_eq!(check(|_, p| p.forbidden = vec!["k8s.*".into()], None), "Refuse policy");
        assert_eq!(check(|_, p| p.needs_approval = vec!["k8s.scale".into()], None), "Ask approval");
        assert_eq!(
            check(|f, p| (f.approved_by, p.needs_approval) = (Some("bob"), vec!["k8s.scale".into()]), None),
            "Admit"
        );
        type Change = fn(&mut LedgerReading);
        let cases: [(Change, &str); 6] = [
            (|r| r.duplicate = Some("remediation-1-1".into()), "Refuse duplicate"),
            (|r| r.busy = Some(("a".into(), "b".into())), "Hold concurrency"),
            (|r| r.running = 10, "Hold concurrency"),
            (|r| r.cooling_until = Some(Timestamp::MAX), "Hold cooldown"),
            (|r| r.target_full = Some(("a".into(), Timestamp::MAX)), "Hold rate"),
            (|r| r.all_full_until = Some(Timestamp::MAX), "Hold rate"),
        ];
        for (change, wanted) in cases {
            let reading = reading(change);
            assert_eq!(check(|f, _| f.ledger = Ok(reading), None), wanted);
        }
    }

    #[test]
    fn a_cooldown_that_was_edited_tells_no_nonsense() {
        let cooling_until = Timestamp::from_second(60).ok();
        let reading: &LedgerReading =
            Box::leak(Box::new(LedgerReading { cooling_until, ..LedgerReading::default() }));
        let said = |cooldown| {
            let mut why = String::new();
            let judged = |facts: &mut Facts<'_>, _: &mut Policy| {
                (facts.cooldown, facts.ledger) = (Duration::from_secs(cooldown), Ok(reading));
                why = judge(facts).into_iter().find(|said| said.guard == Guard::Cooldown).unwrap().why;
            };
            assert_eq!(check(judged, None), "Hold cooldown");
            why
        };
        let until = "cooling down until 1970-01-01T00:01:00Z";
        assert_eq!(said(300), format!("treated less than 5m ago; {until}"));
        assert_eq!(said(0), format!("treated when its cooldown was longer than the 0s of now; {until}"));
    }

    #[test]
    fn a_step_cannot_exceed_the_policy() {
        for (replicas, wanted) in [(0, "Refuse policy"), (1, "Admit"), (10, "Admit"), (11, "Refuse policy")] {
            let more = Assessment { replicas: Some(replicas), ..assessment() };
            assert_eq!(check(|_, _| {}, Some(more)), wanted, "{replicas} replicas");
        }
        let outside = Assessment { forbidden: Some("it is in another namespace".into()), ..assessment() };
        assert_eq!(check(|_, _| {}, Some(outside)), "Refuse policy");
        let wide = Assessment { blast_radius: BlastRadius::Cluster, ..assessment() };
        assert_eq!(check(|_, _| {}, Some(wide)), "Refuse blast_radius");
        let grave = Assessment { approval: Some("it changes a schema".into()), ..assessment() };
        assert_eq!(check(|_, _| {}, Some(grave)), "Ask approval");
    }

    #[test]
    fn a_refusal_outweighs_shadow_which_outweighs_a_hold() {
        let soon = Timestamp::from_second(60).unwrap();
        let all = |f: &mut Facts<'_>, _: &mut Policy| {
            (f.switch_off, f.mode, f.maintenance) = (Some("x"), Mode::Shadow, Some(("upgrade", soon)));
        };
        assert_eq!(check(all, None), "Refuse switch");
        assert_eq!(
            check(|f, _| (f.mode, f.maintenance) = (Mode::Shadow, Some(("u", soon))), None),
            "Shadow mode"
        );
    }

    #[test]
    fn a_hold_names_every_guard() {
        let until = |seconds| Timestamp::from_second(seconds).unwrap();
        let verdict = |guard, says, why: &str| Verdict { guard, says, why: why.to_owned() };
        let verdicts = [
            verdict(Guard::Switch, Says::Pass, "it is on"),
            verdict(Guard::Duplicate, Says::Hold { until: until(10) }, "no ledger: refused"),
            verdict(Guard::Storm, Says::Hold { until: until(60) }, "30 new issues"),
            verdict(Guard::Rate, Says::Hold { until: until(10) }, "no ledger: refused"),
            verdict(Guard::Approval, Says::Ask, "the mode is approve"),
        ];
        let wanted = Ruling::Hold {
            until: until(60),
            why: "duplicate, rate: no ledger: refused; storm: 30 new issues".to_owned(),
            guards: vec![Guard::Duplicate, Guard::Storm, Guard::Rate],
        };
        assert_eq!(rule_on(&verdicts), wanted);
    }
}
