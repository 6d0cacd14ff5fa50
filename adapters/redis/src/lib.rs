//! The adapter for Redis, `redis` in rules: reads what a server says of itself, sets its parameters, expires and trims the
//! keys that the operator names, ends clients' connections.
//!
//! Its section is `adapters.redis`:
//!
//! ```yaml
//! targets:
//!   cache:
//!     url: rediss://cache.prod:6379/0    # or redis:// without TLS
//!     user: selfheal                     # when the server has users
//!     password: ${CACHE_PASSWORD}
//!     ca: ${file:/etc/ssl/redis-ca.pem}  # when the system does not know the server's authority
//! connect_timeout: 2s
//! timeout: 5s                            # for one answer
//! settable: [maxmemory, maxmemory-policy, maxmemory-samples, timeout]
//! expirable: ["cache:*"]                 # keys that may be given an expiry; none unless listed
//! trimmable: [celery]                    # lists that may be trimmed; none unless listed
//! trim_unasked_max: 10000                # entries that a trim may delete without approval
//! ```
//!
//! Deliberately absent: FLUSHDB, FLUSHALL, DEL, and any way to run a command or a script of a rule's own.

mod action;
mod clients;
mod configuration;
mod connect;
mod fault;
mod info;
mod list;
mod pattern;
mod probe;
mod server;
mod settings;
mod targets;
mod text;

use std::sync::Arc;

use selfheal_contract::settings::Section;
use selfheal_contract::{Adapter, Prepared, RosterEntry};

use crate::connect::Address;
use crate::server::Server;
use crate::settings::Settings;
use crate::targets::Targets;

/// The adapter's line in the roster.
pub const ENTRY: RosterEntry = RosterEntry { section: "redis", check, inherits: None };

const DOC: &str = "Redis servers, by the names that they have under `adapters.redis.targets`. Heals full memory, \
    overlong queues and clients that hold connections. It never deletes a key, flushes a database or runs a command of a \
    rule's own; it touches only the parameters in `settable` and the keys in `expirable` and `trimmable`. Its connections \
    have the name `selfheal`; clients whose name begins so are never ended. Its user should have `+client|setname` and \
    `+client|id` besides the rights that are named with each action and probe.";

fn check(section: &mut Section<'_>) -> Box<dyn Prepared> {
    Box::new(Checked(settings::check(section)))
}

struct Checked(Settings);

impl Prepared for Checked {
    fn connect(self: Box<Self>) -> Result<Adapter, String> {
        let Settings { targets, timeouts, limits } = self.0;
        let servers: Result<Vec<Server>, String> = targets
            .into_iter()
            .map(|target| {
                let name = target.name.clone();
                Ok(Server::new(name, Address::new(target)?, timeouts))
            })
            .collect();
        let targets = Arc::new(Targets::new(servers?, limits));
        Ok(Adapter {
            name: "redis",
            doc: DOC,
            actions: action::all(&targets),
            probes: probe::all(&targets),
            ..Adapter::default()
        })
    }
}
