//! Reconcile: asks the source of alerts what stands, at start and at intervals, for what its notifications did not
//! bring: cut alerts, lost flushes, what came and went while selfheal was down, and silences.
//!
//! What it finds goes through the same intake as a notification. Absence proves nothing by itself: an alert must be
//! gone for minutes, from every look in that time, with the source answering whole, before it counts as resolved; and only
//! if whoever told of it has also told of alerts that stand at the source. Others send here, too: Grafana, another
//! Alertmanager, people.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use selfheal_core::alert::{Alert, AlertStatus};
use selfheal_core::labels::Fingerprint;
use serde_json::json;
use tokio::sync::Notify;

use crate::engine::Engine;
use crate::ports::journal::{IssueFilter, Write};
use crate::ports::{AlertSource, JournalFault, StandingAlerts};

/// The source of what the reconciler finds.
pub(crate) const RECONCILER: &str = "reconciler";
/// Alerts in one notification that the reconciler makes.
const CHUNK: usize = 500;
/// The least time between two looks that cut notifications ask for.
const LOOK_MIN: Duration = Duration::from_secs(1);
/// How long an alert must be gone from its source to count as resolved. An Alertmanager that was restarted knows nothing until
/// Prometheus sends everything again, which takes about two minutes with its defaults.
const ABSENCE_MIN: Duration = Duration::from_secs(300);

/// The journal's name for the senders of alerts that stand at the source.
const SENDERS: &str = "reconciler/senders";
/// The newest open issues, by which senders are learnt.
const NEWEST: u32 = 100;
/// Senders remembered; a source has as many as it has peers, and changes their addresses rarely.
const SENDERS_MAX: usize = 64;

/// What the last look found, and a bell for the next one.
pub(crate) struct Reconciler {
    active: bool,
    bell: Notify,
    suppressed: RwLock<Suppressed>,
}

/// Which alerts are kept quiet, and by what.
#[derive(Default)]
struct Suppressed {
    by: HashMap<Fingerprint, String>,
    /// How often people have changed that here: a look that began before such a change does not know of it.
    changes: u64,
}

impl Reconciler {
    pub(crate) fn new(active: bool) -> Self {
        Self { active, bell: Notify::new(), suppressed: RwLock::default() }
    }

    /// Asks for a look soon.
    pub(crate) fn ask(&self) {
        if self.active {
            self.bell.notify_one();
        } else {
            tracing::warn!("alerts were cut off, and no Alertmanager is configured to ask for them");
        }
    }

    /// What keeps an alert's notifications back: a person has silenced it, or another alert inhibits it.
    pub(crate) fn suppressed(&self, fingerprint: Fingerprint) -> Option<String> {
        let suppressed = self.suppressed.read().unwrap_or_else(PoisonError::into_inner);
        suppressed.by.get(&fingerprint).cloned()
    }

    /// Notes what a person has just done to an alert here; the next look, which is soon, has the last word.
    pub(crate) fn suppress(&self, fingerprint: Fingerprint, by: Option<String>) {
        let mut suppressed = self.suppressed.write().unwrap_or_else(PoisonError::into_inner);
        suppressed.changes += 1;
        match by {
            Some(by) => drop(suppressed.by.insert(fingerprint, by)),
            None => drop(suppressed.by.remove(&fingerprint)),
        }
        drop(suppressed);
        self.ask();
    }

    fn changes(&self) -> u64 {
        self.suppressed.read().unwrap_or_else(PoisonError::into_inner).changes
    }

    /// Takes over what a look has found, unless a person has changed it since: another look has been asked for then.
    fn found(&self, by: HashMap<Fingerprint, String>, changes: u64) {
        let mut suppressed = self.suppressed.write().unwrap_or_else(PoisonError::into_inner);
        if suppressed.changes == changes {
            suppressed.by = by;
        }
    }
}

/// Looks for as long as the process runs.
pub(crate) async fn run(engine: Arc<Engine>, source: Arc<dyn AlertSource>, every: Duration) {
    let mut missing = HashMap::new();
    loop {
        let result = match look(&engine, &*source, every, &mut missing).await {
            Ok(()) => "ok",
            Err(why) => {
                tracing::warn!(why, "the source of alerts could not be asked");
                "failed"
            }
        };
        engine.metrics.reconciliations.with_label_values(&[result]).inc();
        engine.clock.sleep(LOOK_MIN.min(every)).await;
        tokio::select! {
            biased;
            () = engine.reconciler.bell.notified() => {}
            () = engine.clock.sleep(every.saturating_sub(LOOK_MIN)) => {}
        }
    }
}

