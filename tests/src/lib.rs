//! What the tests of the whole share: something that watches every call between the engine and its journal.
//!
//! The tests themselves are in `rooms` (one engine in the test's process, under virtual time) and `journeys` (real
//! servers and the real process).

pub mod journal;
