//! Where alerts can be asked for and kept quiet: Alertmanager's own API.

use async_trait::async_trait;
use jiff::Timestamp;
use selfheal_core::alert::Alert;
use selfheal_core::labels::Labels;
use selfheal_core::matcher::{MatchOp, Matcher};
use serde::{Deserialize, Serialize};

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

/// A silence that stands at the source, whoever made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// The source's name for it.
    pub id: String,
    /// Which alerts, as Alertmanager writes matchers.
    pub matchers: Vec<String>,
    /// Who made it.
    pub by: String,
    /// What they said.
    pub comment: String,
    /// The first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub until: Timestamp,
}

/// A silence to be made, or to be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSilence {
    /// The silence whose end it changes; without one it is new.
    pub instead_of: Option<String>,
    /// The alert's labels: it covers just those alerts that have all of them.
    pub labels: Labels,
    /// Who makes it.
    pub by: String,
    /// What they say.
    pub comment: String,
    /// The first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub until: Timestamp,
}

impl NewSilence {
    /// Its labels as matchers.
    pub fn matchers(&self) -> Vec<String> {
        let matcher =
            |(name, value)| Matcher::new(name, MatchOp::Equal, value).map(|matcher| matcher.to_string());
        // An equality has no pattern that could be wrong.
        self.labels.iter().flat_map(matcher).collect()
    }
}

/// The source could not be asked.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct SourceFault(pub String);

/// A source of alerts. One that knows no silences refuses to be asked for them.
#[async_trait]
pub trait AlertSource: Send + Sync {
    /// The alerts that stand at the source now.
    async fn standing(&self) -> Result<StandingAlerts, SourceFault>;

    /// The silences that stand now or are to begin.
    async fn silences(&self) -> Result<Vec<Silence>, SourceFault> {
        Err(no_silences())
    }

    /// Makes or changes a silence; gives its name at the source. A fault leaves open whether it was made.
    async fn silence(&self, _: NewSilence) -> Result<String, SourceFault> {
        Err(no_silences())
    }

    /// Ends a silence. One that is not there any more is no fault.
    async fn expire(&self, _id: &str) -> Result<(), SourceFault> {
        Err(no_silences())
    }
}

fn no_silences() -> SourceFault {
    SourceFault("this source of alerts knows no silences".to_owned())
}
