//! What goes wrong, drawn from the seed before anything happens: each fault begins at its time, and most of them end
//! some time later.

use std::fmt;
use std::time::Duration;

use selfheal_simulation::dice::Dice;

use crate::way::Trick;

/// How many replicas there are.
pub const REPLICAS: usize = 3;
/// Brokers of the Kafka that news goes to.
pub const BROKERS: i32 = 3;

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// The server at the end of a way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// PostgreSQL.
    Journal,
    /// Redis.
    Ledger,
    /// The Kubernetes API.
    Target,
}

impl End {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Journal, Self::Ledger, Self::Target];
}

/// One thing that is done to the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// SIGKILL for a replica.
    Kill(usize),
    /// It is started again, if it does not run.
    Start(usize),
    /// SIGSTOP for a replica.
    Freeze(usize),
    /// SIGCONT.
    Thaw(usize),
    /// All connections of a way are reset.
    Reset(usize, End),
    /// A trick on the next request on a way.
    Play(usize, End, Trick),
    /// Everything on a way takes longer; zero ends it.
    Slow(usize, End, Duration),
    /// Nothing passes on a way.
    Cut(usize, End),
    /// It passes again; what was held back comes now, or is lost.
    Mend(usize, End, bool),
    /// A replica is cut off from everything and everybody.
    Isolate(usize),
    /// It is there again; what was held back comes now, or is lost.
    Rejoin(usize, bool),
    /// The next notification to a replica is stored, and Alertmanager does not hear so.
    Deafen(usize),
    /// PostgreSQL and all its processes are killed.
    KillPostgres,
    /// It is started again.
    StartPostgres,
    /// Redis is killed and comes back with nothing.
    EmptyRedis,
    /// The replica of Redis stops to follow its master.
    StallRedis,
    /// The master of Redis is killed and its replica takes over, whatever it has.
    FailOver,
    /// An Alertmanager of the pair is killed.
    KillAlertmanager(usize),
    /// It is started again.
    StartAlertmanager(usize),
    /// A broker of Kafka goes down.
    BrokerDown(i32),
    /// It comes back.
    BrokerUp(i32),
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let late =
            |late: &bool| if *late { "what was held back comes late" } else { "what was held back is lost" };
        match self {
            Self::Kill(replica) => write!(f, "replica {replica} is killed"),
            Self::Start(replica) => write!(f, "replica {replica} is started"),
            Self::Freeze(replica) => write!(f, "replica {replica} freezes"),
            Self::Thaw(replica) => write!(f, "replica {replica} thaws"),
            Self::Reset(replica, end) => write!(f, "replica {replica}: connections to the {end} are reset"),
            Self::Play(replica, end, trick) => {
                write!(f, "replica {replica}: the next request to the {end}: {trick:?}")
            }
            Self::Slow(replica, end, Duration::ZERO) => {
                write!(f, "replica {replica}: the {end} is as quick as before")
            }
            Self::Slow(replica, end, by) => write!(f, "replica {replica}: the {end} is slower by {by:?}"),
            Self::Cut(replica, end) => write!(f, "replica {replica} is cut off from the {end}"),
            Self::Mend(replica, end, held) => {
                write!(f, "replica {replica} reaches the {end} again; {}", late(held))
            }
            Self::Isolate(replica) => write!(f, "replica {replica} is cut off from everything"),
            Self::Rejoin(replica, held) => write!(f, "replica {replica} is there again; {}", late(held)),
            Self::Deafen(replica) => {
                write!(f, "replica {replica}: Alertmanager does not hear the next answer")
            }
            Self::KillPostgres => write!(f, "PostgreSQL is killed"),
            Self::StartPostgres => write!(f, "PostgreSQL is started"),
            Self::EmptyRedis => write!(f, "Redis is killed, and back without memory"),
            Self::StallRedis => write!(f, "the replica of Redis stops to follow"),
            Self::FailOver => write!(f, "the master of Redis is killed, and its replica takes over"),
            Self::KillAlertmanager(which) => write!(f, "Alertmanager {which} is killed"),
            Self::StartAlertmanager(which) => write!(f, "Alertmanager {which} is started"),
            Self::BrokerDown(broker) => write!(f, "broker {broker} of Kafka goes down"),
            Self::BrokerUp(broker) => write!(f, "broker {broker} of Kafka is back"),
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Journal => "journal",
            Self::Ledger => "ledger",
            Self::Target => "target",
        })
    }
}

/// What is done to the world, in the order of its times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agenda {
    /// Each with its time since the beginning, and whether a fault begins with it.
    pub acts: Vec<(Duration, Act, bool)>,
}

