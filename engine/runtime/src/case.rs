//! One look at one issue: what its phase, its alert and the rules ask for now.
//!
//! A look ends with the issue in a phase and, where there is more to come, a time for the next look. Nothing is kept in
//! memory between looks, so a look that a crash cut short is simply made again.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use selfheal_core::guard::{self, Guard, Ruling};
use selfheal_core::issue::{Event, IssueId, Outcome, Phase};
use selfheal_core::moment::later;
use selfheal_core::remediation::RemediationId;
use selfheal_script::Rule;
use serde_json::{Value, json};

use crate::approval;
use crate::decide::{self, Deliberation, Ending, Purpose, Question};
use crate::engine::Engine;
use crate::execute;
use crate::news;
use crate::pen::Pen;
use crate::ports::NewsKind;
use crate::ports::journal::{DecisionFacts, Issue, JournalFault, Record, Tenure, Write};

/// When an alert that still fires is looked at again after its rule decided to do nothing, or a guard refused.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_secs(900);
/// When a probe that could not be read is tried again.
pub(crate) const UNREADABLE_RETRY: Duration = Duration::from_secs(10);

/// Looks at an issue once.
pub(crate) async fn look_at(engine: &Arc<Engine>, issue: Issue, tenure: Tenure) -> Result<(), JournalFault> {
    let pen = Pen::new(engine, tenure);
    engine.waiters.remove(issue.id);
    match issue.phase {
        Phase::Closed => Ok(()),
        Phase::Remediating => execute::take_up(engine, pen, issue).await,
        _ if issue.resolved_at.is_some() => settle(engine, pen, &issue).await,
        Phase::AwaitingApproval => approval::follow_up(engine, pen, issue).await,
        Phase::Waiting | Phase::Rested => decide(engine, pen, issue).await,
    }
}

/// The alert is resolved: close the issue when it has stayed so long enough.
async fn settle(engine: &Engine, mut pen: Pen<'_>, issue: &Issue) -> Result<(), JournalFault> {
    let now = engine.clock.now();
    let resolved_at = issue.resolved_at.unwrap_or(now).min(now);
    let close_at = later(resolved_at, engine.policy.settle);
    approval::void(engine, &mut pen, issue, "the alert was resolved").await?;
    // Without a remediation to speak for it, the alert went away by itself.
    let subsided = (issue.remediations == 0
        && matches!(issue.phase, Phase::Waiting | Phase::AwaitingApproval))
        || issue.outcome.is_none();
    let outcome = subsided.then_some(Outcome::Subsided);
    let why = match outcome {
        Some(_) => "the alert was resolved before anything was done".to_owned(),
        None => issue.why.clone(),
    };
    let close = now >= close_at;
    engine.unreadable.end(issue.id);
    if close {
        let resolved = format!("resolved at {resolved_at}, and stayed so");
        pen.note(record(issue, now, "closed", resolved.clone()));
        pen.note_all(news::closed(engine, issue, outcome.or(issue.outcome), resolved));
    }
    pen.note(Write::Move {
        issue: issue.id,
        event: if close { Event::Close } else { Event::Rest },
        wake_at: (!close).then_some(close_at),
        outcome,
        why,
        at: now,
    });
    pen.finish().await?;
    if !close {
        engine.desk.ring(close_at);
    }
    Ok(())
}

/// What a look at the rules came to.
struct Looked {
    rule: Arc<Rule>,
    deliberation: Deliberation,
}

