//! The engine: everything that the rooms share, and the tasks in which they run.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use futures::FutureExt as _;
use jiff::{SignedDuration, Timestamp};
use selfheal_contract::{Catalog, Failure};
use selfheal_core::audit::Key;
use selfheal_core::guard::{Guard, Says, Verdict};
use selfheal_core::issue::{IssueId, Outcome};
use selfheal_core::policy::Policy;
use selfheal_core::success::SuccessRecord;
use selfheal_script::{Compiler, RuleFile};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::breaker::Breakers;
use crate::checkpoint::{self, Checkpoints};
use crate::desk::{self, Desk};
use crate::escalation::Escalation;
use crate::expand::{self, Intake};
use crate::feed::{Change, Feed, Telling};
use crate::follow;
use crate::hold::{self, Holds};
use crate::listen;
use crate::maintenance::{self, Maintenance};
use crate::metrics::Metrics;
use crate::outbox::{self, Bells};
use crate::ports::journal::{Issue, IssueFilter, Journal, JournalFault, Record, Write};
use crate::ports::ledger::Claim;
use crate::ports::{AlertSource, Clock, Entropy, Ledger, Sink};
use crate::reconcile::{self, Reconciler};
use crate::restore::{self, Owed};
use crate::retention::{self, Retention};
use crate::reverts::{self, Reverts};
use crate::rules::{Generation, Refusal, Rules};
use crate::scripts::Scripts;
use crate::share::{self, Leads};
use crate::steady::Steady;
use crate::storm::Storms;
use crate::switch::{self, Position, Switch};

/// Issues read at a time, where all are gone through.
pub(crate) const PAGE: u32 = 1000;

/// A hook that lets a span belong to the trace with this id (32 hexadecimal digits).
pub type Adopt = Arc<dyn Fn(&tracing::Span, &str) + Send + Sync>;

/// Where alerts can be asked for, and how often that is done.
pub type Asked = (Arc<dyn AlertSource>, Duration);

/// What the engine is made of.
pub struct Parts {
    /// Durable truth.
    pub journal: Arc<dyn Journal>,
    /// Claims, cooldowns, rates.
    pub ledger: Arc<dyn Ledger>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// The adapters.
    pub catalog: Catalog,
    /// The operator's limits.
    pub policy: Policy,
    /// Compiles rules against the catalog.
    pub compiler: Compiler,
    /// Runs rules.
    pub scripts: Scripts,
    /// Where news goes.
    pub sinks: Vec<Arc<dyn Sink>>,
    /// Who is told when nobody takes an issue in hand.
    pub escalation: Escalation,
    /// Where alerts can be asked for, and how often.
    pub source: Option<Asked>,
    /// What is counted.
    pub metrics: Metrics,
    /// Joins spans to traces.
    pub adopt: Adopt,
    /// Where the switch stands until somebody turns it.
    pub switch_on: bool,
    /// Whether `best` goes by recorded success, rather than by the order in which a rule names the alternatives.
    pub learning: bool,
    /// Whether other processes share the journal. Where none does, what an earlier process held is free at once.
    pub shared: bool,
    /// How long what is over is kept.
    pub retention: Retention,
    /// What checkpoints of the audit chain are signed with, if they are.
    pub audit_key: Option<Key>,
    /// Alerts that may wait to be worked off; above 80 % of it notifications are answered 503.
    pub backlog_max: usize,
}

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
    pub(crate) intake: Intake,
    pub(crate) maintenance: Maintenance,
    pub(crate) reconciler: Reconciler,
    pub(crate) checkpoints: Checkpoints,
    /// Where alerts can be asked for, and kept quiet.
    pub(crate) source: Option<Arc<dyn AlertSource>>,
    /// Since when an issue's probes cannot be read.
    unreadable: Mutex<HashMap<IssueId, Timestamp>>,
    successes: RwLock<HashMap<(String, String), SuccessRecord>>,
    learning: bool,
    adopt: Adopt,
}

/// Says that the process must end, and why.
pub struct Stop {
    reason: watch::Sender<Option<String>>,
}

impl Stop {
    /// The journal is broken: nothing may be acknowledged or done any more.
    pub(crate) fn broken(&self, fault: &JournalFault) {
        tracing::error!(%fault, "the journal is broken; the process ends");
        self.reason.send_replace(Some(fault.to_string()));
    }

