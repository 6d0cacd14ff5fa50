//! Journeys: the real process between real servers, from a metric to a healed system, and through what can go wrong.
//!
//! `selfheal` starts the process, `surroundings` the exporters and the clients of the servers that are healed. Every other
//! file is a journey. They wait for conditions, with deadlines; what cannot be installed is skipped, loudly.

#![expect(clippy::unwrap_used, reason = "a journey ends where something is not as it must be")]

mod checks;
mod cluster;
mod full;
mod kafka;
mod killed;
mod kubernetes;
mod ledger;
mod live;
mod missed;
mod people;
mod postgres;
mod quickstart;
mod redis;
mod reload;
mod replicas;
mod selfheal;
mod start;
mod surroundings;
