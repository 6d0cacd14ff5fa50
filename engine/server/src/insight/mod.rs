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
use selfheal_runtime::ports::{JournalFault, JournalFaultKind};
use tokio::sync::Mutex;

pub use health::HealthScore;
pub use statistics::Statistics;

/// The most issues that are looked at.
const EPISODES_MAX: usize = 200_000;
/// How long a health score is good for.
const HEALTH_FRESH: Duration = Duration::from_secs(1);
/// How long statistics are good for.
const STATISTICS_FRESH: Duration = Duration::from_secs(5);

/// Computes and keeps the numbers.
pub(crate) struct Insight {
    engine: Arc<Engine>,
    health: Kept<HealthScore>,
    statistics: Kept<Statistics>,
    last_fired: Kept<LastFired>,
}

/// The latest issue of each rule within the last 30 days, and when it was received.
pub(crate) type LastFired = BTreeMap<String, (IssueId, Timestamp)>;

/// A value with the reading of the monotonic clock when it was computed.
type Kept<T> = Mutex<Option<(Duration, Arc<T>)>>;

impl Insight {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        let (health, statistics, last_fired) = Default::default();
        Self { engine, health, statistics, last_fired }
    }

    /// The health score, not older than a second.
    pub(crate) async fn health(&self) -> Result<Arc<HealthScore>, JournalFault> {
        self.kept(&self.health, HEALTH_FRESH, async {
            let now = self.engine.clock.now();
            let episodes = self.engine.journal.episodes(health::since(now), EPISODES_MAX).await?;
            aside(move || HealthScore::of(&episodes, now)).await
        })
        .await
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

    async fn kept<T>(
        &self,
        place: &Kept<T>,
        fresh: Duration,
        compute: impl Future<Output = Result<T, JournalFault>>,
    ) -> Result<Arc<T>, JournalFault> {
        // Whoever comes while it is computed waits for it, and then finds it.
        let mut place = place.lock().await;
        let now = self.engine.clock.monotonic();
        if let Some((at, value)) = place.as_ref()
            && now.saturating_sub(*at) < fresh
        {
            return Ok(Arc::clone(value));
        }
        let value = Arc::new(compute.await?);
        *place = Some((now, Arc::clone(&value)));
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