async fn look(
    engine: &Arc<Engine>,
    source: &dyn AlertSource,
    every: Duration,
    missing: &mut HashMap<Fingerprint, Duration>,
) -> Result<(), String> {
    let changes = engine.reconciler.changes();
    let StandingAlerts { alerts: standing, whole } = match source.standing().await {
        Ok(answer) => answer,
        Err(fault) => {
            // What came and went while it did not answer was not seen.
            missing.clear();
            return Err(fault.to_string());
        }
    };
    let told = |fault: JournalFault| fault.to_string();
    let open = engine.journal.open_fingerprints().await.map_err(told)?;
    let known: HashMap<Fingerprint, _> =
        open.iter().map(|(print, issue, starts)| (*print, (*issue, *starts))).collect();

    let suppressed = standing
        .iter()
        .filter_map(|standing| Some((standing.alert.fingerprint, standing.suppressed_by.clone()?)))
        .collect();
    engine.reconciler.found(suppressed, changes);

    // Everybody knows what is silenced; what was not heard of is told by one.
    let leads = engine.leads("reconciler").await;
    let unheard: Vec<&Alert> = standing
        .iter()
        .filter(|standing| standing.suppressed_by.is_none())
        .map(|standing| &standing.alert)
        .filter(|alert| known.get(&alert.fingerprint).is_none_or(|(_, starts)| is_newer(alert, *starts)))
        .collect();
    for chunk in unheard.chunks(CHUNK).filter(|_| leads) {
        let received = receive(engine, chunk).await?;
        engine.metrics.recovered_alerts.inc_by(received);
    }

    if !whole {
        // What is missing from such an answer may stand all the same.
        missing.clear();
        return Ok(());
    }
    let stands: HashSet<Fingerprint> = standing.iter().map(|standing| standing.alert.fingerprint).collect();
    let senders = if leads { senders(engine, &stands).await.map_err(told)? } else { BTreeSet::new() };
    missing.retain(|print, _| known.contains_key(print) && !stands.contains(print));
    for (print, id, _) in open.iter().filter(|(print, ..)| !stands.contains(print)) {
        let now = engine.clock.monotonic();
        let missed_for = now.saturating_sub(*missing.entry(*print).or_insert(now));
        if !leads || missed_for < ABSENCE_MIN.max(every.saturating_mul(2)) {
            continue;
        }
        let Some(issue) = engine.journal.issue(*id).await.map_err(told)? else { continue };
        if issue.alert.heard_by.as_deref().is_none_or(|sender| !senders.contains(sender)) {
            // It never was at this source; whoever told of it says when it is over.
            continue;
        }
        tracing::info!(issue = %id, "the alert is gone from its source without a word; it counts as resolved");
        let gone = Alert { status: AlertStatus::Resolved, ends_at: Some(engine.clock.now()), ..issue.alert };
        receive(engine, &[&gone]).await?;
    }
    Ok(())
}

/// Who tells of alerts that stand at the source, as far as that has been seen.
async fn senders(engine: &Engine, stands: &HashSet<Fingerprint>) -> Result<BTreeSet<String>, JournalFault> {
    let stored = engine.journal.setting(SENDERS).await?;
    let known: BTreeSet<String> =
        stored.and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default();
    let mut senders = known.clone();
    senders.insert(RECONCILER.to_owned());
    let newest = IssueFilter { open: Some(true), limit: NEWEST, ..IssueFilter::default() };
    for issue in engine.journal.issues(newest).await? {
        if let Some(sender) = issue.alert.heard_by
            && stands.contains(&issue.fingerprint)
            && senders.len() < SENDERS_MAX
        {
            senders.insert(sender.into());
        }
    }
    if senders != known {
        let value = json!(senders);
        engine.journal.commit(vec![Write::Set { key: SENDERS.to_owned(), value }]).await?;
    }
    Ok(senders)
}

/// The source's own API cuts starts off to milliseconds.
fn is_newer(alert: &Alert, known: jiff::Timestamp) -> bool {
    alert.starts_at.as_millisecond() > known.as_millisecond()
}

/// Puts alerts through the intake; gives how many were new to it.
async fn receive(engine: &Arc<Engine>, alerts: &[&Alert]) -> Result<u64, String> {
    let body = json!({
        "version": "4",
        "receiver": RECONCILER,
        "status": "firing",
        "groupKey": "reconciler",
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "",
        "alerts": alerts,
    });
    let received = engine.receive(body.to_string().into_bytes(), RECONCILER, None).await;
    let received = received.map_err(|fault| fault.to_string())?;
    Ok(if received.known { 0 } else { received.alerts as u64 })
}
