//! Listening: what the adapters' watches hear goes through the same intake as Alertmanager's notifications.

use std::sync::Arc;

use async_trait::async_trait;
use selfheal_contract::{Intake, NotTaken, Watch};
use selfheal_core::alert::Alert;

use crate::engine::{Engine, PAGE};
use crate::intake::NotReceived;
use crate::ports::journal::{Issue, IssueFilter};

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

    async fn open(&self, watch: &'static str) -> Result<Vec<Alert>, NotTaken> {
        let mut filter = IssueFilter { open: Some(true), limit: PAGE, ..IssueFilter::default() };
        let mut alerts = Vec::new();
        loop {
            let page = self.0.journal.issues(filter.clone()).await;
            let page = page.map_err(|fault| NotTaken::Later(fault.to_string()))?;
            filter.before = page.last().map(|issue| issue.id).filter(|_| page.len() == PAGE as usize);
            let own =
                |issue: &Issue| issue.resolved_at.is_none() && issue.alert.heard_by.as_deref() == Some(watch);
            alerts.extend(page.into_iter().filter(own).map(|issue| issue.alert));
            if filter.before.is_none() {
                return Ok(alerts);
            }
        }
    }
}

/// Runs one watch for as long as the process lives.
pub(crate) async fn run(engine: Arc<Engine>, watch: Arc<dyn Watch>) {
    let name = watch.about().name;
    tracing::info!(watch = name, "listening");
    watch.run(Arc::new(Door(engine))).await;
}
