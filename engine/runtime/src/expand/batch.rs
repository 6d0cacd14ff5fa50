//! A batch: alerts that become issues in one transaction, and what follows from it for the desk, the sinks and the notifications
//! that they came in.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use selfheal_core::alert::Alert;
use selfheal_core::issue::{IssueId, Outcome};
use selfheal_core::moment::later;
use tokio::sync::oneshot;
use tracing::Instrument as _;

use super::RETRY;
use crate::backlog::Admitted;
use crate::desk;
use crate::engine::Engine;
use crate::known::Place;
use crate::news;
use crate::ports::JournalFaultKind;
use crate::ports::journal::{Opening, Progress, ReceiptId, Sighted, Sighting, Tenure};
use crate::resource::resource;
use crate::rules::Generation;

/// Alerts that go into one transaction.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) sightings: Vec<Sighting>,
    pub(super) progress: Vec<Progress>,
    /// Receipts that are done with this batch and may not have their numbers yet.
    pub(super) coming: Vec<(oneshot::Receiver<ReceiptId>, u32)>,
    /// What the intake counts as waiting.
    pub(super) admitted: Vec<Admitted>,
    /// The place of the last of the notifications.
    pub(super) place: Place,
    /// The oldest generation of rules that any of the alerts was matched against.
    generation: Option<u64>,
}

impl Batch {
    /// One whose last notification is at a place.
    pub(super) fn at(place: Place) -> Self {
        Self { place, ..Self::default() }
    }

    pub(super) fn add(&mut self, engine: &Engine, received_at: Timestamp, trace: &str, alerts: Vec<Alert>) {
        let rules = engine.rules.current();
        self.generation.get_or_insert(rules.generation);
        self.sightings.extend(alerts.into_iter().map(|alert| Sighting {
            received_at,
            trace: trace.to_owned(),
            opening: opening(engine, &rules, &alert, received_at),
            alert,
            take_at: None,
        }));
    }

    /// Notes those receipts as done whose numbers are there; gives the others.
    fn arrived(&mut self) -> Vec<(oneshot::Receiver<ReceiptId>, u32)> {
        let mut later = Vec::new();
        for (mut receipt, expanded) in self.coming.drain(..) {
            match receipt.try_recv() {
                Ok(receipt) => self.progress.push(Progress { receipt, expanded, finished: true }),
                Err(oneshot::error::TryRecvError::Empty) => later.push((receipt, expanded)),
                Err(oneshot::error::TryRecvError::Closed) => {}
            }
        }
        later
    }

    /// Writes the batch, however long the journal cannot be written, and hands the issues on. False when the journal is
    /// broken: then nothing of it may be noted as done.
    pub(super) async fn write(&mut self, engine: &Arc<Engine>) -> bool {
        if self.sightings.is_empty() && self.progress.is_empty() && self.coming.is_empty() {
            return true;
        }
        let later = self.arrived();
        let (mut sightings, progress) =
            (std::mem::take(&mut self.sightings), std::mem::take(&mut self.progress));
        let now = engine.clock.now();
        let is_due = |sighting: &&mut Sighting| sighting.opening.wake_at.is_some_and(|at| at <= now);
        // What is to be looked at once is taken with its opening, as far as there are places.
        let places = engine.desk.places(desk::most(engine));
        sightings.iter_mut().filter(is_due).take(places).for_each(|sighting| sighting.take_at = Some(now));
        let sightings: Arc<[Sighting]> = sightings.into();
        let span = tracing::info_span!("expand", alerts = sightings.len());
        let seen = async {
            loop {
                let began = engine.clock.monotonic();
                match engine.journal.expand(Arc::clone(&sightings), progress.clone()).await {
                    Ok(seen) => return Some((seen, began)),
                    Err(fault) if fault.kind == JournalFaultKind::Broken => {
                        engine.stop.broken(&fault);
                        return None;
                    }
                    Err(fault) => {
                        tracing::error!(%fault, "alerts wait: the journal cannot be written");
                        engine.clock.sleep(RETRY).await;
                    }
                }
            }
        };
        let Some((seen, began)) = seen.instrument(span).await else { return false };
        note_later(engine, later);
        self.admitted.clear();
        let reloaded =
            self.generation.take().is_some_and(|matched| matched != engine.rules.current().generation);
        let mut unmatched = Vec::new();
        let changed: HashSet<IssueId> = seen.iter().filter_map(changed).collect();
        for (sighting, sighted) in sightings.iter().zip(seen) {
            if let (true, Sighted::Opened(id), None) = (reloaded, &sighted, sighting.opening.wake_at) {
                unmatched.push(*id);
            }
            hand_on(engine, sighting, sighted, began, self.place, &changed);
        }
        // The rules changed meanwhile; one of the new ones may be for them.
        if let Err(fault) = engine.call(unmatched).await {
            tracing::warn!(%fault, "issues without a rule could not be matched again");
        }
        true
    }
}

