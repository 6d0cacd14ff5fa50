//! Listening: what the adapters' watches hear goes through the same intake as Alertmanager's notifications.

use std::sync::Arc;

use async_trait::async_trait;
use selfheal_contract::{Intake, NotTaken, Watch};

use crate::engine::Engine;
use crate::intake::NotReceived;

/// The door through which watches hand on what they saw.
pub(crate) struct Door(pub(crate) Arc<Engine>);

#[async_trait]
impl Intake for Door {
    async fn take(&self, watch: &'static str, body: Vec<u8>) -> Result<(), NotTaken> {
        match self.0.receive(body, watch, None).await {
            Ok(_) => Ok(()),
            Err(NotReceived::Malformed(fault)) => Err(NotTaken::Malformed(fault.to_string())),
            Err(later) => Err(NotTaken::Later(later.to_string())),
        }
    }
}

/// Runs one watch for as long as the process lives.
pub(crate) async fn run(engine: Arc<Engine>, watch: Arc<dyn Watch>) {
    let name = watch.about().name;
    tracing::info!(watch = name, "listening");
    watch.run(Arc::new(Door(engine))).await;
}
