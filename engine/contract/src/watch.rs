//! Watches: what an adapter hears by itself. A watch turns what it sees into notifications in Alertmanager's model and
//! hands them to the same intake that takes the webhook's, so that there is one way in.

use std::sync::Arc;

use async_trait::async_trait;
use selfheal_core::alert::Alert;

use crate::right::Permission;

/// What a watch says of itself.
#[derive(Clone, Debug)]
pub struct AboutWatch {
    /// Its name; the source of its notifications in journal, log and metric: `kubernetes_pods`.
    pub name: &'static str,
    /// Whether of processes that share a journal one listens at a time. The next takes over from what that has left open,
    /// when it is gone or frozen for longer than its lease.
    pub alone: bool,
    /// What it listens to and which alerts it raises; for the reference documentation.
    pub doc: &'static str,
    /// The rights it needs at the target.
    pub permissions: Vec<Permission>,
}

/// A standing observation of an outside system.
#[async_trait]
pub trait Watch: Send + Sync {
    /// What it says of itself.
    fn about(&self) -> AboutWatch;

    /// Listens for as long as the process lives. It mends its connection by itself, with growing delays, and never
    /// returns; what it has not handed on when the future is dropped, it must be able to see again at the next start.
    async fn run(&self, intake: Arc<dyn Intake>);
}

/// Where a watch hands on what it saw.
#[async_trait]
pub trait Intake: Send + Sync {
    /// Takes one notification: the JSON body of Alertmanager's webhook, version 4. It is on disk when this returns.
    ///
    /// # Errors
    /// It is not on disk.
    async fn take(&self, watch: &'static str, body: Vec<u8>) -> Result<(), NotTaken>;

    /// The alerts of a watch that are still open: what an earlier process saw begin, and perhaps nobody saw end.
    ///
    /// # Errors
    /// They cannot be read at the moment.
    async fn open(&self, watch: &'static str) -> Result<Vec<Alert>, NotTaken>;
}

/// Why a notification was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// Not at the moment: to be handed on again after a while.
    #[error("{0}")]
    Later(String),
    /// It cannot be read; handing it on again is of no use.
    #[error("{0}")]
    Malformed(String),
}
