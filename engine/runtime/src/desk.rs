//! The desk: takes issues that are to be looked at from the journal, and has them looked at, as many at a time as there
//! may be.
//!
//! The journal is the queue, and this process one of those that may take from it. What it has taken it holds, in an epoch
//! of its own (`hold.rs`), until the look has ended. In memory are only the issues that are held, and the soonest time at
//! which there may be more to take.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use jiff::Timestamp;
use selfheal_core::issue::IssueId;
use tokio::sync::{Notify, oneshot};
use tracing::Instrument as _;

use crate::case;
use crate::engine::Engine;
use crate::ports::journal::{Issue, Said, Tenure};
use crate::ports::{JournalFault, JournalFaultKind};

/// Looks under way besides the running remediations.
const LOOKS_MAX: usize = 512;
/// Issues taken ahead of a place, so that taking is one transaction for many.
const AHEAD_MAX: usize = 128;
/// How long to wait before asking again after the journal failed.
const JOURNAL_RETRY: Duration = Duration::from_secs(1);
/// How long to wait before looking again at an issue at which a look came across somebody else's change.
const CONFLICT_RETRY: Duration = Duration::from_secs(1);
/// How long to wait before looking again at an issue at which a look panicked.
const PANIC_RETRY: Duration = Duration::from_secs(60);
/// How often the journal is asked for what other processes have left or called for.
const POLL: Duration = Duration::from_secs(1);
/// How often a process that is alone asks the journal for what nobody has rung for: for that there should be nothing.
const POLL_ALONE: Duration = Duration::from_secs(30);
/// The least time between two counts of what waits in the journal.
const COUNT_EVERY: Duration = Duration::from_secs(1);

/// The desk.
#[derive(Default)]
pub(crate) struct Desk {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    /// Looks under way: ended when the issue is lost to another process.
    active: HashMap<IssueId, (Tenure, oneshot::Sender<()>)>,
    /// Issues that were called for while they were looked at.
    again: HashSet<IssueId>,
    /// Taken issues that wait for a place.
    ahead: VecDeque<Taken>,
    /// The soonest time at which there may be something to take, as far as this process knows.
    next: Option<Timestamp>,
    /// Whether the journal is being asked for what is due.
    asking: bool,
    /// How many due issues there were in the journal when they were last counted, and when that was.
    beyond: usize,
    counted_at: Option<Duration>,
}

/// An issue that this process holds.
struct Taken {
    tenure: Tenure,
    /// As the journal has it; one that has waited is read again.
    issue: Option<Box<Issue>>,
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From a time on there is something to take from the journal.
    pub(crate) fn ring(&self, at: Timestamp) {
        self.state().ring(at);
        self.changed.notify_one();
    }

    /// Somebody has called for a look at an issue at a time; if it is being looked at, the next look comes after that.
    pub(crate) fn called(&self, issue: IssueId, at: Timestamp) {
        let mut state = self.state();
        // One that was taken and waits for its place may be a copy of before, and so may one that is just being taken.
        if state.asking || state.holds(issue) {
            state.again.insert(issue);
        }
        state.ring(at);
        drop(state);
        self.changed.notify_one();
    }

    /// Whether somebody has called for a look at an issue since it was taken for the look that is under way.
    pub(crate) fn is_called(&self, issue: IssueId) -> bool {
        self.state().again.contains(&issue)
    }

    /// Looks at an issue that was just opened, and taken with it. What is not given is read.
    pub(crate) fn look_at_new(&self, id: IssueId, issue: Option<Issue>) {
        self.state().ahead.push_back(Taken { tenure: Tenure::first(id), issue: issue.map(Box::new) });
        self.changed.notify_one();
    }

    /// An issue that is due was left in the journal.
    pub(crate) fn left(&self, now: Timestamp) {
        let mut state = self.state();
        state.beyond += 1;
        state.ring(now);
        drop(state);
        self.changed.notify_one();
    }

