//! What this process holds: renewed while it is needed, and known to be held only for as long as that is certain.
//!
//! The journal's clock decides when a lease ends. This process measures from before it asked, by the clock that only goes
//! forward, and takes a quarter off: within that time nobody else can have taken the issue. An effect that is under way
//! when that time ends is given up, as one that may have happened: whoever takes the issue looks for it at the target.

use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use selfheal_core::issue::IssueId;

use crate::engine::Engine;
use crate::ports::journal::{HOLD, JournalFault, JournalFaultKind, Tenure};

/// For how long nothing has confirmed that an issue is held when it is renewed. Whatever is written about it confirms it, too.
const RENEW_AFTER: Duration = Duration::from_secs(5);
/// How often it is looked what is to be renewed.
const RENEW_EVERY: Duration = Duration::from_secs(1);
/// For how long after a renewal it is certain that nobody else holds the issue.
const CERTAIN: Duration = Duration::from_secs(15);
/// How long to wait before an issue is given back again after the journal failed.
const JOURNAL_RETRY: Duration = Duration::from_secs(1);

/// The issues that this process holds.
#[derive(Default)]
pub(crate) struct Holds {
    held: Mutex<HashMap<Tenure, Held>>,
}

/// One of them.
struct Held {
    /// When it was last confirmed.
    confirmed: Duration,
    /// Whether an effect of it is under way at a target.
    acting: bool,
}

impl Holds {
    fn held(&self) -> MutexGuard<'_, HashMap<Tenure, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An issue was taken by a call that was made at this time.
    pub(crate) fn add(&self, tenure: Tenure, at: Duration) {
        self.held().insert(tenure, Held { confirmed: at, acting: false });
    }

    /// It was confirmed by a call that was made at this time that the issue is held, if it still is.
    pub(crate) fn confirm(&self, tenure: Tenure, at: Duration) {
        if let Some(held) = self.held().get_mut(&tenure) {
            held.confirmed = at.max(held.confirmed);
        }
    }

    /// The issue is not needed any more, or was lost. Says whether it was held.
    pub(crate) fn drop(&self, tenure: Tenure) -> bool {
        self.take(tenure).is_some()
    }

    /// The issue is about to be given back, and not renewed meanwhile. Gives since when it was confirmed, if it was held.
    pub(crate) fn take(&self, tenure: Tenure) -> Option<Duration> {
        self.held().remove(&tenure).map(|held| held.confirmed)
    }

    /// Nothing is needed any more; gives what may be given back. An issue with an effect under way may not: whoever took it
    /// would not find the effect at the target, and make it a second time.
    pub(crate) fn drop_all(&self) -> Vec<Tenure> {
        let all = self.held().drain().collect::<Vec<_>>();
        all.into_iter().filter(|(_, held)| !held.acting).map(|(tenure, _)| tenure).collect()
    }

    /// For how long from now nobody else can hold the issue; nothing when somebody may already.
    pub(crate) fn certain_for(&self, tenure: Tenure, now: Duration) -> Option<Duration> {
        let left = CERTAIN.checked_sub(now.saturating_sub(self.held().get(&tenure)?.confirmed))?;
        (!left.is_zero()).then_some(left)
    }

    /// An effect begins; it ends when the guard is dropped.
    pub(crate) fn acting(&self, tenure: Tenure) -> Acting<'_> {
        self.act(tenure, true);
        Acting { holds: self, tenure }
    }

    fn act(&self, tenure: Tenure, acting: bool) {
        if let Some(held) = self.held().get_mut(&tenure) {
            held.acting = acting;
        }
    }

    /// What this process holds. It is taken from nobody, least of all from itself.
    pub(crate) fn issues(&self) -> Vec<IssueId> {
        self.held().keys().map(|tenure| tenure.issue).collect()
    }

    /// What is to be renewed now.
    fn stale(&self, now: Duration) -> Vec<Tenure> {
        let stale = |held: &Held| now.saturating_sub(held.confirmed) >= RENEW_AFTER;
        self.held().iter().filter(|(_, held)| stale(held)).map(|(tenure, _)| *tenure).collect()
    }
}

/// An effect that is under way.
pub(crate) struct Acting<'h> {
    holds: &'h Holds,
    tenure: Tenure,
}

impl Drop for Acting<'_> {
    fn drop(&mut self) {
        self.holds.act(self.tenure, false);
    }
}

