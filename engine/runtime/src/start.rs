//! The start: from the parts to an engine whose rooms run. The one place that names all of them.

use std::sync::Arc;
use std::time::Duration;

use selfheal_contract::Catalog;
use selfheal_core::audit::Key;
use selfheal_core::policy::Policy;
use selfheal_script::{Compiler, Diagnostic, RuleFile};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::backlog::Backlog;
use crate::breaker::Breakers;
use crate::checkpoint::{self, Checkpoints};
use crate::desk::{self, Desk};
use crate::engine::{Adopt, Engine};
use crate::escalation::Escalation;
use crate::expand;
use crate::feed::{Feed, Telling};
use crate::hold::{self, Holds};
use crate::learnt::Learnt;
use crate::maintenance::{self, Maintenance};
use crate::metrics::Metrics;
use crate::observe::Unreadable;
use crate::outbox::{self, Bells};
use crate::ports::journal::{Journal, JournalFault};
use crate::ports::{AlertSource, Clock, Entropy, Ledger, Sink};
use crate::reconcile::{self, Reconciler};
use crate::restore::{self, Owed};
use crate::retention::{self, Retention};
use crate::reverts::{self, Reverts};
use crate::rules::Rules;
use crate::scripts::Scripts;
use crate::share::{self, Leads};
use crate::steady::Steady;
use crate::stop::Stop;
use crate::storm::Storms;
use crate::switch::{self, Position, Switch};
use crate::waiters::Waiters;
use crate::{follow, listen};

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

impl Engine {
    /// Reads back what the journal knows, loads the rules and starts the rooms.
    ///
    /// # Errors
    /// The journal or the ledger cannot be read. Rules that do not compile are not an error: those that the journal has from
    /// an earlier process are in use until they do, or none, and [`Rules::refusal`] says why.
    pub async fn start(parts: Parts, files: Vec<RuleFile>) -> Result<(Arc<Self>, JoinSet<()>), JournalFault> {
        Self::start_with(parts, Ok(files)).await
    }

    /// The same with rules that may not even be readable: what is wrong with them then.
    ///
    /// # Errors
    /// As [`Engine::start`].
    pub async fn start_with(
        parts: Parts,
        files: Result<Vec<RuleFile>, Vec<Diagnostic>>,
    ) -> Result<(Arc<Self>, JoinSet<()>), JournalFault> {
        let now = parts.clock.now();
        if !parts.shared {
            parts.journal.free().await?;
        }
        let initial = Position::configured(parts.switch_on);
        let stored = parts.journal.setting(switch::SETTING).await?;
        let position = stored.map_or(initial, |value| switch::stored(value, now));
        let successes = parts.journal.successes().await?;
        let replica = parts.entropy.hex();
        let (backlog, work) = Backlog::new(parts.backlog_max, parts.shared);
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
            breakers: Breakers::new(&parts.policy, Arc::clone(&parts.clock)),
            policy: parts.policy,
            metrics: parts.metrics,
            stop: Stop::default(),
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
            backlog,
            waiters: Waiters::default(),
            reconciler: Reconciler::new(parts.source.is_some()),
            checkpoints: Checkpoints::new(parts.audit_key),
            source: parts.source.as_ref().map(|(source, _)| Arc::clone(source)),
            unreadable: Unreadable::default(),
            learnt: Learnt::new(successes, parts.learning),
            adopt: parts.adopt,
            clock: parts.clock,
        });
        engine.metrics.switch_on.set(i64::from(engine.switch.position().on));
        engine.metrics.queue_capacity.set(i64::try_from(parts.backlog_max).unwrap_or(i64::MAX));
        // What is wrong with them is reported by the caller, who knows where they came from.
        let refused = match files {
            Ok(files) => engine.load_rules(files).await.is_err(),
            Err(unreadable) => !engine.refuse_rules(unreadable).diagnostics.is_empty(),
        };
        if refused {
            engine.recall_rules().await?;
        }
        engine.restore(now).await?;

        let mut rooms = JoinSet::new();
        // From here on it is known when the clock jumps.
        let _ = engine.steady.pause(&*engine.clock);
        rooms.spawn(expand::run(Arc::clone(&engine), work));
        rooms.spawn(desk::run(Arc::clone(&engine)));
        rooms.spawn(hold::run(Arc::clone(&engine)));
        rooms.spawn(restore::run(Arc::clone(&engine)));
        rooms.spawn(switch::write_off(Arc::clone(&engine)));
        rooms.spawn(retention::run(Arc::clone(&engine), parts.retention));
        if engine.checkpoints.key().is_some() {
            rooms.spawn(checkpoint::run(Arc::clone(&engine)));
        }
        if engine.shared {
            rooms.spawn(share::run(Arc::clone(&engine)));
            rooms.spawn(switch::watch_failures(Arc::clone(&engine)));
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
}
