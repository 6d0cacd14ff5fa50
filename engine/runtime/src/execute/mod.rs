//! Execute, verify, unwind: carries a plan out, step by step, and ends the remediation.
//!
//! The walk over the plan is deterministic, and every effect has an intent named by its place in the plan and its try.
//! Taking up a remediation after a crash is therefore the same walk again: an intent that the journal knows is not
//! made anew but taken from where it stands (`step.rs`).

mod aside;
mod effect;
mod rollback;
mod step;
mod undo;
mod verify;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::Timestamp;
use selfheal_core::guard;
use selfheal_core::issue::{Event, IssueId, Outcome};
use selfheal_core::plan::{Plan, Step};
use selfheal_core::remediation::{IntentState, RemediationId};
use selfheal_script::Rule;
use serde_json::json;
use tracing::Instrument as _;

use crate::case;
use crate::engine::Engine;
use crate::news;
use crate::pen::Pen;
use crate::ports::JournalFaultKind;
use crate::ports::journal::{
    DecisionFacts, EndFacts, Intent, Issue, JournalFault, Record, Remediation, Write,
};
use crate::ports::ledger::Claim;

pub(crate) use aside::InTheWay;
pub use rollback::Rollback;
pub(crate) use undo::{Cause, take_back};

/// What a part of a plan came to.
enum Turn {
    /// It helped, or there is nothing to tell by.
    Helped {
        /// Whether a verification said so.
        verified: bool,
        /// What was said.
        why: String,
    },
    /// It did not help. What was applied is undone, unless it is kept.
    Failed(String),
    /// Nothing more may be done by this remediation.
    Halt(Outcome, String),
}

/// How far the ledger's grant can be relied on. Until the claim is in the journal, a ledger that loses it, as a fail-over may,
/// cannot be told of it again; so it is asked once more when it is.
enum Grant {
    /// It was granted at this moment, by the clock that only goes forward, and the journal does not know it.
    Fresh(Duration),
    /// The journal knows it since it was granted.
    Journalled,
    /// It was confirmed, and is kept by renewing it.
    Kept,
}

/// A remediation under way.
struct Run<'e> {
    engine: &'e Arc<Engine>,
    remediation: Remediation,
    pen: Pen<'e>,
    /// Intents of an earlier walk, by their step's place and the number of the try.
    past: HashMap<(String, u32), Intent>,
    /// What stands applied, in the order of application.
    applied: Vec<(Step, Intent)>,
    /// Whether anything was applied at all, whatever became of it.
    touched: bool,
    /// Whether something that did not help was left applied.
    kept: bool,
    /// Whether something helped that is meant for a time only.
    timed: bool,
    /// How far the ledger's grant can be relied on.
    grant: Grant,
    /// When the look that decided was due, until the first intent is durable.
    due: Option<Timestamp>,
    /// What the issue is about: failures are counted by it.
    resource: String,
    /// Whether the alert was resolved when the look began.
    resolved: bool,
    /// Who would take the change back that is made all the same.
    contest: Option<String>,
}

/// Begins a remediation that was admitted. What `pen` holds becomes durable together with its first intent.
#[expect(clippy::too_many_arguments, reason = "everything that was decided, handed on once")]
pub(crate) async fn begin(
    engine: &Arc<Engine>,
    mut pen: Pen<'_>,
    issue: Issue,
    rule: &Rule,
    facts: &DecisionFacts,
    plan: Plan,
    claim: Claim,
    approved_by: Option<String>,
) -> Result<(), JournalFault> {
    let now = engine.clock.now();
    let remediation = Remediation {
        id: RemediationId { issue: issue.id, ordinal: issue.remediations + 1 },
        rule: rule.header().name.clone(),
        generation: facts.generation,
        level: facts.level,
        plan_hash: facts.plan_hash.unwrap_or_else(|| plan.hash()),
        plan,
        claim,
        approved_by,
        started_at: now,
        ended_at: None,
        outcome: None,
        why: String::new(),
        trace: issue.trace.clone(),
    };
    tracing::info!(
        issue = %issue.id,
        remediation = %remediation.id,
        rule = remediation.rule,
        plan = %remediation.plan_hash.short(),
        trace = remediation.trace,
        "a remediation begins"
    );
    pen.note(Write::Begin(Box::new(remediation.clone())));
    let contest = guard::contest(&facts.verdicts).map(str::to_owned);
    pen.note_all(news::begins(engine, &issue, &remediation, contest.as_deref()));
    let why = format!("{} is under way", remediation.id);
    pen.note(Write::Move {
        issue: issue.id,
        event: Event::Begin,
        wake_at: None,
        outcome: None,
        why,
        at: now,
    });
    let mut run = Run {
        engine,
        remediation,
        pen,
        past: HashMap::new(),
        applied: Vec::new(),
        touched: false,
        kept: false,
        timed: false,
        grant: Grant::Fresh(engine.clock.monotonic()),
        due: Some(issue.wake_at.unwrap_or(issue.received_at)),
        resource: issue.resource.clone(),
        resolved: issue.resolved_at.is_some(),
        contest,
    };
    let began = run.carry_out(&issue).await;
    let conflict = began.as_ref().is_err_and(|fault| fault.kind == JournalFaultKind::Conflict);
    if conflict && matches!(run.grant, Grant::Fresh(_)) {
        // Somebody moved the issue before anything was done; what was claimed for nothing is given back. Not when another
        // process has taken it: what it does about the issue, it does with the same claim. And not once there is an effect:
        // whoever takes the remediation up needs its targets.
        engine.release(&run.remediation.claim).await;
    }
    began
}

