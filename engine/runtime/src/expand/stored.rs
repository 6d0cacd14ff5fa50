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
use crate::ports::journal::{Progress, Receipt};

/// Expands a stored body, piece by piece, so that it never sits in memory as a tree.
pub(super) async fn expand_stored(engine: &Arc<Engine>, receipt: Receipt, place: Place) {
    let Receipt { id: receipt, received_at, source, trace, body, expanded: skip } = receipt;
    let mut expanded = skip;
    let mut expand = async |alerts: Vec<Alert>| {
        expanded = expanded.saturating_add(u32::try_from(alerts.len()).unwrap_or(u32::MAX));
        let mut batch = Batch::at(place);
        batch.add(engine, received_at, &trace, alerts);
        batch.progress.push(Progress { receipt, expanded, finished: false });
        batch.write(engine).await
    };
    let read = if unpacked_bytes(&body) <= PARSE_IN_PLACE_BYTES_MAX {
        let mut pieces = Vec::new();
        let read = read_stored(&body, skip, &source, &mut |piece| pieces.push(piece));
        for alerts in pieces {
            if !expand(alerts).await {
                return;
            }
        }
        read
    } else {
        let (pieces, mut received) = mpsc::channel::<Vec<Alert>>(2);
        let reading = tokio::task::spawn_blocking(move || {
            // Nobody reads on when the process ends; the journal has the rest.
            read_stored(&body, skip, &source, &mut |piece| drop(pieces.blocking_send(piece)))
        });
        while let Some(alerts) = received.recv().await {
            if !expand(alerts).await {
                return;
            }
        }
        reading.await.unwrap_or(Ok(()))
    };
    if let Err(why) = read {
        // It was checked before it was stored, so this copy was damaged; what could be read is expanded.
        tracing::error!(receipt = receipt.0, why, "a stored notification cannot be read");
        engine.metrics.validation_failures.with_label_values(&["stored", "damaged"]).inc();
    }
    let mut batch = Batch::default();
    batch.progress.push(Progress { receipt, expanded, finished: true });
    batch.write(engine).await;
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
