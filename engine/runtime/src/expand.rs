//! Expand and match: stored notifications become issues, each with the rule that is for it.
//!
//! One task does it, in the order in which they came and many alerts in one transaction. What a crash leaves unexpanded is
//! found in the journal at start; expanding twice changes nothing.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use selfheal_core::alert::Alert;
use selfheal_core::guard::later;
use selfheal_core::issue::{IssueId, Outcome, Phase};
use selfheal_core::notification;
use selfheal_core::sighting::LATE_MAX;
use tokio::sync::{mpsc, oneshot};
use tracing::Instrument as _;

use crate::desk;
use crate::engine::Engine;
use crate::intake::{PARSE_IN_PLACE_BYTES_MAX, heard_by};
use crate::known::{Known, Place};
use crate::news;
use crate::ports::journal::{Issue, Opening, Progress, Receipt, ReceiptId, Sighted, Sighting, Tenure};
use crate::ports::{JournalFault, JournalFaultKind};
use crate::resource::resource;
use crate::rules::Generation;

/// Alerts expanded in one transaction.
const BATCH: usize = 1024;
/// Receipts read at a time at start.
const RECEIPTS_PAGE: usize = 64;
/// How often it is looked for notifications that another process has received and left.
const SWEEP: Duration = Duration::from_secs(5);
/// How long to wait before trying again when the journal cannot be written.
const RETRY: Duration = Duration::from_millis(500);

/// A notification that is to be expanded.
pub(crate) enum Work {
    /// With its alerts. It may still be on its way to the disk: both go on at the same time, for an alert that was expanded
    /// and then not acknowledged is only sent once more. Its number comes when it is there.
    Alerts {
        receipt: oneshot::Receiver<ReceiptId>,
        received_at: Timestamp,
        trace: String,
        alerts: Vec<Alert>,
        admitted: Admitted,
    },
    /// As it was stored.
    Stored { receipt: Receipt, admitted: Admitted },
}

/// Alerts for which there is room, until this is dropped: when they are expanded, or will not come.
pub(crate) struct Admitted {
    alerts: usize,
    waiting: Arc<AtomicUsize>,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.waiting.fetch_sub(self.alerts, Ordering::Relaxed);
    }
}

/// What intake and expansion share: how much waits, and what is known.
pub(crate) struct Intake {
    pub(crate) known: Known,
    waiting: Arc<AtomicUsize>,
    waiting_max: usize,
    /// The place of the last that was handed on.
    work: Mutex<(Place, mpsc::UnboundedSender<(Place, Work)>)>,
}

impl Intake {
    /// At most `backlog_max` alerts wait; the channel is bounded by that count. Where others expand alerts as well, what is
    /// known is trusted for less time than after which an alert may fire again with the start of before.
    pub(crate) fn new(backlog_max: usize, shared: bool) -> (Self, mpsc::UnboundedReceiver<(Place, Work)>) {
        let (work, receiver) = mpsc::unbounded_channel();
        let intake = Self {
            known: Known::new(if shared { LATE_MAX } else { Duration::MAX }),
            waiting: Arc::default(),
            // Back-pressure begins at 80 % of what there is room for.
            waiting_max: backlog_max / 5 * 4,
            work: Mutex::new((Place::default(), work)),
        };
        (intake, receiver)
    }

    /// Makes room for alerts, or says how many wait and how many may.
    pub(crate) fn admit(&self, alerts: usize, elsewhere: usize) -> Result<Admitted, (usize, usize)> {
        let before = self.waiting.fetch_add(alerts, Ordering::Relaxed);
        let admitted = Admitted { alerts, waiting: Arc::clone(&self.waiting) };
        // One notification always fits into an empty queue, however large it is.
        if before + elsewhere == 0 || before + elsewhere + alerts <= self.waiting_max {
            return Ok(admitted);
        }
        Err((before + elsewhere, self.waiting_max))
    }

    /// How many alerts may wait.
    pub(crate) fn most(&self) -> usize {
        self.waiting_max
    }

    /// Alerts that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Hands a notification on, which is expanded after all that were handed on before; gives its place.
    pub(crate) fn hand_on(&self, work: Work) -> Place {
        let mut handed = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        let (Place(last), sender) = &mut *handed;
        *last += 1;
        // The receiver lives as long as the rooms; without them, the journal has the notification.
        let _ = sender.send((Place(*last), work));
        Place(*last)
    }
}

