//! The PostgreSQL adapter, `pg` in rules: it reads sessions, queries and tables, ends what hangs, and tends tables.
//!
//! Flow: `settings` checks the section `postgres` and gives a `Server` for each target; probes and actions
//! find theirs by name in `Servers` and speak to it through a small pool. What may be touched at all is
//! told in one place, `sessions`; `fault` tells what a failed statement means.
//!
//! Deliberately absent: any statement that is built from a label. Values are bound as parameters; names of tables,
//! columns and indexes are looked up in the catalog first and quoted by the server.

mod actions;
mod fault;
mod indexes;
mod names;
mod pool;
mod probes;
mod query_text;
mod server;
mod servers;
mod sessions;
mod settings;
mod tables;
mod tls;

use selfheal_contract::RosterEntry;

/// The line of the roster: section `postgres`, adapter `pg`.
pub const ENTRY: RosterEntry = RosterEntry { section: "postgres", check: settings::check, inherits: None };

/// The adapter's name in rules.
const NAME: &str = "pg";
