//! Restore: at start, takes in what an earlier process left in the journal.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use selfheal_core::issue::Outcome;
use selfheal_core::policy::RATE_WINDOW;

use crate::engine::Engine;
use crate::ports::JournalFault;
use crate::ports::journal::RemediationFilter;
use crate::ports::ledger::Claim;

impl Engine {
    /// Takes in what an earlier process left: claims that still count, and the last hour's results.
    pub(crate) async fn restore(&self, now: Timestamp) -> Result<(), JournalFault> {
        let rules = self.rules.current();
        let cooldowns = rules.set.rules().iter().map(|rule| Duration::from(rule.header().cooldown));
        let reach = cooldowns.max().unwrap_or_default().max(self.policy.cooldown_min).max(RATE_WINDOW);
        let ago = |by: Duration| {
            now.checked_sub(SignedDuration::try_from(by).unwrap_or_default()).unwrap_or(Timestamp::MIN)
        };
        let mut filter =
            RemediationFilter { since: Some(ago(reach)), limit: 10_000, ..RemediationFilter::default() };
        let mut recent = Vec::new();
        loop {
            let page = self.journal.remediations(filter.clone()).await?;
            filter.before = page.last().map(|remediation| remediation.id);
            let last = page.len() < 10_000;
            recent.extend(page);
            if last {
                break;
            }
        }
        // What failed before a person turned the switch on again has been looked at.
        let counted_from = ago(RATE_WINDOW).max(self.switch.position().at);
        for remediation in recent.into_iter().rev() {
            let at = remediation.ended_at.unwrap_or(remediation.started_at);
            if let Some(success) =
                remediation.outcome.and_then(Outcome::success).filter(|_| at >= counted_from)
            {
                let _ = self.switch.count(success, at, &self.policy);
            }
            let running = remediation.ended_at.is_none();
            self.restore_claim(&remediation.claim, remediation.started_at, running).await;
        }
        let running =
            RemediationFilter { running: Some(true), limit: 10_000, ..RemediationFilter::default() };
        for remediation in self.journal.remediations(running).await? {
            self.restore_claim(&remediation.claim, remediation.started_at, true).await;
        }
        Ok(())
    }

    async fn restore_claim(&self, claim: &Claim, granted_at: Timestamp, running: bool) {
        if let Err(fault) = self.ledger.restore(claim, granted_at, running).await {
            // Guards ask the ledger again before anything is done, and hold while it cannot be asked.
            tracing::warn!(holder = claim.holder, %fault, "a claim could not be restored");
        }
    }
}