/// Takes up a remediation that an earlier process left under way.
pub(crate) async fn take_up(engine: &Arc<Engine>, pen: Pen<'_>, issue: Issue) -> Result<(), JournalFault> {
    let id = RemediationId { issue: issue.id, ordinal: issue.remediations };
    let Some((remediation, intents)) = engine.journal.remediation(id).await? else {
        let why = format!("{id} is not in the journal");
        return case::rest(engine, pen, &issue, Outcome::Failed, why, None).await;
    };
    tracing::info!(%id, trace = %issue.trace, "taking up a remediation that was interrupted");
    // While nobody renewed it, the lease may have ended. Whoever else has got the targets meanwhile keeps them: nothing is
    // changed there until he is done.
    let _ = engine.renew(&remediation.claim).await;
    let mut run = Run {
        engine,
        remediation,
        pen,
        past: intents.into_iter().map(|intent| ((intent.path.clone(), intent.try_number), intent)).collect(),
        applied: Vec::new(),
        touched: false,
        kept: false,
        timed: false,
        grant: Grant::Kept,
        due: None,
        resource: issue.resource.clone(),
        resolved: issue.resolved_at.is_some(),
        contest: contest(engine, issue.id).await?,
    };
    run.carry_out(&issue).await
}

/// What an earlier process has recorded of those who would take the change back.
async fn contest(engine: &Engine, issue: IssueId) -> Result<Option<String>, JournalFault> {
    let records = engine.journal.story(issue).await?.map(|story| story.records).unwrap_or_default();
    let decided = records.into_iter().rfind(|record| record.kind == "decided");
    let facts = decided.and_then(|record| serde_json::from_value::<DecisionFacts>(record.facts).ok());
    Ok(facts.and_then(|facts| guard::contest(&facts.verdicts).map(str::to_owned)))
}

