//! The engine in a world that goes wrong: one seed draws a world, what happens in it and every fault, and the same seed
//! gives the same run, always. In some worlds several processes share a journal and a ledger. Oracles watch what must always hold (ARCHITECTURE.md).
//!
//! `schedule` draws what happens, `world` is what outlives a process, `house` one process with its faulty ports
//! (`gate` is the journal's, `adapter`, `ledger` and `mail` the others), `play` carries a schedule out, `oracle` judges,
//! `shrink` looks for the shortest schedule that still fails. Everything of one seed runs on one thread; nothing reads
//! a clock or the operating system's randomness.

pub mod adapter;
pub mod alerts;
pub mod dice;
pub mod gate;
pub mod house;
pub mod ledger;
pub mod life;
pub mod mail;
pub mod oracle;
pub mod play;
pub mod rules;
pub mod run;
pub mod schedule;
pub mod shrink;
pub mod target;
pub mod weather;
pub mod world;

pub use oracle::{Invariant, Violation};
pub use play::{Summary, play};
pub use run::{Failure, Seeds, run};
pub use schedule::Schedule;
