//! One test, carried out: the real engine with its journal and ledger, a stage in place of targets, and time that
//! passes only as the test says.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use prometheus::Registry;
use selfheal_core::labels::Labels;
use selfheal_core::moment::later;
use selfheal_core::policy::RATE_WINDOW;
use selfheal_runtime::escalation::Escalation;
use selfheal_runtime::metrics::Metrics;
use selfheal_runtime::ports::journal::{ApprovalFilter, Write};
use selfheal_runtime::ports::{Claim, Entropy, Journal, JournalFault, Ledger, News, Sink, SinkFault};
use selfheal_runtime::resource::resource;
use selfheal_runtime::scripts::Scripts;
use selfheal_runtime::simulation::{Call, Flight, Pulse, Timeline, Watch, Watched};
use selfheal_runtime::{Engine, Parts};
use selfheal_script::{Compiler, Coverage, Limits, Part};
use selfheal_store::{EmbeddedLedger, SqliteJournal};
use serde_json::{Value, json};

use super::differ::{self, Difference};
use super::facts::Facts;
use super::file::{Test, TestFile};
use super::given::{Alert, Event};
use super::stage::Stage;
use super::{TestsFault, expected};

/// How long a claim of the test's history is kept: longer than any test lasts.
const LEASE: Duration = Duration::from_secs(60 * 86_400);
/// Alerts that may wait to be worked off.
const BACKLOG_MAX: usize = 100_000;

/// What came of a test.
pub(super) struct Tried {
    pub(super) differences: Vec<Difference>,
    /// What there is to be reached of the rules that were asked, by rule.
    pub(super) parts: BTreeMap<String, std::collections::BTreeSet<Part>>,
}

/// The world of one test.
pub(super) struct House {
    pub(super) engine: Arc<Engine>,
    pub(super) journal: Arc<dyn Journal>,
    pub(super) stage: Arc<Stage>,
    pub(super) told: Arc<Recorder>,
    pulse: Arc<Pulse>,
    timeline: Arc<Timeline>,
}

/// Carries a test out.
///
/// # Errors
/// The rules do not compile with its settings, or the machinery failed.
pub(super) async fn try_out(file: &TestFile, test: &Test, coverage: &Coverage) -> Result<Tried, TestsFault> {
    let machinery = |fault: &dyn std::fmt::Display| TestsFault::Machinery(format!("{}: {fault}", test.name));
    let directory = directory().map_err(|fault| machinery(&fault))?;
    let pulse = Arc::new(Pulse::default());
    let timeline = Timeline::new(test.begins, Arc::clone(&pulse));
    let stage = Arc::new(Stage {
        timeline: Arc::clone(&timeline),
        pulse: Arc::clone(&pulse),
        readings: test.readings.clone(),
        actions: test.actions.clone(),
        state: Mutex::default(),
    });
    let catalog = stage.catalog(&file.catalog);
    let stored =
        SqliteJournal::open(&directory.path().join("journal.sqlite")).map_err(|fault| machinery(&fault))?;
    let journal: Arc<dyn Journal> = Arc::new(Watched::new(Arc::new(stored), Felt(Arc::clone(&pulse))));
    let ledger: Arc<dyn Ledger> = Arc::new(EmbeddedLedger::new(Arc::<Timeline>::clone(&timeline)));
    remember(test, &*journal, &*ledger).await.map_err(|fault| machinery(&fault))?;
    let told = Arc::<Recorder>::default();
    let limits = Limits::default();
    // Scripts are bounded by operations; the time of a busy machine must not fail a test.
    let compiler =
        Compiler::covering(&catalog, test.settings.clone(), limits, Arc::new(|| Duration::ZERO), coverage);
    let parts = Parts {
        journal: Arc::clone(&journal),
        ledger,
        clock: Arc::<Timeline>::clone(&timeline),
        entropy: Arc::new(Counting::default()),
        catalog,
        policy: test.policy.clone(),
        compiler,
        scripts: Scripts::start(0).map_err(|fault| machinery(&fault))?,
        sinks: vec![Arc::<Recorder>::clone(&told)],
        source: None,
        metrics: Metrics::new(&Registry::new()).map_err(|fault| machinery(&fault))?,
        escalation: Escalation::default(),
        adopt: Arc::new(|_, _| {}),
        switch_on: test.history.switch_on,
        learning: true,
        shared: false,
        audit_key: None,
        retention: selfheal_runtime::retention::Retention::default(),
        backlog_max: BACKLOG_MAX,
    };
    let (engine, mut rooms) =
        Engine::start(parts, file.rules.clone()).await.map_err(|fault| machinery(&fault))?;
    if let Some(refusal) = engine.rules.refusal() {
        return Err(TestsFault::Compile(refusal.diagnostics));
    }
    pulse.settle().await;
    let house = House { engine, journal, stage, told, pulse, timeline };
    let differences = house.live_through(test).await;
    let rules = house.engine.rules.current();
    let parts = rules.set.rules().iter().map(|rule| (rule.name().to_owned(), rule.parts())).collect();
    rooms.shutdown().await;
    Ok(Tried { differences: differences.map_err(|fault| machinery(&fault))?, parts })
}

