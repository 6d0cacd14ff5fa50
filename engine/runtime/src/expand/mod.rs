//! Expand and match: stored notifications become issues, each with the rule that is for it.
//!
//! One task does it, in the order in which they came and many alerts in one transaction. What a crash leaves unexpanded is
//! found in the journal at start; expanding twice changes nothing.

mod batch;
mod stored;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use self::batch::Batch;
use self::stored::{add_stored, expand_stored};
use crate::backlog::Work;
use crate::engine::Engine;
use crate::known::Place;
use crate::ports::{JournalFault, JournalFaultKind};

/// Alerts expanded in one transaction.
const BATCH: usize = 1024;
/// Receipts read at a time at start.
const RECEIPTS_PAGE: usize = 64;
/// How often it is looked for notifications that another process has received and left.
const SWEEP: Duration = Duration::from_secs(5);
/// How long to wait before trying again when the journal cannot be written.
const RETRY: Duration = Duration::from_millis(500);

/// Expands for as long as the process runs, beginning with what an earlier process left.
pub(crate) async fn run(engine: Arc<Engine>, mut work: mpsc::UnboundedReceiver<(Place, Work)>) {
    while let Err(fault) = left_over(&engine).await {
        if fault.kind == JournalFaultKind::Broken {
            return engine.stop.broken(&fault);
        }
        tracing::error!(%fault, "what an earlier process left cannot be expanded yet; alerts wait");
        engine.clock.sleep(RETRY).await;
    }
    let mut swept = engine.clock.monotonic();
    loop {
        let first = tokio::select! {
            biased;
            first = work.recv() => first,
            () = engine.clock.sleep(SWEEP), if engine.shared => None,
        };
        if engine.shared && engine.clock.monotonic().saturating_sub(swept) >= SWEEP {
            swept = engine.clock.monotonic();
            if let Err(fault) = left_over(&engine).await {
                tracing::warn!(%fault, "cannot look for notifications that other processes have left");
            }
        }
        if first.is_none() && work.is_closed() {
            return;
        }
        let mut batch = Batch::default();
        let mut next = first;
        while let Some((place, piece)) = next.take() {
            match piece {
                Work::Alerts { receipt, received_at, trace, alerts, admitted } => {
                    batch.place = place;
                    let expanded = u32::try_from(alerts.len()).unwrap_or(u32::MAX);
                    batch.admitted.push(admitted);
                    batch.add(&engine, received_at, &trace, alerts);
                    batch.coming.push((receipt, expanded));
                }
                Work::Stored { receipt, admitted } => {
                    batch.write(&engine).await;
                    expand_stored(&engine, receipt, place).await;
                    drop(admitted);
                }
            }
            if batch.sightings.len() < BATCH {
                next = work.try_recv().ok();
            }
        }
        batch.write(&engine).await;
        engine.metrics.queue_size.set(i64::try_from(engine.waiting()).unwrap_or(i64::MAX));
    }
}

/// Expands what the journal holds from processes that are gone.
async fn left_over(engine: &Arc<Engine>) -> Result<(), JournalFault> {
    loop {
        let page = engine.journal.take_receipts(engine.clock.now(), RECEIPTS_PAGE).await?;
        if page.is_empty() {
            return Ok(());
        }
        // Before all that this process has received.
        let mut batch = Batch::at(Place::default());
        for receipt in page {
            tracing::info!(receipt = receipt.id.0, "expanding a notification that another process has left");
            add_stored(engine, &mut batch, receipt).await;
        }
        batch.write(engine).await;
    }
}
