//! Measurements of selfheal, each as a ratio to a floor that is measured in the same run.
//!
//! Two kinds. [`cases`] are single rooms within one process: `cargo bench` shows their times, `load rooms` their ratios.
//! [`scenarios`] are the whole: the real server process under a load generator ([`client`]), beside a [floor](wire) that
//! only parses the same bodies. README.md has what was found.
//!
//! Deliberately absent: limits that fail a run. Machines differ, and a figure is for people to judge.

pub mod body;
pub mod cases;
pub mod client;
pub mod disk;
pub mod error;
pub mod metrics;
pub mod report;
pub mod rules;
pub mod scenarios;
pub mod statistics;
pub mod subject;
pub mod target;
pub mod wire;
