//! Observe, plan, admit: from an alert and a rule to a decision with all its facts.
//!
//! The same code serves the real thing, shadow mode and dry-run; they differ only in [`Purpose`], which says whether
//! the ledger grants and counts a claim or is only looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use selfheal_contract::{FailureKind, Reading};
use selfheal_core::alert::Alert;
use selfheal_core::guard::{self, Facts, Guard, LedgerReading, Ruling, Verdict};
use selfheal_core::hash::ContentHash;
use selfheal_core::plan::{Choice, Decision, Plan, Step};
use selfheal_core::policy::{Assessment, RATE_WINDOW};
use selfheal_core::span::Span;
use selfheal_script::{Observed, Rule, View};
use serde::Serialize;
use serde_json::Value;

use crate::engine::Engine;
use crate::observe::{PROBE_TIMEOUT, not_asked, observe};
use crate::ports::journal::{DecisionFacts, JournalFault};
use crate::ports::ledger::{Claim, LedgerFault};
use crate::preview::{self, Previews};

/// How long a claim is kept in the ledger without being renewed.
pub(crate) const LEASE: Duration = Duration::from_secs(60);

/// How long to wait before asking a ledger again that did not grant a claim for no reason that it names.
const LEDGER_RETRY: Duration = Duration::from_secs(5);

/// When an alert that is silenced at its source is looked at again.
const SILENCE_RETRY: Duration = Duration::from_secs(60);

/// What the claim is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The plan runs if it is admitted.
    Act,
    /// Nothing is granted or counted.
    Look,
}

/// The issue that is decided about, as far as it matters here.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) alert: Arc<Alert>,
    /// How long the alert has fired.
    pub(crate) age: Duration,
    pub(crate) resource: String,
    /// The rule that treated it before.
    pub(crate) rule: Option<String>,
    /// The escalation level that it has with that rule, and since when.
    pub(crate) level: u32,
    pub(crate) level_since: Option<Timestamp>,
    /// Who would hold the claim: the remediation's name.
    pub(crate) holder: String,
    pub(crate) purpose: Purpose,
}

/// A decision with all its facts.
#[derive(Clone, Debug, Serialize)]
pub struct Deliberation {
    /// The facts, as they are recorded.
    #[serde(flatten)]
    pub facts: DecisionFacts,
    /// What follows.
    pub ending: Ending,
    /// What each step of the plan would do, where people are to see it.
    #[serde(skip)]
    pub(crate) previews: Value,
}

/// What follows from a deliberation.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum Ending {
    /// The rule decided to do nothing.
    Skip {
        /// Its reason.
        why: String,
    },
    /// The rule or an action could not be used as it is written.
    Failed {
        /// The rule's name, line and the offending value.
        why: String,
    },
    /// A probe's target could not be asked.
    Unreadable {
        /// Which, and how it failed.
        why: String,
    },
    /// Every plan of the rule was tried too often.
    Beyond {
        /// The level, and how many plans there are.
        why: String,
    },
    /// The guards have ruled.
    Ruled {
        /// How.
        ruling: Ruling,
        /// What is claimed.
        #[serde(skip)]
        claim: Box<Claim>,
    },
}

/// A plan that its adapters have assessed.
struct Drafted {
    plan: Plan,
    choices: Vec<Choice>,
    assessments: Vec<Assessment>,
    /// Steps whose change somebody else would take back: the step's path, and who and what.
    contested: Vec<(String, String)>,
    /// What else the steps reach, beside the targets of their assessments.
    related: Vec<String>,
}