/// Asks the rules that are for the alert, the most urgent first, until one decides to do something.
async fn decide(engine: &Arc<Engine>, mut pen: Pen<'_>, issue: Issue) -> Result<(), JournalFault> {
    let rules = engine.rules.current();
    let matching = rules.matching(&issue.alert.labels);
    let question = question(engine, &issue, Purpose::Act);
    let mut skipped = Vec::new();
    for rule in matching {
        let begun = engine.clock.monotonic();
        let deliberation = decide::deliberate(engine, &rule, rules.generation, &question).await?;
        let took = engine.clock.monotonic().saturating_sub(begun);
        engine.metrics.decision_seconds.observe(took.as_secs_f64());
        let name = &rule.header().name;
        if let Ending::Skip { why } = &deliberation.ending {
            engine.metrics.decisions.with_label_values(&[name.as_str(), "skip"]).inc();
            skipped.push((format!("{name}: {why}"), deliberation.facts));
            continue;
        }
        return conclude(engine, pen, issue, Looked { rule, deliberation }, skipped).await;
    }
    // Whatever was asked for could be read.
    engine.unreadable.end(issue.id);
    if skipped.is_empty() {
        let why = engine.rules.unmatched();
        return rest(engine, pen, &issue, Outcome::Unmatched, why, None).await;
    }
    let whys: Vec<String> = skipped.iter().map(|(why, _)| why.clone()).collect();
    let why = whys.join("; ");
    if !says(&issue, Outcome::Skipped, &why) {
        note_skipped(engine, &mut pen, &issue, skipped);
        pen.note_all(news::skipped(engine, &issue, &why));
    }
    rest(engine, pen, &issue, Outcome::Skipped, why, Some(LOOK_AGAIN)).await
}

fn note_skipped(engine: &Engine, pen: &mut Pen<'_>, issue: &Issue, skipped: Vec<(String, DecisionFacts)>) {
    for (why, facts) in skipped {
        pen.note(decided(engine, issue, format!("decided to do nothing: {why}"), &facts));
    }
}

/// Acts on what the first rule that did not skip decided.
async fn conclude(
    engine: &Arc<Engine>,
    mut pen: Pen<'_>,
    issue: Issue,
    looked: Looked,
    skipped: Vec<(String, DecisionFacts)>,
) -> Result<(), JournalFault> {
    let Looked { rule, deliberation: Deliberation { mut facts, ending, previews } } = looked;
    if !matches!(ending, Ending::Unreadable { .. }) {
        engine.unreadable.end(issue.id);
    }
    let header = rule.header();
    let now = engine.clock.now();
    engine.metrics.decisions.with_label_values(&[header.name.as_str(), ending.name()]).inc();
    for verdict in &facts.verdicts {
        engine.count_verdict(verdict);
    }
    if issue.rule.as_deref() != Some(header.name.as_str()) {
        pen.note(Write::AssignRule {
            issue: issue.id,
            rule: header.name.clone(),
            priority: header.priority,
            component: header.component,
        });
    }
    if facts.level != issue.level {
        pen.note(Write::SetLevel { issue: issue.id, level: facts.level, at: now });
    }
    let again = Duration::from(header.cooldown).max(engine.policy.cooldown_min);
    match ending {
        Ending::Ruled { ruling: Ruling::Admit, claim } => {
            note_skipped(engine, &mut pen, &issue, skipped);
            // The plan is in the remediation, which names the same hash.
            let Some(plan) = facts.plan.take() else {
                return Ok(());
            };
            let hash = facts.plan_hash.unwrap_or_else(|| plan.hash());
            let all_the_same =
                guard::contest(&facts.verdicts).map_or(String::new(), |who| format!("; {who}"));
            let summary = format!("decided and admitted, plan {}{all_the_same}", hash.short());
            pen.note(decided(engine, &issue, summary, &facts));
            execute::begin(engine, pen, issue, &rule, &facts, plan, *claim, None).await
        }
        Ending::Ruled { ruling: Ruling::Hold { until, why, guards }, claim } => {
            hold(engine, pen, &issue, &facts, until, why, &guards).await?;
            if guards == [Guard::Concurrency] {
                engine.waiters.add((header.priority, issue.received_at, issue.id), claim.targets, until);
            }
            Ok(())
        }
        Ending::Ruled { ruling: Ruling::Ask { why }, .. } => {
            note_skipped(engine, &mut pen, &issue, skipped);
            approval::ask(engine, pen, &issue, facts, previews, why).await
        }
        Ending::Ruled { ruling: Ruling::Shadow { why }, .. } => {
            let mut facts = serde_json::to_value(&facts).unwrap_or_default();
            facts["previews"] = previews;
            pen.note(Write::Record(Record {
                facts,
                ..story(&issue, now, "decided", format!("shadowed: {why}"))
            }));
            pen.note_all(news::outcome(engine, &issue, Outcome::Shadowed, &why));
            rest(engine, pen, &issue, Outcome::Shadowed, why, None).await
        }
        Ending::Ruled { ruling: Ruling::Refuse { why }, .. } => {
            if !says(&issue, Outcome::Refused, &why) {
                note_skipped(engine, &mut pen, &issue, skipped);
                pen.note(decided(engine, &issue, format!("refused: {why}"), &facts));
                pen.note_all(news::outcome(engine, &issue, Outcome::Refused, &why));
            }
            rest(engine, pen, &issue, Outcome::Refused, why, Some(LOOK_AGAIN)).await
        }
        Ending::Beyond { why } => {
            pen.note(decided(engine, &issue, format!("escalated to a person: {why}"), &facts));
            pen.note_all(news::outcome(engine, &issue, Outcome::Escalated, &why));
            rest(engine, pen, &issue, Outcome::Escalated, why, None).await
        }
        Ending::Unreadable { why } => {
            let patience = engine.policy.target_wait;
            if !engine.unreadable.is_too_long(issue.id, engine.clock.monotonic(), patience) {
                let until = engine.clock.after(UNREADABLE_RETRY);
                let why = format!("cannot observe: {why}");
                return hold(engine, pen, &issue, &facts, until, why, &[]).await;
            }
            // The next time that it cannot be read is waited for anew.
            engine.unreadable.end(issue.id);
            fail(engine, pen, &issue, &facts, format!("cannot observe: {why}"), again).await
        }
        Ending::Failed { why } => fail(engine, pen, &issue, &facts, why, again).await,
        // The caller goes on to the next rule where one skips.
        Ending::Skip { why } => rest(engine, pen, &issue, Outcome::Skipped, why, Some(LOOK_AGAIN)).await,
    }
}