/// In memory where that is possible: a sync of a disk takes its time, and what is here need not outlive the test.
fn directory() -> std::io::Result<tempfile::TempDir> {
    let memory = std::path::Path::new("/dev/shm");
    if memory.is_dir()
        && let Ok(directory) = tempfile::tempdir_in(memory)
    {
        return Ok(directory);
    }
    tempfile::tempdir()
}

/// Puts into journal and ledger what happened before the test.
async fn remember(test: &Test, journal: &dyn Journal, ledger: &dyn Ledger) -> Result<(), String> {
    let before = |ago: Duration| {
        test.begins
            .checked_sub(jiff::SignedDuration::try_from(ago).unwrap_or_default())
            .unwrap_or(Timestamp::MIN)
    };
    let first = test.alerts.first().map(|alert| resource(&labels(alert))).unwrap_or_default();
    let mut writes = Vec::new();
    for failures in &test.history.failures {
        let (rule, at) = (failures.rule.clone(), before(failures.ago));
        let resource = failures.resource.clone().unwrap_or_else(|| first.clone());
        let failure = Write::CountFailure { rule, resource, at };
        writes.extend(std::iter::repeat_n(failure, failures.times as usize));
    }
    for results in &test.history.results {
        let result = |success| Write::CountResult {
            rule: results.rule.clone(),
            action: results.action.clone(),
            success,
        };
        writes.extend(std::iter::repeat_n(result(true), results.helped as usize));
        writes.extend(std::iter::repeat_n(result(false), results.failed as usize));
    }
    if !writes.is_empty() {
        journal.commit(writes).await.map_err(|fault| fault.to_string())?;
    }
    for (index, earlier) in test.history.remediations.iter().enumerate() {
        for number in 0..earlier.times {
            let claim = Claim {
                holder: format!("history-{index}-{number}"),
                duplicate_key: format!("history/{index}/{number}"),
                targets: vec![earlier.target.clone()],
                rule: earlier.rule.clone(),
                cooldown: test.policy.cooldown_min,
                per_target_max: test.policy.per_target_per_hour,
                in_all_max: test.policy.in_all_per_hour,
                rate_window: RATE_WINDOW,
                concurrent_max: test.policy.concurrent,
                lease: LEASE,
            };
            let restored = ledger.restore(&claim, before(earlier.ago), earlier.running).await;
            restored.map_err(|fault| fault.to_string())?;
        }
    }
    Ok(())
}

fn labels(alert: &Alert) -> Labels {
    alert.labels.iter().cloned().collect()
}

/// Something that is to be done at a time; what is sent comes first, what is expected last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Fire(usize),
    Resolve(usize),
    Event(usize),
    Expect(usize),
}

impl House {
    /// Lets time pass, and does at each time what is due.
    async fn live_through(&self, test: &Test) -> Result<Vec<Difference>, String> {
        let mut agenda: Vec<(Duration, Due)> = Vec::new();
        for (index, alert) in test.alerts.iter().enumerate() {
            agenda.push((alert.sent, Due::Fire(index)));
            agenda.extend(alert.resolved.map(|at| (at, Due::Resolve(index))));
        }
        agenda.extend(test.events.iter().enumerate().map(|(index, (at, _))| (*at, Due::Event(index))));
        agenda.extend(test.expects.iter().enumerate().map(|(index, expect)| (expect.at, Due::Expect(index))));
        agenda.sort();
        let mut differences = Vec::new();
        for (at, due) in agenda {
            self.timeline.advance(at.saturating_sub(self.timeline.elapsed())).await;
            match due {
                Due::Fire(index) => self.send(test, &test.alerts[index], None).await?,
                Due::Resolve(index) => {
                    self.send(test, &test.alerts[index], Some(self.timeline.now())).await?
                }
                Due::Event(index) => differences.extend(self.happen(test, index).await?),
                Due::Expect(index) => {
                    let expect = &test.expects[index];
                    let alert = self.looked_at(test, expect);
                    let facts = Facts::gather(self, alert).await.map_err(|fault| fault.to_string())?;
                    differences.extend(differ::compare(expect, &facts));
                }
            }
            self.pulse.settle().await;
        }
        differences.sort_by_key(|difference| difference.line);
        differences
            .extend(self.stage.unanswered().into_iter().map(|call| differ::unanswered(test.line, &call)));
        Ok(differences)
    }

