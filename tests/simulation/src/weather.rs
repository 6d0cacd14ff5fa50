//! The weather: what is down at the moment, and how often calls go wrong. Drawn by the seed; it ends with the calm.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::dice::Dice;

/// How often something goes wrong, in a thousand calls. A seed has some of the kinds and not the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// The journal refuses a write.
    pub journal_refuses: u32,
    /// The journal takes its time, before or after the write.
    pub journal_slow: u32,
    /// A sync fails: nobody knows whether it is on disk.
    pub journal_breaks: u32,
    /// The process dies at a write, before or after it is durable.
    pub dies_at_write: u32,
    /// The process dies while the target is asked.
    pub dies_at_target: u32,
    /// The ledger refuses.
    pub ledger_refuses: u32,
    /// The ledger takes its time.
    pub ledger_slow: u32,
    /// The target refuses.
    pub target_refuses: u32,
    /// The target is busy; nothing happens.
    pub target_busy: u32,
    /// The target's answer is lost, or never comes, or it happens later.
    pub target_loses: u32,
    /// Another hand changes what was just changed.
    pub target_disturbed: u32,
    /// A probe cannot be read, or says nothing.
    pub probe_fails: u32,
    /// A sink cannot be reached.
    pub sink_fails: u32,
}

/// The name of a kind of fault, and where it is.
type Kind = (&'static str, fn(&mut Faults) -> &mut u32);

impl Faults {
    /// All kinds.
    pub const KINDS: &'static [Kind] = &[
        ("journal_refuses", |faults| &mut faults.journal_refuses),
        ("journal_slow", |faults| &mut faults.journal_slow),
        ("journal_breaks", |faults| &mut faults.journal_breaks),
        ("dies_at_write", |faults| &mut faults.dies_at_write),
        ("dies_at_target", |faults| &mut faults.dies_at_target),
        ("ledger_refuses", |faults| &mut faults.ledger_refuses),
        ("ledger_slow", |faults| &mut faults.ledger_slow),
        ("target_refuses", |faults| &mut faults.target_refuses),
        ("target_busy", |faults| &mut faults.target_busy),
        ("target_loses", |faults| &mut faults.target_loses),
        ("target_disturbed", |faults| &mut faults.target_disturbed),
        ("probe_fails", |faults| &mut faults.probe_fails),
        ("sink_fails", |faults| &mut faults.sink_fails),
    ];

    /// Draws which kinds there are, and how often.
    pub fn draw(dice: &mut Dice) -> Self {
        let mut faults = Self::default();
        // Every eighth world has none but those that its schedule names.
        if dice.chance(875) {
            for (name, of) in Self::KINDS {
                let most = if name.contains("dies") || name.contains("breaks") { 40 } else { 250 };
                if dice.chance(400) {
                    *of(&mut faults) = 5 + u32::try_from(dice.below(most)).unwrap_or(0);
                }
            }
        }
        faults
    }
}

/// What is down now.
#[derive(Default)]
pub struct Weather {
    /// The journal cannot be written.
    pub journal_down: AtomicBool,
    /// The ledger cannot be asked.
    pub ledger_down: AtomicBool,
    /// The target cannot be reached.
    pub target_down: AtomicBool,
    /// The target cannot tell whether something happened.
    pub target_blind: AtomicBool,
    /// No sink can be reached.
    pub sinks_down: AtomicBool,
    /// The source of alerts cannot be asked.
    pub source_down: AtomicBool,
    /// No call goes wrong.
    pub calm: AtomicBool,
}

impl Weather {
    /// Whether a flag is set.
    pub fn is(&self, flag: fn(&Self) -> &AtomicBool) -> bool {
        flag(self).load(Ordering::Relaxed)
    }

    /// Sets a flag.
    pub fn set(&self, flag: fn(&Self) -> &AtomicBool, on: bool) {
        flag(self).store(on, Ordering::Relaxed);
    }

    /// Everything is up, and nothing goes wrong any more.
    pub fn clear(&self) {
        for flag in [
            &self.journal_down,
            &self.ledger_down,
            &self.target_down,
            &self.target_blind,
            &self.sinks_down,
            &self.source_down,
        ] {
            flag.store(false, Ordering::Relaxed);
        }
        self.calm.store(true, Ordering::Relaxed);
    }
}