async fn fail(
    engine: &Engine,
    mut pen: Pen<'_>,
    issue: &Issue,
    facts: &DecisionFacts,
    why: String,
    again: Duration,
) -> Result<(), JournalFault> {
    if !says(issue, Outcome::Failed, &why) {
        pen.note(decided(engine, issue, format!("failed: {why}"), facts));
        pen.note_all(news::outcome(engine, issue, Outcome::Failed, &why));
    }
    rest(engine, pen, issue, Outcome::Failed, why, Some(again)).await
}

async fn hold(
    engine: &Engine,
    mut pen: Pen<'_>,
    issue: &Issue,
    facts: &DecisionFacts,
    until: Timestamp,
    why: String,
    guards: &[Guard],
) -> Result<(), JournalFault> {
    let now = engine.clock.now();
    // A hold that goes on for the same reason is told once.
    if !is_same_reason(&issue.why, &why) {
        pen.note(decided(engine, issue, format!("held until {until}: {why}"), facts));
    }
    let tells_storm = guards.contains(&Guard::Storm) && engine.tells_storm(&facts.rule, now).await;
    if tells_storm {
        pen.note_all(news::storm(engine, issue, &facts.rule, &why));
        pen.note(engine.told_everywhere(&facts.rule, now));
    }
    // In a storm, issues must not all come back in the same moment; their number spreads them over a second.
    let until = later(until, Duration::from_millis(issue.id.0.unsigned_abs() % 1000));
    pen.note(Write::Move {
        issue: issue.id,
        event: Event::Hold,
        wake_at: Some(until),
        outcome: None,
        why,
        at: now,
    });
    let written = pen.finish().await;
    if written.is_err() && tells_storm {
        engine.storms.not_told(&facts.rule);
    }
    written?;
    engine.desk.ring(until);
    Ok(())
}

/// Whether two texts say the same but for their numbers and times: a reason begins with the names of the guards.
pub(crate) fn is_same_reason(one: &str, other: &str) -> bool {
    let guards = |text: &str| text.split(':').next().unwrap_or_default().to_owned();
    guards(one) == guards(other)
}

/// Ends a look with an outcome. That nothing more is done does not take the place of what was done before.
pub(crate) async fn rest(
    engine: &Engine,
    mut pen: Pen<'_>,
    issue: &Issue,
    outcome: Outcome,
    why: String,
    again: Option<Duration>,
) -> Result<(), JournalFault> {
    let wake_at = again.map(|again| engine.clock.after(again));
    let at = engine.clock.now();
    let (outcome, why) = match issue.outcome.filter(|before| stands(issue, *before, outcome)) {
        None => (outcome, why),
        Some(before) => (before, format!("{}{}", treated(engine, issue).await?, since(outcome, &why))),
    };
    pen.note(Write::Move { issue: issue.id, event: Event::Rest, wake_at, outcome: Some(outcome), why, at });
    pen.finish().await?;
    if let Some(wake_at) = wake_at {
        engine.desk.ring(wake_at);
    }
    Ok(())
}

