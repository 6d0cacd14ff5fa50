//! The journal and the ledger behind the runtime's ports.
//!
//! [`SqliteJournal`] keeps durable truth in a file and an inbox, each with one writer thread, whose group commits make "on disk before
//! the answer" fast. [`EmbeddedLedger`] keeps claims, cooldowns and rates in memory, for one process;
//! [`RedisLedger`] keeps them where several processes share them. What every implementation must do is in the
//! conformance tests under `tests/`.

mod breakage;
mod counted;
mod embedded;
mod gravity;
mod inbox;
mod nested;
mod postgres;
mod redis;
mod sqlite;
mod synced;
mod transfer;

pub use embedded::EmbeddedLedger;
pub use postgres::{PostgresAudit, PostgresFault, PostgresFaultKind, PostgresJournal, PostgresSettings};
pub use redis::{RedisAddress, RedisAddressFault, RedisLedger, RedisSettingsFault};
pub use sqlite::{OpenFault, OpenFaultKind, SqliteAudit, SqliteJournal};
pub use transfer::{MoveFault, MovedTable, move_journal};
