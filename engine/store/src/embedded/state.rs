//! What the embedded ledger holds, and the one place where it changes. Everything that belongs to the holder who asks is
//! left out of what stands in its way: that is what makes a repeated reservation the same as the first.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use jiff::Timestamp;
use selfheal_runtime::ports::ledger::LedgerReading;
use selfheal_runtime::ports::{Claim, LedgerFault, Reserved};

use super::elapsed::Instant;
use super::window::Window;

/// How often what has expired is dropped.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// Something that one holder has until a time.
#[derive(Debug)]
struct Held {
    holder: String,
    until: Instant,
}

#[derive(Default)]
pub(super) struct State {
    /// The latest time: callers read the clock before they queue for the ledger.
    last: Instant,
    /// Running remediations, by holder, and the end of their lease.
    running: HashMap<String, Instant>,
    /// The ends of all leases that were ever given to them and have not come yet.
    lease_ends: BTreeSet<(Instant, String)>,
    duplicates: HashMap<String, Held>,
    targets: HashMap<String, Held>,
    /// By rule and target.
    cooldowns: HashMap<(String, String), Held>,
    granted_by_target: HashMap<String, Window>,
    granted: Window,
    /// Holders that have released, so that a late renewal does not take up again what they gave back.
    released: HashMap<String, Instant>,
    /// Claims that were running before a restart: their lease begins when the time is first known.
    awaiting_lease: Vec<Claim>,
    /// The longest window asked for: what is older is of no use to anybody.
    window_max: Duration,
    next_sweep: Instant,
}

impl State {
    pub(super) fn reserve(&mut self, claim: &Claim, clock: Timestamp, now: Instant) -> Reserved {
        let now = self.begin(now);
        let reading = self.reading(claim, clock, now);
        let granted = nothing_stands_in_the_way(claim, &reading);
        if granted {
            self.window_max = self.window_max.max(claim.rate_window);
            self.released.remove(&claim.holder);
            self.lease(claim, now.after(claim.lease));
            self.count(claim, now, now);
        }
        Reserved { granted, reading }
    }

    pub(super) fn look(&mut self, claim: &Claim, clock: Timestamp, now: Instant) -> LedgerReading {
        let now = self.begin(now);
        self.reading(claim, clock, now)
    }

    pub(super) fn renew(&mut self, claim: &Claim, clock: Timestamp, now: Instant) -> Result<(), LedgerFault> {
        let now = self.begin(now);
        let holder = &claim.holder;
        if self.released.contains_key(holder) {
            return Err(LedgerFault(format!("{holder} cannot renew what it has released")));
        }
        let reading = self.reading(claim, clock, now);
        if let Some(other) = reading.duplicate {
            return Err(LedgerFault(format!("the lease of {holder} has ended and {other} treats its issue")));
        }
        if let Some((target, other)) = reading.busy {
            return Err(LedgerFault(format!("the lease of {holder} has ended and {other} has {target}")));
        }
        self.lease(claim, now.after(claim.lease));
        Ok(())
    }

    pub(super) fn release(&mut self, claim: &Claim, now: Instant) {
        let now = self.begin(now);
        let others = |held: &mut Held| held.holder != claim.holder;
        if let Some(until) = self.running.remove(&claim.holder) {
            self.lease_ends.remove(&(until, claim.holder.clone()));
        }
        if self.duplicates.get_mut(&claim.duplicate_key).is_some_and(|held| !others(held)) {
            self.duplicates.remove(&claim.duplicate_key);
        }
        for target in &claim.targets {
            if self.targets.get_mut(target).is_some_and(|held| !others(held)) {
                self.targets.remove(target);
            }
        }
        self.released.insert(claim.holder.clone(), now.after(claim.lease));
    }

    pub(super) fn restore(&mut self, claim: &Claim, granted_at: Instant, running: bool) {
        self.window_max = self.window_max.max(claim.rate_window);
        self.count(claim, granted_at, granted_at);
        if running {
            self.awaiting_lease.push(claim.clone());
        }
    }

    /// Takes note of the time, and of what has happened by it.
    fn begin(&mut self, now: Instant) -> Instant {
        let now = now.max(self.last);
        self.last = now;
        for claim in std::mem::take(&mut self.awaiting_lease) {
            self.lease(&claim, now.after(claim.lease));
        }
        while self.lease_ends.first().is_some_and(|(until, _)| *until <= now) {
            let ended = self.lease_ends.pop_first();
            if let Some((until, holder)) =
                ended.filter(|(until, holder)| self.running.get(holder) == Some(until))
            {
                tracing::debug!(holder, ?until, "a lease has ended without being renewed or released");
                self.running.remove(&holder);
            }
        }
        if now >= self.next_sweep {
            self.sweep(now);
            self.next_sweep = now.after(SWEEP_EVERY);
        }
        now
    }

