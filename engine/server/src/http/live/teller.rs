//! The teller: hears what the journal has taken in, reads each thing once as it stands now, and tells it.
//!
//! In a storm there is more than anybody can read; then it is told that much has changed, and listeners read their lists
//! again, at a pace that is theirs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use selfheal_core::issue::IssueId;
use selfheal_core::remediation::RemediationId;
use selfheal_runtime::Engine;
use selfheal_runtime::feed::Change;
use selfheal_runtime::ports::JournalFault;
use serde_json::json;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use super::Shared;
use crate::http::api::views;
use crate::insight::Insight;

/// How long changes are gathered, so that what moves on quickly is read once.
const GATHERED: Duration = Duration::from_millis(100);
/// Things that are read and told one by one for each gathering; of more, it is told that much has changed.
const EACH_MAX: usize = 100;
/// After it was told that much has changed, how long it takes until it may be told again: nobody reads lists faster.
const MUCH_PAUSE: Duration = Duration::from_secs(1);
/// How long events are kept up after the last listener has gone, for it to come back.
const COMING_BACK: Duration = Duration::from_secs(60);

/// What has changed, each name once.
#[derive(Default)]
struct Gathered {
    issues: BTreeSet<IssueId>,
    remediations: BTreeSet<RemediationId>,
    approvals: BTreeSet<String>,
    settings: BTreeSet<String>,
    rules: bool,
    /// Something was missed.
    lagged: bool,
}

impl Gathered {
    fn add(&mut self, change: &Change) {
        self.issues.extend(&change.issues);
        self.remediations.extend(&change.remediations);
        self.approvals.extend(change.approvals.iter().cloned());
        self.settings.extend(change.settings.iter().cloned());
        self.rules |= change.rules;
        self.lagged |= change.much;
    }

    /// Takes everything that is there without waiting.
    fn drain(&mut self, changes: &mut Receiver<Arc<Change>>) {
        loop {
            match changes.try_recv() {
                Ok(change) => self.add(&change),
                Err(TryRecvError::Lagged(_)) => self.lagged = true,
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }

    fn is_much(&self) -> bool {
        self.lagged || self.issues.len() + self.remediations.len() + self.approvals.len() > EACH_MAX
    }
}

/// Tells for as long as the engine's feed lives.
pub(super) async fn run(engine: Arc<Engine>, insight: Arc<Insight>, shared: Arc<Shared>) {
    let mut changes = engine.feed.listen();
    let mut last_heard = None;
    let mut scores = None;
    // What was told of the health score may have been computed before the last change.
    let mut is_stale = false;
    loop {
        let mut gathered = Gathered::default();
        let change = tokio::select! {
            change = changes.recv() => change,
            () = outdated(&insight), if is_stale => {
                is_stale = false;
                tell_health(&insight, &shared, &mut scores).await;
                continue;
            }
        };
        match change {
            Ok(change) => gathered.add(&change),
            Err(RecvError::Lagged(_)) => gathered.lagged = true,
            Err(RecvError::Closed) => return,
        }
        tokio::time::sleep(GATHERED).await;
        gathered.drain(&mut changes);
        let now = engine.clock.monotonic();
        if shared.is_heard() {
            last_heard = Some(now);
        }
        if last_heard.is_none_or(|heard| now.saturating_sub(heard) > COMING_BACK) {
            shared.ring().skip();
            continue;
        }
        if let Err(fault) = tell(&engine, &shared, &gathered).await {
            tracing::warn!(%fault, "what has changed cannot be read; listeners read again");
            shared.ring().skip();
            shared.ring().publish("many", &json!({}));
        }
        if gathered.lagged || !gathered.issues.is_empty() {
            tell_health(&insight, &shared, &mut scores).await;
            is_stale = true;
        }
        if gathered.is_much() {
            tokio::time::sleep(MUCH_PAUSE).await;
        }
    }
}

async fn tell(engine: &Engine, shared: &Shared, gathered: &Gathered) -> Result<(), JournalFault> {
    if gathered.is_much() {
        let (issues, remediations) = (gathered.issues.len(), gathered.remediations.len());
        shared.ring().publish("many", &json!({ "issues": issues, "remediations": remediations }));
    } else {
        // What was decided before what followed from it.
        for id in &gathered.approvals {
            if let Some(approval) = engine.journal.approval(id).await? {
                let issue = engine.journal.issue(approval.issue).await?;
                let view = views::approval(&approval, issue.as_ref(), engine.clock.now());
                shared.ring().publish("approval", &view);
            }
        }
        for id in &gathered.remediations {
            if let Some((remediation, intents)) = engine.journal.remediation(*id).await? {
                let issue = engine.journal.issue(id.issue).await?;
                let view = views::remediation(&remediation, &intents, issue.as_ref());
                shared.ring().publish("remediation", &view);
            }
        }
        for id in &gathered.issues {
            if let Some(issue) = engine.journal.issue(*id).await? {
                shared.ring().publish("issue", &views::issue(&issue, engine));
            }
        }
    }
    for setting in &gathered.settings {
        match setting.as_str() {
            "switch" => shared.ring().publish("switch", &views::switch(&engine.switch.position())),
            other => shared.ring().publish("setting", &json!({ "name": other })),
        }
    }
    if gathered.rules {
        let (generation, refused) = (engine.rules.current().generation, engine.rules.refusal().is_some());
        shared.ring().publish("rules", &json!({ "generation": generation, "refused": refused }));
    }
    Ok(())
}

/// Waits until the health score would be computed anew.
async fn outdated(insight: &Insight) {
    tokio::time::sleep(insight.health_good_for().await).await;
}

/// Tells the health score where it has changed.
async fn tell_health(insight: &Insight, shared: &Shared, told: &mut Option<[(&'static str, u32); 6]>) {
    match insight.health().await {
        Ok(health) if *told != Some(health.parts()) => {
            *told = Some(health.parts());
            let scores: serde_json::Map<_, _> = health
                .parts()
                .into_iter()
                .map(|(part, score)| (format!("{part}_score"), score.into()))
                .collect();
            shared.ring().publish("health", &scores);
        }
        Ok(_) => {}
        Err(fault) => tracing::warn!(%fault, "the health score cannot be computed"),
    }
}