/// Notes receipts as done when they are on the disk.
fn note_later(engine: &Arc<Engine>, coming: Vec<(oneshot::Receiver<ReceiptId>, u32)>) {
    if coming.is_empty() {
        return;
    }
    let engine = Arc::clone(engine);
    tokio::spawn(async move {
        let mut progress = Vec::with_capacity(coming.len());
        for (receipt, expanded) in coming {
            // One that could not be stored was not acknowledged, and there is nothing to note.
            let Ok(receipt) = receipt.await else { continue };
            progress.push(Progress { receipt, expanded, finished: true });
        }
        // What is not noted is expanded again after a crash, which changes nothing.
        if let Err(fault) = engine.journal.expand([].into(), progress).await {
            tracing::warn!(%fault, "notifications that are expanded are kept until the next start");
        }
    });
}

/// How an alert's issue begins, if it opens one.
fn opening(engine: &Engine, rules: &Generation, alert: &Alert, received_at: Timestamp) -> Opening {
    let matching = rules.matching(&alert.labels);
    let first = matching.first().map(|rule| rule.header());
    let opening = Opening {
        rule: first.map(|header| header.name.clone()),
        priority: first.map(|header| header.priority),
        component: first.map(|header| header.component),
        resource: resource(&alert.labels),
        wake_at: first.map(|header| later(received_at, engine.policy.delay(header.priority))),
        outcome: first.is_none().then(|| (Outcome::Unmatched, engine.rules.unmatched())),
        told: Vec::new(),
    };
    Opening { told: news::opens(engine, alert, &opening), ..opening }
}

/// The issue that a sighting has changed. One that opened in the same batch is no longer what it was opened as.
fn changed(sighted: &Sighted) -> Option<IssueId> {
    match sighted {
        Sighted::Refired(id) | Sighted::Resolved(id) => Some(*id),
        Sighted::Opened(_) | Sighted::Known(_) | Sighted::Stale => None,
    }
}

/// What a sighting means for the desk.
fn hand_on(
    engine: &Arc<Engine>,
    sighting: &Sighting,
    sighted: Sighted,
    began: Duration,
    place: Place,
    changed: &HashSet<IssueId>,
) {
    let count = |result: &str| engine.metrics.alerts.with_label_values(&[result]).inc();
    let now = engine.clock.now();
    match sighted {
        Sighted::Opened(id) => {
            count("opened");
            let rule = sighting.opening.rule.clone().unwrap_or_default();
            engine.metrics.issues_detected.with_label_values(&[rule.as_str()]).inc();
            let Some(wake_at) = sighting.opening.wake_at else { return };
            engine.storms.count(&rule, now);
            if sighting.take_at.is_some() {
                engine.holds.add(Tenure::first(id), began);
                let as_opened = (!changed.contains(&id)).then(|| sighting.clone().opened(id, None));
                engine.desk.look_at_new(id, as_opened);
            } else if wake_at <= now {
                engine.desk.left(now);
            } else {
                engine.desk.ring(wake_at);
            }
        }
        Sighted::Refired(id) => {
            count("refired");
            engine.desk.called(id, sighting.opening.wake_at.unwrap_or(now));
        }
        Sighted::Resolved(id) => {
            count("resolved");
            engine.desk.called(id, now);
        }
        Sighted::Known(_) => count("known"),
        Sighted::Stale => {
            count("stale");
            engine.backlog.known.forget(sighting.alert.fingerprint, place, engine.clock.monotonic());
        }
    }
}