/// Decides what one rule does about an alert.
pub(crate) async fn deliberate(
    engine: &Engine,
    rule: &Arc<Rule>,
    generation: u64,
    question: &Question,
) -> Result<Deliberation, JournalFault> {
    let level = level(engine, rule, question).await?;
    let mut facts = DecisionFacts {
        rule: rule.header().name.clone(),
        generation,
        age_seconds: question.age.as_secs_f64(),
        level,
        observed: serde_json::Value::Null,
        plan: None,
        plan_hash: None,
        choices: Vec::new(),
        verdicts: Vec::new(),
    };
    let view = View::new(Arc::clone(&question.alert), Span::from(question.age), level);
    let observed = match observe(engine, rule, &view, question.purpose).await {
        Ok(observed) => observed,
        Err(ending) => return Ok(Deliberation { facts, ending, previews: Value::Null }),
    };
    let readings: BTreeMap<&str, &Reading> =
        observed.iter().map(|(name, observed)| (name.as_str(), &observed.reading)).collect();
    facts.observed = serde_json::to_value(&readings).unwrap_or_default();
    let drafted = match plan(engine, rule, view, observed, level, question.purpose).await {
        Ok(drafted) => drafted,
        Err(ending) => return Ok(Deliberation { facts, ending, previews: Value::Null }),
    };
    let mut ending = rule_on(engine, rule, question, &drafted, None, &mut facts.verdicts).await;
    let previews = show(engine, &drafted.plan, question.purpose, &mut ending).await;
    facts.plan_hash = Some(drafted.plan.hash());
    facts.plan = Some(drafted.plan);
    facts.choices = drafted.choices;
    Ok(Deliberation { facts, ending, previews })
}

/// What the plan would do, where people see it before it runs or instead. What its adapters refuse even then is refused: nobody
/// is asked about a plan that cannot run. A plan that runs at once finds out by itself.
async fn show(engine: &Engine, plan: &Plan, purpose: Purpose, ending: &mut Ending) -> Value {
    let Ending::Ruled { ruling, .. } = ending else { return Value::Null };
    let is_shown = purpose == Purpose::Look || matches!(ruling, Ruling::Ask { .. } | Ruling::Shadow { .. });
    if !is_shown {
        return Value::Null;
    }
    let Previews { shown, refused } = preview::of(engine, plan).await;
    if let Some(why) = refused
        && matches!(ruling, Ruling::Ask { .. } | Ruling::Shadow { .. } | Ruling::Admit)
    {
        *ruling = Ruling::Refuse { why: format!("it cannot be done: {why}") };
    }
    shown
}

/// Asks the guards again about a plan that a person has approved as it is.
pub(crate) async fn admit_approved(
    engine: &Engine,
    rule: &Arc<Rule>,
    question: &Question,
    plan: &Plan,
    approved_by: &str,
) -> (Vec<Verdict>, Ending) {
    let mut verdicts = Vec::new();
    let ending = match assess(engine, rule, plan.clone(), Vec::new(), question.purpose).await {
        Ok(drafted) => rule_on(engine, rule, question, &drafted, Some(approved_by), &mut verdicts).await,
        Err(ending) => ending,
    };
    (verdicts, ending)
}

/// The escalation level: one more when this rule failed too often at this resource since the level last changed; none
/// when the rule is another one, or nothing failed for a whole window.
async fn level(engine: &Engine, rule: &Rule, question: &Question) -> Result<u32, JournalFault> {
    let header = rule.header();
    let same_rule = question.rule.as_deref().is_none_or(|name| name == header.name);
    let (level, level_since) = if same_rule { (question.level, question.level_since) } else { (0, None) };
    let window = jiff::SignedDuration::try_from(Duration::from(header.escalation.within)).unwrap_or_default();
    let window_start = engine.clock.now().checked_sub(window).unwrap_or(Timestamp::MIN);
    let since = level_since.map_or(window_start, |changed| changed.max(window_start));
    let failures = engine.journal.failures_since(&header.name, &question.resource, since).await?;
    Ok(if failures >= header.escalation.failures {
        level + 1
    } else if failures == 0 && level_since.is_some_and(|changed| changed < window_start) {
        0
    } else {
        level
    })
}

