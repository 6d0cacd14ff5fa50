//! selfheal's server: configuration, HTTP, command line, sinks, telemetry. Alone in the project it reads flags, the
//! environment and the clock, and the files of configuration and rules; the others are given what they need.

pub mod alertmanager;
pub mod assemble;
pub mod audit;
pub mod checks;
pub mod cli;
pub mod clock;
pub mod config;
pub mod http;
pub mod insight;
pub mod load;
pub mod one_ledger;
pub mod outgoing;
pub mod patience;
pub mod report;
pub mod rights;
pub mod rule_tests;
pub mod serve;
pub mod shipped;
pub mod sinks;
pub mod telemetry;
pub mod watch;
