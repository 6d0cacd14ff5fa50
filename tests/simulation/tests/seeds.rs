//! What must always hold, in as many worlds as there is time for: `SELFHEAL_SEEDS` says how many, from seed
//! `SELFHEAL_SEED_FROM` on. Ten thousand are for an optimized build: `cargo run --release -p selfheal-simulation`.

use selfheal_core::issue::Outcome;
use selfheal_simulation::{Schedule, Seeds, play, run};

/// Seeds where nothing else is asked for.
const SEEDS: u64 = 300;
/// Seeds above which every way in which an issue can end must have been seen.
const SEEDS_FOR_ALL: u64 = 2_000;

/// A number from the environment.
fn asked(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|fault| panic!("{name}={text}: expected a number of seeds: {fault}")))
}

#[test]
fn what_must_hold_holds() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let count = asked("SELFHEAL_SEEDS").unwrap_or(SEEDS);
    let seeds = Seeds { from: asked("SELFHEAL_SEED_FROM").unwrap_or(0), count, threads };
    let tally = run(seeds).unwrap_or_else(|failure| panic!("{failure}"));
    println!("{tally}");
    if count >= SEEDS_FOR_ALL {
        let missing = Outcome::NAMES.iter().filter(|(_, outcome)| !tally.outcomes.contains_key(outcome));
        let missing: Vec<_> = missing.map(|(name, _)| name).collect();
        assert!(missing.is_empty(), "no issue has ended as {missing:?}: the worlds are too tame");
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in 0..40 {
        let schedule = Schedule::draw(seed);
        assert_eq!(schedule, Schedule::draw(seed));
        let (first, second) = (play(&schedule, false), play(&schedule, true));
        assert_eq!(first.hash, second.hash, "seed {seed}");
    }
}
