//! The world: what outlives a process (journal, target, clock, receivers of news, source of alerts), and the house,
//! which is one process in it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use prometheus::Registry;
use selfheal_contract::Catalog;
use selfheal_core::audit::Key;
use selfheal_core::issue::{IssueId, Outcome};
use selfheal_core::policy::Policy;
use selfheal_runtime::escalation::Escalation;
use selfheal_runtime::intake::{NotReceived, Received};
use selfheal_runtime::metrics::Metrics;
use selfheal_runtime::ports::journal::{Approval, ApprovalFilter, Issue, IssueFilter, ReceiptId, Story};
use selfheal_runtime::ports::ledger::Memory;
use selfheal_runtime::ports::{
    AlertSource, Claim, Entropy, Journal, Ledger, LedgerFault, News, NewsKind, Reserved, Sink, SinkFault,
    SourceFault, StandingAlert, StandingAlerts,
};
use selfheal_runtime::scripts::Scripts;
use selfheal_runtime::{Engine, Parts};
use selfheal_script::{Compiler, Limits, RuleFile};
use selfheal_store::{EmbeddedLedger, SqliteJournal};
use selfheal_tests::journal::Watched;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::double::{Connection, Target};
use crate::life::{Life, Pulse};
use crate::loss::{Death, Fate};
use crate::time::{self, ManualClock, Timeline};

/// So many seconds.
pub const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// So many minutes.
pub const fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

/// A rule for the alert of its own name, critical unless `header` says otherwise; `plan` is the body of its function.
pub fn rule(name: &str, header: &str, plan: &str) -> RuleFile {
    observing(name, header, "", plan)
}

/// The same with what it observes: the inside of a map.
pub fn observing(name: &str, header: &str, observe: &str, plan: &str) -> RuleFile {
    let priority = if header.contains("priority") { "" } else { "priority: \"critical\"," };
    let observe = match observe {
        "" => String::new(),
        probes => format!("fn observe(alert) {{\n    #{{ {probes} }}\n}}\n"),
    };
    let text = format!(
        "const RULE = #{{ matchers: [`alertname=\"{name}\"`], {priority} {header} }};\n\
         {observe}fn plan(alert, seen) {{\n    {plan}\n}}\n"
    );
    RuleFile::new(name, format!("rules/{name}.rhai"), text)
}

/// What outlives a process.
pub struct World {
    /// The limits with which a house is started.
    pub policy: Policy,
    /// The rules with which a house is started.
    pub rules: Vec<RuleFile>,
    /// Where the switch stands at first.
    pub switch_on: bool,
    /// Time.
    pub timeline: Arc<Timeline>,
    /// The target.
    pub target: Arc<Target>,
    /// Where news goes.
    pub sink: Arc<Recorder>,
    /// Further receivers, by name.
    pub more_sinks: Vec<Arc<Recorder>>,
    /// Who is told when nobody takes an issue in hand.
    pub escalation: Escalation,
    /// What stands at the source of alerts; a house asks only where there is one.
    pub source: Option<Arc<SourceStandIn>>,
    /// Whether the ledger can be asked.
    pub ledger_down: Arc<AtomicBool>,
    /// Whether the ledger has lost what it knew, and takes nothing in.
    pub ledger_forgets: Arc<AtomicBool>,
    /// What a test waits by.
    pub pulse: Arc<Pulse>,
    /// What checkpoints of the audit chain are signed with.
    pub audit_key: Option<Key>,
    /// What several processes share besides the journal; each has a ledger of its own where there is none.
    pub shared_ledger: Option<Arc<EmbeddedLedger>>,
    journal: Arc<dyn Journal>,
    bytes: Arc<AtomicU32>,
    directory: TempDir,
}

impl World {
    /// A world with these rules and the policy that holds when nothing is configured.
    pub fn new(rules: Vec<RuleFile>) -> Self {
        // In memory where that is possible: how a disk is used is tested elsewhere, and a sync takes its time.
        let memory = std::path::Path::new("/dev/shm");
        let directory =
            if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        let pulse = Arc::new(Pulse::default());
        Self {
            policy: Policy::default(),
            rules,
            switch_on: true,
            timeline: Timeline::new(time::began(), Arc::clone(&pulse)),
            target: Arc::default(),
            sink: Arc::default(),
            more_sinks: Vec::new(),
            escalation: Escalation::default(),
            source: None,
            ledger_down: Arc::default(),
            ledger_forgets: Arc::default(),
            audit_key: None,
            shared_ledger: None,
            pulse,
            journal: Arc::new(SqliteJournal::open(&directory.path().join("journal.sqlite")).unwrap()),
            bytes: Arc::default(),
            directory,
        }
    }

    /// A world with one rule, `load`, whose plan is this.
    pub fn with_plan(plan: &str) -> Self {
        Self::new(vec![rule("load", "", plan)])
    }