    /// Waits until the process must end; gives the reason.
    pub async fn wait(&self) -> String {
        let mut reason = self.reason.subscribe();
        let found = reason.wait_for(Option::is_some).await.map(|reason| reason.clone());
        found.ok().flatten().unwrap_or_default()
    }
}

impl Engine {
    /// Reads back what the journal knows, loads the rules and starts the rooms.
    ///
    /// # Errors
    /// The journal or the ledger cannot be read. Rules that do not compile are not an error: nothing is matched until
    /// they do, and [`Rules::refusal`] says why.
    pub async fn start(parts: Parts, files: Vec<RuleFile>) -> Result<(Arc<Self>, JoinSet<()>), JournalFault> {
        let now = parts.clock.now();
        if !parts.shared {
            parts.journal.free().await?;
        }
        let initial = Position {
            on: parts.switch_on,
            by: "configuration".to_owned(),
            at: now,
            why: "as configured".to_owned(),
        };
        let stored = parts.journal.setting(switch::SETTING).await?;
        let position = stored.map_or(initial, |value| switch::stored(value, now));
        let successes = parts.journal.successes().await?.into_iter().collect();
        let replica = parts.entropy.hex();
        let (intake, work) = Intake::new(parts.backlog_max);
        let maintenance = Maintenance::restored(parts.journal.setting(maintenance::SETTING).await?);
        let feed = Feed::default();
        let bells = Arc::new(Bells::new(parts.sinks.iter().map(|sink| sink.name())));
        let engine = Arc::new(Self {
            journal: Arc::new(Telling {
                inner: parts.journal,
                feed: feed.clone(),
                bells: Arc::clone(&bells),
                shared: parts.shared,
            }),
            feed,
            maintenance,
            ledger: parts.ledger,
            entropy: parts.entropy,
            catalog: parts.catalog,
            rules: Rules::new(parts.compiler, now),
            switch: Switch::new(position),
            breakers: Breakers::new(&parts.policy),
            policy: parts.policy,
            metrics: parts.metrics,
            stop: Stop { reason: watch::Sender::new(None) },
            scripts: parts.scripts,
            bells,
            sinks: parts.sinks,
            escalation: parts.escalation,
            storms: Storms::default(),
            ended: Notify::new(),
            steady: Steady::default(),
            desk: Desk::default(),
            holds: Holds::default(),
            owed: Owed::default(),
            shared: parts.shared,
            replica,
            leads: Leads::default(),
            reverts: Reverts::default(),
            intake,
            reconciler: Reconciler::new(parts.source.is_some()),
            checkpoints: Checkpoints::new(parts.audit_key),
            source: parts.source.as_ref().map(|(source, _)| Arc::clone(source)),
            unreadable: Mutex::default(),
            successes: RwLock::new(successes),
            learning: parts.learning,
            adopt: parts.adopt,
            clock: parts.clock,
        });
        engine.metrics.switch_on.set(i64::from(engine.switch.position().on));
        engine.metrics.queue_capacity.set(i64::try_from(parts.backlog_max).unwrap_or(i64::MAX));
        // Texts that do not compile are reported by the caller, who knows where they came from.
        let _ = engine.load_rules(files).await;
        engine.restore(now).await?;

        let mut rooms = JoinSet::new();
        // From here on it is known when the clock jumps.
        let _ = engine.steady.pause(&*engine.clock);
        rooms.spawn(expand::run(Arc::clone(&engine), work));
        rooms.spawn(desk::run(Arc::clone(&engine)));
        rooms.spawn(hold::run(Arc::clone(&engine)));
        rooms.spawn(restore::run(Arc::clone(&engine)));
        rooms.spawn(retention::run(Arc::clone(&engine), parts.retention));
        if engine.checkpoints.key().is_some() {
            rooms.spawn(checkpoint::run(Arc::clone(&engine)));
        }
        if engine.shared {
            rooms.spawn(share::run(Arc::clone(&engine)));
            rooms.spawn(share::watch_failures(Arc::clone(&engine)));
            rooms.spawn(follow::run(Arc::clone(&engine)));
        }
        rooms.spawn(outbox::run(Arc::clone(&engine)));
        rooms.spawn(reverts::run(Arc::clone(&engine)));
        for watch in engine.catalog.adapters().flat_map(|adapter| &adapter.watches) {
            rooms.spawn(listen::run(Arc::clone(&engine), Arc::clone(watch)));
        }
        if let Some((source, every)) = parts.source {
            rooms.spawn(reconcile::run(Arc::clone(&engine), source, every));
        }
        Ok((engine, rooms))
    }