/// Expands for as long as the process runs, beginning with what an earlier process left.
pub(crate) async fn run(engine: Arc<Engine>, mut work: mpsc::UnboundedReceiver<(Place, Work)>) {
    while let Err(fault) = left_over(&engine).await {
        if fault.kind == JournalFaultKind::Broken {
            return engine.stop.broken(&fault);
        }
        tracing::error!(%fault, "what an earlier process left cannot be expanded yet; alerts wait");
        engine.clock.sleep(RETRY).await;
    }
    let mut swept = engine.clock.monotonic();
    loop {
        let first = tokio::select! {
            biased;
            first = work.recv() => first,
            () = engine.clock.sleep(SWEEP), if engine.shared => None,
        };
        if engine.shared && engine.clock.monotonic().saturating_sub(swept) >= SWEEP {
            swept = engine.clock.monotonic();
            if let Err(fault) = left_over(&engine).await {
                tracing::warn!(%fault, "cannot look for notifications that other processes have left");
            }
        }
        if first.is_none() && work.is_closed() {
            return;
        }
        let mut batch = Batch::default();
        let mut next = first;
        while let Some((place, piece)) = next.take() {
            match piece {
                Work::Alerts { receipt, received_at, trace, alerts, admitted } => {
                    batch.place = place;
                    let expanded = u32::try_from(alerts.len()).unwrap_or(u32::MAX);
                    batch.admitted.push(admitted);
                    batch.add(&engine, received_at, &trace, alerts);
                    batch.coming.push((receipt, expanded));
                }
                Work::Stored { receipt, admitted } => {
                    batch.write(&engine).await;
                    expand_stored(&engine, receipt, place).await;
                    drop(admitted);
                }
            }
            if batch.sightings.len() < BATCH {
                next = work.try_recv().ok();
            }
        }
        batch.write(&engine).await;
        engine.metrics.queue_size.set(i64::try_from(engine.backlog()).unwrap_or(i64::MAX));
    }
}

/// Expands what the journal holds from processes that are gone.
async fn left_over(engine: &Arc<Engine>) -> Result<(), JournalFault> {
    loop {
        let page = engine.journal.take_receipts(engine.clock.now(), RECEIPTS_PAGE).await?;
        if page.is_empty() {
            return Ok(());
        }
        for receipt in page {
            tracing::info!(receipt = receipt.id.0, "expanding a notification that another process has left");
            // Before all that this process has received.
            expand_stored(engine, receipt, Place::default()).await;
        }
    }
}

/// Expands a stored body, piece by piece, so that it never sits in memory as a tree.
async fn expand_stored(engine: &Arc<Engine>, receipt: Receipt, place: Place) {
    let Receipt { id: receipt, received_at, source, trace, body, expanded: skip } = receipt;
    let mut expanded = skip;
    let mut expand = async |alerts: Vec<Alert>| {
        expanded = expanded.saturating_add(u32::try_from(alerts.len()).unwrap_or(u32::MAX));
        let mut batch = Batch { place, ..Batch::default() };
        batch.add(engine, received_at, &trace, alerts);
        batch.progress.push(Progress { receipt, expanded, finished: false });
        batch.write(engine).await
    };
    let read = if unpacked_bytes(&body) <= PARSE_IN_PLACE_BYTES_MAX {
        let mut pieces = Vec::new();
        let read = read_stored(&body, skip, &source, &mut |piece| pieces.push(piece));
        for alerts in pieces {
            if !expand(alerts).await {
                return;
            }
        }
        read
    } else {
        let (pieces, mut received) = mpsc::channel::<Vec<Alert>>(2);
        let reading = tokio::task::spawn_blocking(move || {
            // Nobody reads on when the process ends; the journal has the rest.
            read_stored(&body, skip, &source, &mut |piece| drop(pieces.blocking_send(piece)))
        });
        while let Some(alerts) = received.recv().await {
            if !expand(alerts).await {
                return;
            }
        }
        reading.await.unwrap_or(Ok(()))
    };
    if let Err(why) = read {
        // It was checked before it was stored, so this copy was damaged; what could be read is expanded.
        tracing::error!(receipt = receipt.0, why, "a stored notification cannot be read");
        engine.metrics.validation_failures.with_label_values(&["stored", "damaged"]).inc();
    }
    let mut batch = Batch::default();
    batch.progress.push(Progress { receipt, expanded, finished: true });
    batch.write(engine).await;
}

/// How large a stored body is when it is unpacked, as it says itself.
fn unpacked_bytes(body: &[u8]) -> usize {
    let size = body.first_chunk().map(|size| u32::from_le_bytes(*size));
    size.and_then(|size| usize::try_from(size).ok()).unwrap_or(usize::MAX)
}

fn read_stored(body: &[u8], skip: u32, source: &str, take: &mut dyn FnMut(Vec<Alert>)) -> Result<(), String> {
    let body = lz4_flex::decompress_size_prepended(body).map_err(|fault| fault.to_string())?;
    // Whoever sends writes its address after the alerts.
    let envelope = notification::parse(&body, &mut |_, _| {}).map_err(|fault| fault.to_string())?;
    let heard_by = heard_by(source, &envelope);
    let (mut piece, mut good) = (Vec::with_capacity(BATCH), 0_u32);
    notification::parse(&body, &mut |_, alert| {
        let Ok(mut alert) = alert else { return };
        alert.heard_by = Some(heard_by.into());
        good += 1;
        if good <= skip {
            return;
        }
        piece.push(alert);
        if piece.len() == BATCH {
            take(std::mem::replace(&mut piece, Vec::with_capacity(BATCH)));
        }
    })
    .map_err(|fault| fault.to_string())?;
    if !piece.is_empty() {
        take(piece);
    }
    Ok(())
}