impl Run<'_> {
    /// Walks the plan while the ledger's lease is renewed, and ends the remediation.
    async fn carry_out(&mut self, issue: &Issue) -> Result<(), JournalFault> {
        let (engine, claim) = (Arc::clone(self.engine), self.remediation.claim.clone());
        let plan = self.remediation.plan.clone();
        let span = tracing::info_span!("execute", remediation = %self.remediation.id, trace = %self.remediation.trace);
        engine.adopt(&span, &self.remediation.trace);
        let walking = async {
            let mut turn = self.part(&plan).await?;
            if matches!(turn, Turn::Halt(Outcome::Refused, _)) {
                // A plan that was stopped half-way leaves nothing half-done.
                turn = self.unwind(0).await?.unwrap_or(turn);
            }
            self.end(issue, turn).await
        };
        engine.renewing(&claim, walking.instrument(span)).await
    }

    /// Carries out a part of the plan.
    fn part<'a>(&'a mut self, plan: &'a Plan) -> BoxFuture<'a, Result<Turn, JournalFault>> {
        async move {
            match plan {
                Plan::Step(step) => self.step(step).await,
                Plan::Sequence(parts) => self.sequence(parts).await,
                Plan::Fallback(parts) => self.fallback(parts).await,
            }
        }
        .boxed()
    }

    /// All in order; the first failure undoes what this sequence applied.
    async fn sequence(&mut self, parts: &[Plan]) -> Result<Turn, JournalFault> {
        let before = self.applied.len();
        let (mut any_verified, mut whys) = (false, Vec::new());
        for part in parts {
            match self.part(part).await? {
                Turn::Helped { verified, why } => {
                    any_verified |= verified;
                    whys.push(why);
                }
                Turn::Failed(why) => {
                    self.lay_aside(parts);
                    return Ok(match self.unwind(before).await? {
                        Some(halt) => halt,
                        None => Turn::Failed(why),
                    });
                }
                halt @ Turn::Halt(..) => return Ok(halt),
            }
        }
        // What was verified after the steps before it speaks for them, too.
        Ok(Turn::Helped { verified: any_verified, why: whys.join("; ") })
    }

    /// Lays aside what an earlier walk did in a sequence beyond where it fails now. That walk took it back first, or left it;
    /// this one does not come to it, and would take it for something that was begun later in the plan.
    fn lay_aside(&mut self, parts: &[Plan]) {
        let paths: Vec<&str> = parts.iter().flat_map(Plan::steps).map(|step| step.path.as_str()).collect();
        let kept = &mut self.kept;
        self.past.retain(|(path, _), intent| {
            let beyond = paths.contains(&path.as_str());
            // The rule keeps it, or it cannot be undone.
            *kept |= beyond && matches!(intent.state, IntentState::Done | IntentState::Unhelpful);
            !beyond
        });
    }

    /// The first that helps. What did not help has undone itself before the next one begins.
    async fn fallback(&mut self, parts: &[Plan]) -> Result<Turn, JournalFault> {
        let mut whys = Vec::new();
        for part in parts {
            match self.part(part).await? {
                Turn::Failed(why) => whys.push(why),
                other => return Ok(other),
            }
        }
        Ok(Turn::Failed(whys.join("; ")))
    }

    /// Writes the outcome, tells the sinks, and gives back what was claimed.
    async fn end(&mut self, issue: &Issue, turn: Turn) -> Result<(), JournalFault> {
        let engine = self.engine;
        let now = engine.clock.now();
        let (outcome, why) = match turn {
            Turn::Helped { verified: true, why } => (Outcome::Recovered, why),
            Turn::Helped { verified: false, why } => (Outcome::Applied, why),
            Turn::Failed(why) if self.kept => (Outcome::Kept, why),
            // Nothing happened at the target, so there is nothing that could have helped: a person must look why.
            Turn::Failed(why) if !self.touched => (Outcome::Failed, why),
            Turn::Failed(why) => (Outcome::Unwound, why),
            Turn::Halt(outcome, why) => (outcome, why),
        };
        let id = self.remediation.id;
        let took = now.duration_since(self.remediation.started_at);
        self.pen.note(Write::Record(Record {
            issue: Some(issue.id),
            remediation: Some(id),
            at: now,
            kind: EndFacts::KIND.to_owned(),
            actor: "selfheal".to_owned(),
            summary: format!("{outcome}: {why}"),
            facts: json!(EndFacts {
                seconds: took.as_secs_f64(),
                outcome,
                plan_hash: self.remediation.plan_hash,
                approved_by: self.remediation.approved_by.clone(),
            }),
        }));
        let contest = self.contest.as_deref();
        self.pen.note_all(news::remediated(engine, issue, &self.remediation, contest, outcome, &why));
        self.pen.note(Write::End { id, outcome, why: why.clone(), at: now });
        let rule = self.remediation.rule.clone();
        let again = engine.rules.current().rule(&rule).map_or(engine.policy.cooldown_min, |rule| {
            Duration::from(rule.header().cooldown).max(engine.policy.cooldown_min)
        });
        let wake_at = match outcome {
            // What was resolved before this process took it up is to be closed, and nobody else tells this desk.
            _ if issue.resolved_at.is_some() => Some(now),
            Outcome::Refused => Some(engine.clock.after(case::LOOK_AGAIN)),
            _ => outcome.may_try_again().then(|| engine.clock.after(again)),
        };
        let event = Event::Rest;
        let outcome_now = Some(outcome);
        let told = why.clone();
        self.pen.note(Write::Move { issue: issue.id, event, wake_at, outcome: outcome_now, why, at: now });
        self.pen.end().await?;
        let trace = &self.remediation.trace;
        tracing::info!(issue = %issue.id, remediation = %id, %rule, %outcome, why = told, %trace, "a remediation ended");
        if self.timed {
            engine.reverts.look();
        }
        engine.release_ended(&self.remediation.claim).await;
        if let Some(wake_at) = wake_at {
            engine.desk.ring(wake_at);
        }
        engine.count_remediation(&rule, outcome, took);
        Ok(())
    }
}