impl Agenda {
    /// Draws so many faults.
    pub fn draw(seed: u64, faults: usize) -> Self {
        let mut dice = Dice::new(seed, "faults");
        let mut acts = Vec::new();
        let mut at = Duration::ZERO;
        for _ in 0..faults {
            // Sometimes all is well for a while, so that what was stopped comes to its end.
            at += if dice.chance(60) {
                dice.between(seconds(8), seconds(20))
            } else {
                dice.between(millis(100), seconds(5))
            };
            let begins = acts.len();
            for (after, act) in fault(&mut dice) {
                acts.push((at + after, act, false));
            }
            acts[begins].2 = true;
        }
        acts.sort_by_key(|(at, ..)| *at);
        Self { acts }
    }
}

fn index(dice: &mut Dice, below: u64) -> usize {
    usize::try_from(dice.below(below)).unwrap_or_default()
}

/// One fault: what begins it, at once, and what ends it.
fn fault(dice: &mut Dice) -> Vec<(Duration, Act)> {
    let replica = index(dice, REPLICAS as u64);
    let end = *dice.pick(&End::ALL);
    let at_once = |act| vec![(Duration::ZERO, act)];
    let lasting = |begin, time, end| vec![(Duration::ZERO, begin), (time, end)];
    match dice.below(100) {
        0..14 => lasting(Act::Kill(replica), dice.between(Duration::ZERO, seconds(8)), Act::Start(replica)),
        // Longer than the lease of an issue, which is 20 s.
        14..21 => lasting(Act::Freeze(replica), dice.between(seconds(21), seconds(30)), Act::Thaw(replica)),
        21..26 => lasting(Act::Freeze(replica), dice.between(millis(200), seconds(12)), Act::Thaw(replica)),
        26..36 => at_once(Act::Reset(replica, end)),
        36..50 => at_once(Act::Play(replica, end, Trick::Swallow)),
        50..58 => at_once(Act::Play(replica, end, Trick::Lose)),
        58..68 => {
            let delay = dice.between(millis(500), seconds(15));
            at_once(Act::Play(replica, end, Trick::Delay(delay)))
        }
        68..73 => {
            let (by, time) = (dice.between(millis(50), seconds(3)), dice.between(seconds(1), seconds(12)));
            lasting(Act::Slow(replica, end, by), time, Act::Slow(replica, end, Duration::ZERO))
        }
        73..79 => {
            let time = dice.between(millis(500), seconds(25));
            lasting(Act::Cut(replica, end), time, Act::Mend(replica, end, dice.chance(600)))
        }
        79..85 => {
            let time = dice.between(seconds(1), seconds(30));
            lasting(Act::Isolate(replica), time, Act::Rejoin(replica, dice.chance(600)))
        }
        85..88 => at_once(Act::Deafen(replica)),
        88..91 => lasting(Act::KillPostgres, dice.between(Duration::ZERO, seconds(5)), Act::StartPostgres),
        91..94 => at_once(Act::EmptyRedis),
        94..97 if dice.chance(500) => at_once(Act::FailOver),
        94..97 => lasting(Act::StallRedis, dice.between(millis(500), seconds(6)), Act::FailOver),
        97 => {
            let which = index(dice, 2);
            let time = dice.between(Duration::ZERO, seconds(10));
            lasting(Act::KillAlertmanager(which), time, Act::StartAlertmanager(which))
        }
        _ => {
            let broker = 1 + i32::try_from(dice.below(u64::from(BROKERS.unsigned_abs()))).unwrap_or_default();
            let time = dice.between(seconds(1), seconds(20));
            lasting(Act::BrokerDown(broker), time, Act::BrokerUp(broker))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_faults_and_each_is_counted_once() {
        for seed in 0..20 {
            let agenda = Agenda::draw(seed, 50);
            assert_eq!(agenda, Agenda::draw(seed, 50));
            assert_ne!(agenda, Agenda::draw(seed + 100, 50));
            assert_eq!(agenda.acts.iter().filter(|(.., begins)| *begins).count(), 50);
            assert!(agenda.acts.is_sorted_by_key(|(at, ..)| *at));
        }
    }

    #[test]
    fn every_kind_of_fault_is_drawn_in_a_long_run() {
        let agenda = Agenda::draw(1, 500);
        let kinds: std::collections::BTreeSet<String> = agenda
            .acts
            .iter()
            .map(|(_, act, _)| format!("{act:?}").split('(').next().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(kinds.len(), 21, "{kinds:?}");
    }
}