/// Alerts that go into one transaction.
#[derive(Default)]
struct Batch {
    sightings: Vec<Sighting>,
    progress: Vec<Progress>,
    /// Receipts that are done with this batch and may not have their numbers yet.
    coming: Vec<(oneshot::Receiver<ReceiptId>, u32)>,
    /// What the intake counts as waiting.
    admitted: Vec<Admitted>,
    /// The place of the last of the notifications.
    place: Place,
    /// The oldest generation of rules that any of the alerts was matched against.
    generation: Option<u64>,
}

impl Batch {
    fn add(&mut self, engine: &Engine, received_at: Timestamp, trace: &str, alerts: Vec<Alert>) {
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
    async fn write(&mut self, engine: &Arc<Engine>) -> bool {
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
        let span = tracing::info_span!("expand", alerts = sightings.len());
        let seen = async {
            loop {
                let began = engine.clock.monotonic();
                match engine.journal.expand(sightings.clone(), progress.clone()).await {
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
        tell_opened(engine, &sightings, &seen).await;
        self.admitted.clear();
        let reloaded =
            self.generation.take().is_some_and(|matched| matched != engine.rules.current().generation);
        let mut unmatched = Vec::new();
        for (sighting, sighted) in sightings.into_iter().zip(seen) {
            if let (true, Sighted::Opened(id), None) = (reloaded, &sighted, sighting.opening.wake_at) {
                unmatched.push(*id);
            }
            hand_on(engine, sighting, sighted, began, self.place);
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
        if let Err(fault) = engine.journal.expand(Vec::new(), progress).await {
            tracing::warn!(%fault, "notifications that are expanded are kept until the next start");
        }
    });
}

/// How an alert's issue begins, if it opens one.
fn opening(engine: &Engine, rules: &Generation, alert: &Alert, received_at: Timestamp) -> Opening {
    let matching = rules.matching(&alert.labels);
    let first = matching.first().map(|rule| rule.header());
    Opening {
        rule: first.map(|header| header.name.clone()),
        priority: first.map(|header| header.priority),
        component: first.map(|header| header.component),
        resource: resource(&alert.labels),
        wake_at: first.map(|header| later(received_at, engine.policy.delay(header.priority))),
        outcome: first.is_none().then(|| (Outcome::Unmatched, "no rule is for this alert".to_owned())),
    }
}

/// Tells the sinks that want to hear of it which issues opened. A crash before this is written leaves such a message
/// out; what follows for the issue is told all the same.
async fn tell_opened(engine: &Engine, sightings: &[Sighting], seen: &[Sighted]) {
    if !news::tells_opened(engine) {
        return;
    }
    let told = sightings.iter().zip(seen).filter_map(|(sighting, sighted)| match sighted {
        Sighted::Opened(id) => Some(news::opened(engine, &opened(*id, sighting.clone()))),
        _ => None,
    });
    let writes: Vec<_> = told.flatten().collect();
    if writes.is_empty() {
        return;
    }
    if let Err(fault) = engine.journal.commit(writes).await {
        tracing::error!(%fault, "issues have opened, and the sinks are not told");
    }
}

/// What a sighting means for the desk.
fn hand_on(engine: &Arc<Engine>, sighting: Sighting, sighted: Sighted, began: Duration, place: Place) {
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
                engine.desk.look_at_new(opened(id, sighting));
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
            engine.intake.known.forget(sighting.alert.fingerprint, place, engine.clock.monotonic());
        }
    }
}

/// The issue that the journal has just opened, without reading it back.
fn opened(id: IssueId, sighting: Sighting) -> Issue {
    let Sighting { received_at, trace, alert, opening, .. } = sighting;
    Issue {
        id,
        fingerprint: alert.fingerprint,
        phase: Phase::Waiting,
        outcome: None,
        why: String::new(),
        rule: opening.rule,
        priority: opening.priority,
        component: opening.component,
        resource: opening.resource,
        alert,
        received_at,
        resolved_at: None,
        closed_at: None,
        wake_at: opening.wake_at,
        level: 0,
        level_since: None,
        remediations: 0,
        trace,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_handed_on_leaves_nothing_waiting() {
        let (intake, _work) = Intake::new(10, false);
        let first = intake.admit(6, 0).ok().unwrap();
        assert_eq!(intake.admit(3, 0).err(), Some((6, 8)));
        assert_eq!(intake.waiting(), 6, "what was refused does not wait");
        drop(first);
        assert_eq!(intake.waiting(), 0);
    }
}