    fn reading(&self, claim: &Claim, clock: Timestamp, now: Instant) -> LedgerReading {
        let holder = claim.holder.as_str();
        let of_another = |held: &&Held| held.holder != holder && held.until > now;
        let shown = |then: Instant| then.shown(clock, now);
        let busy = claim.targets.iter().find_map(|target| {
            let held = self.targets.get(target).filter(of_another)?;
            Some((target.clone(), held.holder.clone()))
        });
        let cooling_until = claim.targets.iter().filter_map(|target| {
            let key = (claim.rule.clone(), target.clone());
            self.cooldowns.get(&key).filter(of_another).map(|held| held.until)
        });
        let untouched = Window::default();
        let target_full = claim.targets.iter().filter_map(|target| {
            let window = self.granted_by_target.get(target).unwrap_or(&untouched);
            let until = window.full_until(holder, claim.per_target_max, claim.rate_window, now)?;
            Some((target, until))
        });
        // Those whose lease has ended are no longer among them.
        let running = self.running.len() - usize::from(self.running.contains_key(holder));
        LedgerReading {
            duplicate: self
                .duplicates
                .get(&claim.duplicate_key)
                .filter(of_another)
                .map(|held| held.holder.clone()),
            busy,
            cooling_until: cooling_until.max().map(shown),
            // The target that keeps the claim waiting longest.
            target_full: target_full
                .max_by_key(|(_, until)| *until)
                .map(|(target, until)| (target.clone(), shown(until))),
            all_full_until: self
                .granted
                .full_until(holder, claim.in_all_max, claim.rate_window, now)
                .map(shown),
            running: u32::try_from(running).unwrap_or(u32::MAX),
        }
    }

    fn lease(&mut self, claim: &Claim, until: Instant) {
        let held = || Held { holder: claim.holder.clone(), until };
        if let Some(earlier) = self.running.insert(claim.holder.clone(), until) {
            self.lease_ends.remove(&(earlier, claim.holder.clone()));
        }
        self.lease_ends.insert((until, claim.holder.clone()));
        self.duplicates.insert(claim.duplicate_key.clone(), held());
        for target in &claim.targets {
            self.targets.insert(target.clone(), held());
        }
    }

    /// Counts a grant for the rates and starts the cooldowns, once for each holder. A window of nothing counts nothing.
    fn count(&mut self, claim: &Claim, granted_at: Instant, now: Instant) {
        let counts = !claim.rate_window.is_zero();
        if counts {
            self.granted.count(&claim.holder, granted_at);
        }
        for target in &claim.targets {
            if counts {
                self.granted_by_target.entry(target.clone()).or_default().count(&claim.holder, granted_at);
            }
            let until = granted_at.after(claim.cooldown);
            let key = (claim.rule.clone(), target.clone());
            let stands = self
                .cooldowns
                .get(&key)
                .is_some_and(|held| held.until >= until || (held.holder == claim.holder && held.until > now));
            if !stands {
                self.cooldowns.insert(key, Held { holder: claim.holder.clone(), until });
            }
        }
    }

    fn sweep(&mut self, now: Instant) {
        let window = self.window_max;
        self.released.retain(|_, until| *until > now);
        self.duplicates.retain(|_, held| held.until > now);
        self.targets.retain(|_, held| held.until > now);
        self.cooldowns.retain(|_, held| held.until > now);
        self.granted_by_target.retain(|_, grants| grants.trim(window, now));
        self.granted.trim(window, now);
    }
}

fn nothing_stands_in_the_way(claim: &Claim, reading: &LedgerReading) -> bool {
    reading.duplicate.is_none()
        && reading.busy.is_none()
        && reading.cooling_until.is_none()
        && reading.target_full.is_none()
        && reading.all_full_until.is_none()
        && reading.running < claim.concurrent_max
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(holder: usize) -> Claim {
        Claim {
            holder: format!("remediation-{holder}-1"),
            duplicate_key: format!("issue-{holder}/rule"),
            targets: vec![format!("target-{holder}")],
            rule: "rule".to_owned(),
            cooldown: Duration::from_secs(300),
            per_target_max: 10,
            in_all_max: 100,
            rate_window: Duration::from_secs(3600),
            concurrent_max: 100,
            lease: Duration::from_secs(60),
        }
    }

    const SHOWN: Timestamp = Timestamp::UNIX_EPOCH;

    #[test]
    fn what_has_expired_is_dropped() {
        let mut state = State::default();
        let start = Instant::default().after(Duration::from_secs(1_000_000));
        for holder in 0..50 {
            assert!(state.reserve(&claim(holder), SHOWN, start).granted);
        }
        state.release(&claim(0), start);
        state.look(&claim(0), SHOWN, start.after(Duration::from_secs(2 * 3600)));
        let State { running, duplicates, targets, cooldowns, granted_by_target, released, .. } = &state;
        let left = [running.len(), duplicates.len(), targets.len(), cooldowns.len(), granted_by_target.len()];
        assert_eq!((left, released.len()), ([0; 5], 0));
    }

    #[test]
    fn a_restored_claim_is_leased_from_the_first_moment_on() {
        let mut state = State::default();
        let start = Instant::default().after(Duration::from_secs(1_000_000));
        state.restore(&claim(1), start, true);
        let other = Claim { holder: "other".to_owned(), ..claim(1) };
        let reading = state.look(&other, SHOWN, start.after(Duration::from_secs(3 * 3600)));
        assert_eq!(reading.duplicate.as_deref(), Some("remediation-1-1"));
        assert_eq!((reading.running, reading.cooling_until), (1, None));
    }
}
