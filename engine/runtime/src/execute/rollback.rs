//! Rollback by hand: a person has what an ended remediation applied taken back, last first, although it helped or was to
//! be kept.
//!
//! One that was cut short is found and finished by asking again. What is undone already is passed over: asking twice is
//! asking once. The switch does not matter: it stops what selfheal does by itself. And so that it does not do the same again,
//! it leaves the issue alone for as long as its alert fires, unless a person asks.

use std::sync::Arc;

use jiff::Timestamp;
use selfheal_contract::Reversal;
use selfheal_core::issue::{Event, Outcome};
use selfheal_core::remediation::{IntentState, RemediationId};
use serde_json::json;

use super::aside::InTheWay;
use super::undo::{Cause, take_back};
use crate::by_hand::{HandFault, conflict};
use crate::engine::Engine;
use crate::pen::Pen;
use crate::ports::JournalFaultKind;
use crate::ports::journal::{Intent, JournalFault, Record, Remediation, Tenure, Write};

/// What a rollback came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rollback {
    /// What was taken back now, in this order: the action and what was said.
    pub undone: Vec<(String, String)>,
    /// What had been taken back before.
    pub already: Vec<String>,
    /// What stays, and why.
    pub stays: Vec<(String, String)>,
    /// What could not be taken back, and why; nothing before it was tried. A person is needed.
    pub failed: Option<(String, String)>,
}

impl Engine {
    /// Takes back what an ended remediation applied, last first. Goes on to its end even when nobody waits for it.
    ///
    /// # Errors
    /// There is no such remediation, it is under way, somebody else is at work on its targets, or ledger or journal cannot
    /// be asked.
    pub async fn roll_back(
        self: &Arc<Self>,
        id: RemediationId,
        by: &str,
        reason: &str,
    ) -> Result<Rollback, HandFault> {
        let (engine, by, reason) = (Arc::clone(self), by.to_owned(), reason.to_owned());
        let rolling = tokio::spawn(async move { engine.rolled_back(id, &by, &reason).await });
        let ended = rolling.await.unwrap_or_else(|panic| {
            let what = format!("the rollback of {id} ended without an answer: {panic}");
            Err(JournalFault { kind: JournalFaultKind::Unavailable, what }.into())
        });
        if let Err(HandFault::Journal(fault)) = &ended
            && fault.kind == JournalFaultKind::Broken
        {
            self.stop.broken(fault);
        }
        ended
    }

    async fn rolled_back(&self, id: RemediationId, by: &str, reason: &str) -> Result<Rollback, HandFault> {
        let (remediation, intents) = self.find(id).await?;
        if sort(self, &intents).1.is_empty() {
            return Ok(sort(self, &intents).0);
        }
        let targets = remediation.claim.targets;
        let rolled = self.aside(id, targets, |tenure| self.take_back_all(id, tenure, by, reason)).await?;
        // What stood on what was taken back, or under it, may be due.
        self.reverts.look();
        rolled.map_err(|why| match why {
            InTheWay::Ledger(fault) => HandFault::Ledger(fault.to_string()),
            InTheWay::Claimed(why) => conflict(why, "try again when it has ended"),
            InTheWay::Looked => conflict(format!("{} is being looked at", id.issue), "try again in a moment"),
        })
    }

    async fn find(&self, id: RemediationId) -> Result<(Remediation, Vec<Intent>), HandFault> {
        let found = self.journal.remediation(id).await?;
        let found = found.ok_or_else(|| HandFault::Missing(id.to_string()))?;
        match found.0.ended_at {
            Some(_) => Ok(found),
            None => Err(conflict(
                format!("{id} is under way"),
                "wait until it has ended; turning the switch off stops it before its next effect",
            )),
        }
    }

    async fn take_back_all(
        &self,
        id: RemediationId,
        tenure: Tenure,
        by: &str,
        reason: &str,
    ) -> Result<Rollback, HandFault> {
        // Only now nobody else changes them.
        let (_, intents) = self.find(id).await?;
        let (mut rollback, standing) = sort(self, &intents);
        let mut pen = Pen::new(self, tenure);
        tracing::info!(remediation = %id, by, reason, "a person has a remediation rolled back");
        pen.note(Write::Record(Record {
            issue: Some(id.issue),
            remediation: Some(id),
            at: self.clock.now(),
            kind: "rollback_asked".to_owned(),
            actor: by.to_owned(),
            summary: format!("asked to roll back {id}: {reason}"),
            facts: json!(null),
        }));
        for intent in standing {
            let action = intent.action.clone();
            // What was taken back before this one is not built upon it any more.
            pen.flush().await?;
            if let Some(later) = self.built_upon(intent).await? {
                rollback.stays.push((action, later));
                continue;
            }
            match take_back(self, &mut pen, intent, Cause::Asked(by)).await? {
                Ok(said) => rollback.undone.push((action, said)),
                Err(why) => {
                    rollback.failed = Some((action, why));
                    break;
                }
            }
        }
        let issue = self.journal.issue(id.issue).await?;
        if !rollback.undone.is_empty()
            && issue
                .is_some_and(|issue| issue.resolved_at.is_none() && issue.phase.next(Event::Hold).is_some())
        {
            pen.note(Write::Move {
                issue: id.issue,
                event: Event::Rest,
                wake_at: None,
                outcome: Some(Outcome::Denied),
                why: format!("{by} had {id} rolled back: {reason}; remediating by hand starts anew"),
                at: self.clock.now(),
            });
        }
        pen.finish().await?;
        Ok(rollback)
    }

    /// Why a change cannot be taken back before a later one that was built upon it, and is taken back in its time.
    async fn built_upon(&self, intent: &Intent) -> Result<Option<String>, JournalFault> {
        let last = self.journal.reverts_due(Timestamp::MAX).await?.into_iter().find(|last| {
            (&last.target, &last.action) == (&intent.target, &intent.action)
                && last.id != intent.id
                && last.intended_at > intent.intended_at
        });
        Ok(last.map(|last| {
            let until = last.revert_at.map(|at| format!(" until {at}")).unwrap_or_default();
            format!("{} has changed it since{until}: roll that back first", last.remediation)
        }))
    }
}

/// What is undone or stays as it is, and what stands applied, last first.
fn sort<'i>(engine: &Engine, intents: &'i [Intent]) -> (Rollback, Vec<&'i Intent>) {
    let (mut rollback, mut standing) = (Rollback::default(), Vec::new());
    for intent in intents.iter().rev() {
        let (adapter, action) = intent.adapter_and_action();
        let reversal = engine.catalog.action(adapter, action).map(|action| action.about().reversal);
        let stays = match (intent.state, reversal) {
            (IntentState::NotApplied, _) => continue,
            (IntentState::Undone, _) => {
                rollback.already.push(intent.action.clone());
                continue;
            }
            (IntentState::Unknown, _) => "it may or may not have happened: look at the target".to_owned(),
            (IntentState::UndoFailed, _) => format!("its undo has failed before: {}", intent.said),
            (IntentState::Executing | IntentState::Applied, _) => {
                "it was never settled: look at the target".to_owned()
            }
            (_, None) => "there is no such action any more".to_owned(),
            (_, Some(Reversal::Irreversible)) => "it cannot be undone".to_owned(),
            (IntentState::Done | IntentState::Unhelpful | IntentState::Undoing, Some(_)) => {
                standing.push(intent);
                continue;
            }
        };
        rollback.stays.push((intent.action.clone(), stays));
    }
    (rollback, standing)
}