impl Engine {
    /// Holds an issue while something is done about it, so that nobody, here or in another process, looks at it meanwhile.
    /// `None` when somebody does already.
    pub(crate) async fn holding<T, E, F>(
        &self,
        issue: IssueId,
        work: impl FnOnce(Tenure) -> F,
    ) -> Result<Option<T>, E>
    where
        E: From<JournalFault>,
        F: Future<Output = Result<T, E>>,
    {
        if self.holds.issues().contains(&issue) {
            return Ok(None);
        }
        let began = self.clock.monotonic();
        let Some(tenure) = self.journal.take_one(issue, self.clock.now()).await? else { return Ok(None) };
        self.holds.add(tenure, began);
        let worked = AssertUnwindSafe(work(tenure)).catch_unwind().await;
        self.give_back(tenure, Duration::ZERO).await;
        // A look at the issue that came meanwhile has had to wait.
        self.desk.ring(self.clock.now());
        let panicked = |_| {
            tracing::error!(%issue, "what was done about an issue panicked");
            let what = format!("what was done about {issue} panicked");
            Err(JournalFault { kind: JournalFaultKind::Unavailable, what }.into())
        };
        worked.unwrap_or_else(panicked).map(Some)
    }

    /// Gives an issue back unless that is done or it was lost. It may be looked at again after a time.
    pub(crate) async fn give_back(&self, tenure: Tenure, after: Duration) {
        if !self.holds.drop(tenure) {
            return;
        }
        loop {
            match self.journal.keep(vec![tenure], self.clock.now(), after).await {
                Ok(_) => return self.desk.ring(self.clock.after(after)),
                Err(fault) if fault.kind == JournalFaultKind::Broken => return self.stop.broken(&fault),
                Err(_) => self.clock.sleep(JOURNAL_RETRY).await,
            }
        }
    }
}

/// Renews what is held, for as long as the process runs.
pub(crate) async fn run(engine: Arc<Engine>) {
    loop {
        engine.clock.sleep(RENEW_EVERY).await;
        let began = engine.clock.monotonic();
        let held = engine.holds.stale(began);
        if held.is_empty() {
            continue;
        }
        match engine.journal.keep(held.clone(), engine.clock.now(), HOLD).await {
            Ok(kept) => {
                kept.iter().for_each(|tenure| engine.holds.confirm(*tenure, began));
                let kept: HashSet<Tenure> = kept.into_iter().collect();
                for tenure in held.into_iter().filter(|tenure| !kept.contains(tenure)) {
                    // A look that has just ended has given it back itself.
                    if engine.holds.drop(tenure) {
                        engine.desk.lost(tenure);
                    }
                }
            }
            // Effects wait until it is certain again, or learn that it is lost.
            Err(fault) => tracing::warn!(%fault, issues = held.len(), "what is held could not be renewed"),
        }
    }
}

impl Engine {
    /// Gives back the issues and tasks that this process holds, when it is about to end: others need not wait for its
    /// leases. Issues with an effect under way stay held until their leases end, for others could not tell yet what became of
    /// it. From then on nothing more has an effect.
    pub async fn leave(&self) {
        let held = self.holds.drop_all();
        if !held.is_empty()
            && let Err(fault) = self.journal.keep(held, self.clock.now(), Duration::ZERO).await
        {
            tracing::warn!(%fault, "what is held could not be given back; its leases end by themselves");
            return;
        }
        self.resign().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn it_is_certain_for_fifteen_seconds_from_before_it_was_asked() {
        let (holds, tenure) = (Holds::default(), Tenure::first(IssueId(1)));
        assert_eq!(holds.certain_for(tenure, seconds(10)), None, "never taken");
        holds.add(tenure, seconds(10));
        for (now, left) in [(10, Some(15)), (24, Some(1)), (25, None), (99, None)] {
            assert_eq!(holds.certain_for(tenure, seconds(now)), left.map(seconds), "{now}");
        }
        holds.confirm(tenure, seconds(20));
        holds.confirm(tenure, seconds(15));
        assert_eq!(
            holds.certain_for(tenure, seconds(25)),
            Some(seconds(10)),
            "an earlier call takes nothing away"
        );
    }

    #[test]
    fn what_was_confirmed_a_moment_ago_is_not_renewed() {
        let (holds, tenure) = (Holds::default(), Tenure::first(IssueId(1)));
        holds.add(tenure, seconds(10));
        assert_eq!(holds.stale(seconds(14)), []);
        assert_eq!(holds.stale(seconds(15)), [tenure]);
        holds.confirm(tenure, seconds(15));
        assert_eq!(holds.stale(seconds(19)), []);
    }

    #[test]
    fn what_has_an_effect_under_way_is_not_given_back() {
        let holds = Holds::default();
        let [idle, acting, acted] = [1, 2, 3].map(|id| Tenure::first(IssueId(id)));
        [idle, acting, acted].iter().for_each(|tenure| holds.add(*tenure, seconds(0)));
        let effect = holds.acting(acting);
        drop(holds.acting(acted));
        let mut given_back = holds.drop_all();
        given_back.sort_unstable_by_key(|tenure| tenure.issue);
        assert_eq!(given_back, [idle, acted]);
        assert_eq!(holds.certain_for(acting, seconds(0)), None, "and nothing more may be done");
        drop(effect);
    }
}
