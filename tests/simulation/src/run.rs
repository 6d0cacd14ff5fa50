//! Runs many seeds on all processors, and tells of the first that fails.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use selfheal_core::issue::Outcome;

use crate::oracle::{Invariant, Violation};
use crate::play::{Summary, play};
use crate::schedule::Schedule;
use crate::shrink::shrink;

/// Every so many seeds, one is run twice, to see that it runs in the same way.
const TWICE_EVERY: u64 = 25;

/// Which seeds to run.
#[derive(Clone, Copy, Debug)]
pub struct Seeds {
    /// The first.
    pub from: u64,
    /// How many.
    pub count: u64,
    /// Threads, at least 1.
    pub threads: usize,
}

/// What many runs came to.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Seeds.
    pub seeds: u64,
    /// How issues ended.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// Remediations.
    pub remediations: u64,
    /// Effects at the target, and how many of them were taken back.
    pub effects: (u64, u64),
    /// Processes.
    pub processes: u64,
    /// Virtual time.
    pub lasted: Duration,
}

impl Tally {
    fn add(&mut self, summary: &Summary) {
        self.seeds += 1;
        self.remediations += summary.remediations;
        self.effects.0 += summary.effects;
        self.effects.1 += summary.undone;
        self.processes += summary.processes;
        self.lasted += summary.lasted;
        for (outcome, count) in &summary.outcomes {
            *self.outcomes.entry(*outcome).or_default() += count;
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seeds, remediations, effects: (effects, undone), processes, .. } = self;
        let days = self.lasted.as_secs() / 86_400;
        writeln!(f, "{seeds} seeds, {processes} processes, {days} days of virtual time")?;
        writeln!(f, "{remediations} remediations, {effects} effects, {undone} of them undone")?;
        let outcomes: Vec<String> =
            self.outcomes.iter().map(|(outcome, count)| format!("{outcome} {count}")).collect();
        write!(f, "issues: {}", outcomes.join(", "))
    }
}

/// A seed that failed, with what was found out about it.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// What did not hold.
    pub violation: Violation,
    /// The smallest schedule that fails in the same way.
    pub shrunk: Schedule,
    /// What happened last in it.
    pub lines: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, violation, shrunk, lines } = self;
        writeln!(f, "seed {seed}: {violation}")?;
        writeln!(f, "again: cargo run -p selfheal-simulation -- --from {seed} --seeds 1")?;
        writeln!(f, "\nthe smallest that was found:\n{:?}", shrunk.character)?;
        for event in &shrunk.events {
            writeln!(f, "  {:10.3} s later  {:?}", event.after.as_secs_f64(), event.what)?;
        }
        writeln!(f, "\nwhat happened last in it:")?;
        lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// Runs seeds until one fails.
///
/// # Errors
/// The failing seed, shrunk.
pub fn run(seeds: Seeds) -> Result<Tally, Box<Failure>> {
    let next = AtomicU64::new(seeds.from);
    let end = seeds.from.saturating_add(seeds.count);
    let stop = AtomicBool::new(false);
    let tally = Mutex::new(Tally::default());
    let failed: Mutex<Option<(u64, Violation)>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..seeds.threads.max(1) {
            scope.spawn(|| {
                let mut own = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        break;
                    }
                    let mut summary = play(&Schedule::draw(seed), false);
                    if seed.is_multiple_of(TWICE_EVERY) && summary.violation.is_none() {
                        summary.violation = differs(&summary, seed);
                    }
                    if let Some(violation) = summary.violation.take() {
                        stop.store(true, Ordering::Relaxed);
                        let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                        if failed.as_ref().is_none_or(|(other, _)| seed < *other) {
                            *failed = Some((seed, violation));
                        }
                        break;
                    }
                    own.push(summary);
                }
                let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
                own.iter().for_each(|summary| tally.add(summary));
            });
        }
    });
    match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some((seed, violation)) => Err(Box::new(explain(seed, violation))),
        None => Ok(tally.into_inner().unwrap_or_else(PoisonError::into_inner)),
    }
}

fn differs(first: &Summary, seed: u64) -> Option<Violation> {
    let second = play(&Schedule::draw(seed), true);
    (second.hash != first.hash).then(|| Violation {
        invariant: Invariant::SameSeedSameRun,
        after: second.lasted,
        what: "two runs of the same seed are not the same".to_owned(),
    })
}

fn explain(seed: u64, violation: Violation) -> Failure {
    let schedule = Schedule::draw(seed);
    let shrunk = if violation.invariant == Invariant::SameSeedSameRun {
        schedule
    } else {
        shrink(&schedule, violation.invariant)
    };
    let lines = play(&shrunk, true).lines;
    Failure { seed, violation, shrunk, lines }
}