    /// The same for several processes at a time.
    pub fn shared(self) -> Self {
        Self { shared_ledger: Some(Arc::new(self.ledger())), ..self }
    }

    fn ledger(&self) -> EmbeddedLedger {
        EmbeddedLedger::new(Arc::<Timeline>::clone(&self.timeline))
    }

    /// The journal's file, as whoever has it sees it.
    pub fn journal_path(&self) -> PathBuf {
        self.directory.path().join("journal.sqlite")
    }

    /// Starts a process.
    pub async fn start(&self) -> House<'_> {
        self.start_mortal(Death::Never).await.expect("it does not die")
    }

    /// Starts a process with rules that it does not take into use.
    pub async fn start_with_refused_rules(&self) -> House<'_> {
        let house = self.begin(Death::Never).await.expect("it does not die");
        assert!(house.engine.rules.refusal().is_some());
        house
    }

    /// Starts a process that dies as told; `None` when that was while it started.
    pub async fn start_mortal(&self, death: Death) -> Option<House<'_>> {
        let house = self.begin(death).await?;
        let refusal = house.engine.rules.refusal();
        assert!(refusal.is_none(), "{refusal:?}");
        Some(house)
    }

    async fn begin(&self, death: Death) -> Option<House<'_>> {
        let life = Arc::new(Life::default());
        let pulse = Arc::clone(&self.pulse);
        let fate = Fate { death, life: Arc::clone(&life), pulse: Arc::clone(&pulse) };
        let journal = Watched::new(Arc::clone(&self.journal), fate);
        let connection = Connection { target: Arc::clone(&self.target), life: Arc::clone(&life), pulse };
        let catalog = Catalog::new([connection.adapter()]);
        let compiler =
            Compiler::with_clock(&catalog, BTreeMap::new(), Limits::default(), Arc::new(|| Duration::ZERO));
        let sinks = std::iter::once(&self.sink).chain(&self.more_sinks);
        let sinks = sinks.map(|sink| Arc::<Recorder>::clone(sink) as Arc<dyn Sink>);
        let source = self.source.clone().map(|source| (source as Arc<dyn AlertSource>, minutes(1)));
        let parts = Parts {
            journal: Arc::new(journal),
            ledger: Arc::new(Faulty {
                inner: self.shared_ledger.clone().unwrap_or_else(|| Arc::new(self.ledger())),
                down: Arc::clone(&self.ledger_down),
                forgets: Arc::clone(&self.ledger_forgets),
            }),
            clock: Arc::new(ManualClock { timeline: Arc::clone(&self.timeline), life: Arc::clone(&life) }),
            entropy: Arc::new(Counting(Arc::clone(&self.bytes))),
            catalog,
            policy: self.policy.clone(),
            compiler,
            scripts: Scripts::start(0).unwrap(),
            sinks: sinks.collect(),
            escalation: self.escalation.clone(),
            source,
            metrics: Metrics::new(&Registry::new()).unwrap(),
            adopt: Arc::new(|_, _| {}),
            switch_on: self.switch_on,
            learning: true,
            shared: self.shared_ledger.is_some(),
            audit_key: self.audit_key.clone(),
            retention: selfheal_runtime::retention::Retention::default(),
            backlog_max: 10_000,
        };
        let started = tokio::select! {
            started = Engine::start(parts, self.rules.clone()) => Some(started.unwrap()),
            () = life.ended() => None,
        };
        let shared = self.shared_ledger.is_some();
        let (engine, rooms) = started?;
        // What an earlier process left unexpanded is read on a thread of its own, which the pulse does not feel.
        while !shared && !life.is_over() && self.has_unexpanded().await {
            tokio::task::yield_now().await;
        }
        self.pulse.settle().await;
        Some(House { world: self, engine, life, rooms })
    }
}

impl World {
    async fn has_unexpanded(&self) -> bool {
        !self.journal.unexpanded(ReceiptId::default(), 1).await.unwrap().is_empty()
    }
}

/// One process.
pub struct House<'w> {
    /// The world that it is in.
    pub world: &'w World,
    /// Its engine.
    pub engine: Arc<Engine>,
    /// Whether it lives.
    pub life: Arc<Life>,
    rooms: JoinSet<()>,
}

impl Drop for House<'_> {
    fn drop(&mut self) {
        self.life.end();
    }
}

