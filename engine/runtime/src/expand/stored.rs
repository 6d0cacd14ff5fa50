//! Notifications as they were stored: those that other processes have left, and those that are too large to be kept in memory
//! as a tree.

use std::sync::Arc;

use selfheal_core::alert::Alert;
use selfheal_core::notification;
use tokio::sync::mpsc;

use super::BATCH;
use super::batch::Batch;
use crate::engine::Engine;
use crate::intake::{PARSE_IN_PLACE_BYTES_MAX, heard_by};
use crate::known::Place;
use crate::packed::{unpack, unpacked_bytes};
use crate::ports::journal::{Progress, Receipt, ReceiptId};

/// Adds a stored notification to a batch, which is written as often as it is full. One that is too large is expanded by itself.
pub(super) async fn add_stored(engine: &Arc<Engine>, batch: &mut Batch, receipt: Receipt) {
    if unpacked_bytes(&receipt.body) > PARSE_IN_PLACE_BYTES_MAX {
        batch.write(engine).await;
        return expand_stored(engine, receipt, batch.place).await;
    }
    let Receipt { id, received_at, source, trace, body, expanded: skip } = receipt;
    let (mut expanded, mut pieces) = (skip, Vec::new());
    let read = read_stored(&body, skip, &source, &mut |piece| pieces.push(piece));
    for alerts in pieces {
        expanded = after(expanded, &alerts);
        batch.add(engine, received_at, &trace, alerts);
        // Should the process end in between, it is expanded again, which changes nothing.
        if batch.sightings.len() >= BATCH && !batch.write(engine).await {
            return;
        }
    }
    tell_damage(engine, id, read);
    batch.progress.push(Progress { receipt: id, expanded, finished: true });
}

/// Expands a stored notification piece by piece, so that it never sits in memory as a tree.
pub(super) async fn expand_stored(engine: &Arc<Engine>, receipt: Receipt, place: Place) {
    let Receipt { id, received_at, source, trace, body, expanded: skip } = receipt;
    let (pieces, mut received) = mpsc::channel::<Vec<Alert>>(2);
    let reading = tokio::task::spawn_blocking(move || {
        // Nobody reads on when the process ends; the journal has the rest.
        read_stored(&body, skip, &source, &mut |piece| drop(pieces.blocking_send(piece)))
    });
    let mut expanded = skip;
    while let Some(alerts) = received.recv().await {
        expanded = after(expanded, &alerts);
        let mut batch = Batch::at(place);
        batch.add(engine, received_at, &trace, alerts);
        batch.progress.push(Progress { receipt: id, expanded, finished: false });
        if !batch.write(engine).await {
            return;
        }
    }
    tell_damage(engine, id, reading.await.unwrap_or(Ok(())));
    let mut batch = Batch::default();
    batch.progress.push(Progress { receipt: id, expanded, finished: true });
    batch.write(engine).await;
}

/// How many alerts of a notification are expanded after some more.
fn after(expanded: u32, alerts: &[Alert]) -> u32 {
    expanded.saturating_add(u32::try_from(alerts.len()).unwrap_or(u32::MAX))
}

fn tell_damage(engine: &Engine, receipt: ReceiptId, read: Result<(), String>) {
    if let Err(why) = read {
        // It was checked before it was stored, so this copy was damaged; what could be read is expanded.
        tracing::error!(receipt = receipt.0, why, "a stored notification cannot be read");
        engine.metrics.validation_failures.with_label_values(&["stored", "damaged"]).inc();
    }
}

fn read_stored(body: &[u8], skip: u32, source: &str, take: &mut dyn FnMut(Vec<Alert>)) -> Result<(), String> {
    let body = unpack(body)?;
    // Whoever sends writes its address after the alerts.
    let envelope = notification::parse(&body, &mut |_, _| {}).map_err(|fault| fault.to_string())?;
    let heard_by = heard_by(source, &envelope);
    let (mut piece, mut good) = (Vec::with_capacity(BATCH), 0_u32);
    notification::parse(&body, &mut |_, alert| {
        let Ok(mut alert) = alert else { return };
        alert.heard_by = Some(heard_by.into());
        good += 1;
        if good <= skip {
            return;
        }
        piece.push(alert);
        if piece.len() == BATCH {
            take(std::mem::replace(&mut piece, Vec::with_capacity(BATCH)));
        }
    })
    .map_err(|fault| fault.to_string())?;
    if !piece.is_empty() {
        take(piece);
    }
    Ok(())
}
