//! What people ask for by hand: to take an issue in hand themselves, or to have it remediated now.
//!
//! A remediation that a person asks for goes the same way as any other: the rule decides, every guard is asked. All that is
//! skipped is waiting for its time.

use std::sync::Arc;
use std::time::Duration;

use selfheal_core::issue::{Event, IssueId, Phase};
use tokio::sync::broadcast::error::RecvError;

use crate::case::by_person;
use crate::engine::Engine;
use crate::news;
use crate::ports::journal::{Issue, Story, Write};
use crate::ports::{JournalFault, JournalFaultKind, SourceFault};

/// How long to wait for the decision that a person asked for.
const DECISION_TIMEOUT: Duration = Duration::from_secs(15);

/// The kind of the record that somebody has taken an issue in hand.
pub const ACKNOWLEDGED: &str = "acknowledged";

/// The kind of the record that somebody has asked for a remediation.
pub(crate) const ASKED: &str = "asked";

/// Why what a person asked for is not done.
#[derive(Clone, Debug, thiserror::Error)]
pub enum HandFault {
    /// There is no such thing.
    #[error("there is no {0}")]
    Missing(String),
    /// It cannot be done as things stand.
    #[error("{why}")]
    Conflict {
        /// What stands in the way.
        why: String,
        /// What to do.
        help: &'static str,
    },
    /// Who has asked for a remediation approves of its plan.
    #[error("{0} has asked for this remediation, and whoever asks cannot approve")]
    Asker(String),
    /// The source of alerts has not done what it was asked for, or it is not known whether it has.
    #[error("{0}")]
    Source(#[from] SourceFault),
    /// The ledger cannot be asked, and without it nothing is done.
    #[error("without the ledger nothing is done: {0}")]
    Ledger(String),
    /// The journal cannot be read or written.
    #[error("{0}")]
    Journal(#[from] JournalFault),
}

pub(crate) fn conflict(why: impl Into<String>, help: &'static str) -> HandFault {
    HandFault::Conflict { why: why.into(), help }
}

impl Engine {
    /// Notes that a person has taken an issue in hand, and tells the sinks. Saying so twice is saying so once. Nobody else is
    /// told about it from then on.
    ///
    /// # Errors
    /// There is no such issue, it is closed and has left nothing behind, or the journal cannot be written.
    pub async fn acknowledge(&self, id: IssueId, by: &str, reason: &str) -> Result<Story, HandFault> {
        let story = self.journal.story(id).await?.ok_or_else(|| HandFault::Missing(id.to_string()))?;
        let latest = story.records.iter().rev().find(|record| record.kind == ACKNOWLEDGED);
        if latest.is_some_and(|record| record.actor == by) {
            return Ok(story);
        }
        let left_behind = story.intents.iter().any(|intent| intent.state.needs_person());
        if story.issue.phase == Phase::Closed && !left_behind {
            return Err(conflict(format!("{id} is closed"), "there is nothing left to take in hand"));
        }
        let at = self.clock.now();
        let mut writes = vec![by_person(id, by, at, ACKNOWLEDGED, reason.to_owned())];
        writes.extend(news::acknowledged(self, &story.issue, by, reason));
        self.journal.commit(writes).await?;
        self.journal.story(id).await?.ok_or_else(|| HandFault::Missing(id.to_string()))
    }

    /// Decides about an issue now, because a person asks for it, and gives the issue as it stands after the decision: under
    /// way, waiting for approval, held, or at rest with the reason. A remediation goes on after this returns.
    ///
    /// # Errors
    /// There is no such issue; it is closed, resolved, under way or waits for an approval; or the journal cannot be
    /// written.
    pub async fn remediate_by_hand(
        self: &Arc<Self>,
        id: IssueId,
        by: &str,
        reason: &str,
    ) -> Result<Issue, HandFault> {
        let issue = self.journal.issue(id).await?.ok_or_else(|| HandFault::Missing(id.to_string()))?;
        may_be_asked_for(&issue)?;
        let mut changes = self.feed.listen();
        let at = self.clock.now();
        let why = format!("{by} asked for a remediation: {reason}");
        let (event, wake_at) = (Event::Hold, Some(at));
        let asked = vec![
            by_person(id, by, at, ASKED, why.clone()),
            // Were the process to end now, the next one would look at the issue at once.
            Write::Move { issue: id, event, wake_at, outcome: None, why: why.clone(), at },
            Write::Wake { issue: id, at },
        ];
        if let Err(fault) = self.journal.commit(asked).await {
            // It has moved on meanwhile, to where it may not be asked for.
            if fault.kind == JournalFaultKind::Conflict
                && let Some(issue) = self.journal.issue(id).await?
            {
                may_be_asked_for(&issue)?;
            }
            return Err(fault.into());
        }
        self.desk.called(id, at);
        let decided = async {
            loop {
                let concerns = match changes.recv().await {
                    Ok(change) => change.issues.contains(&id),
                    // What was missed may have been of this issue.
                    Err(RecvError::Lagged(_)) => true,
                    Err(RecvError::Closed) => return Ok(None),
                };
                if concerns
                    && let Some(issue) = self.journal.issue(id).await?
                    && issue.why != why
                {
                    return Ok::<_, JournalFault>(Some(issue));
                }
            }
        };
        let decided = tokio::select! {
            biased;
            decided = decided => decided?,
            () = self.clock.sleep(DECISION_TIMEOUT) => None,
        };
        match decided {
            Some(issue) => Ok(issue),
            None => self.journal.issue(id).await?.ok_or_else(|| HandFault::Missing(id.to_string())),
        }
    }
}

fn may_be_asked_for(issue: &Issue) -> Result<(), HandFault> {
    let id = issue.id;
    match issue.phase {
        Phase::Closed => Err(conflict(format!("{id} is closed"), "there is nothing left to remediate")),
        Phase::Remediating => {
            Err(conflict(format!("a remediation of {id} is under way"), "wait until it has ended"))
        }
        Phase::AwaitingApproval => Err(conflict(
            format!("{id} waits for an approval, or for what holds an approved plan back"),
            "see which: selfheal explain, selfheal approvals list, or GET /api/self-healing/approvals",
        )),
        Phase::Waiting | Phase::Rested if issue.resolved_at.is_some() => {
            Err(conflict(format!("the alert of {id} is resolved"), "there is nothing left to remediate"))
        }
        Phase::Waiting | Phase::Rested => Ok(()),
    }
}
