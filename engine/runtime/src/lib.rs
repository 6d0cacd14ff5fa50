//! The rooms that an alert goes through, and the ports through which they reach the outside.
//!
//! Data flows one way: [`intake`] stores a notification, `expand` turns it into issues and finds their rules, the
//! `desk` waits for their time, [`decide`] observes, plans and asks the guards, `execute` carries out, verifies and
//! unwinds. [`checks`] raise alerts by themselves. `case` is one look at one issue through these rooms; [`dry_run`] is the same without an effect. [`by_hand`], [`silence`]
//! and [`maintenance`] are for people; [`feed`] tells who watches what the journal has taken in.

pub mod breaker;
pub mod by_hand;
pub mod checkpoint;
pub mod checks;
pub mod decide;
pub mod dry_run;
pub mod engine;
pub mod feed;
pub mod held;
pub mod intake;
pub mod maintenance;
pub mod metrics;
pub mod ports;
pub mod resource;
pub mod retention;
pub mod rules;
pub mod scripts;
pub mod silence;
pub mod simulation;
pub mod switch;

mod approval;
mod backlog;
mod case;
mod desk;
pub mod escalation;
mod execute;
mod expand;
mod follow;
mod hold;
mod known;
mod learnt;
mod listen;
mod news;
mod observe;
mod outbox;
mod packed;
mod pen;
mod preview;
mod reconcile;
mod restore;
mod reverts;
mod share;
mod start;
mod steady;
mod stop;
mod storm;
mod tally;
mod waiters;

pub use engine::Engine;
pub use execute::Rollback;
pub use start::{Asked, Parts};
pub use stop::Stop;
