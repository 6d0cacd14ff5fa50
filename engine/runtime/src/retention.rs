//! Retention: forgets what has been over for long enough, in small transactions, so that nobody waits for it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use selfheal_core::moment::earlier;

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
    /// count of a remediation stays for as long as its issue. Remediations within the longest cooldown in use are kept in any
    /// case: when the ledger has lost its claims, they are restored from there.
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
    let rules = engine.rules.current();
    let windows = rules.set.rules().iter().map(|rule| Duration::from(rule.header().escalation.within));
    retention.horizons(engine.clock.now(), windows.max().unwrap_or_default(), engine.claims_reach())
}

impl Retention {
    /// Before when what is over may be forgotten, where failures count within `window`, and claims for `reach` after they were
    /// granted.
    fn horizons(self, now: Timestamp, window: Duration, reach: Duration) -> Horizons {
        let actions = self.actions.max(reach);
        Horizons {
            failures: earlier(now, self.failures.max(window)),
            actions: earlier(now, actions),
            events: earlier(now, self.events.max(actions)),
            now,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(hours: u64) -> Duration {
        Duration::from_secs(hours * 3600)
    }

    #[test]
    fn what_still_counts_is_kept() {
        // In hours: what is configured for failures, actions and events, the window, the reach of claims, and what is kept.
        let cases = [
            ([1, 168, 720], 1, 1, [1, 168, 720]),
            ([1, 168, 720], 12, 1, [12, 168, 720]),
            // A cooldown that is longer than what was done is kept, and than the stories.
            ([1, 168, 720], 1, 336, [1, 336, 720]),
            ([1, 1, 1], 1, 24, [1, 24, 24]),
            ([1, 5, 4], 1, 1, [1, 5, 5]),
        ];
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        for (number, (configured, window, reach, kept)) in cases.into_iter().enumerate() {
            let [failures, actions, events] = configured.map(hours);
            let found = Retention { failures, actions, events }.horizons(now, hours(window), hours(reach));
            let [failures, actions, events] = kept.map(|kept| earlier(now, hours(kept)));
            assert_eq!(found, Horizons { failures, actions, events, now }, "case {number}");
        }
    }

    #[test]
    fn what_reaches_beyond_time_is_kept_for_ever() {
        let found = Retention::default().horizons(Timestamp::UNIX_EPOCH, Duration::MAX, Duration::MAX);
        assert_eq!([found.failures, found.actions, found.events], [Timestamp::MIN; 3]);
    }
}
