//! The engine: everything that the rooms share.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use jiff::Timestamp;
use selfheal_contract::{Catalog, Failure, FailureKind};
use selfheal_core::alert::Alert;
use selfheal_core::issue::IssueId;
use selfheal_core::policy::Policy;
use tokio::sync::Notify;

use crate::backlog::Backlog;
use crate::breaker::Breakers;
use crate::checkpoint::Checkpoints;
use crate::checks;
use crate::desk::Desk;
use crate::escalation::Escalation;
use crate::feed::Feed;
use crate::hold::Holds;
use crate::learnt::Learnt;
use crate::maintenance::Maintenance;
use crate::metrics::Metrics;
use crate::observe::Unreadable;
use crate::outbox::Bells;
use crate::ports::journal::{Issue, IssueFilter, Journal, JournalFault, Write};
use crate::ports::{AlertSource, Clock, Entropy, Ledger, LedgerFault, Sink};
use crate::reconcile::Reconciler;
use crate::restore::Owed;
use crate::reverts::Reverts;
use crate::rules::Rules;
use crate::scripts::Scripts;
use crate::share::Leads;
use crate::steady::Steady;
use crate::stop::Stop;
use crate::storm::Storms;
use crate::switch::Switch;
use crate::waiters::Waiters;

/// Issues read at a time, where all are gone through.
pub(crate) const PAGE: u32 = 1000;

/// A hook that lets a span belong to the trace with this id (32 hexadecimal digits).
pub type Adopt = Arc<dyn Fn(&tracing::Span, &str) + Send + Sync>;

/// Everything that the rooms share.
pub struct Engine {
    /// Durable truth.
    pub journal: Arc<dyn Journal>,
    pub(crate) ledger: Arc<dyn Ledger>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    /// The adapters.
    pub catalog: Catalog,
    /// The operator's limits.
    pub policy: Policy,
    /// The rules in use.
    pub rules: Rules,
    /// The switch.
    pub switch: Switch,
    /// The circuit breakers.
    pub breakers: Breakers,
    /// What is counted.
    pub metrics: Metrics,
    /// What the journal has just taken in.
    pub feed: Feed,
    /// Whether the process must end.
    pub stop: Stop,
    pub(crate) scripts: Scripts,
    pub(crate) sinks: Vec<Arc<dyn Sink>>,
    pub(crate) escalation: Escalation,
    pub(crate) bells: Arc<Bells>,
    pub(crate) storms: Storms,
    /// Rung when a remediation has ended, for whoever judges how many fail.
    pub(crate) ended: Notify,
    pub(crate) steady: Steady,
    pub(crate) desk: Desk,
    pub(crate) holds: Holds,
    pub(crate) owed: Owed,
    pub(crate) shared: bool,
    /// By it other processes know this one.
    pub(crate) replica: String,
    pub(crate) leads: Leads,
    pub(crate) reverts: Reverts,
    pub(crate) backlog: Backlog,
    pub(crate) waiters: Waiters,
    pub(crate) maintenance: Maintenance,
    pub(crate) reconciler: Reconciler,
    pub(crate) checkpoints: Checkpoints,
    /// Where alerts can be asked for, and kept quiet.
    pub(crate) source: Option<Arc<dyn AlertSource>>,
    pub(crate) unreadable: Unreadable,
    pub(crate) learnt: Learnt,
    pub(crate) adopt: Adopt,
}

impl Engine {
    /// Whether the ledger can be used, for `/ready`.
    ///
    /// # Errors
    /// Why not.
    pub async fn check_ledger(&self) -> Result<(), LedgerFault> {
        self.ledger.check().await?;
        match self.ledger.lost().await? {
            None => Ok(()),
            Some(_) => Err(LedgerFault(
                "the ledger has lost what it knew, and grants nothing until it has been restored from the journal".to_owned(),
            )),
        }
    }

    /// The names of all sinks.
    pub fn sink_names(&self) -> impl Iterator<Item = &str> {
        self.sinks.iter().map(|sink| sink.name())
    }

    /// Whether nothing is under way or due at this moment.
    pub fn is_idle(&self) -> bool {
        self.backlog.waiting() == 0 && !self.desk.is_busy(self.clock.now())
    }

