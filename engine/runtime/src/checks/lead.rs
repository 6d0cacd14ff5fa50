//! Whose the checks are: one process's, of those that share a journal. When it is gone, or frozen for longer than its lease,
//! another takes them over and reads back where they stand.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::{Check, forsaken};
use crate::engine::Engine;

/// The task that only one process does at a time.
const TASK: &str = "checks";
/// How often it is asked whether the checks are this process's: several times within a lease.
const ASK_EVERY: Duration = Duration::from_secs(5);

/// The term in which the checks are this process's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lead {
    /// From 1.
    term: u64,
    ours: bool,
}

impl Lead {
    /// Whether the checks are this process's.
    pub(super) fn is_ours(self) -> bool {
        self.ours
    }

    /// What holds after it was asked.
    fn after(self, ours: bool) -> Self {
        let begins = ours && !self.ours;
        Self { term: self.term + u64::from(begins), ours }
    }
}

/// Keeps the checks, or tries to get them, for as long as the process runs.
pub(super) async fn keep(engine: &Arc<Engine>, checks: &[Arc<Check>], tell: &watch::Sender<Lead>) {
    // The term for which the alerts of checks that there are no more have been resolved.
    let mut resolved = Lead::default().term;
    loop {
        let before = *tell.borrow();
        let now = before.after(engine.leads(TASK).await);
        if now != before {
            tell.send_replace(now);
        }
        if now.ours && now.term != resolved {
            match forsaken::resolve(engine, checks).await {
                Ok(()) => resolved = now.term,
                Err(why) => {
                    tracing::warn!(why, "alerts of checks that there are no more could not be resolved yet")
                }
            }
        }
        engine.clock.sleep(ASK_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_it_is_taken_a_term_begins() {
        let mut lead = Lead::default();
        let terms: Vec<(u64, bool)> = [true, true, false, false, true, false]
            .into_iter()
            .map(|ours| {
                lead = lead.after(ours);
                (lead.term, lead.is_ours())
            })
            .collect();
        assert_eq!(terms, [(1, true), (1, true), (1, false), (1, false), (2, true), (2, false)]);
    }
}
