//! Where news goes, and where alerts can be asked for.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use selfheal_core::alert::Alert;
use selfheal_runtime::ports::{
    AlertSource, News, Sink, SinkFault, SourceFault, StandingAlert, StandingAlerts,
};

use crate::dice::Dice;
use crate::house::Porch;

/// The name of the one sink.
pub const MAILBOX: &str = "mailbox";

/// A receiver of news that cannot always be reached, and may have got what it says it has not.
pub struct Mailbox {
    porch: Arc<Porch>,
    dice: Mutex<Dice>,
}

impl Mailbox {
    /// Of this process.
    pub fn new(porch: Arc<Porch>) -> Self {
        let dice = porch.dice("mail");
        Self { porch, dice: Mutex::new(dice) }
    }
}

#[async_trait]
impl Sink for Mailbox {
    fn name(&self) -> &str {
        MAILBOX
    }

    fn wants(&self, _news: &News) -> bool {
        true
    }

    async fn deliver(&self, news: &News, _key: &str) -> Result<(), SinkFault> {
        self.porch.life.go_on().await;
        self.porch.pulse().beat();
        let weather = self.porch.weather();
        let mut fails = weather.is(|weather| &weather.sinks_down);
        if !weather.is(|weather| &weather.calm) {
            let mut dice = self.dice.lock().unwrap_or_else(PoisonError::into_inner);
            fails |= dice.chance(self.porch.faults().sink_fails);
        }
        if fails {
            return Err(SinkFault { what: "the mailbox is full".to_owned(), retry: true, after: None });
        }
        self.porch.oracle().delivered(news);
        Ok(())
    }
}

/// What stands at the source of alerts.
#[derive(Default)]
pub struct Standing(Mutex<Vec<Alert>>);

impl Standing {
    /// An alert fires.
    pub fn fires(&self, alert: Alert) {
        let mut standing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        standing.retain(|other| other.fingerprint != alert.fingerprint);
        standing.push(alert);
    }

    /// An alert is gone. Gives it.
    pub fn goes(&self, wanted: impl Fn(&Alert) -> bool) -> Option<Alert> {
        let mut standing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = standing.iter().position(wanted)?;
        Some(standing.remove(place))
    }

    /// The alert that stands, if it does.
    pub fn find(&self, wanted: impl Fn(&Alert) -> bool) -> Option<Alert> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().find(|alert| wanted(alert)).cloned()
    }

    fn all(&self) -> Vec<StandingAlert> {
        let standing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        standing.iter().map(|alert| StandingAlert { alert: alert.clone(), suppressed_by: None }).collect()
    }
}

/// The source, as one process sees it.
pub struct Source(pub Arc<Porch>);

#[async_trait]
impl AlertSource for Source {
    async fn standing(&self) -> Result<StandingAlerts, SourceFault> {
        self.0.life.go_on().await;
        self.0.pulse().beat();
        if self.0.weather().is(|weather| &weather.source_down) {
            return Err(SourceFault("the source is down".to_owned()));
        }
        Ok(StandingAlerts { alerts: self.0.standing().all(), whole: true })
    }
}
