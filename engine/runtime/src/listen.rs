//! Listening: what the adapters' watches hear goes through the same intake as Alertmanager's notifications.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use selfheal_contract::{AboutWatch, Intake, NotTaken, Watch};
use selfheal_core::alert::Alert;

use crate::engine::{Engine, PAGE};
use crate::intake::NotReceived;
use crate::ports::journal::{Issue, IssueFilter};

/// How often it is asked whose task it is to listen: several times within a lease.
const ASK_EVERY: Duration = Duration::from_secs(5);

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

/// Runs one watch for as long as the process lives; one that listens alone only while that is this process's task.
pub(crate) async fn run(engine: Arc<Engine>, watch: Arc<dyn Watch>) {
    let AboutWatch { name, alone, .. } = watch.about();
    let door = || Arc::new(Door(Arc::clone(&engine)));
    if !alone || !engine.shared {
        tracing::info!(watch = name, "listening");
        return watch.run(door()).await;
    }
    loop {
        while !engine.leads(name).await {
            engine.clock.sleep(ASK_EVERY).await;
        }
        tracing::info!(watch = name, "listening, for all processes that share the journal");
        let lost = async {
            while engine.leads(name).await {
                engine.clock.sleep(ASK_EVERY).await;
            }
        };
        tokio::select! {
            biased;
            () = lost => tracing::info!(watch = name, "another process listens, or nobody can tell who does"),
            () = watch.run(door()) => return,
        }
    }
}
