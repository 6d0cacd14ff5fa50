//! Where alerts can be asked for: Alertmanager's own API, to find what its notifications did not bring.

use async_trait::async_trait;
use selfheal_core::alert::Alert;

/// An alert that stands at its source.
#[derive(Clone, Debug, PartialEq)]
pub struct StandingAlert {
    /// The alert, firing.
    pub alert: Alert,
    /// Whether a silence, an inhibition or a mute keeps its notifications back, and which.
    pub suppressed_by: Option<String>,
}

/// What a source says of its alerts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StandingAlerts {
    /// The alerts that stand.
    pub alerts: Vec<StandingAlert>,
    /// Whether these are all: nobody who was asked stayed away, and nothing was unreadable.
    pub whole: bool,
}

/// The source could not be asked.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct SourceFault(pub String);

/// A source of alerts.
#[async_trait]
pub trait AlertSource: Send + Sync {
    /// The alerts that stand at the source now.
    async fn standing(&self) -> Result<StandingAlerts, SourceFault>;
}
