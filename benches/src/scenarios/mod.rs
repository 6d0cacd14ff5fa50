//! The whole: the server process under load, one file a question.

mod drain;
mod intake;
mod latency;
mod ledger;
mod listeners;
mod overload;
mod postgres;
mod start;
mod storm;
mod stream;

use std::time::Duration;

use crate::disk::Disk;
use crate::error::Error;
use crate::statistics::Summary;
use crate::subject::Programs;

pub use drain::drain;
pub use intake::intake;
pub use latency::latency;
pub use ledger::ledger;
pub use listeners::listeners;
pub use overload::{Overload, overload};
pub use postgres::postgres;
pub use start::start;
pub use storm::storm;
pub use stream::stream;

/// What all scenarios share.
#[derive(Clone, Debug)]
pub struct Bench {
    /// The programs.
    pub programs: Programs,
    /// How often floor and selfheal take turns, 1 or more.
    pub rounds: usize,
    /// How long each turn is under load.
    pub seconds: Duration,
    /// Connections of the client.
    pub connections: usize,
    /// Threads of the client.
    pub threads: usize,
}

impl Bench {
    /// What a sync takes on the disk in question, at this moment.
    ///
    /// # Errors
    /// The disk cannot be written.
    pub fn sync(&self) -> Result<Summary, Error> {
        Ok(Disk::open(&self.programs.directory)?.times(SYNCS)?.summary())
    }
}

/// Syncs for one figure of the disk.
const SYNCS: usize = 500;
