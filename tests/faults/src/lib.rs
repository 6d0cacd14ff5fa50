//! Three real replicas under faults: SIGKILL, SIGSTOP, networks that reset, swallow, delay and cut, servers that die and
//! come back without memory. A pair of Alertmanagers feeds them, and in the end oracles are asked.
//!
//! `draw` draws what goes wrong from a seed, `house` is everything that runs (`replica` one of the three, `way` how it
//! reaches a server, `door` how Alertmanager reaches it), `feed` what fires, `inject` carries out what was drawn, `run`
//! does one run, `oracle` judges. The seed decides the faults and their times; what they hit is up to the machine, so
//! that a seed that failed may have to be run again to fail again.

pub mod door;
pub mod draw;
pub mod feed;
pub mod house;
pub mod inject;
pub mod kafka;
pub mod oracle;
pub mod replica;
pub mod rules;
pub mod run;
pub mod way;

pub use run::{Options, Report, run};
