//! Tells the head of the audit chain in the log, so that it is kept where who can write the journal may not: every hour, and
//! when selfheal stops. With `audit.key` it is signed.

use std::sync::Arc;
use std::time::Duration;

use selfheal_runtime::Engine;

/// How often.
const EVERY: Duration = Duration::from_secs(3600);

/// Tells it for as long as the process runs.
pub async fn run(engine: Arc<Engine>) {
    loop {
        tell(&engine).await;
        engine.clock.sleep(EVERY).await;
    }
}

/// Signs what is not signed yet, and tells it once more.
pub async fn finish(engine: &Engine) {
    if let Err(fault) = engine.checkpoint().await {
        tracing::error!(%fault, "the end of the audit chain could not be signed");
    }
    tell(engine).await;
}

async fn tell(engine: &Engine) {
    match engine.audit_head().await {
        Ok((_, Some(signed))) => tracing::info!(head = %signed, "head of the audit chain, signed"),
        Ok((chain, None)) => tracing::info!(head = %chain.head, "head of the audit chain"),
        Err(fault) => tracing::warn!(%fault, "the head of the audit chain cannot be read"),
    }
}
