//! The house: one process in the world. Its porch is what its ports share.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use jiff::Timestamp;
use prometheus::Registry;
use selfheal_contract::Catalog;
use selfheal_runtime::escalation::Escalation;
use selfheal_runtime::metrics::Metrics;
use selfheal_runtime::ports::{AlertSource, Clock, Entropy, Sink};
use selfheal_runtime::retention::Retention;
use selfheal_runtime::scripts::Scripts;
use selfheal_runtime::simulation::{MemoryJournal, Pulse, Timeline};
use selfheal_runtime::{Engine, Parts};
use selfheal_script::{Compiler, Limits, RuleFile};
use tokio::task::JoinSet;

use crate::adapter::Connection;
use crate::dice::Dice;
use crate::gate::{Appointment, Gate};
use crate::ledger::{FaultyLedger, Shared};
use crate::life::{HouseClock, Life};
use crate::mail::{Mailbox, Source, Standing};
use crate::oracle::{Invariant, Oracle};
use crate::target::Target;
use crate::weather::{Faults, Weather};
use crate::world::World;

/// How often a house asks the source of alerts.
const ASK_EVERY: Duration = Duration::from_secs(240);
/// Operations of one call of a script: enough for the rules of the simulation.
const OPERATIONS: u64 = 400;

/// What the ports of one process share.
pub struct Porch {
    /// Whether it lives.
    pub life: Arc<Life>,
    world: Arc<World>,
    /// Which process of the world it is, from 1.
    number: u64,
    must_end: AtomicBool,
    engine: OnceLock<Weak<Engine>>,
}

impl Porch {
    /// A stream of random numbers for a port.
    pub fn dice(&self, port: &str) -> Dice {
        Dice::new(self.world.seed.wrapping_add(self.number << 48), port)
    }

    /// What is down.
    pub fn weather(&self) -> &Weather {
        &self.world.weather
    }

    /// What goes wrong, and how often.
    pub fn faults(&self) -> &Faults {
        &self.world.character.faults
    }

    /// Who judges.
    pub fn oracle(&self) -> &Oracle {
        &self.world.oracle
    }

    /// What is healed.
    pub fn target(&self) -> &Target {
        &self.world.target
    }

    /// What stands at the source.
    pub fn standing(&self) -> &Standing {
        &self.world.standing
    }

    /// The line of time.
    pub fn timeline(&self) -> &Arc<Timeline> {
        &self.world.timeline
    }

    /// What the simulation waits by.
    pub fn pulse(&self) -> &Pulse {
        &self.world.pulse
    }

    /// What is durable.
    pub fn journal(&self) -> &Arc<MemoryJournal> {
        &self.world.journal
    }

    /// What the wall clock shows.
    pub fn now(&self) -> Timestamp {
        self.world.wall.show(self.world.timeline.now())
    }

    /// Ends the process here and now.
    pub async fn die(&self, what: &'static str) {
        self.world.oracle.note("dies", self.number, || what.to_owned());
        self.life.end();
        self.life.go_on().await;
    }

    /// The process must end as soon as it notices.
    pub fn must_end(&self) {
        self.must_end.store(true, Ordering::Relaxed);
    }

    /// Whether the switch of the process is on.
    pub fn switch_is_on(&self) -> bool {
        let engine = self.engine.get().and_then(Weak::upgrade);
        engine.is_none_or(|engine| engine.switch.position().on)
    }
}

/// One process.
pub struct House {
    /// Its engine.
    pub engine: Arc<Engine>,
    /// What its ports share.
    pub porch: Arc<Porch>,
    _rooms: JoinSet<()>,
}

impl Drop for House {
    fn drop(&mut self) {
        self.porch.life.end();
    }
}

impl House {
    /// Starts a process with these rules; `None` when it died, or gave up, while it started.
    pub async fn start(
        world: &Arc<World>,
        number: u64,
        rules: Vec<RuleFile>,
        death: Option<Appointment>,
    ) -> Option<Self> {
        let life = Arc::new(Life::default());
        let porch = Arc::new(Porch {
            life: Arc::clone(&life),
            world: Arc::clone(world),
            number,
            must_end: AtomicBool::new(false),
            engine: OnceLock::new(),
        });
        let started = life.during(Engine::start(parts(world, &porch, death), rules)).await?;
        let (engine, rooms) = started.ok()?;
        // Nobody else sets it.
        let _ = porch.engine.set(Arc::downgrade(&engine));
        world.oracle.note("starts", number, String::new);
        let (ending, stopping) = (Arc::clone(&porch), Arc::clone(&engine));
        tokio::spawn(async move {
            let Some(why) = ending.life.during(stopping.stop.wait()).await else { return };
            if !ending.must_end.swap(true, Ordering::Relaxed) {
                let what = format!("the process ends although the journal is not broken: {why}");
                ending.oracle().broken(Invariant::GoesOn, what);
            }
        });
        Some(Self { engine, porch, _rooms: rooms })
    }

    /// Whether it lives, and may go on living.
    pub fn lives(&self) -> bool {
        !self.porch.life.is_over() && !self.porch.must_end.load(Ordering::Relaxed)
    }
}

fn parts(world: &Arc<World>, porch: &Arc<Porch>, death: Option<Appointment>) -> Parts {
    let catalog = Catalog::new([Connection::new(Arc::clone(porch)).adapter()]);
    let limits = Limits { operations: OPERATIONS, ..Limits::default() };
    let compiler = Compiler::with_clock(&catalog, BTreeMap::new(), limits, Arc::new(|| Duration::ZERO));
    let clock: Arc<dyn Clock> = Arc::new(HouseClock {
        timeline: Arc::clone(&world.timeline),
        wall: Arc::clone(&world.wall),
        life: Arc::clone(&porch.life),
    });
    let ledger = if world.character.ledger_outlives {
        Arc::clone(&world.ledger)
    } else {
        Arc::new(Shared::new(Arc::clone(&clock)))
    };
    let source: Arc<dyn AlertSource> = Arc::new(Source(Arc::clone(porch)));
    let sink: Arc<dyn Sink> = Arc::new(Mailbox::new(Arc::clone(porch)));
    Parts {
        journal: Arc::new(Gate::new(Arc::clone(porch), death)),
        ledger: Arc::new(FaultyLedger::new(Arc::clone(porch), ledger)),
        clock,
        entropy: Arc::new(Counting { number: porch.number, drawn: AtomicU64::new(0) }),
        catalog,
        policy: world.policy.clone(),
        compiler,
        scripts: Scripts::start(0).expect("no thread is started"),
        sinks: vec![sink],
        escalation: Escalation::default(),
        source: world.character.has_source.then_some((source, ASK_EVERY)),
        metrics: Metrics::new(&Registry::new()).expect("the names are the engine's own"),
        adopt: Arc::new(|_, _| {}),
        audit_key: None,
        switch_on: true,
        learning: true,
        shared: world.character.replicas > 1,
        retention: Retention::default(),
        backlog_max: 10_000,
    }
}

/// Bytes that are the same in every run.
struct Counting {
    number: u64,
    drawn: AtomicU64,
}

impl Entropy for Counting {
    fn bytes(&self) -> [u8; 16] {
        let drawn = self.drawn.fetch_add(1, Ordering::Relaxed);
        (u128::from(self.number) << 64 | u128::from(drawn)).to_be_bytes()
    }
}
