//! Rollback by hand: a person has what an ended remediation applied taken back, last first, although it helped or was to
//! be kept.
//!
//! Each undo is journalled before it happens, so that one that was cut short is found and finished by asking again. What is
//! undone already is passed over: asking twice is asking once. The targets are claimed meanwhile, so that no remediation
//! works on them. The switch does not matter: it stops what selfheal does by itself.

use std::sync::Arc;
use std::time::Duration;

use selfheal_contract::Reversal;
use selfheal_core::issue::Outcome;
use selfheal_core::policy::RATE_WINDOW;
use selfheal_core::remediation::{IntentState, RemediationId};
use serde_json::json;

use super::undo::undo;
use crate::by_hand::{HandFault, conflict};
use crate::decide::LEASE;
use crate::engine::Engine;
use crate::news;
use crate::pen::Pen;
use crate::ports::journal::{Intent, JournalFault, Record, Remediation, Tenure, Write};
use crate::ports::{Claim, JournalFaultKind};

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
        let claim = claim(&remediation, &self.entropy.hex());
        let now = self.clock.now();
        let reserved =
            self.ledger.reserve(&claim, now).await.map_err(|fault| HandFault::Ledger(fault.to_string()))?;
        if !reserved.granted {
            let why = match (reserved.reading.busy, reserved.reading.duplicate) {
                (Some((holder, target)), _) => format!("{holder} is at work on {target}"),
                (None, Some(holder)) => format!("{holder} is under way"),
                (None, None) => "the ledger did not grant the targets".to_owned(),
            };
            return Err(conflict(why, "try again when it has ended"));
        }
        let renewing = async {
            loop {
                self.clock.sleep(LEASE / 3).await;
                if let Err(fault) = self.ledger.renew(&claim, self.clock.now()).await {
                    tracing::warn!(holder = %claim.holder, %fault, "the ledger's lease could not be renewed");
                }
            }
        };
        let ended = tokio::select! {
            biased;
            ended = self.take_back_held(id, by, reason) => ended,
            never = renewing => never,
        };
        self.release(&claim).await;
        ended
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

    /// Takes back while the issue is held, so that nobody, here or in another process, looks at it meanwhile.
    async fn take_back_held(&self, id: RemediationId, by: &str, reason: &str) -> Result<Rollback, HandFault> {
        let began = self.clock.monotonic();
        let Some(tenure) = self.journal.take_one(id.issue, self.clock.now()).await? else {
            return Err(conflict(format!("{} is being looked at", id.issue), "try again in a moment"));
        };
        self.holds.add(tenure, began);
        let ended = self.take_back(id, tenure, by, reason).await;
        if self.holds.drop(tenure) {
            self.journal.keep(vec![tenure], self.clock.now(), Duration::ZERO).await?;
        }
        // A look at the issue that came meanwhile has had to wait.
        self.desk.ring(self.clock.now());
        ended
    }

    async fn take_back(
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
        let record = |kind: &str, actor: &str, summary: String, facts| {
            let (at, remediation) = (self.clock.now(), Some(id));
            let (kind, actor) = (kind.to_owned(), actor.to_owned());
            Write::Record(Record { issue: Some(id.issue), remediation, at, kind, actor, summary, facts })
        };
        tracing::info!(remediation = %id, by, reason, "a person has a remediation rolled back");
        pen.note(record("rollback_asked", by, format!("asked to roll back {id}: {reason}"), json!(null)));
        for intent in standing {
            let (intent_id, from) = (intent.id, intent.state);
            let state = |from, to, said: &str| {
                let (said, at) = (said.to_owned(), self.clock.now());
                Write::MoveIntent { id: intent_id, from, to, said, at, revert_at: None }
            };
            if from != IntentState::Undoing {
                pen.note(state(from, IntentState::Undoing, &intent.said));
            }
            pen.flush().await?;
            let (adapter, action) = intent.action.split_once('.').unwrap_or((intent.action.as_str(), ""));
            let (to, said) = match undo(self, &mut pen, adapter, action, intent).await? {
                Ok(said) => (IntentState::Undone, said),
                Err(why) => (IntentState::UndoFailed, why),
            };
            pen.note(state(IntentState::Undoing, to, &said));
            let facts = json!({ "path": intent.path, "state": to });
            pen.note(record("rolled_back", by, format!("{}: {said}", intent.action), facts));
            if to == IntentState::UndoFailed {
                pen.note_all(news::revert_failed(self, id.issue, id, &said));
                rollback.failed = Some((intent.action.clone(), said));
                break;
            }
            rollback.undone.push((intent.action.clone(), said));
        }
        pen.finish().await?;
        Ok(rollback)
    }
}

/// What is undone or stays as it is, and what stands applied, last first.
fn sort<'i>(engine: &Engine, intents: &'i [Intent]) -> (Rollback, Vec<&'i Intent>) {
    let (mut rollback, mut standing) = (Rollback::default(), Vec::new());
    for intent in intents.iter().rev() {
        let (adapter, action) = intent.action.split_once('.').unwrap_or((intent.action.as_str(), ""));
        let reversal = engine.catalog.action(adapter, action).map(|action| action.about().reversal);
        let stays = match (intent.state, reversal) {
            (IntentState::NotApplied, _) => continue,
            (IntentState::Undone, _) => {
                rollback.already.push(intent.action.clone());
                continue;
            }
            (IntentState::Unknown, _) => "it may or may not have happened: look at the target".to_owned(),
            (IntentState::UndoFailed, _) => format!("its undo has failed before: {}", intent.said),
            (IntentState::Executing | IntentState::Applied, _) => Outcome::Unknown.to_string(),
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

/// The targets alone: a rollback cools nothing down, and no limit of automatic remediation stands in its way. Each is a
/// holder of its own, so that of two at the same time one is refused.
fn claim(remediation: &Remediation, own: &str) -> Claim {
    let name = format!("rollback of {}", remediation.id);
    Claim {
        holder: format!("{name} {own}"),
        duplicate_key: name.clone(),
        targets: remediation.claim.targets.clone(),
        rule: name,
        cooldown: Duration::ZERO,
        per_target_max: u32::MAX,
        in_all_max: u32::MAX,
        rate_window: RATE_WINDOW,
        concurrent_max: u32::MAX,
        lease: LEASE,
    }
}
