//! The rooms under a clock of their own: one engine in this process, a target that fails as it is told, and time that
//! passes only when a test says so.
//!
//! `world` puts the engine together and is what outlives its crashes; `time` is the clock, `double` the target, `life`
//! the difference between a process and a dead one. Everything runs on one thread, so that a test knows when nothing
//! is left to do but to wait. The other files are cases.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

mod admission;
mod approvals;
mod checkpoints;
mod checks;
mod clock;
mod crash;
mod double;
mod escalation;
mod intake;
mod issues;
mod life;
mod loss;
mod outbox;
mod plans;
mod reload;
mod replicas;
mod reverts;
mod source;
mod time;
mod told;
mod world;