/// Whether an outcome of before stands when a later look only says that nothing is done.
fn stands(issue: &Issue, before: Outcome, now: Outcome) -> bool {
    let nothing = matches!(now, Outcome::Skipped | Outcome::Refused | Outcome::Shadowed | Outcome::Unmatched);
    let treated = before.helped().is_some() || before == Outcome::Denied;
    issue.remediations > 0 && nothing && treated
}

/// What the last remediation of an issue came to.
async fn treated(engine: &Engine, issue: &Issue) -> Result<String, JournalFault> {
    let id = RemediationId { issue: issue.id, ordinal: issue.remediations };
    let last = engine.journal.remediation(id).await?;
    Ok(last.map_or_else(|| id.to_string(), |(remediation, _)| remediation.why))
}

/// What a look that did nothing adds to what was done before.
fn since(outcome: Outcome, why: &str) -> String {
    format!("; since then {outcome}: {why}")
}

/// Whether an issue says already that nothing was done, and why: a reading that has moved meanwhile is no news.
fn says(issue: &Issue, outcome: Outcome, why: &str) -> bool {
    let but_for_numbers =
        |text: &str| text.replace(|letter: char| letter.is_ascii_digit() || letter == '.', "");
    let said = but_for_numbers(&issue.why);
    (issue.outcome == Some(outcome) && said == but_for_numbers(why))
        || said.ends_with(&but_for_numbers(&since(outcome, why)))
}

/// The question that an issue puts to a rule.
pub(crate) fn question(engine: &Engine, issue: &Issue, purpose: Purpose) -> Question {
    let age = engine.clock.now().duration_since(issue.alert.starts_at);
    let next = RemediationId { issue: issue.id, ordinal: issue.remediations + 1 };
    Question {
        alert: Arc::new(issue.alert.clone()),
        age: Duration::try_from(age).unwrap_or_default(),
        resource: issue.resource.clone(),
        rule: issue.rule.clone(),
        level: issue.level,
        level_since: issue.level_since,
        holder: next.to_string(),
        purpose,
    }
}

/// The record of a decision.
pub(crate) fn decided(engine: &Engine, issue: &Issue, summary: String, facts: &DecisionFacts) -> Write {
    let facts = serde_json::to_value(facts).unwrap_or(Value::Null);
    Write::Record(Record { facts, ..story(issue, engine.clock.now(), "decided", summary) })
}

/// A record without further facts.
pub(crate) fn record(issue: &Issue, at: Timestamp, kind: &str, summary: String) -> Write {
    Write::Record(story(issue, at, kind, summary))
}

fn story(issue: &Issue, at: Timestamp, kind: &str, summary: String) -> Record {
    Record {
        issue: Some(issue.id),
        remediation: None,
        at,
        kind: kind.to_owned(),
        actor: "selfheal".to_owned(),
        summary,
        facts: Value::Null,
    }
}

impl Ending {
    /// The name in metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Skip { .. } => "skip",
            Self::Failed { .. } => "failed",
            Self::Unreadable { .. } => "unreadable",
            Self::Beyond { .. } => "beyond",
            Self::Ruled { ruling, .. } => match ruling {
                Ruling::Admit => "admit",
                Ruling::Hold { .. } => "hold",
                Ruling::Refuse { .. } => "refuse",
                Ruling::Shadow { .. } => "shadow",
                Ruling::Ask { .. } => "ask",
            },
        }
    }
}

/// The name under which a person's doing at an issue is recorded.
pub(crate) fn by_person(issue: IssueId, actor: &str, at: Timestamp, kind: &str, summary: String) -> Write {
    Write::Record(Record {
        issue: Some(issue),
        remediation: None,
        at,
        kind: kind.to_owned(),
        actor: actor.to_owned(),
        summary,
        facts: json!(null),
    })
}

/// What kind of news an outcome is.
pub(crate) fn news_kind(outcome: Outcome) -> NewsKind {
    if outcome.needs_person() { NewsKind::Person } else { NewsKind::Outcome }
}