    /// Alerts and issues that wait for a place.
    pub fn waiting(&self) -> usize {
        self.backlog.waiting() + self.desk.waiting()
    }

    /// Which watch has raised an alert, or that a check has; `None` when it came from outside, where others know of it.
    pub(crate) fn raised_here(&self, alert: &Alert) -> Option<&str> {
        let watches = self.catalog.adapters().flat_map(|adapter| &adapter.watches);
        let mut here = watches.map(|watch| watch.about().name).chain([checks::SOURCE]);
        here.find(|name| alert.heard_by.as_deref() == Some(*name))
    }

    pub(crate) fn adopt(&self, span: &tracing::Span, trace: &str) {
        if !span.is_disabled() {
            (self.adopt)(span, trace);
        }
    }

    /// Waits for an adapter, for a time. When it is over, the effect may have happened.
    pub(crate) async fn within<T>(
        &self,
        timeout: Duration,
        asked: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        tokio::select! {
            biased;
            // One that panics has said nothing of what happened.
            answer = caught(FailureKind::Indeterminate, asked) => answer,
            () = self.clock.sleep(timeout) => Err(Failure::indeterminate(format!("no answer within {timeout:?}"))),
        }
    }

    /// Asks an adapter something that changes nothing, for a time. No answer within it is a failure.
    pub(crate) async fn ask<T>(
        &self,
        timeout: Duration,
        asked: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let late = || Err(Failure::transient(format!("no answer within {timeout:?}")));
        self.ask_within(timeout, asked).await.unwrap_or_else(late)
    }

    /// The same, for whom it matters that there was no answer: `None`.
    pub(crate) async fn ask_within<T>(
        &self,
        timeout: Duration,
        asked: impl Future<Output = Result<T, Failure>>,
    ) -> Option<Result<T, Failure>> {
        tokio::select! {
            biased;
            answer = caught(FailureKind::Transient, asked) => Some(answer),
            () = self.clock.sleep(timeout) => None,
        }
    }

    /// What is left of a time that began at a moment of the wall clock, all of it at most: what follows is counted by the
    /// clock that cannot be set.
    pub(crate) fn left_of(&self, time: Duration, since: Timestamp) -> Duration {
        let passed = Duration::try_from(self.clock.now().duration_since(since)).unwrap_or_default();
        time.saturating_sub(passed)
    }

    /// Has all open issues looked at that pass a filter and a test.
    ///
    /// # Errors
    /// The journal cannot be read or written; some of them may have been called for.
    pub(crate) async fn call_all(
        &self,
        filter: IssueFilter,
        test: impl Fn(&Issue) -> bool,
    ) -> Result<(), JournalFault> {
        let mut filter = IssueFilter { open: Some(true), limit: PAGE, before: None, ..filter };
        loop {
            let page = self.journal.issues(filter.clone()).await?;
            self.call(page.iter().filter(|issue| test(issue)).map(|issue| issue.id)).await?;
            match page.last() {
                Some(last) if page.len() == PAGE as usize => filter.before = Some(last.id),
                _ => return Ok(()),
            }
        }
    }

    /// Has issues looked at as soon as there is a place, in this process or in another.
    ///
    /// # Errors
    /// The journal cannot be written; nothing was called for.
    pub async fn call(&self, issues: impl IntoIterator<Item = IssueId>) -> Result<(), JournalFault> {
        let at = self.clock.now();
        let mut issues: Vec<IssueId> = issues.into_iter().collect();
        // In the order in which everybody locks them.
        issues.sort_unstable();
        if !issues.is_empty() {
            self.journal
                .commit(issues.iter().map(|issue| Write::Wake { issue: *issue, at }).collect())
                .await?;
            issues.into_iter().for_each(|issue| self.desk.called(issue, at));
        }
        Ok(())
    }
}

/// What an adapter answers. One that panics has failed, and ends neither a room nor the process.
async fn caught<T>(kind: FailureKind, asked: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    AssertUnwindSafe(asked).catch_unwind().await.unwrap_or_else(|_| {
        tracing::error!("an adapter panicked");
        Err(Failure { kind, what: "the adapter panicked".to_owned() })
    })
}
