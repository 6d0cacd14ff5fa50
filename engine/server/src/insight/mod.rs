//! What the numbers say: the health score and the statistics, from the journal's episodes; what waits, and which parts work.
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
use selfheal_runtime::ports::journal::{ApprovalFilter, Waiting};
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
/// How long it is believed of the journal and the ledger that they work, or do not: each look is a write to both, and whoever
/// asks needs no credentials.
const PARTS_FRESH: Duration = Duration::from_millis(500);
/// How long a part may take to say that it works.
const PART_PATIENCE: Duration = Duration::from_secs(2);
/// How many open approvals are counted.
const APPROVALS_MAX: u32 = 1000;
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
    queues: Kept<Queues>,
    parts: Mutex<Option<(Duration, Arc<Parts>)>>,
}

/// What waits for people and for sinks.
#[derive(Debug)]
pub(crate) struct Queues {
    /// Approvals that are neither answered nor expired.
    pub(crate) approvals: usize,
    /// Sinks for which something waits.
    pub(crate) sinks: Vec<Waiting>,
}

/// Which parts work, or why they do not.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) journal: Result<(), String>,
    pub(crate) ledger: Result<(), String>,
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

/// A value, or why there is none, with the reading of the monotonic clock until which it is good.
type Kept<T> = Arc<Mutex<Option<(Duration, Result<Arc<T>, JournalFault>)>>>;

impl Insight {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        let (health, statistics, last_fired, held, queues, parts) = Default::default();
        Self { engine, health, statistics, last_fired, held, queues, parts }
    }

    /// The health score, not older than a second, or in a storm than it may be.
    pub(crate) async fn health(&self) -> Result<Arc<HealthScore>, JournalFault> {
        let engine = Arc::clone(&self.engine);
        self.kept(&self.health, HEALTH_FRESH, async move {
            let now = engine.clock.now();
            let episodes = engine.journal.episodes(health::since(now), EPISODES_MAX).await?;
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
        let engine = Arc::clone(&self.engine);
        self.kept(&self.statistics, STATISTICS_FRESH, async move {
            let now = engine.clock.now();
            let totals = engine.journal.totals().await?;
            let episodes = engine.journal.episodes(statistics::since(now), EPISODES_MAX).await?;
            aside(move || Statistics::of(totals, &episodes, now)).await
        })
        .await
    }

    /// When each rule last had a new issue, not older than a few seconds.
    pub(crate) async fn last_fired(&self) -> Result<Arc<LastFired>, JournalFault> {
        let engine = Arc::clone(&self.engine);
        self.kept(&self.last_fired, STATISTICS_FRESH, async move {
            let since = statistics::since(engine.clock.now());
            let episodes = engine.journal.episodes(since, EPISODES_MAX).await?;
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
        let engine = Arc::clone(&self.engine);
        let asked = self.kept(&self.held, HELD_FRESH, async move {
            let storms = engine.storms().await?;
            let hourly_limit_until = engine.hourly_limit_until().await.ok().flatten();
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

    /// What waits, not older than a second.
    pub(crate) async fn queues(&self) -> Result<Arc<Queues>, JournalFault> {
        let engine = Arc::clone(&self.engine);
        self.kept(&self.queues, HELD_FRESH, async move {
            let open = engine.journal.approvals(ApprovalFilter::open(APPROVALS_MAX)).await?;
            let now = engine.clock.now();
            let approvals = open.iter().filter(|approval| now < approval.expires_at).count();
            Ok(Queues { approvals, sinks: engine.journal.waiting().await? })
        })
        .await
    }

    /// Which parts work, not older than half a second, or than it took to find out.
    pub(crate) async fn parts(&self) -> Arc<Parts> {
        let mut place = self.parts.lock().await;
        let now = self.engine.clock.monotonic();
        if let Some((until, parts)) = place.as_ref()
            && now < *until
        {
            return Arc::clone(parts);
        }
        let journal = async { in_time("journal", self.engine.journal.check()).await };
        let ledger = async { in_time("ledger", self.engine.check_ledger()).await };
        let (journal, ledger) = futures::join!(journal, ledger);
        let parts = Arc::new(Parts { journal, ledger });
        let done = self.engine.clock.monotonic();
        *place = Some((done.saturating_add(PARTS_FRESH.max(done.saturating_sub(now))), Arc::clone(&parts)));
        parts
    }

    async fn kept<T: Send + Sync + 'static>(
        &self,
        place: &Kept<T>,
        fresh: Duration,
        compute: impl Future<Output = Result<T, JournalFault>> + Send + 'static,
    ) -> Result<Arc<T>, JournalFault> {
        // Whoever comes while it is computed waits for it, and then finds it.
        let mut place = Arc::clone(place).lock_owned().await;
        let engine = Arc::clone(&self.engine);
        let now = engine.clock.monotonic();
        if let Some((until, value)) = place.as_ref()
            && now < *until
        {
            return value.clone();
        }
        // It goes on when whoever asked has left, and one that fails after a while is not tried again at once: otherwise what takes
        // too long would be begun again by everybody who asks.
        let computing = tokio::spawn(async move {
            let value = compute.await.map(Arc::new);
            let done = engine.clock.monotonic();
            let good_for = fresh.max(done.saturating_sub(now).saturating_mul(TIMES_AS_LONG));
            *place = Some((done.saturating_add(good_for), value.clone()));
            value
        });
        computing.await.unwrap_or_else(|lost| Err(not_computed(&lost)))
    }
}

/// Whether a part says in time that it works.
async fn in_time<E: ToString>(name: &str, check: impl Future<Output = Result<(), E>>) -> Result<(), String> {
    match tokio::time::timeout(PART_PATIENCE, check).await {
        Ok(checked) => checked.map_err(|fault| fault.to_string()),
        Err(_) => Err(format!("{name}: no answer within {PART_PATIENCE:?}")),
    }
}

/// Computes where nobody waits for it.
async fn aside<T: Send + 'static>(compute: impl FnOnce() -> T + Send + 'static) -> Result<T, JournalFault> {
    tokio::task::spawn_blocking(compute).await.map_err(|lost| not_computed(&lost))
}

fn not_computed(lost: &tokio::task::JoinError) -> JournalFault {
    let what = format!("the numbers could not be computed: {lost}");
    JournalFault { kind: JournalFaultKind::Unavailable, what }
}
