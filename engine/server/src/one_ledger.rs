//! One ledger for all processes that share a journal. Were each to count by its own, cooldowns and limits would hold for each
//! alone; so a process with an embedded ledger is alone with its journal, and those with a Redis admit only such with the
//! same keys.
//!
//! It is a lease in the journal like that of any task, whose holder is the ledger: all with the same one hold it together. That
//! the same keys are in the same Redis cannot be seen, as one server has many addresses.

use std::sync::Arc;
use std::time::Duration;

use selfheal_runtime::Engine;
use selfheal_runtime::ports::{Clock, Entropy, Journal, JournalFault};

use crate::assemble::AssembleFault;
use crate::config;

/// What the lease is called.
const TASK: &str = "ledger";
/// How long it lasts without being renewed.
const LEASE: Duration = Duration::from_secs(20);
/// How often it is renewed.
const KEEP_EVERY: Duration = Duration::from_secs(5);
/// How long a start waits for the lease of a process that may have died.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it asks meanwhile.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// The ledger of this process, as it stands in the journal.
pub struct OneLedger {
    holder: String,
    is_embedded: bool,
}

impl OneLedger {
    /// The ledger that is configured; nothing where nobody else can be at the journal.
    pub fn of(journal: &config::Journal, ledger: &config::Ledger, entropy: &dyn Entropy) -> Option<Self> {
        let is_embedded = ledger.url.is_none();
        let holder = match is_embedded {
            true => format!("embedded, {}", entropy.hex()),
            false => format!("redis, keys {}:*", ledger.prefix),
        };
        journal.url.is_some().then_some(Self { holder, is_embedded })
    }

    /// Sees to it that nobody is at the journal with another ledger. One that has died is waited for.
    ///
    /// # Errors
    /// Somebody is, or the journal cannot be asked.
    pub async fn take(&self, journal: &dyn Journal, clock: &dyn Clock) -> Result<(), AssembleFault> {
        let begun = clock.monotonic();
        loop {
            let why = match self.renew(journal, clock).await {
                Ok(true) => return Ok(()),
                Ok(false) => AssembleFault::Ledger(format!(
                    "another selfheal works with this journal and another ledger than this one's ({}), so that cooldowns and \
                     limits would hold for each alone; give all of them the same ledger.url and ledger.prefix, or run one only",
                    self.shown()
                )),
                Err(fault) => AssembleFault::Unreachable(fault.to_string()),
            };
            if clock.monotonic().saturating_sub(begun) >= PATIENCE {
                return Err(why);
            }
            tracing::debug!(%why, "waiting for the lease of a ledger to end");
            clock.sleep(ASK_EVERY).await;
        }
    }

    /// Keeps it so for as long as the process runs, which ends when somebody else has come in its place.
    pub async fn keep(&self, engine: Arc<Engine>) {
        loop {
            engine.clock.sleep(KEEP_EVERY).await;
            match self.renew(&*engine.journal, &*engine.clock).await {
                Ok(true) => {}
                Ok(false) => {
                    let why = "another selfheal has begun to work with this journal and another ledger, while this one could \
                               not say that it is there";
                    engine.stop.end(why);
                }
                Err(fault) => tracing::warn!(%fault, "that this ledger is in use could not be said"),
            }
        }
    }

    /// Lets the next one in at once. Those with a Redis may be several.
    pub async fn leave(&self, engine: &Engine) {
        if self.is_embedded {
            let now = engine.clock.now();
            if let Err(fault) = engine.journal.lease(TASK, &self.holder, now, Duration::ZERO).await {
                tracing::warn!(%fault, "the next process has to wait until this one's lease ends");
            }
        }
    }

    async fn renew(&self, journal: &dyn Journal, clock: &dyn Clock) -> Result<bool, JournalFault> {
        journal.lease(TASK, &self.holder, clock.now(), LEASE).await
    }

    fn shown(&self) -> &str {
        if self.is_embedded { "embedded" } else { &self.holder }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use jiff::{SignedDuration, Timestamp};
    use selfheal_runtime::simulation::MemoryJournal;

    use super::*;

    /// Time that passes when somebody sleeps.
    #[derive(Default)]
    struct Leaping(Mutex<Duration>);

    #[async_trait]
    impl Clock for Leaping {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH + SignedDuration::try_from(self.monotonic()).unwrap()
        }

        fn monotonic(&self) -> Duration {
            *self.0.lock().unwrap()
        }

        async fn sleep(&self, duration: Duration) {
            *self.0.lock().unwrap() += duration;
        }
    }

    fn embedded(name: &str) -> OneLedger {
        OneLedger { holder: format!("embedded, {name}"), is_embedded: true }
    }

    fn redis(prefix: &str) -> OneLedger {
        OneLedger { holder: format!("redis, keys {prefix}:*"), is_embedded: false }
    }

    #[tokio::test]
    async fn nobody_comes_beside_another_ledger() {
        let cases = [
            (redis("a"), redis("a"), true),
            (redis("a"), redis("b"), false),
            (redis("a"), embedded("1"), false),
            (embedded("1"), redis("a"), false),
            (embedded("1"), embedded("2"), false),
        ];
        for (first, second, admitted) in cases {
            let (journal, clock) = (MemoryJournal::default(), Leaping::default());
            first.take(&journal, &clock).await.unwrap();
            assert_eq!(second.renew(&journal, &clock).await.unwrap(), admitted, "{}", second.holder);
            // One that died is waited for; one that is there says so again and again.
            clock.sleep(LEASE - ASK_EVERY).await;
            if !admitted {
                assert!(first.renew(&journal, &clock).await.unwrap());
                clock.sleep(LEASE - ASK_EVERY).await;
                assert!(!second.renew(&journal, &clock).await.unwrap(), "{}", second.holder);
            }
            second.take(&journal, &clock).await.unwrap();
        }
    }
}
