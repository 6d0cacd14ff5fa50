//! A ledger under test, the time it goes by, and claims on it.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use selfheal_runtime::ports::ledger::LedgerReading;
use selfheal_runtime::ports::{Claim, Ledger, Reserved};
use selfheal_runtime::simulation::Timeline;
use selfheal_store::{EmbeddedLedger, RedisLedger};

pub const HOUR: Duration = Duration::from_secs(3600);
pub const MOMENT: Duration = Duration::from_millis(40);
/// How long to wait for what must come; generous, because tests of a whole workspace share few cores.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Place {
    pub ledger: Box<dyn Ledger>,
    /// The caller's clock. A ledger with a clock of its own goes by that instead.
    timeline: Arc<Timeline>,
}

impl Place {
    pub fn embedded() -> Self {
        Self::of(|timeline| Box::new(EmbeddedLedger::new(timeline)))
    }

    /// A ledger of its own, with this prefix, in a Redis that several cases may share.
    pub async fn redis(url: &str, prefix: &str) -> Self {
        let ledger = RedisLedger::connect(url, prefix, Duration::from_secs(20)).unwrap();
        let memory = ledger.lost().await.unwrap().unwrap();
        ledger.restored(&memory).await.unwrap();
        Self::of(|_| Box::new(ledger))
    }

    fn of(ledger: impl FnOnce(Arc<Timeline>) -> Box<dyn Ledger>) -> Self {
        let began = Timestamp::from_second(1_800_000_000).unwrap();
        let timeline = Timeline::new(began, Arc::default());
        Self { ledger: ledger(Arc::clone(&timeline)), timeline }
    }

    pub fn now(&self) -> Timestamp {
        self.timeline.now()
    }

    /// Sets the caller's wall clock.
    pub fn set(&self, by: SignedDuration) {
        self.timeline.set(by);
    }

    pub async fn reserve(&self, claim: &Claim) -> Reserved {
        self.ledger.reserve(claim, self.now()).await.unwrap()
    }

    pub async fn granted(&self, claim: &Claim) -> bool {
        self.reserve(claim).await.granted
    }

    /// What refused a claim.
    pub async fn refusal(&self, claim: &Claim) -> LedgerReading {
        let Reserved { granted, reading } = self.reserve(claim).await;
        assert!(!granted, "{claim:?}");
        reading
    }

    pub async fn look(&self, claim: &Claim) -> LedgerReading {
        self.ledger.look(claim, self.now()).await.unwrap()
    }

    pub async fn release(&self, claim: &Claim) {
        self.ledger.release(claim, self.now()).await.unwrap();
    }

    /// Lets time pass, by both clocks, until something holds.
    pub async fn until(&self, what: &str, holds: impl AsyncFn() -> bool) {
        let deadline = std::time::Instant::now() + PATIENCE;
        while !holds().await {
            assert!(std::time::Instant::now() < deadline, "{what}");
            self.timeline.skip(Duration::from_millis(1));
            tokio::task::yield_now().await;
        }
    }

    /// Whether a moment of the caller's clock lies within a duration from now; Redis's clock goes on meanwhile.
    pub fn within(&self, moment: Option<Timestamp>, duration: Duration) -> bool {
        moment.is_some_and(|moment| {
            let ahead = Duration::try_from(moment.duration_since(self.now())).unwrap_or_default();
            ahead <= duration && ahead + PATIENCE >= duration
        })
    }
}

/// A claim of some holder on some target, by which nothing else is limited.
pub fn claim(holder: &str, target: &str) -> Claim {
    Claim {
        holder: holder.to_owned(),
        duplicate_key: format!("issue of {holder}/rule"),
        targets: vec![target.to_owned()],
        rule: "rule".to_owned(),
        cooldown: Duration::ZERO,
        per_target_max: 100,
        in_all_max: 100,
        rate_window: HOUR,
        concurrent_max: 100,
        lease: HOUR,
    }
}
