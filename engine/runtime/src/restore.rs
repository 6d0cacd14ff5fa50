//! Restore: at start, takes in what earlier processes left in the journal; and later, when the ledger has lost it. The other
//! way round, claims that the ledger could not be told to take back are given back when it can.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use selfheal_core::moment::earlier;
use selfheal_core::policy::RATE_WINDOW;

use crate::engine::Engine;
use crate::ports::journal::{Remediation, RemediationFilter};
use crate::ports::ledger::Memory;
use crate::ports::{Claim, JournalFault};

/// How often it is looked whether the ledger still knows what it should, and no more than that.
const LOOK: Duration = Duration::from_secs(5);

/// Claims of ended remediations that could not be given back, each until its lease has ended by itself.
#[derive(Default)]
pub(crate) struct Owed(Mutex<Vec<(Claim, Timestamp)>>);

impl Owed {
    fn all(&self) -> MutexGuard<'_, Vec<(Claim, Timestamp)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Takes in what earlier processes left: claims that still count, the last hour's results and the last
    /// minute's new issues.
    pub(crate) async fn restore(self: &Arc<Self>, now: Timestamp) -> Result<(), JournalFault> {
        self.restore_storms(now).await?;
        let lost = self.ledger.lost().await;
        let recent = self.recent(now).await?;
        // What failed before a person turned the switch on again has been looked at. Where nobody did, all of the hour counts.
        let counted_from = earlier(now, RATE_WINDOW).max(self.switch.position().at);
        let ended = recent.iter().filter_map(|remediation| {
            let at = remediation.ended_at.unwrap_or(remediation.started_at);
            Some((at, remediation.outcome?.helped()?)).filter(|_| at >= counted_from)
        });
        let mut ended: Vec<(Timestamp, bool)> = ended.collect();
        ended.sort_unstable();
        let mut too_many = None;
        for (at, success) in ended {
            too_many = self.switch.count(success, at, &self.policy);
        }
        // The process that saw the last one fail may have ended before it could turn the switch off.
        if let Some(why) = too_many {
            self.turn_off_by_itself(&why).await;
        }
        match lost {
            Ok(Some(memory)) => self.restore_ledger(&memory, &recent).await,
            Ok(None) => self.renew_running().await,
            // It is asked again as long as the process runs.
            Err(fault) => {
                tracing::warn!(%fault, "it cannot be told whether claims have to be restored");
                Ok(())
            }
        }
    }

    /// How long claims may count after they were granted: for the longest cooldown in use, and within the window of rates.
    /// For as long the journal keeps what they are restored from.
    pub(crate) fn claims_reach(&self) -> Duration {
        let rules = self.rules.current();
        let cooldowns = rules.set.rules().iter().map(|rule| Duration::from(rule.header().cooldown));
        cooldowns.max().unwrap_or_default().max(self.policy.cooldown_min).max(RATE_WINDOW)
    }

    /// The remediations whose claims may still count, newest first.
    async fn recent(&self, now: Timestamp) -> Result<Vec<Remediation>, JournalFault> {
        let mut filter = RemediationFilter {
            since: Some(earlier(now, self.claims_reach())),
            limit: 10_000,
            ..RemediationFilter::default()
        };
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
        Ok(recent)
    }

    async fn running(&self) -> Result<Vec<Remediation>, JournalFault> {
        let running =
            RemediationFilter { running: Some(true), limit: 10_000, ..RemediationFilter::default() };
        self.journal.remediations(running).await
    }

    /// Keeps what running remediations have claimed in a ledger that still knows it: their leases have ended when no process
    /// was there for a while, and nobody else must come before whoever takes them up.
    async fn renew_running(&self) -> Result<(), JournalFault> {
        for remediation in self.running().await? {
            let claim = &remediation.claim;
            if let Err(fault) = self.ledger.renew(claim, self.clock.now()).await {
                tracing::warn!(holder = claim.holder, %fault, "a running remediation's claim could not be renewed");
            }
        }
        Ok(())
    }

    /// Brings claims that still count into the ledger. What cannot be restored now is restored later: until then the
    /// ledger cannot be asked, or says that it has forgotten.
    async fn restore_ledger(&self, memory: &Memory, recent: &[Remediation]) -> Result<(), JournalFault> {
        let running = self.running().await?;
        // Oldest first.
        for remediation in recent.iter().rev().chain(&running) {
            let (claim, running) = (&remediation.claim, remediation.ended_at.is_none());
            if let Err(fault) = self.ledger.restore(claim, remediation.started_at, running).await {
                tracing::warn!(holder = claim.holder, %fault, "claims could not be restored");
                return Ok(());
            }
        }
        if let Err(fault) = self.ledger.restored(memory).await {
            tracing::warn!(%fault, "claims could not be restored");
        }
        Ok(())
    }
}

impl Engine {
    /// Gives a claim back.
    pub(crate) async fn release(&self, claim: &Claim) {
        match self.ledger.release(claim, self.clock.now()).await {
            Ok(()) => self.released(claim).await,
            // The lease ends by itself.
            Err(fault) => tracing::warn!(holder = claim.holder, %fault, "a claim could not be given back"),
        }
    }

    /// Gives back what an ended remediation has claimed, now or later. Nobody claims by its name again, so that it does no
    /// harm when that comes late.
    pub(crate) async fn release_ended(&self, claim: &Claim) {
        match self.ledger.release(claim, self.clock.now()).await {
            Ok(()) => self.released(claim).await,
            Err(fault) => {
                tracing::warn!(holder = claim.holder, %fault, "a claim could not be given back yet");
                self.owed.all().push((claim.clone(), self.clock.after(claim.lease)));
            }
        }
    }

    /// Who has waited for what was given back is looked at.
    async fn released(&self, claim: &Claim) {
        if let Err(fault) = self.call(self.waiters.next(&claim.targets, self.clock.now())).await {
            tracing::warn!(%fault, "issues that wait for a place are only looked at when their time comes");
        }
    }

    /// Gives back what could not be given back before, as far as the ledger can be asked.
    async fn release_owed(&self) {
        let mut owed = std::mem::take(&mut *self.owed.all()).into_iter();
        while let Some((claim, until)) = owed.next() {
            let now = self.clock.now();
            if until > now && self.ledger.release(&claim, now).await.is_err() {
                self.owed.all().extend(std::iter::once((claim, until)).chain(owed));
                return;
            }
        }
    }
}

/// Restores a ledger that has lost what it knew, for as long as the process runs.
pub(crate) async fn run(engine: Arc<Engine>) {
    loop {
        engine.clock.sleep(LOOK).await;
        engine.release_owed().await;
        let Ok(Some(memory)) = engine.ledger.lost().await else { continue };
        tracing::warn!("the ledger has lost what it knew; it is restored from the journal");
        let restored =
            async { engine.restore_ledger(&memory, &engine.recent(engine.clock.now()).await?).await };
        if let Err(fault) = restored.await {
            tracing::error!(%fault, "the ledger cannot be restored");
        }
    }
}
