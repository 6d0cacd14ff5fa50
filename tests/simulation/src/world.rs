//! The world: what outlives a process.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use selfheal_core::policy::Policy;
use selfheal_runtime::simulation::{MemoryJournal, Pulse, Timeline};

use crate::dice::Dice;
use crate::ledger::Shared;
use crate::life::WallClock;
use crate::mail::Standing;
use crate::oracle::Oracle;
use crate::schedule::Character;
use crate::target::Target;
use crate::weather::Weather;

/// When every world begins: noon of a Sunday.
const BEGAN: Timestamp = Timestamp::constant(1_795_348_800, 0);

/// What outlives a process.
pub struct World {
    /// What everything is drawn from.
    pub seed: u64,
    /// What kind of world it is.
    pub character: Character,
    /// The limits with which a house is started.
    pub policy: Policy,
    /// The line of time.
    pub timeline: Arc<Timeline>,
    /// What the simulation waits by.
    pub pulse: Arc<Pulse>,
    /// What hangs on the wall.
    pub wall: Arc<WallClock>,
    /// What is durable.
    pub journal: Arc<MemoryJournal>,
    /// The ledger, where it outlives processes.
    pub ledger: Arc<Shared>,
    /// What is healed.
    pub target: Target,
    /// What stands at the source of alerts.
    pub standing: Standing,
    /// What is down.
    pub weather: Weather,
    /// Who judges.
    pub oracle: Oracle,
}

impl World {
    /// A world of this kind; with `lines`, its oracle remembers what happened.
    pub fn new(seed: u64, character: Character, lines: bool) -> Arc<Self> {
        let pulse = Arc::new(Pulse::default());
        let timeline = Timeline::new(BEGAN, Arc::clone(&pulse));
        let policy = policy(seed);
        Arc::new(Self {
            seed,
            character,
            oracle: Oracle::new(Arc::clone(&timeline), policy.clone(), lines),
            policy,
            ledger: Arc::new(Shared::new(Arc::<Timeline>::clone(&timeline))),
            timeline,
            pulse,
            wall: Arc::default(),
            journal: Arc::default(),
            target: Target::default(),
            standing: Standing::default(),
            weather: Weather::default(),
        })
    }
}

/// Limits that a short life can run into.
fn policy(seed: u64) -> Policy {
    let mut dice = Dice::new(seed, "policy");
    let mut up_to = |least: u32, most: u64| least + u32::try_from(dice.below(most)).unwrap_or(0);
    let minutes = |count: u32| Duration::from_secs(u64::from(count) * 60);
    Policy {
        per_target_per_hour: up_to(2, 6),
        in_all_per_hour: up_to(5, 20),
        concurrent: up_to(1, 4),
        storm_per_minute: up_to(3, 10),
        target_wait: minutes(up_to(1, 4)),
        approval_ttl: minutes(up_to(3, 15)),
        breaker_open: minutes(up_to(1, 3)),
        ..Policy::default()
    }
}