async fn plan(
    engine: &Engine,
    rule: &Arc<Rule>,
    view: View,
    observed: BTreeMap<String, Observed>,
    level: u32,
    purpose: Purpose,
) -> Result<Drafted, Ending> {
    let script = Arc::clone(rule);
    let decision = engine
        .scripts
        .run(move || script.plan(&view, &observed))
        .await
        .map_err(|fault| Ending::Failed { why: fault.to_string() })?
        .map_err(|fault| Ending::Failed { why: fault.to_string() })?;
    let draft = match decision {
        Decision::Skip(why) => return Err(Ending::Skip { why }),
        Decision::Act(draft) => draft,
    };
    let name = &rule.header().name;
    let (plan, choices) = draft
        .resolve(level, &|action| engine.evidence(name, action))
        .map_err(|beyond| Ending::Beyond { why: beyond.to_string() })?;
    assess(engine, rule, plan, choices, purpose).await
}

/// Lets the adapters say what each step means, what else it reaches, and who would take its change back.
async fn assess(
    engine: &Engine,
    rule: &Rule,
    plan: Plan,
    choices: Vec<Choice>,
    purpose: Purpose,
) -> Result<Drafted, Ending> {
    let place = |step: &Step| {
        let line = step.line.map_or(String::new(), |line| format!(", line {line}"));
        format!("rule {}{line}: {}", rule.header().name, step.action.text())
    };
    let (mut assessments, mut asked) = (Vec::new(), Vec::new());
    for step in plan.steps() {
        let action = engine
            .catalog
            .action(&step.action.adapter, &step.action.action)
            .ok_or_else(|| Ending::Failed { why: format!("{}: there is no such action", place(step)) })?;
        let assessment = engine
            .ask(PROBE_TIMEOUT, async { action.assess(&step.action.params) })
            .await
            .map_err(|failure| Ending::Failed { why: format!("{}: {failure}", place(step)) })?;
        assessments.push(assessment);
        asked.push((step, action));
    }
    let asked = asked.into_iter().map(async |(step, action)| {
        let params = &step.action.params;
        let both = async {
            let related = match action.related(params).await {
                // What is refused here is refused when it comes to the step, which may have an alternative.
                Err(failure) if failure.kind == FailureKind::Refused => Vec::new(),
                related => related?,
            };
            Ok((action.contest(params).await?, related))
        };
        (step, engine.ask(PROBE_TIMEOUT, both).await)
    });
    let (mut contested, mut related) = (Vec::new(), Vec::new());
    for (step, answer) in join_all(asked).await {
        match answer {
            Ok((contest, reached)) => {
                contested.extend(contest.map(|contest| (step.path.clone(), contest.to_string())));
                related.extend(reached);
            }
            Err(failure) => {
                return Err(not_asked(engine, &step.action.adapter, &place(step), failure, purpose));
            }
        }
    }
    Ok(Drafted { plan, choices, assessments, contested, related })
}

