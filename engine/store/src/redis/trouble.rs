//! Why the ledger's Redis could not be asked.

use std::time::Duration;

use redis::{ErrorKind, RedisError};
use selfheal_runtime::ports::LedgerFault;

/// The code of the error with which the scripts refuse while Redis has forgotten.
const FORGOT: &str = "FORGOT";

#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// The connection failed, or Redis answered with an error.
    #[error("{said}: {0}", said = words(.0))]
    Redis(#[from] RedisError),
    /// Nobody who was asked led to a master.
    #[error("no master is found: {0}")]
    Nowhere(String),
    /// It is there, and would lose safety limits.
    #[error("{0}")]
    Unfit(String),
    /// No answer in time.
    #[error("Redis has not answered within {0:?}")]
    Silent(Duration),
}

fn words(error: &RedisError) -> &'static str {
    if error.kind() == ErrorKind::Io { "Redis cannot be reached" } else { "Redis says" }
}

impl Trouble {
    /// Whether the master may be another one now, or must not be used any more.
    pub(super) fn parts(&self) -> bool {
        // What the scripts say by themselves, only the right Redis says.
        !matches!(self, Self::Redis(error) if error.code() == Some(FORGOT))
    }
}

impl From<Trouble> for LedgerFault {
    fn from(trouble: Trouble) -> Self {
        Self(trouble.to_string())
    }
}
