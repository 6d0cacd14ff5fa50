//! What the numbers say: the health score and the statistics, from the journal's episodes.
//!
//! Each is computed at most once in a short while, by one request, and shared by all that ask meanwhile: a thousand
//! dashboards cost the journal what one does. The work is done on a thread for blocking work.

mod health;
mod spread;
mod statistics;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use selfheal_core::issue::IssueId;
use selfheal_runtime::Engine;
use selfheal_runtime::held::Storm;
use selfheal_runtime::ports::{JournalFault, JournalFaultKind};
use tokio::sync::Mutex;

pub use health::HealthScore;
pub use statistics::Statistics;

/// The most issues that are looked at.
const EPISODES_MAX: usize = 200_000;
/// How long a health score is good for, at least.
const HEALTH_FRESH: Duration = Duration::from_secs(1);
/// How long statistics are good for, at least.
const STATISTICS_FRESH: Duration = Duration::from_secs(5);
/// How long what holds remediations back is good for, at least.
const HELD_FRESH: Duration = Duration::from_secs(1);
/// What holds remediations back is told beside the switch, which does not wait for it longer than this.
const HELD_PATIENCE: Duration = Duration::from_secs(2);
/// A value is good for so many times as long as it took: in a storm of a hundred thousand issues whoever looks on does not
/// take the processor from those who heal.
const TIMES_AS_LONG: u32 = 20;

/// Computes and keeps the numbers.
pub(crate) struct Insight {
    engine: Arc<Engine>,
    health: Kept<HealthScore>,
    statistics: Kept<Statistics>,
    last_fired: Kept<LastFired>,
    held: Kept<Held>,
}

/// What holds remediations back at a moment.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) storms: Vec<Storm>,
    /// When there is room again among the remediations of an hour, if there is none.
    pub(crate) hourly_limit_until: Option<Timestamp>,
}

/// The latest issue of each rule within the last 30 days, and when it was received.
pub(crate) type LastFired = BTreeMap<String, (IssueId, Timestamp)>;

/// A value with the reading of the monotonic clock until which it is good.
type Kept<T> = Mutex<Option<(Duration, Arc<T>)>>;

impl Insight {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        let (health, statistics, last_fired, held) = Default::default();
        Self { engine, health, statistics, last_fired, held }
    }

    /// The health score, not older than a second, or in a storm than it may be.
    pub(crate) async fn health(&self) -> Result<Arc<HealthScore>, JournalFault> {
        self.kept(&self.health, HEALTH_FRESH, async {
            let now = self.engine.clock.now();
            let episodes = self.engine.journal.episodes(health::since(now), EPISODES_MAX).await?;
            aside(move || HealthScore::of(&episodes, now)).await
        })
        .await
    }

    /// How long the health score that was computed last is still given out.
    pub(crate) async fn health_good_for(&self) -> Duration {
        let until = self.health.lock().await.as_ref().map_or(Duration::ZERO, |(until, _)| *until);
        until.saturating_sub(self.engine.clock.monotonic())
    }

    /// The statistics, not older than a few seconds.
    pub(crate) async fn statistics(&self) -> Result<Arc<Statistics>, JournalFault> {
        self.kept(&self.statistics, STATISTICS_FRESH, async {
            let now = self.engine.clock.now();
            let totals = self.engine.journal.totals().await?;
            let episodes = self.engine.journal.episodes(statistics::since(now), EPISODES_MAX).await?;
            aside(move || Statistics::of(totals, &episodes, now)).await
        })
        .await
    }

    /// When each rule last had a new issue, not older than a few seconds.
    pub(crate) async fn last_fired(&self) -> Result<Arc<LastFired>, JournalFault> {
        self.kept(&self.last_fired, STATISTICS_FRESH, async {
            let since = statistics::since(self.engine.clock.now());
            let episodes = self.engine.journal.episodes(since, EPISODES_MAX).await?;
            // Newest first: what is there already stays.
            let mut latest = LastFired::new();
            for episode in episodes {
                if let Some(rule) = episode.rule {
                    latest.entry(rule).or_insert((episode.issue, episode.received_at));
                }
            }
            Ok(latest)
        })
        .await
    }

    /// What holds remediations back, not older than a second. A journal or a ledger that cannot be asked is told elsewhere,
    /// and holds everything back; then nothing is said here.
    pub(crate) async fn held(&self) -> Arc<Held> {
        let asked = self.kept(&self.held, HELD_FRESH, async {
            let storms = self.engine.storms().await?;
            let hourly_limit_until = self.engine.hourly_limit_until().await.ok().flatten();
            Ok(Held { storms, hourly_limit_until })
        });
        match tokio::time::timeout(HELD_PATIENCE, asked).await {
            Ok(Ok(held)) => held,
            _ => Arc::default(),
        }
    }

    /// What holds remediations back has changed: it is asked for again.
    pub(crate) async fn forget_held(&self) {
        *self.held.lock().await = None;
    }

    async fn kept<T>(
        &self,
        place: &Kept<T>,
        fresh: Duration,
        compute: impl Future<Output = Result<T, JournalFault>>,
    ) -> Result<Arc<T>, JournalFault> {
        // Whoever comes while it is computed waits for it, and then finds it.
        let mut place = place.lock().await;
        let now = self.engine.clock.monotonic();
        if let Some((until, value)) = place.as_ref()
            && now < *until
        {
            return Ok(Arc::clone(value));
        }
        let value = Arc::new(compute.await?);
        let done = self.engine.clock.monotonic();
        let good_for = fresh.max(done.saturating_sub(now).saturating_mul(TIMES_AS_LONG));
        *place = Some((done.saturating_add(good_for), Arc::clone(&value)));
        Ok(value)
    }
}

/// Computes where nobody waits for it.
async fn aside<T: Send + 'static>(compute: impl FnOnce() -> T + Send + 'static) -> Result<T, JournalFault> {
    tokio::task::spawn_blocking(compute).await.map_err(|error| JournalFault {
        kind: JournalFaultKind::Unavailable,
        what: format!("the numbers could not be computed: {error}"),
    })
}
