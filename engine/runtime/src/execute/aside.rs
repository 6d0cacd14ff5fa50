//! Aside: what is done at the targets of a remediation that has ended. They are claimed, so that no remediation works on
//! them, and the issue is held, so that nobody looks at it.

use std::time::Duration;

use selfheal_core::remediation::RemediationId;

use crate::decide::LEASE;
use crate::engine::Engine;
use crate::ports::journal::{JournalFault, Tenure};
use crate::ports::{Claim, LedgerFault};

/// What stands in the way.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InTheWay {
    /// The ledger cannot be asked, and without it nothing is done.
    #[error("{0}")]
    Ledger(#[from] LedgerFault),
    /// Somebody else is at work there.
    #[error("{0}")]
    Claimed(String),
    /// Somebody looks at the issue.
    #[error("the issue is being looked at")]
    Looked,
}

impl Engine {
    /// Does something at targets of a remediation that has ended, or says what stands in the way.
    pub(crate) async fn aside<T, E, F>(
        &self,
        id: RemediationId,
        targets: Vec<String>,
        work: impl FnOnce(Tenure) -> F,
    ) -> Result<Result<T, InTheWay>, E>
    where
        E: From<JournalFault>,
        F: Future<Output = Result<T, E>>,
    {
        let claim = claim(id, targets, &self.entropy.hex());
        match self.ledger.reserve(&claim, self.clock.now()).await {
            Err(fault) => return Ok(Err(fault.into())),
            Ok(reserved) if !reserved.granted => {
                let reading = reserved.reading;
                let why = match (reading.busy, reading.duplicate) {
                    (Some((target, holder)), _) => format!("{holder} is at work on {target}"),
                    (None, Some(holder)) => format!("{holder} is under way"),
                    (None, None) => "the ledger did not grant the targets".to_owned(),
                };
                return Ok(Err(InTheWay::Claimed(why)));
            }
            Ok(_) => {}
        }
        let worked = self.renewing(&claim, self.holding(id.issue, work)).await;
        self.release(&claim).await;
        Ok(worked?.ok_or(InTheWay::Looked))
    }

    /// Does something while the ledger's lease is renewed.
    pub(super) async fn renewing<T>(&self, claim: &Claim, work: impl Future<Output = T>) -> T {
        let renewing = async {
            loop {
                self.clock.sleep(LEASE / 3).await;
                // Whoever is about to change something asks again.
                let _ = self.renew(claim).await;
            }
        };
        tokio::select! {
            biased;
            worked = work => worked,
            never = renewing => never,
        }
    }

    /// Renews the ledger's lease, and says aloud when that fails.
    pub(super) async fn renew(&self, claim: &Claim) -> Result<(), LedgerFault> {
        self.ledger.renew(claim, self.clock.now()).await.inspect_err(|fault| {
            tracing::warn!(holder = %claim.holder, %fault, "the ledger's lease could not be renewed");
        })
    }
}

/// The targets alone: taking back cools nothing down, counts for no rate, and no limit of automatic remediation stands in
/// its way. Each is a holder of its own, so that of two at the same time one is refused.
fn claim(id: RemediationId, targets: Vec<String>, own: &str) -> Claim {
    let name = format!("taking back {id}");
    Claim {
        holder: format!("{name} {own}"),
        duplicate_key: name.clone(),
        targets,
        rule: name,
        cooldown: Duration::ZERO,
        per_target_max: u32::MAX,
        in_all_max: u32::MAX,
        rate_window: Duration::ZERO,
        concurrent_max: u32::MAX,
        lease: LEASE,
    }
}
