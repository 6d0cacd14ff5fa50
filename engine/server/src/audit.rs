//! Tells the head of the audit chain in the log, so that it is kept where who can write the journal may not: every hour, and
//! when selfheal stops.

use std::sync::Arc;
use std::time::Duration;

use selfheal_runtime::Engine;
use selfheal_runtime::ports::Journal;

/// How often.
const EVERY: Duration = Duration::from_secs(3600);

/// Tells it for as long as the process runs.
pub async fn run(engine: Arc<Engine>) {
    loop {
        tell(&*engine.journal).await;
        engine.clock.sleep(EVERY).await;
    }
}

/// Tells it once.
pub async fn tell(journal: &dyn Journal) {
    match journal.chain().await {
        Ok(chain) => tracing::info!(head = %chain.head, "head of the audit chain"),
        Err(fault) => tracing::warn!(%fault, "the head of the audit chain cannot be read"),
    }
}
