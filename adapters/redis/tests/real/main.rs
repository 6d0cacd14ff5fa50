//! The adapter against real servers: what it reads and changes, and what it does when they fail.
#![expect(clippy::unwrap_used, reason = "a test fails where one of its helpers does")]

mod actions;
mod conformance;
mod faults;
mod hostile;
mod impostor;
mod support;
mod tls;