    /// Takes rule texts into use, all of them or none; open issues that no rule was for are matched again.
    ///
    /// # Errors
    /// What is wrong with the texts. The rules in use stay.
    pub async fn load_rules(&self, files: Vec<RuleFile>) -> Result<Arc<Generation>, Refusal> {
        let count = |result: &str| self.metrics.reloads.with_label_values(&[result]).inc();
        match self.rules.load(files, self.clock.now()) {
            Ok(None) => Ok(self.rules.current()),
            Ok(Some(generation)) => {
                count("loaded");
                self.feed.tell(Change { rules: true, ..Change::default() });
                self.metrics.rules_generation.set(i64::try_from(generation.generation).unwrap_or(i64::MAX));
                self.metrics.rules_loaded.set(i64::try_from(generation.set.len()).unwrap_or(i64::MAX));
                tracing::info!(
                    generation = generation.generation,
                    rules = generation.set.len(),
                    "rules are in use"
                );
                if let Err(fault) = self.match_again(&generation).await {
                    tracing::warn!(%fault, "issues without a rule could not be matched again");
                }
                Ok(generation)
            }
            Err(refusal) => {
                count("refused");
                self.feed.tell(Change { rules: true, ..Change::default() });
                Err(refusal)
            }
        }
    }

    /// An issue that no rule was for may have one now.
    async fn match_again(&self, generation: &Generation) -> Result<(), JournalFault> {
        let filter = IssueFilter { outcome: Some(Outcome::Unmatched), ..IssueFilter::default() };
        let matched = |issue: &Issue| {
            issue.resolved_at.is_none() && !generation.matching(&issue.alert.labels).is_empty()
        };
        self.call_all(filter, matched).await
    }

    /// Lets a rule go on for an hour although it is flooded with new issues.
    ///
    /// # Errors
    /// The journal cannot be written; nothing is changed.
    pub async fn release_storm(&self, rule: &str, by: &str) -> Result<(), JournalFault> {
        let at = self.clock.now();
        let record = Record {
            issue: None,
            remediation: None,
            at,
            kind: "storm_released".to_owned(),
            actor: by.to_owned(),
            summary: format!("let rule {rule} go on despite a storm of new issues"),
            facts: serde_json::Value::Null,
        };
        let release = self.release_everywhere(rule, at);
        self.journal.commit(vec![Write::Record(record), release]).await?;
        self.storms.release(rule, at);
        let filter = IssueFilter { rule: Some(rule.to_owned()), ..IssueFilter::default() };
        self.call_all(filter, |issue| issue.is_held(at)).await
    }

    /// Whether the ledger can be used, for `/ready`.
    ///
    /// # Errors
    /// Why not.
    pub async fn check_ledger(&self) -> Result<(), crate::ports::LedgerFault> {
        self.ledger.check().await
    }

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

    /// The names of all sinks.
    pub fn sinks(&self) -> impl Iterator<Item = &str> {
        self.sinks.iter().map(|sink| sink.name())
    }

    /// Whether nothing is under way or due at this moment.
    pub fn is_idle(&self) -> bool {
        self.intake.waiting() == 0 && !self.desk.is_busy(self.clock.now())
    }

    /// Alerts and issues that wait for a place.
    pub fn backlog(&self) -> usize {
        self.intake.waiting() + self.desk.waiting()
    }

    /// Since when an issue's probes cannot be read, as far as this process knows.
    pub(crate) fn unreadable_since(&self, issue: IssueId, now: Timestamp) -> Timestamp {
        *self.unreadable.lock().unwrap_or_else(PoisonError::into_inner).entry(issue).or_insert(now)
    }

    /// An issue's probes could be read.
    pub(crate) fn readable(&self, issue: IssueId) {
        self.unreadable.lock().unwrap_or_else(PoisonError::into_inner).remove(&issue);
    }

    pub(crate) fn adopt(&self, span: &tracing::Span, trace: &str) {
        if !span.is_disabled() {
            (self.adopt)(span, trace);
        }
    }