    /// How many more issues there is a place for.
    pub(crate) fn places(&self, most: usize) -> usize {
        let state = self.state();
        most.saturating_sub(state.active.len() + state.ahead.len())
    }

    /// Issues that wait for a place.
    pub(crate) fn waiting(&self) -> usize {
        let state = self.state();
        state.ahead.len() + state.beyond
    }

    /// Whether an issue is being looked at or about to be.
    pub(crate) fn is_busy(&self, now: Timestamp) -> bool {
        let state = self.state();
        let due = state.next.is_some_and(|at| at <= now);
        state.asking || due || !state.ahead.is_empty() || !state.active.is_empty()
    }

    /// Somebody else has taken an issue: the look at it ends.
    pub(crate) fn lost(&self, tenure: Tenure) {
        let mut state = self.state();
        state.ahead.retain(|taken| taken.tenure != tenure);
        // Whoever looks learns of it by the sender's end.
        state.end(tenure);
    }
}

impl State {
    /// Whether an issue is being looked at, or waits for its place.
    fn holds(&self, issue: IssueId) -> bool {
        self.active.contains_key(&issue) || self.ahead.iter().any(|taken| taken.tenure.issue == issue)
    }

    fn ring(&mut self, at: Timestamp) {
        self.next = Some(self.next.map_or(at, |next| next.min(at)));
    }

    /// The next one to look at, and how it is learnt that the look must end.
    fn start(&mut self, most: usize) -> Option<(Taken, oneshot::Receiver<()>)> {
        if self.active.len() >= most {
            return None;
        }
        // An issue that came back while its last look is still ending waits for that.
        let place = self.ahead.iter().position(|taken| !self.active.contains_key(&taken.tenure.issue))?;
        let taken = self.ahead.remove(place)?;
        let (lost, losing) = oneshot::channel();
        self.active.insert(taken.tenure.issue, (taken.tenure, lost));
        Some((taken, losing))
    }

    /// Ends a look, not one that has begun at the same issue since that was lost and taken again.
    fn end(&mut self, tenure: Tenure) {
        if self.active.get(&tenure.issue).is_some_and(|(active, _)| *active == tenure) {
            self.active.remove(&tenure.issue);
        }
    }

    fn finish(&mut self, tenure: Tenure, now: Timestamp) {
        self.end(tenure);
        if self.again.remove(&tenure.issue) {
            self.ring(now);
        }
    }

    /// How many issues are to be taken now, if any.
    fn room(&self, most: usize, now: Timestamp) -> Option<usize> {
        let due = self.next.is_some_and(|at| at <= now);
        (due && self.ahead.is_empty()).then(|| most.saturating_sub(self.active.len()) + AHEAD_MAX)
    }
}

/// How many looks there may be at a time.
pub(crate) fn most(engine: &Engine) -> usize {
    LOOKS_MAX + engine.policy.concurrent as usize
}

