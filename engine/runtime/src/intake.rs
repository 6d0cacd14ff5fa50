//! Intake: a notification comes in, is checked, and is on disk when the answer is 200.
//!
//! What cannot be stored is answered 503, which Alertmanager retries. A malformed alert never drops its neighbours. A
//! notification whose every alert is known and on disk already is acknowledged from memory: there is nothing new to
//! store.

use std::sync::Arc;
use std::time::Duration;

use selfheal_core::alert::{Alert, AlertKey};
use selfheal_core::notification::{self, AlertFault, BodyFault, Envelope};
use tokio::sync::oneshot;

use crate::backlog::Work;
use crate::engine::Engine;
use crate::packed::pack;
use crate::ports::JournalFaultKind;
use crate::ports::journal::{NewReceipt, Receipt};

/// The source of what is posted as a notification.
pub const ALERTMANAGER: &str = "alertmanager";
/// Bodies up to this many alerts are handed on in memory; larger ones are read again from the journal's copy, piece by
/// piece.
const ALERTS_IN_MEMORY_MAX: usize = 1024;
/// Bodies larger than this are parsed on a thread of their own.
pub(crate) const PARSE_IN_PLACE_BYTES_MAX: usize = 256 * 1024;
/// Malformed alerts that an answer names; the others are counted.
const FAULTS_NAMED_MAX: usize = 10;
/// Alertmanager waits longer than this before it sends to a peer's receiver as well.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// What became of a notification that is on disk.
#[derive(Debug)]
pub struct Received {
    /// How many alerts it holds.
    pub alerts: usize,
    /// Whether all of them were known and on disk before.
    pub known: bool,
    /// Alerts that were left out because they are malformed.
    pub malformed: usize,
    /// The first of them, with what is wrong.
    pub faults: Vec<AlertFault>,
    /// Alerts that the sender cut off; they are asked for at the source.
    pub truncated: u64,
}

/// Why a notification is not on disk.
#[derive(Debug, thiserror::Error)]
pub enum NotReceived {
    /// It is not a notification; sending it again is of no use.
    #[error("{0}")]
    Malformed(BodyFault),
    /// Too much is waiting already.
    #[error("{waiting} alerts wait to be worked off, {most} may: send it again")]
    Overloaded {
        /// Alerts that wait.
        waiting: usize,
        /// Above which nothing more is taken.
        most: usize,
    },
    /// The journal cannot be written.
    #[error("{0}: send it again")]
    Unavailable(String),
}

struct Parsed {
    envelope: Envelope,
    keys: Vec<AlertKey>,
    /// All alerts, unless there are too many to keep.
    alerts: Option<Vec<Alert>>,
    malformed: usize,
    faults: Vec<AlertFault>,
    /// Ready to be stored; `None` while it is not known whether it needs to be.
    body: Vec<u8>,
}

impl Engine {
    /// Takes in a notification. `trace` is 32 hexadecimal digits; without one, a new trace begins.
    ///
    /// # Errors
    /// It is not on disk, because.
    pub async fn receive(
        self: &Arc<Self>,
        body: Vec<u8>,
        source: &'static str,
        trace: Option<String>,
    ) -> Result<Received, NotReceived> {
        let received_at = self.clock.now();
        let parsed = if body.len() > PARSE_IN_PLACE_BYTES_MAX {
            let parsed = tokio::task::spawn_blocking(move || parse(body, source)).await;
            parsed.map_err(|lost| NotReceived::Unavailable(lost.to_string()))?
        } else {
            parse(body, source)
        };
        let parsed = parsed.map_err(|fault| {
            self.metrics.validation_failures.with_label_values(&["notification", fault.kind.as_str()]).inc();
            self.count_notification("refused");
            NotReceived::Malformed(fault)
        })?;
        for fault in &parsed.faults {
            tracing::warn!(%fault, source, "an alert is malformed and was left out");
            self.metrics.validation_failures.with_label_values(&["alert", fault.kind.as_str()]).inc();
        }
        let count =
            |result: &str, n: usize| self.metrics.alerts.with_label_values(&[result]).inc_by(n as u64);
        count("malformed", parsed.malformed);
        let received = Received {
            alerts: parsed.keys.len(),
            known: self.backlog.known.all(&parsed.keys, self.clock.monotonic()),
            malformed: parsed.malformed,
            faults: parsed.faults,
            truncated: parsed.envelope.truncated_alerts,
        };
        if received.truncated > 0 {
            self.reconciler.ask();
        }
        if received.known {
            count("known", received.alerts);
            self.count_notification("known");
            return Ok(received);
        }
        self.store(parsed.body, parsed.alerts, parsed.keys, source, trace, received_at).await?;
        self.count_notification("stored");
        Ok(received)
    }