impl House<'_> {
    /// Ends its rooms, as if each hung for ever. What they have begun goes on.
    pub async fn stop_rooms(&mut self) {
        self.rooms.shutdown().await;
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.world.timeline.now()
    }

    /// Lets time pass.
    pub async fn advance(&self, by: Duration) {
        self.world.timeline.advance(by).await;
    }

    /// An alert begins to fire: it is received, and everything that follows at once is done.
    pub async fn fire(&self, name: &str, instance: &str) {
        self.send(&[alert(name, instance, self.now(), None)]).await.unwrap();
    }

    /// The alert that fires is resolved.
    pub async fn resolve(&self, name: &str, instance: &str) {
        let started = self.issue(name, instance).await.alert.starts_at;
        self.send(&[alert(name, instance, started, Some(self.now()))]).await.unwrap();
    }

    /// Sends a notification.
    pub async fn send(&self, alerts: &[Value]) -> Result<Received, NotReceived> {
        self.post(notification(alerts, 0)).await
    }

    /// Sends a body. A process that dies meanwhile does not answer.
    pub async fn post(&self, body: Value) -> Result<Received, NotReceived> {
        let answer = tokio::select! {
            answer = self.engine.receive(body.to_string().into_bytes(), "alertmanager", None) => answer,
            () = self.life.ended() => Err(NotReceived::Unavailable("it died".to_owned())),
        };
        self.world.pulse.settle().await;
        answer
    }

    /// All issues, oldest first.
    pub async fn issues(&self) -> Vec<Issue> {
        let filter = IssueFilter { limit: 1000, ..IssueFilter::default() };
        let mut issues = self.world.journal.issues(filter).await.unwrap();
        issues.reverse();
        issues
    }

    /// The latest issue of an alert.
    pub async fn issue(&self, name: &str, instance: &str) -> Issue {
        let issues = self.issues().await;
        let same = |issue: &&Issue| {
            issue.alert.name() == name && issue.alert.labels.get("instance") == Some(instance)
        };
        issues.iter().rev().find(same).unwrap_or_else(|| panic!("no issue of {name} at {instance}")).clone()
    }

    /// The only issue.
    pub async fn only(&self) -> Issue {
        let mut issues = self.issues().await;
        assert_eq!(issues.len(), 1, "{issues:#?}");
        issues.remove(0)
    }

    /// The outcome of the only issue.
    pub async fn outcome(&self) -> Option<Outcome> {
        self.only().await.outcome
    }

    /// An issue's story.
    pub async fn story(&self, id: IssueId) -> Story {
        self.world.journal.story(id).await.unwrap().unwrap()
    }

    /// The kinds of the records of an issue's story.
    pub async fn kinds(&self, id: IssueId) -> Vec<String> {
        self.story(id).await.records.into_iter().map(|record| record.kind).collect()
    }

    /// The only approval that waits for an answer, if there is one.
    pub async fn open_approval(&self) -> Option<Approval> {
        let mut open = self.world.journal.approvals(ApprovalFilter::open(10)).await.unwrap();
        assert!(open.len() <= 1, "{open:#?}");
        open.pop()
    }

    /// The only approval that waits for an answer.
    pub async fn asked(&self) -> Approval {
        self.open_approval().await.expect("a person is asked")
    }
}

/// An alert as Alertmanager sends it.
pub fn alert(name: &str, instance: &str, starts_at: Timestamp, ends_at: Option<Timestamp>) -> Value {
    json!({
        "status": if ends_at.is_some() { "resolved" } else { "firing" },
        "labels": { "alertname": name, "instance": instance, "severity": "critical" },
        "annotations": { "summary": format!("{name} at {instance}") },
        "startsAt": starts_at.to_string(),
        "endsAt": ends_at.map_or("0001-01-01T00:00:00Z".to_owned(), |at| at.to_string()),
        "generatorURL": "",
    })
}

/// A notification as Alertmanager sends it, with so many alerts cut off.
pub fn notification(alerts: &[Value], truncated: u64) -> Value {
    json!({
        "version": "4", "receiver": "selfheal", "status": "firing", "groupKey": "{}:{}", "groupLabels": {},
        "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://alertmanager:9093", "truncatedAlerts": truncated,
        "alerts": alerts,
    })
}

/// A receiver of news that writes down what it gets. It takes what is meant for people.
#[derive(Default)]
pub struct Recorder {
    name: Option<&'static str>,
    takes: Option<&'static [NewsKind]>,
    got: Mutex<Vec<(News, String)>>,
    tries: AtomicU32,
    failures: AtomicU32,
    panics: AtomicBool,
}

impl Recorder {
    /// One of this name, which takes these kinds.
    pub fn named(name: &'static str, takes: &'static [NewsKind]) -> Arc<Self> {
        Arc::new(Self { name: Some(name), takes: Some(takes), ..Self::default() })
    }

    /// Everything delivered so far.
    pub fn got(&self) -> Vec<News> {
        self.got.lock().unwrap().iter().map(|(news, _)| news.clone()).collect()
    }

    /// The kinds of what was delivered, in order.
    pub fn kinds(&self) -> Vec<NewsKind> {
        self.got().iter().map(|news| news.kind).collect()
    }