/// Runs the desk.
pub(crate) async fn run(engine: Arc<Engine>) {
    let most = most(&engine);
    engine.desk.ring(engine.clock.now());
    loop {
        let changed = engine.desk.changed.notified();
        take(&engine, most).await;
        loop {
            let started = engine.desk.state().start(most);
            let Some((taken, losing)) = started else { break };
            tokio::spawn(look_once(Arc::clone(&engine), taken, losing));
        }
        let next = engine.desk.state().next;
        // What is due has to wait for a place; the end of a look says that there is one.
        let next = next.filter(|at| *at > engine.clock.now());
        let sleep = async {
            match next {
                Some(at) => engine.clock.sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let elsewhere = async {
            if engine.shared {
                tokio::select! {
                    biased;
                    () = engine.journal.heard(Said::Call) => {}
                    () = engine.clock.sleep(POLL) => {}
                }
            } else {
                engine.clock.sleep(POLL_ALONE).await;
            }
            engine.desk.state().ring(engine.clock.now());
        };
        tokio::select! {
            biased;
            () = changed => {}
            () = sleep => {}
            () = elsewhere => {}
        }
    }
}

/// Takes what is due, as far as there is room.
async fn take(engine: &Arc<Engine>, most: usize) {
    loop {
        let now = engine.clock.now();
        let room = {
            let mut state = engine.desk.state();
            let Some(room) = state.room(most, now) else { return };
            // What rings from here on is not missed.
            state.next = None;
            state.asking = true;
            room
        };
        let taken = take_some(engine, now, room).await;
        engine.desk.state().asking = false;
        match taken {
            Ok(()) => return,
            Err(fault) => {
                engine.desk.state().ring(now);
                tracing::error!(%fault, "cannot read which issues are due");
                if fault.kind == JournalFaultKind::Broken {
                    return engine.stop.broken(&fault);
                }
                engine.clock.sleep(JOURNAL_RETRY).await;
            }
        }
    }
}

async fn take_some(engine: &Engine, now: Timestamp, room: usize) -> Result<(), JournalFault> {
    let began = engine.clock.monotonic();
    let taken = engine.journal.take(now, room, engine.holds.issues()).await?;
    let all = taken.len() < room;
    let recount = {
        let mut state = engine.desk.state();
        state.beyond = if all { 0 } else { state.beyond.saturating_sub(taken.len()) };
        for (number, (issue, tenure)) in taken.into_iter().enumerate() {
            engine.holds.add(tenure, began);
            // What has to wait for a place may change meanwhile; it is read again then.
            let issue = (number + AHEAD_MAX < room).then(|| Box::new(issue));
            state.ahead.push_back(Taken { tenure, issue });
        }
        // What was called for meanwhile and is not taken is taken when its bell rings.
        let called = std::mem::take(&mut state.again);
        state.again = called.into_iter().filter(|issue| state.holds(*issue)).collect();
        state.counted_at.is_none_or(|at| began.saturating_sub(at) >= COUNT_EVERY)
    };
    if all {
        if let Some(next) = engine.journal.next_look(now).await? {
            engine.desk.state().ring(next);
        }
        return Ok(());
    }
    engine.desk.state().ring(now);
    if recount {
        let beyond = engine.journal.due(now, engine.backlog.most()).await?;
        let mut state = engine.desk.state();
        (state.beyond, state.counted_at) = (beyond, Some(began));
    }
    Ok(())
}

/// One look at an issue that is held, until it ends or the issue is lost.
async fn look_once(engine: Arc<Engine>, taken: Taken, losing: oneshot::Receiver<()>) {
    let tenure = taken.tenure;
    let looking = std::panic::AssertUnwindSafe(look(&engine, taken)).catch_unwind();
    let again = tokio::select! {
        biased;
        looked = looking => looked.unwrap_or_else(|_| {
            tracing::error!(issue = %tenure.issue, "a look at an issue panicked; it is made again later");
            Some(PANIC_RETRY)
        }),
        _ = losing => {
            tracing::warn!(issue = %tenure.issue, epoch = tenure.epoch, "another process has taken the issue; this look ends");
            engine.holds.drop(tenure);
            None
        }
    };
    // Unless the look itself has given it back.
    engine.give_back(tenure, again.unwrap_or_default()).await;
    engine.desk.state().finish(tenure, engine.clock.now());
    engine.desk.changed.notify_one();
    engine.reverts.looked_at(tenure.issue);
}

/// One look, with what a failing journal asks for: after how long it is to be made again.
async fn look(engine: &Arc<Engine>, taken: Taken) -> Option<Duration> {
    let Taken { tenure, issue } = taken;
    let id = tenure.issue;
    // One that has waited for a place may have changed.
    let issue = match issue {
        Some(issue) => Ok(Some(*issue)),
        None => engine.journal.issue(id).await,
    };
    let looked = match issue {
        Ok(Some(issue)) => {
            let span = tracing::info_span!("decide", issue = %id, trace = %issue.trace);
            engine.adopt(&span, &issue.trace);
            case::look_at(engine, issue, tenure).instrument(span).await
        }
        Ok(None) => Ok(()),
        Err(fault) => Err(fault),
    };
    let fault = looked.err()?;
    match fault.kind {
        JournalFaultKind::Conflict => {
            tracing::warn!(issue = %id, %fault, "somebody else was faster; the issue is looked at again");
            Some(CONFLICT_RETRY)
        }
        JournalFaultKind::Fenced => {
            tracing::warn!(issue = %id, %fault, "another process has taken the issue; this look ends");
            engine.holds.drop(tenure);
            None
        }
        JournalFaultKind::Unavailable => {
            tracing::error!(issue = %id, %fault, "nothing is done while the journal cannot be written");
            engine.clock.sleep(JOURNAL_RETRY).await;
            None
        }
        JournalFaultKind::Broken => {
            engine.stop.broken(&fault);
            engine.holds.drop(tenure);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn taken(issue: i64, epoch: i64) -> Taken {
        Taken { tenure: Tenure { issue: IssueId(issue), epoch }, issue: None }
    }

    #[test]
    fn the_journal_is_asked_when_the_soonest_bell_rings_and_there_is_room() {
        let mut state = State::default();
        assert_eq!(state.room(5, at(10)), None, "nobody has rung");
        state.ring(at(20));
        state.ring(at(10));
        state.ring(at(30));
        assert_eq!(state.room(5, at(9)), None);
        assert_eq!(state.room(5, at(10)), Some(5 + AHEAD_MAX));
        state.ahead.push_back(taken(1, 1));
        assert_eq!(state.room(5, at(10)), None, "what was taken comes first");
    }

    #[test]
    fn there_is_one_look_at_an_issue_at_a_time() {
        let mut state = State::default();
        state.ahead.extend([taken(1, 1), taken(1, 2), taken(2, 1)]);
        let (first, _first) = state.start(2).unwrap();
        let (second, _second) = state.start(2).unwrap();
        assert_eq!((first.tenure.issue, second.tenure.issue), (IssueId(1), IssueId(2)));
        assert!(state.start(9).is_none(), "issue 1 is being looked at");
        state.again.insert(IssueId(1));
        state.finish(first.tenure, at(7));
        assert_eq!(state.next, Some(at(7)), "it was called for meanwhile");
        assert!(state.start(1).is_none(), "no place");
        assert_eq!(state.start(9).unwrap().0.tenure.epoch, 2);
    }

    #[test]
    fn a_look_knows_whether_it_was_called_for_again_since_it_was_taken() {
        let desk = Desk::default();
        desk.called(IssueId(1), at(1));
        assert!(!desk.is_called(IssueId(1)), "it is taken as it is now");
        desk.state().asking = true;
        desk.called(IssueId(2), at(1));
        assert!(desk.is_called(IssueId(2)), "it may have been taken as it was before");
        desk.state().asking = false;
        desk.look_at_new(IssueId(3), None);
        let (taken, _losing) = desk.state().start(9).unwrap();
        assert!(!desk.is_called(IssueId(3)));
        desk.called(IssueId(3), at(1));
        assert!(desk.is_called(IssueId(3)));
        desk.state().finish(taken.tenure, at(2));
        assert!(!desk.is_called(IssueId(3)), "the next look begins with what it is then");
    }

    #[test]
    fn the_end_of_a_lost_look_does_not_end_the_next_one() {
        let mut state = State::default();
        state.ahead.extend([taken(1, 1), taken(1, 2)]);
        let (first, mut losing) = state.start(9).unwrap();
        state.end(first.tenure);
        assert!(losing.try_recv().is_err(), "it was lost");
        let (_second, mut losing) = state.start(9).unwrap();
        state.finish(first.tenure, at(7));
        assert_eq!(losing.try_recv(), Err(oneshot::error::TryRecvError::Empty), "it goes on");
    }
}
