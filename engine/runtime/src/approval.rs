//! Approval: a person is asked about one plan, as it stands, and answers once, in time.
//!
//! What is approved is the stored plan with its absolute values, named by its hash; after the answer the guards are
//! asked again, and that very plan runs. No answer in time is a no.

use std::sync::Arc;

use jiff::Timestamp;
use selfheal_core::guard::{self, Guard, Ruling};
use selfheal_core::hash::ContentHash;
use selfheal_core::issue::{Event, IssueId, Outcome, Phase};
use serde_json::Value;

use crate::by_hand::{ASKED, HandFault};
use crate::case::{self, UNREADABLE_RETRY, by_person};
use crate::decide::{self, Ending, Purpose};
use crate::engine::Engine;
use crate::execute;
use crate::news;
use crate::pen::Pen;
use crate::ports::journal::{Answer, Approval, DecisionFacts, Issue, JournalFault, Write};

/// Asks a person about the plan of a decision, with what each of its steps would do.
pub(crate) async fn ask(
    engine: &Engine,
    mut pen: Pen<'_>,
    issue: &Issue,
    mut facts: DecisionFacts,
    previews: Value,
    why: String,
) -> Result<(), JournalFault> {
    let Some(plan) = facts.plan.take() else { return Ok(()) };
    let now = engine.clock.now();
    let expires_at = engine.clock.after(engine.policy.approval_ttl);
    let approval = Approval {
        id: engine.entropy.hex(),
        issue: issue.id,
        rule: facts.rule.clone(),
        plan_hash: plan.hash(),
        plan,
        level: facts.level,
        why: why.clone(),
        previews,
        asked_at: now,
        expires_at,
        answer: None,
    };
    let summary = format!("approval {} asked for plan {}: {why}", approval.id, approval.plan_hash.short());
    pen.note(case::decided(engine, issue, summary, &facts));
    pen.note_all(news::approval(engine, issue, &approval));
    pen.note(Write::Ask(Box::new(approval)));
    let wake_at = Some(expires_at);
    pen.note(Write::Move { issue: issue.id, event: Event::Ask, wake_at, outcome: None, why, at: now });
    pen.finish().await?;
    engine.desk.ring(expires_at);
    Ok(())
}

/// The approval that an issue waits for.
async fn latest(engine: &Engine, issue: IssueId) -> Result<Option<Approval>, JournalFault> {
    let story = engine.journal.story(issue).await?;
    Ok(story.and_then(|story| story.approvals.into_iter().last()))
}

/// Looks at an issue that waits for approval: its answer, or the end of its time.
pub(crate) async fn follow_up(
    engine: &Arc<Engine>,
    mut pen: Pen<'_>,
    issue: Issue,
) -> Result<(), JournalFault> {
    let now = engine.clock.now();
    let Some(approval) = latest(engine, issue.id).await? else {
        let why = "the approval is not in the journal".to_owned();
        return case::rest(engine, pen, &issue, Outcome::Failed, why, None).await;
    };
    match &approval.answer {
        Some(Answer { granted: true, by, .. }) if approval.expires_at <= now => {
            let why = format!("{by} approved it, but it could not run before {}", approval.expires_at);
            pen.note_all(news::outcome(engine, &issue, Outcome::Expired, &why));
            case::rest(engine, pen, &issue, Outcome::Expired, why, None).await
        }
        Some(Answer { granted: true, by, .. }) => {
            let by = by.clone();
            run(engine, pen, issue, approval, &by).await
        }
        Some(Answer { granted: false, by, reason, .. }) => {
            let why = format!("{by} refused plan {}: {reason}", approval.plan_hash.short());
            pen.note_all(news::outcome(engine, &issue, Outcome::Denied, &why));
            case::rest(engine, pen, &issue, Outcome::Denied, why, None).await
        }
        None if approval.expires_at <= now => {
            let why = format!("nobody answered until {}", approval.expires_at);
            deny(&mut pen, &approval, now, &why);
            pen.note(case::record(&issue, now, "answered", format!("denied: {why}")));
            pen.note_all(news::outcome(engine, &issue, Outcome::Expired, &why));
            case::rest(engine, pen, &issue, Outcome::Expired, why, None).await
        }
        None => {
            let why = issue.why.clone();
            wait(engine, pen, &issue, approval.expires_at, why).await
        }
    }
}

/// The issue goes on waiting with its approval, until a time.
async fn wait(
    engine: &Engine,
    mut pen: Pen<'_>,
    issue: &Issue,
    until: Timestamp,
    why: String,
) -> Result<(), JournalFault> {
    let (event, wake_at, at) = (Event::Ask, Some(until), engine.clock.now());
    pen.note(Write::Move { issue: issue.id, event, wake_at, outcome: None, why, at });
    pen.finish().await?;
    engine.desk.ring(until);
    Ok(())
}

fn deny(pen: &mut Pen<'_>, approval: &Approval, at: Timestamp, why: &str) {
    let answer = Answer { granted: false, by: "selfheal".to_owned(), at, reason: why.to_owned() };
    pen.note(Write::Answer { id: approval.id.clone(), plan_hash: approval.plan_hash, answer });
}

/// Denies what an issue still waits for.
pub(crate) async fn void(
    engine: &Engine,
    pen: &mut Pen<'_>,
    issue: &Issue,
    why: &str,
) -> Result<(), JournalFault> {
    if issue.phase == Phase::AwaitingApproval
        && let Some(approval) = latest(engine, issue.id).await?
        && approval.answer.is_none()
    {
        deny(pen, &approval, engine.clock.now(), why);
        pen.note_all(news::answered(
            engine,
            issue,
            &approval,
            format!("no answer is needed any more: {why}"),
        ));
    }
    Ok(())
}

