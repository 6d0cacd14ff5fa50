//! The desk: which issues are to be looked at, and when. One look at an issue at a time.
//!
//! Only the soonest wake-ups are kept in memory; the journal has all of them, and the desk reads on when it needs more.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use jiff::Timestamp;
use selfheal_core::issue::IssueId;
use tokio::sync::Notify;
use tracing::Instrument as _;

use crate::case;
use crate::engine::Engine;
use crate::ports::JournalFaultKind;
use crate::ports::journal::Issue;

/// Wake-ups kept in memory.
const WAKES_MAX: usize = 100_000;
/// Looks under way besides the running remediations.
const LOOKS_MAX: usize = 512;
/// Issues kept in memory while they wait for a place; the others are read again from the journal.
const READY_IN_MEMORY_MAX: usize = 4096;
/// How long to wait before reading on after the journal failed.
const JOURNAL_RETRY: Duration = Duration::from_secs(1);
/// How long to wait before looking again at an issue at which a look panicked.
const PANIC_RETRY: Duration = Duration::from_secs(60);

/// The desk.
#[derive(Default)]
pub(crate) struct Desk {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    wakes: BTreeSet<(Timestamp, IssueId)>,
    wake_of: HashMap<IssueId, Timestamp>,
    /// The last wake-up in memory, when the journal has later ones.
    horizon: Option<(Timestamp, IssueId)>,
    /// Whether a page of later ones is being read, which may miss what is written meanwhile.
    reading: bool,
    ready: VecDeque<IssueId>,
    /// Issues in `ready`, some with a copy of what the journal holds.
    queued: HashMap<IssueId, Option<Box<Issue>>>,
    in_memory: usize,
    active: HashSet<IssueId>,
    /// Issues that are to be looked at again when their present look ends.
    again: HashSet<IssueId>,
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at an issue at a time.
    pub(crate) fn wake_at(&self, issue: IssueId, at: Timestamp) {
        self.state().set_wake(issue, Some(at));
        self.changed.notify_one();
    }

    /// Replaces an issue's wake-up, or takes it away.
    pub(crate) fn look_later(&self, issue: IssueId, at: Option<Timestamp>) {
        self.state().set_wake(issue, at);
        self.changed.notify_one();
    }

    /// Looks at an issue as soon as there is a place.
    pub(crate) fn look_at(&self, issue: IssueId) {
        self.enqueue(issue, None);
    }

    /// Looks at an issue that was just opened.
    pub(crate) fn look_at_new(&self, issue: Issue) {
        self.enqueue(issue.id, Some(Box::new(issue)));
    }

    fn enqueue(&self, id: IssueId, issue: Option<Box<Issue>>) {
        self.state().enqueue(id, issue);
        self.changed.notify_one();
    }

    /// Issues that wait for a place.
    pub(crate) fn waiting(&self) -> usize {
        self.state().ready.len()
    }

    /// Whether an issue is being looked at or about to be.
    pub(crate) fn is_busy(&self) -> bool {
        let state = self.state();
        !state.ready.is_empty() || !state.active.is_empty()
    }
}

impl State {
    fn set_wake(&mut self, issue: IssueId, at: Option<Timestamp>) {
        if let Some(earlier) = self.wake_of.remove(&issue) {
            self.wakes.remove(&(earlier, issue));
        }
        let Some(at) = at else { return };
        if !self.reading && self.horizon.is_some_and(|horizon| (at, issue) > horizon) {
            // The journal has it; it is read when its time comes near.
            return;
        }
        self.wakes.insert((at, issue));
        self.wake_of.insert(issue, at);
        if self.wakes.len() > WAKES_MAX
            && let Some((at, issue)) = self.wakes.pop_last()
        {
            self.wake_of.remove(&issue);
            let last = self.wakes.last().copied().unwrap_or((at, issue));
            // What was beyond the horizon before is so still, even if later ones are in memory.
            self.horizon = Some(self.horizon.map_or(last, |before| before.min(last)));
        }
    }

    fn enqueue(&mut self, id: IssueId, issue: Option<Box<Issue>>) {
        if self.active.contains(&id) {
            self.again.insert(id);
        } else if let Some(copy) = self.queued.get_mut(&id) {
            // Something has changed since the copy was made; the look reads the journal.
            self.in_memory -= usize::from(copy.take().is_some());
        } else {
            let keep = self.in_memory < READY_IN_MEMORY_MAX;
            let issue = issue.filter(|_| keep);
            self.in_memory += usize::from(issue.is_some());
            self.queued.insert(id, issue);
            self.ready.push_back(id);
        }
    }

    /// Moves what is due to the queue; gives the time of the next wake-up.
    fn ring(&mut self, now: Timestamp) -> Option<Timestamp> {
        while let Some((at, issue)) = self.wakes.first().copied() {
            if at > now {
                return Some(at);
            }
            self.wakes.pop_first();
            self.wake_of.remove(&issue);
            self.enqueue(issue, None);
        }
        None
    }

    fn take(&mut self, most: usize) -> Option<(IssueId, Option<Box<Issue>>)> {
        if self.active.len() >= most {
            return None;
        }
        let id = self.ready.pop_front()?;
        let issue = self.queued.remove(&id).flatten();
        self.in_memory -= usize::from(issue.is_some());
        self.active.insert(id);
        Some((id, issue))
    }

    fn finish(&mut self, id: IssueId) {
        self.active.remove(&id);
        if self.again.remove(&id) {
            self.enqueue(id, None);
        }
    }
}