/// Asks every guard. The ledger grants the claim only when all other guards pass.
async fn rule_on(
    engine: &Engine,
    rule: &Rule,
    question: &Question,
    drafted: &Drafted,
    approved_by: Option<&str>,
    verdicts: &mut Vec<Verdict>,
) -> Ending {
    let now = engine.clock.now();
    let (policy, header) = (&engine.policy, rule.header());
    let claim = claim(engine, rule, question, drafted);
    let switch_off = engine.switch.off();
    let storm = engine.storm(&header.name, now).await;
    let breakers_open: Vec<(String, Timestamp)> = adapters(&drafted.plan)
        .into_iter()
        .filter_map(|adapter| Some((adapter.to_owned(), engine.breakers.open_until(adapter)?)))
        .collect();
    // A person who silences an alert has taken it in hand: as long as the silence stands, nothing is done.
    let silence = engine.reconciler.suppressed(question.alert.fingerprint);
    let by_hand = engine.maintenance.covering(&question.alert.labels, now);
    let maintenance = policy
        .maintenance(&question.alert.labels, now)
        .map(|(window, until)| (window.reason.as_str(), until))
        .or(by_hand.as_ref().map(|(why, until)| (why.as_str(), *until)))
        .or(silence.as_deref().map(|why| (why, engine.clock.after(SILENCE_RETRY))));
    let nothing = LedgerReading::default();
    let mut facts = Facts {
        now,
        policy,
        switch_off: switch_off.as_deref(),
        mode: policy.mode_for(&header.name, header.mode),
        cooldown: claim.cooldown,
        maintenance,
        new_issues: storm.new_issues,
        storm_released: storm.released,
        ledger: Ok(&nothing),
        breakers_open: &breakers_open,
        plan: &drafted.plan,
        assessments: &drafted.assessments,
        contested: &drafted.contested,
        approved_by,
    };
    let others_pass = guard::rule_on(&guard::judge(&facts)) == Ruling::Admit;
    let asked = if let Some(left) = engine.steady.pause(&*engine.clock) {
        let what =
            format!("the wall clock has jumped, leases cannot be told for another {} s", left.as_secs());
        Err(LedgerFault(what))
    } else if others_pass && question.purpose == Purpose::Act {
        engine.ledger.reserve(&claim, now).await.map(|reserved| (reserved.granted, reserved.reading))
    } else {
        engine.ledger.look(&claim, now).await.map(|reading| (false, reading))
    };
    let fault;
    let (granted, reading) = match asked {
        Ok(answer) => answer,
        Err(why) => {
            fault = why.to_string();
            facts.ledger = Err(&fault);
            (false, LedgerReading::default())
        }
    };
    if facts.ledger.is_ok() && !granted {
        facts.ledger = Ok(&reading);
    }
    *verdicts = guard::judge(&facts);
    let mut ruling = guard::rule_on(verdicts);
    if ruling == Ruling::Admit && others_pass && question.purpose == Purpose::Act && !granted {
        // Only what the ledger granted may run, whatever its reading looks like.
        let until = engine.clock.after(LEDGER_RETRY);
        let why = "duplicate: the ledger did not grant the claim".to_owned();
        ruling = Ruling::Hold { until, why, guards: vec![Guard::Duplicate] };
    }
    Ending::Ruled { ruling, claim: Box::new(claim) }
}

/// The adapters that a plan needs: those that act, and those that are read to verify.
fn adapters(plan: &Plan) -> BTreeSet<&str> {
    let steps = plan.steps();
    let verifying = steps.iter().filter_map(|step| step.options.verify.as_ref());
    let read = verifying.flat_map(|verify| verify.condition.probes()).map(|probe| probe.adapter.as_str());
    let acting = steps.iter().map(|step| step.action.adapter.as_str());
    acting.chain(read).collect()
}

fn claim(engine: &Engine, rule: &Rule, question: &Question, drafted: &Drafted) -> Claim {
    let (policy, header) = (&engine.policy, rule.header());
    let assessed = drafted.assessments.iter().map(|assessment| &assessment.target);
    let mut targets: Vec<String> = assessed.chain(&drafted.related).cloned().collect();
    targets.sort();
    targets.dedup();
    Claim {
        holder: question.holder.clone(),
        duplicate_key: format!("{}/{}", question.alert.fingerprint, header.name),
        targets,
        rule: header.name.clone(),
        cooldown: Duration::from(header.cooldown).max(policy.cooldown_min),
        per_target_max: policy.per_target_per_hour,
        in_all_max: policy.in_all_per_hour,
        rate_window: RATE_WINDOW,
        concurrent_max: policy.concurrent,
        lease: LEASE,
    }
}

impl Deliberation {
    /// The plan's hash, where there is a plan.
    pub fn plan_hash(&self) -> Option<ContentHash> {
        self.facts.plan_hash
    }
}