    async fn store(
        self: &Arc<Self>,
        body: Vec<u8>,
        alerts: Option<Vec<Alert>>,
        keys: Vec<AlertKey>,
        source: &'static str,
        trace: Option<String>,
        received_at: jiff::Timestamp,
    ) -> Result<(), NotReceived> {
        // Given back when the sender goes away before its notification is handed on.
        let admitted = self.backlog.admit(keys.len(), self.desk.waiting()).map_err(|(waiting, most)| {
            self.metrics.queue_overflow.inc();
            self.count_notification("unavailable");
            NotReceived::Overloaded { waiting, most }
        })?;
        let trace = trace.unwrap_or_else(|| self.entropy.hex());
        let body = if body.len() > PARSE_IN_PLACE_BYTES_MAX {
            let packed = tokio::task::spawn_blocking(move || pack(&body)).await;
            packed.map_err(|lost| NotReceived::Unavailable(lost.to_string()))?
        } else {
            pack(&body)
        };
        // A body that is expanded from its stored form needs its copy; one that is handed on in memory does not.
        let stored = alerts.is_none().then(|| body.clone());
        let receipt = NewReceipt { received_at, source, trace: trace.clone(), body };
        let (number, coming) = oneshot::channel();
        let (expanding, admitted) = match alerts {
            Some(alerts) => {
                let trace = trace.clone();
                let work = Work::Alerts { receipt: coming, received_at, trace, alerts, admitted };
                (Some(self.backlog.hand_on(work)), None)
            }
            None => (None, Some(admitted)),
        };
        // The write goes on when the sender has gone away: what is on disk must be expanded, too.
        let engine = Arc::clone(self);
        let writing = tokio::spawn(async move {
            match engine.journal.receive(receipt).await {
                Ok(id) => {
                    // Nobody waits for it when the process ends.
                    let _ = number.send(id);
                    let stored = stored.zip(admitted).map(|(body, admitted)| {
                        let source = source.to_owned();
                        let receipt = Receipt { id, received_at, source, trace, body, expanded: 0 };
                        engine.backlog.hand_on(Work::Stored { receipt, admitted })
                    });
                    if let Some(place) = expanding.or(stored) {
                        engine.backlog.known.add(&keys, place, engine.clock.monotonic());
                    }
                    Ok(())
                }
                Err(fault) => {
                    if let Some(place) = expanding {
                        // It is expanded all the same, so what was said before it was not said last.
                        let now = engine.clock.monotonic();
                        keys.iter().for_each(|key| engine.backlog.known.forget(key.fingerprint, place, now));
                    }
                    if fault.kind == JournalFaultKind::Broken {
                        engine.stop.broken(&fault);
                    }
                    Err(fault.to_string())
                }
            }
        });
        let unavailable = |why: String| {
            self.count_notification("unavailable");
            NotReceived::Unavailable(why)
        };
        tokio::select! {
            biased;
            written = writing => match written {
                Ok(Ok(())) => Ok(()),
                Ok(Err(why)) => Err(unavailable(why)),
                Err(lost) => Err(unavailable(lost.to_string())),
            },
            () = self.clock.sleep(ANSWER_TIMEOUT) => {
                Err(unavailable(format!("the journal did not answer within {ANSWER_TIMEOUT:?}")))
            }
        }
    }

    fn count_notification(&self, result: &str) {
        self.metrics.notifications.with_label_values(&[result]).inc();
    }
}

/// Who told of the alerts of a notification: its sender, by the address at which it says it can be reached, or the watch.
pub(crate) fn heard_by<'a>(source: &'a str, envelope: &'a Envelope) -> &'a str {
    if source == ALERTMANAGER { &envelope.external_url } else { source }
}

fn parse(body: Vec<u8>, source: &str) -> Result<Parsed, BodyFault> {
    let (mut keys, mut alerts) = (Vec::new(), Some(Vec::new()));
    let (mut malformed, mut faults) = (0, Vec::new());
    let envelope = notification::parse(&body, &mut |_, alert| match alert {
        Ok(alert) => {
            keys.push(alert.key());
            match &mut alerts {
                Some(kept) if kept.len() < ALERTS_IN_MEMORY_MAX => kept.push(alert),
                _ => alerts = None,
            }
        }
        Err(fault) => {
            malformed += 1;
            if faults.len() < FAULTS_NAMED_MAX {
                faults.push(fault);
            }
        }
    })?;
    let heard_by = heard_by(source, &envelope);
    alerts.iter_mut().flatten().for_each(|alert| alert.heard_by = Some(heard_by.into()));
    Ok(Parsed { envelope, keys, alerts, malformed, faults, body })
}