/// Runs an approved plan, if the guards still let it.
async fn run(
    engine: &Arc<Engine>,
    mut pen: Pen<'_>,
    issue: Issue,
    approval: Approval,
    by: &str,
) -> Result<(), JournalFault> {
    let rules = engine.rules.current();
    let Some(rule) = rules.rule(&approval.rule) else {
        let why = format!("rule {} is no longer loaded", approval.rule);
        return case::rest(engine, pen, &issue, Outcome::Refused, why, Some(case::LOOK_AGAIN)).await;
    };
    let question = case::question(engine, &issue, Purpose::Act);
    let (verdicts, ending) = decide::admit_approved(engine, rule, &question, &approval.plan, by).await;
    let facts = DecisionFacts {
        rule: approval.rule.clone(),
        generation: rules.generation,
        age_seconds: question.age.as_secs_f64(),
        level: approval.level,
        observed: Value::Null,
        plan: None,
        plan_hash: Some(approval.plan_hash),
        choices: Vec::new(),
        verdicts,
    };
    let why = match ending {
        Ending::Ruled { ruling: Ruling::Admit, claim } => {
            let all_the_same =
                guard::contest(&facts.verdicts).map_or(String::new(), |who| format!("; {who}"));
            let hash = approval.plan_hash.short();
            let summary = format!("plan {hash} admitted, approved by {by}{all_the_same}");
            pen.note(case::decided(engine, &issue, summary, &facts));
            let (plan, by) = (approval.plan, Some(by.to_owned()));
            return execute::begin(engine, pen, issue, rule, &facts, plan, *claim, by).await;
        }
        Ending::Unreadable { why } => {
            // The target may answer again before the approval expires.
            let until = engine.clock.after(UNREADABLE_RETRY).min(approval.expires_at);
            return wait(engine, pen, &issue, until, why).await;
        }
        Ending::Ruled { ruling: Ruling::Hold { until, why, guards }, claim }
            if until < approval.expires_at =>
        {
            // The approval holds until it expires; the issue keeps waiting with it.
            if !case::is_same_reason(&issue.why, &why) {
                let summary = format!("approved by {by}, and held until {until}: {why}");
                pen.note(case::decided(engine, &issue, summary, &facts));
            }
            wait(engine, pen, &issue, until, why).await?;
            if guards == [Guard::Concurrency] {
                let turn = (rule.header().priority, issue.received_at, issue.id);
                engine.waiters.add(turn, claim.targets, until);
            }
            return Ok(());
        }
        Ending::Ruled { ruling: Ruling::Hold { why, .. }, .. } => {
            format!("held beyond the approval's time: {why}")
        }
        Ending::Ruled {
            ruling: Ruling::Refuse { why } | Ruling::Shadow { why } | Ruling::Ask { why },
            ..
        } => why,
        Ending::Skip { why } | Ending::Failed { why } | Ending::Beyond { why } => why,
    };
    pen.note(case::decided(engine, &issue, format!("refused although approved: {why}"), &facts));
    pen.note_all(news::outcome(engine, &issue, Outcome::Refused, &why));
    case::rest(engine, pen, &issue, Outcome::Refused, why, Some(case::LOOK_AGAIN)).await
}

impl Engine {
    /// Answers an approval. The answer names the plan that the person saw. Who has asked for a remediation of the issue by
    /// hand may refuse its plans, and not approve them: two people must want what one has asked for.
    ///
    /// # Errors
    /// There is no such approval; the asker approves; or a conflict: it was answered, it has expired, or it is for another
    /// plan.
    pub async fn answer(
        self: &Arc<Self>,
        id: &str,
        plan_hash: ContentHash,
        granted: bool,
        by: &str,
        reason: &str,
    ) -> Result<Approval, HandFault> {
        let missing = || HandFault::Missing(format!("approval {id}"));
        let approval = self.journal.approval(id).await?.ok_or_else(missing)?;
        if granted && self.has_asked(approval.issue, by).await? {
            return Err(HandFault::Asker(by.to_owned()));
        }
        let at = self.clock.now();
        let answer = Answer { granted, by: by.to_owned(), at, reason: reason.to_owned() };
        let said = if granted { "granted" } else { "refused" };
        let summary = format!("approval {id} {said} for plan {}: {reason}", plan_hash.short());
        let issue = self.journal.issue(approval.issue).await?;
        let mut writes = vec![
            Write::Answer { id: id.to_owned(), plan_hash, answer: answer.clone() },
            by_person(approval.issue, by, at, "answered", summary.clone()),
            Write::Move {
                issue: approval.issue,
                event: Event::Ask,
                wake_at: Some(at),
                outcome: None,
                why: summary,
                at,
            },
            // A look that is under way has not seen the answer.
            Write::Wake { issue: approval.issue, at },
        ];
        if let Some(issue) = issue {
            let text = format!("{by} {said} it: {reason}");
            writes.extend(news::answered(self, &issue, &approval, text));
        }
        self.journal.commit(writes).await?;
        self.desk.called(approval.issue, at);
        Ok(Approval { answer: Some(answer), ..approval })
    }

    /// Whether somebody has asked for a remediation of an issue by hand.
    async fn has_asked(&self, issue: IssueId, name: &str) -> Result<bool, JournalFault> {
        let story = self.journal.story(issue).await?;
        let records = story.map(|story| story.records).unwrap_or_default();
        Ok(records.iter().any(|record| record.kind == ASKED && record.actor == name))
    }
}
