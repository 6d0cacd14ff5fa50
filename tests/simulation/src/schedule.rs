//! What happens in a world, drawn from its seed before anything happens, so that a part of it can be left out.

use std::time::Duration;

use crate::dice::Dice;
use crate::gate::Appointment;
use crate::rules;
use crate::weather::Faults;

/// Instances that alerts are about; rules for the same instance get in each other's way.
const INSTANCES: u64 = 3;
/// Of so many worlds, one has two processes on its journal and one has three.
const REPLICATED_EVERY: u64 = 5;
/// The most that happens in one world, and the least.
const EVENTS_MAX: u64 = 40;
const EVENTS_MIN: u64 = 8;

/// What kind of world it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Character {
    /// What goes wrong, and how often.
    pub faults: Faults,
    /// The rules, by number.
    pub rules: Vec<usize>,
    /// Whether alerts can be asked for.
    pub has_source: bool,
    /// Whether the ledger outlives a process.
    pub ledger_outlives: bool,
    /// How many processes share the journal, and then the ledger; at least one.
    pub replicas: usize,
}

/// An alert: a rule's number and an instance's.
pub type AlertNumber = (usize, u64);

/// What becomes of a notification on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// All of it comes.
    Whole,
    /// Its first alert comes, and how many were cut off.
    Cut,
    /// It comes with an alert that is none.
    Malformed,
    /// It does not come.
    Lost,
}

/// What can be down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The journal cannot be written.
    Journal,
    /// The ledger cannot be asked.
    Ledger,
    /// The target cannot be reached.
    Target,
    /// The target cannot tell what has happened.
    TargetsMemory,
    /// No sink can be reached.
    Sinks,
    /// The source of alerts cannot be asked.
    Source,
}

/// Something that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Alerts fire.
    Fire(Vec<AlertNumber>, Sent),
    /// Alerts are resolved.
    Resolve(Vec<AlertNumber>, Sent),
    /// A notification of before comes once more.
    Repeat(u64),
    /// Many new alerts for one rule.
    Storm(usize, u64),
    /// A rule is released from its storm.
    Release(usize),
    /// An alert is tried by dry-run, and fires in the same moment.
    DryRun(usize),
    /// Another hand changes the number of an instance.
    Disturb(u64),
    /// A part goes down.
    Down(Part),
    /// A part comes back.
    Up(Part),
    /// The ledger forgets everything.
    Forget,
    /// A process is killed; the next one may have an appointment.
    Kill(Option<Appointment>),
    /// A process is frozen for so many seconds.
    Freeze(u64),
    /// Other editions of the rules, one of them less; or texts that do not compile.
    Reload {
        /// Which edition; 0 does not compile.
        edition: u32,
        /// Which rule is left out, if it is there.
        without: usize,
    },
    /// The wall clock is set, by seconds; not where processes share a journal, whose server has its own.
    SetClock(i64),
    /// An open approval is answered: which, whether yes, and whether for the right plan.
    Answer(u64, bool, bool),
    /// The switch is turned.
    Switch(bool),
}

/// Something that happens some time after what happened before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// How long after.
    pub after: Duration,
    /// What.
    pub what: What,
}

/// A world and what happens in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// What everything is drawn from.
    pub seed: u64,
    /// What kind of world it is.
    pub character: Character,
    /// What happens, in order.
    pub events: Vec<Event>,
}

impl Schedule {
    /// Draws a world.
    pub fn draw(seed: u64) -> Self {
        let mut dice = Dice::new(seed, "schedule");
        let faults = Faults::draw(&mut Dice::new(seed, "faults"));
        let count = 1 + dice.below(4);
        let rules: Vec<usize> = (0..count).map(|_| number(dice.below(rules::COUNT))).collect();
        let has_source = dice.chance(300);
        let ledger_outlives = dice.chance(500);
        let replicas = match Dice::new(seed, "replicas").below(REPLICATED_EVERY) {
            0 => 2,
            1 => 3,
            _ => 1,
        };
        let ledger_outlives = ledger_outlives || replicas > 1;
        let count = EVENTS_MIN + dice.below(EVENTS_MAX - EVENTS_MIN + 1);
        // Some worlds are hasty, others slow.
        let pace = *dice.pick(&[2, 20, 90]);
        let events = (0..count).map(|_| Event {
            after: dice.between(Duration::ZERO, Duration::from_secs(pace)),
            what: what(&mut dice, &rules, ledger_outlives, replicas),
        });
        let events = events.collect();
        Self { seed, character: Character { faults, rules, has_source, ledger_outlives, replicas }, events }
    }
}

fn number(drawn: u64) -> usize {
    usize::try_from(drawn).unwrap_or_default()
}

fn what(dice: &mut Dice, rules: &[usize], ledger_outlives: bool, replicas: usize) -> What {
    match dice.below(100) {
        0..35 => What::Fire(alerts(dice, rules), sent(dice)),
        35..50 => What::Resolve(alerts(dice, rules), sent(dice)),
        53..55 if replicas > 1 => What::Freeze(dice.below(60)),
        50..55 => What::Repeat(dice.draw()),
        55..57 => What::Storm(*dice.pick(rules), 3 + dice.below(8)),
        57 => What::Release(*dice.pick(rules)),
        58..62 => What::DryRun(*dice.pick(rules)),
        62..65 => What::Disturb(dice.below(INSTANCES)),
        65..71 => What::Down(part(dice)),
        71..79 => What::Up(part(dice)),
        79 if ledger_outlives => What::Forget,
        79..86 => What::Kill(
            dice.chance(600).then(|| (1 + u32::try_from(dice.below(12)).unwrap_or(0), dice.chance(500))),
        ),
        86..90 => {
            let edition = u32::try_from(dice.below(4)).unwrap_or(0);
            What::Reload { edition, without: number(dice.below(2 * rules::COUNT)) }
        }
        90 if replicas > 1 => What::Freeze(dice.below(120)),
        90 => What::SetClock(i64::try_from(dice.below(1200)).unwrap_or(0) - 400),
        91..97 => What::Answer(dice.draw(), dice.chance(700), dice.chance(850)),
        97 => What::Switch(false),
        _ => What::Switch(true),
    }
}

fn alerts(dice: &mut Dice, rules: &[usize]) -> Vec<AlertNumber> {
    let count = if dice.chance(700) { 1 } else { 2 + dice.below(3) };
    (0..count).map(|_| (*dice.pick(rules), dice.below(INSTANCES))).collect()
}

fn sent(dice: &mut Dice) -> Sent {
    match dice.below(20) {
        0 => Sent::Cut,
        1 => Sent::Malformed,
        2 => Sent::Lost,
        _ => Sent::Whole,
    }
}

fn part(dice: &mut Dice) -> Part {
    const PARTS: &[Part] =
        &[Part::Journal, Part::Ledger, Part::Target, Part::TargetsMemory, Part::Sinks, Part::Source];
    *dice.pick(PARTS)
}
