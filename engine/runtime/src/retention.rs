//! Retention: forgets what has been over for long enough, in small transactions, so that nobody waits for it.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::engine::Engine;
use crate::ports::journal::Horizons;

/// How often it is looked for something to forget.
const EVERY: Duration = Duration::from_secs(600);
/// Issues, remediations or records forgotten in one transaction.
const BATCH: usize = 200;
/// The pause between two transactions.
const PAUSE: Duration = Duration::from_millis(100);
/// How long to wait after the journal failed.
const RETRY: Duration = Duration::from_secs(30);

/// How long what is over is kept. Open issues, settings and totals are kept for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Counts of failed tries. Those within the longest escalation window of the rules in use are kept in any case.
    pub failures: Duration,
    /// What remediations planned, changed and found before, and approvals, from when the issue was closed. What statistics
    /// count of a remediation stays for as long as its issue.
    pub actions: Duration,
    /// Issues and their stories, from when the issue was closed; no shorter than `actions`.
    pub events: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        const DAY: u64 = 24 * 3600;
        Self {
            failures: Duration::from_secs(3600),
            actions: Duration::from_secs(7 * DAY),
            events: Duration::from_secs(30 * DAY),
        }
    }
}

/// Forgets for as long as the process runs; one process at a time.
pub(crate) async fn run(engine: Arc<Engine>, retention: Retention) {
    loop {
        let mut wait = EVERY;
        // What was done to a chain that somebody made anew is to be seen as it is.
        if !engine.checkpoints.is_made_anew() && engine.leads("retention").await {
            let key = engine.checkpoints.key();
            match engine.journal.forget(horizons(&engine, retention), BATCH, key).await {
                Ok(0) => {}
                Ok(_) => wait = PAUSE,
                Err(fault) => {
                    tracing::warn!(%fault, "what is over could not be forgotten");
                    wait = RETRY;
                }
            }
        }
        engine.clock.sleep(wait).await;
    }
}

fn horizons(engine: &Engine, retention: Retention) -> Horizons {
    let now = engine.clock.now();
    let before = |kept: Duration| {
        now.checked_sub(SignedDuration::try_from(kept).unwrap_or(SignedDuration::MAX))
            .unwrap_or(Timestamp::MIN)
    };
    let rules = engine.rules.current();
    let windows = rules.set.rules().iter().map(|rule| Duration::from(rule.header().escalation.within));
    Horizons {
        failures: before(windows.max().unwrap_or_default().max(retention.failures)),
        actions: before(retention.actions),
        events: before(retention.events.max(retention.actions)),
        now,
    }
}