    fn looked_at<'t>(&self, test: &'t Test, expect: &expected::Expect) -> Option<&'t Alert> {
        let has = |alert: &&Alert| expect.alert.iter().all(|label| alert.labels.contains(label));
        test.alerts.iter().find(has)
    }

    /// An alert comes in, as Alertmanager sends it.
    async fn send(&self, test: &Test, alert: &Alert, resolved: Option<Timestamp>) -> Result<(), String> {
        let starts_at = test.begins.checked_add(alert.starts).map_err(|fault| fault.to_string())?;
        let map = |pairs: &[(String, String)]| -> Value {
            pairs.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect()
        };
        let body = json!({
            "version": "4", "receiver": "selfheal", "status": "firing", "groupKey": "{}:{}", "groupLabels": {},
            "commonLabels": {}, "commonAnnotations": {}, "externalURL": "", "truncatedAlerts": 0,
            "alerts": [{
                "status": if resolved.is_some() { "resolved" } else { "firing" },
                "labels": map(&alert.labels), "annotations": map(&alert.annotations),
                "startsAt": starts_at.to_string(), "generatorURL": "",
                "endsAt": resolved.map_or("0001-01-01T00:00:00Z".to_owned(), |at| at.to_string()),
            }],
        });
        let received = self.engine.receive(body.to_string().into_bytes(), "alertmanager", None).await;
        self.pulse.settle().await;
        received.map(drop).map_err(|fault| fault.to_string())
    }

    /// A person does something.
    async fn happen(&self, test: &Test, index: usize) -> Result<Option<Difference>, String> {
        match &test.events[index].1 {
            Event::Switch(on, reason) => {
                self.engine.turn_switch(*on, "the test", reason).await.map_err(|fault| fault.to_string())?;
            }
            Event::Approval(granted, reason) => {
                let open = self
                    .journal
                    .approvals(ApprovalFilter::open(1))
                    .await
                    .map_err(|fault| fault.to_string())?;
                let Some(open) = open.first() else {
                    let at = later(test.begins, test.events[index].0).duration_since(test.begins);
                    return Ok(Some(differ::no_approval(
                        test.line,
                        Duration::try_from(at).unwrap_or_default(),
                    )));
                };
                let answered =
                    self.engine.answer(&open.id, open.plan_hash, *granted, "the test", reason).await;
                answered.map_err(|fault| fault.to_string())?;
            }
        }
        self.pulse.settle().await;
        Ok(None)
    }
}

/// Lets the pulse feel the journal's threads.
struct Felt(Arc<Pulse>);

#[async_trait]
impl Watch for Felt {
    type Flight = Flight;

    async fn before(&self, _call: Call) -> Result<Flight, JournalFault> {
        Ok(self.0.take_off())
    }

    async fn after(&self, _call: Call) {}
}

/// A receiver of news that keeps it.
#[derive(Default)]
pub(super) struct Recorder {
    got: Mutex<Vec<News>>,
}

impl Recorder {
    /// Everything so far.
    pub(super) fn got(&self) -> Vec<News> {
        self.got.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Sink for Recorder {
    fn name(&self) -> &str {
        "test"
    }

    fn wants(&self, news: &News) -> bool {
        news.kind.is_for_people()
    }

    async fn deliver(&self, news: &News, _key: &str) -> Result<(), SinkFault> {
        self.got.lock().unwrap_or_else(PoisonError::into_inner).push(news.clone());
        Ok(())
    }
}

/// Bytes that are the same in every run.
#[derive(Default)]
struct Counting(AtomicU32);

impl Entropy for Counting {
    fn bytes(&self) -> [u8; 16] {
        u128::from(self.0.fetch_add(1, Ordering::Relaxed)).to_be_bytes()
    }
}