/// Runs the desk: starts looks as issues become due, as many at a time as there may be.
pub(crate) async fn run(engine: Arc<Engine>) {
    let most = LOOKS_MAX + engine.policy.concurrent as usize;
    // Everything later than nothing is still in the journal only.
    engine.desk.state().horizon = Some((Timestamp::MIN, IssueId(0)));
    loop {
        let changed = engine.desk.changed.notified();
        read_on(&engine).await;
        let next = engine.desk.state().ring(engine.clock.now());
        loop {
            let taken = engine.desk.state().take(most);
            let Some((id, issue)) = taken else { break };
            let engine = Arc::clone(&engine);
            tokio::spawn(async move {
                let looked = std::panic::AssertUnwindSafe(look(&engine, id, issue)).catch_unwind().await;
                if looked.is_err() {
                    tracing::error!(issue = %id, "a look at an issue panicked; it is made again later");
                    engine.desk.wake_at(id, engine.clock.after(PANIC_RETRY));
                }
                engine.desk.state().finish(id);
                engine.desk.changed.notify_one();
            });
        }
        match next {
            None => changed.await,
            Some(at) => tokio::select! {
                () = changed => {}
                () = engine.clock.sleep_until(at) => {}
            },
        }
    }
}

/// Reads further wake-ups from the journal when those in memory run out.
async fn read_on(engine: &Engine) {
    loop {
        let horizon = {
            let mut state = engine.desk.state();
            if state.wakes.len() > WAKES_MAX / 2 {
                return;
            }
            state.reading = state.horizon.is_some();
            state.horizon
        };
        let Some(after) = horizon else { return };
        match engine.journal.wakes(Some(after), WAKES_MAX / 2).await {
            Ok(page) => {
                let mut state = engine.desk.state();
                state.reading = false;
                state.horizon = if page.len() < WAKES_MAX / 2 { None } else { page.last().copied() };
                for (at, issue) in page {
                    // What is in memory is newer than the page.
                    let known = state.wake_of.contains_key(&issue)
                        || state.active.contains(&issue)
                        || state.queued.contains_key(&issue);
                    if !known {
                        state.set_wake(issue, Some(at));
                    }
                }
            }
            Err(fault) => {
                tracing::error!(%fault, "cannot read which issues are due");
                engine.clock.sleep(JOURNAL_RETRY).await;
            }
        }
    }
}

/// One look, with what a failing journal asks for.
async fn look(engine: &Arc<Engine>, id: IssueId, issue: Option<Box<Issue>>) {
    let issue = match issue {
        Some(issue) => Ok(Some(*issue)),
        None => engine.journal.issue(id).await,
    };
    let looked = match issue {
        Ok(Some(issue)) => {
            let span = tracing::info_span!("decide", issue = %id, trace = %issue.trace);
            engine.adopt(&span, &issue.trace);
            case::look_at(engine, issue).instrument(span).await
        }
        Ok(None) => Ok(()),
        Err(fault) => Err(fault),
    };
    let Err(fault) = looked else { return };
    match fault.kind {
        // Somebody else moved first; what they wrote says what comes next.
        JournalFaultKind::Conflict => tracing::warn!(issue = %id, %fault, "another look was faster"),
        JournalFaultKind::Unavailable => {
            tracing::error!(issue = %id, %fault, "nothing is done while the journal cannot be written");
            engine.desk.wake_at(id, engine.clock.after(JOURNAL_RETRY));
        }
        JournalFaultKind::Broken => engine.stop.broken(&fault),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn due_issues_come_in_the_order_of_their_time_and_one_look_at_a_time() {
        let mut state = State::default();
        state.set_wake(IssueId(1), Some(at(20)));
        state.set_wake(IssueId(2), Some(at(10)));
        state.set_wake(IssueId(1), Some(at(5)));
        assert_eq!(state.ring(at(4)), Some(at(5)));
        assert_eq!(state.ring(at(10)), None);
        assert_eq!(state.take(9).unwrap().0, IssueId(1));
        state.enqueue(IssueId(1), None);
        assert_eq!(state.take(9).unwrap().0, IssueId(2));
        assert!(state.take(9).is_none(), "issue 1 is being looked at");
        state.finish(IssueId(1));
        assert!(state.take(1).is_none(), "no place");
        assert_eq!(state.take(9).unwrap().0, IssueId(1), "looked at again");
    }

    #[test]
    fn a_wake_up_that_comes_while_a_page_is_read_is_not_lost() {
        let mut state = State { horizon: Some((Timestamp::MIN, IssueId(0))), ..State::default() };
        state.set_wake(IssueId(1), Some(at(10)));
        assert_eq!(state.ring(at(10)), None, "the next page will have it");
        assert!(state.take(9).is_none());
        state.reading = true;
        state.set_wake(IssueId(2), Some(at(10)));
        state.ring(at(10));
        assert_eq!(state.take(9).unwrap().0, IssueId(2));
    }

    #[test]
    fn what_does_not_fit_in_memory_stays_in_the_journal() {
        let mut state = State::default();
        for n in 0..=WAKES_MAX as i64 {
            state.set_wake(IssueId(n), Some(at(n)));
        }
        assert_eq!(state.wakes.len(), WAKES_MAX);
        assert_eq!(state.horizon, Some((at(WAKES_MAX as i64 - 1), IssueId(WAKES_MAX as i64 - 1))));
        state.set_wake(IssueId(-1), Some(at(WAKES_MAX as i64 + 5)));
        assert_eq!(state.wakes.len(), WAKES_MAX);
    }
}