    /// How often an action of a rule helped, as far as that is to order alternatives.
    pub(crate) fn evidence(&self, rule: &str, action: &str) -> SuccessRecord {
        if self.learning { self.success(rule, action) } else { SuccessRecord::default() }
    }

    /// How often an action of a rule helped.
    pub fn success(&self, rule: &str, action: &str) -> SuccessRecord {
        let successes = self.successes.read().unwrap_or_else(PoisonError::into_inner);
        successes.get(&(rule.to_owned(), action.to_owned())).copied().unwrap_or_default()
    }

    /// Takes over how often actions helped.
    pub(crate) fn learn(&self, successes: Vec<((String, String), SuccessRecord)>) {
        *self.successes.write().unwrap_or_else(PoisonError::into_inner) = successes.into_iter().collect();
    }

    pub(crate) fn count_try(&self, rule: &str, action: &str, success: bool) {
        let mut successes = self.successes.write().unwrap_or_else(PoisonError::into_inner);
        let record = successes.entry((rule.to_owned(), action.to_owned())).or_default();
        *(if success { &mut record.successes } else { &mut record.failures }) += 1;
        drop(successes);
        self.metrics.actions.with_label_values(&[action, if success { "true" } else { "false" }]).inc();
    }

    /// Counts an exchange with an adapter's target.
    pub(crate) fn count_exchange(&self, adapter: &str, worked: bool) {
        let now = self.clock.now();
        self.breakers.count(adapter, worked, now);
        if !worked {
            self.metrics.breaker_failures.with_label_values(&[adapter]).inc();
        }
        let open = self.breakers.open_until(adapter, now).is_some();
        self.metrics.breaker_open.with_label_values(&[adapter]).set(i64::from(open));
    }

    pub(crate) fn count_verdict(&self, verdict: &Verdict) {
        let name = match verdict.says {
            Says::Pass => return,
            Says::Hold { .. } => "hold",
            Says::Refuse => "refuse",
            Says::Shadow => "shadow",
            Says::Ask => "ask",
        };
        self.metrics.guard_stops.with_label_values(&[verdict.guard.name(), name]).inc();
        if verdict.guard == Guard::Rate {
            self.metrics.rate_limit_rejections.inc();
        }
    }

    /// Counts a remediation that ended, and turns the switch off when too many fail.
    pub(crate) fn count_remediation(self: &Arc<Self>, rule: &str, outcome: Outcome, took: SignedDuration) {
        self.metrics.remediations.with_label_values(&[rule, outcome.name()]).inc();
        self.metrics.remediation_seconds.with_label_values(&[rule]).observe(took.as_secs_f64());
        let Some(success) = outcome.helped() else { return };
        let reason = self.switch.count(success, self.clock.now(), &self.policy);
        self.metrics.success_rate.set(self.switch.success_rate());
        if self.shared {
            self.ended.notify_one();
        } else if let Some(why) = reason {
            let engine = Arc::clone(self);
            tokio::spawn(async move { engine.turn_off_by_itself(&why).await });
        }
    }

    /// Turns the switch off for what is going wrong.
    pub(crate) async fn turn_off_by_itself(&self, why: &str) {
        if let Err(fault) = self.turn_switch(false, "selfheal", why).await {
            tracing::error!(%fault, "the switch is off, but the journal could not be told");
        }
    }

    pub(crate) async fn release(&self, claim: &Claim) {
        if let Err(fault) = self.ledger.release(claim, self.clock.now()).await {
            // The lease ends by itself.
            tracing::warn!(holder = claim.holder, %fault, "a claim could not be given back");
        }
    }

    /// Waits for an adapter, for a time. When it is over, the effect may have happened.
    pub(crate) async fn within<T>(
        &self,
        timeout: Duration,
        asked: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        // One that panics has said nothing of what happened, and ends neither a room nor the process.
        let asked = AssertUnwindSafe(asked).catch_unwind();
        tokio::select! {
            biased;
            answer = asked => answer.unwrap_or_else(|_| {
                tracing::error!("an adapter panicked");
                Err(Failure::indeterminate("the adapter panicked"))
            }),
            () = self.clock.sleep(timeout) => Err(Failure::indeterminate(format!("no answer within {timeout:?}"))),
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