    /// The keys of what was delivered.
    pub fn keys(&self) -> Vec<String> {
        self.got.lock().unwrap().iter().map(|(_, key)| key.clone()).collect()
    }

    /// How often a delivery was tried.
    pub fn tries(&self) -> u32 {
        self.tries.load(Ordering::Relaxed)
    }

    /// Panics at the next try.
    pub fn panic(&self) {
        self.panics.store(true, Ordering::Relaxed);
    }

    /// Fails the next tries.
    pub fn fail(&self, times: u32) {
        self.failures.store(times, Ordering::Relaxed);
    }
}

#[async_trait]
impl Sink for Recorder {
    fn name(&self) -> &str {
        self.name.unwrap_or("recorder")
    }

    fn wants(&self, news: &News) -> bool {
        self.takes.unwrap_or(&NewsKind::FOR_PEOPLE).contains(&news.kind)
    }

    async fn deliver(&self, news: &News, key: &str) -> Result<(), SinkFault> {
        assert!(!self.panics.swap(false, Ordering::Relaxed), "the recorder panics");
        self.tries.fetch_add(1, Ordering::Relaxed);
        let fails =
            self.failures.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if fails.is_ok() {
            return Err(SinkFault { what: "the recorder is busy".to_owned(), retry: true, after: None });
        }
        self.got.lock().unwrap().push((news.clone(), key.to_owned()));
        Ok(())
    }
}

/// A source of alerts that says what a test tells it; `None` cannot be asked.
#[derive(Default)]
pub struct SourceStandIn {
    alerts: Mutex<Option<Vec<StandingAlert>>>,
    in_parts: AtomicBool,
}

impl SourceStandIn {
    /// This stands from now on.
    pub fn set(&self, alerts: Option<Vec<StandingAlert>>) {
        *self.alerts.lock().unwrap() = alerts;
    }

    /// From now on its answers are whole, or not.
    pub fn set_whole(&self, whole: bool) {
        self.in_parts.store(!whole, Ordering::Relaxed);
    }
}

#[async_trait]
impl AlertSource for SourceStandIn {
    async fn standing(&self) -> Result<StandingAlerts, SourceFault> {
        let alerts = self.alerts.lock().unwrap().clone();
        let alerts = alerts.ok_or_else(|| SourceFault("the source is down".to_owned()))?;
        Ok(StandingAlerts { alerts, whole: !self.in_parts.load(Ordering::Relaxed) })
    }
}

/// A ledger that can be taken away.
struct Faulty {
    inner: Arc<EmbeddedLedger>,
    down: Arc<AtomicBool>,
    forgets: Arc<AtomicBool>,
}

impl Faulty {
    fn reached(&self) -> Result<&EmbeddedLedger, LedgerFault> {
        let down = self.down.load(Ordering::Relaxed);
        if down { Err(LedgerFault("connection refused".to_owned())) } else { Ok(&self.inner) }
    }
}

#[async_trait]
impl Ledger for Faulty {
    async fn reserve(&self, claim: &Claim, now: Timestamp) -> Result<Reserved, LedgerFault> {
        self.reached()?.reserve(claim, now).await
    }

    async fn look(
        &self,
        claim: &Claim,
        now: Timestamp,
    ) -> Result<selfheal_core::guard::LedgerReading, LedgerFault> {
        self.reached()?.look(claim, now).await
    }

    async fn renew(&self, claim: &Claim, now: Timestamp) -> Result<(), LedgerFault> {
        self.reached()?.renew(claim, now).await
    }

    async fn release(&self, claim: &Claim, now: Timestamp) -> Result<(), LedgerFault> {
        self.reached()?.release(claim, now).await
    }

    async fn lost(&self) -> Result<Option<Memory>, LedgerFault> {
        let known = self.reached()?.lost().await?;
        Ok(if self.forgets.load(Ordering::Relaxed) { Some(Memory("another".to_owned())) } else { known })
    }

    async fn restored(&self, memory: &Memory) -> Result<(), LedgerFault> {
        if self.forgets.load(Ordering::Relaxed) {
            return Err(LedgerFault("it takes nothing in".to_owned()));
        }
        self.reached()?.restored(memory).await
    }

    async fn restore(&self, claim: &Claim, granted_at: Timestamp, running: bool) -> Result<(), LedgerFault> {
        self.reached()?.restore(claim, granted_at, running).await
    }

    async fn check(&self) -> Result<(), LedgerFault> {
        self.reached()?.check().await
    }
}

/// Bytes that are the same in every run.
struct Counting(Arc<AtomicU32>);

impl Entropy for Counting {
    fn bytes(&self) -> [u8; 16] {
        u128::from(self.0.fetch_add(1, Ordering::Relaxed)).to_be_bytes()
    }
}
