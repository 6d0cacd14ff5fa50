//! Runs as many seeds of the simulation as asked for.

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use selfheal_simulation::{Seeds, run};

/// Simulates the engine in worlds that go wrong, one for each seed, and stops at the first in which something does not
/// hold that must always hold. It prints the seed, the smallest schedule that fails in the same way, and what happened
/// last. The same seed gives the same run.
#[derive(Parser)]
#[command(name = "simulate", version)]
struct Arguments {
    /// How many seeds to run.
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Threads; one for each processor when left out.
    #[arg(long)]
    threads: Option<usize>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = arguments.threads.unwrap_or(processors);
    let began = Instant::now();
    match run(Seeds { from: arguments.from, count: arguments.seeds, threads }) {
        Ok(tally) => {
            println!("{tally}\n{:.1} s on {threads} threads", began.elapsed().as_secs_f64());
            ExitCode::SUCCESS
        }
        Err(failure) => {
            println!("{failure}");
            ExitCode::FAILURE
        }
    }
}
