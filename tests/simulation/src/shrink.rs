//! Looks for less that still fails in the same way: fewer kinds of fault, fewer events, fewer rules.

use crate::oracle::Invariant;
use crate::play::play;
use crate::schedule::Schedule;
use crate::weather::Faults;

/// Runs that shrinking may take.
const RUNS_MAX: usize = 600;

/// A schedule that breaks the same invariant with as little as was found.
pub fn shrink(schedule: &Schedule, invariant: Invariant) -> Schedule {
    let mut shrinking = Shrinking { best: schedule.clone(), invariant, left: RUNS_MAX };
    loop {
        let before = shrinking.best.clone();
        shrinking.fewer_faults();
        shrinking.fewer_events();
        shrinking.fewer_rules();
        if shrinking.best == before || shrinking.left == 0 {
            return shrinking.best;
        }
    }
}

struct Shrinking {
    best: Schedule,
    invariant: Invariant,
    left: usize,
}

impl Shrinking {
    /// Keeps a smaller schedule that still fails.
    fn keep(&mut self, smaller: Schedule) -> bool {
        if self.left == 0 || smaller == self.best {
            return false;
        }
        self.left -= 1;
        let fails =
            play(&smaller, false).violation.is_some_and(|violation| violation.invariant == self.invariant);
        if fails {
            self.best = smaller;
        }
        fails
    }

    fn fewer_faults(&mut self) {
        for (_, kind) in Faults::KINDS {
            let mut smaller = self.best.clone();
            *kind(&mut smaller.character.faults) = 0;
            self.keep(smaller);
        }
        let mut smaller = self.best.clone();
        smaller.character.has_source = false;
        self.keep(smaller);
        for replicas in 1..self.best.character.replicas {
            let mut smaller = self.best.clone();
            smaller.character.replicas = replicas;
            self.keep(smaller);
        }
    }

    fn fewer_events(&mut self) {
        let mut size = self.best.events.len().div_ceil(2);
        while size > 0 {
            let mut from = 0;
            while from < self.best.events.len() {
                let mut smaller = self.best.clone();
                let to = (from + size).min(smaller.events.len());
                smaller.events.drain(from..to);
                if !self.keep(smaller) {
                    from += size;
                }
            }
            size /= 2;
        }
    }

    fn fewer_rules(&mut self) {
        for place in (0..self.best.character.rules.len()).rev() {
            let mut smaller = self.best.clone();
            smaller.character.rules.remove(place);
            self.keep(smaller);
        }
    }
}
