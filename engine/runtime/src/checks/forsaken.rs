//! Alerts of checks that there are no more: the check was taken out of the configuration, or its labels were changed.
//! Nobody else would ever say that they are over.

use std::collections::HashSet;
use std::sync::Arc;

use selfheal_contract::Intake as _;
use selfheal_core::labels::Fingerprint;

use super::{Check, notice};
use crate::engine::Engine;
use crate::listen::Door;

/// Says of each such alert that it is over.
///
/// # Errors
/// Some could not be found, or nobody could be told; it may be tried again.
pub(super) async fn resolve(engine: &Arc<Engine>, checks: &[Arc<Check>]) -> Result<(), String> {
    let own = |check: &Arc<Check>| [check.labels.fingerprint(), notice::blind(&check.labels).fingerprint()];
    let kept: HashSet<Fingerprint> = checks.iter().flat_map(own).collect();
    let door = Door(Arc::clone(engine));
    for alert in door.open(notice::SOURCE).await.map_err(|fault| fault.to_string())? {
        if kept.contains(&alert.fingerprint) {
            continue;
        }
        tracing::info!(alert = alert.name(), "its check is not configured any more; it counts as resolved");
        let body = notice::forsaken(&alert, engine.clock.now());
        door.take(notice::SOURCE, body).await.map_err(|fault| fault.to_string())?;
    }
    Ok(())
}
