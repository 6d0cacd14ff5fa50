//! Health of services as an adapter: `health::http(..)` asks whether a page answers as it should, `health::tcp(..)` whether
//! a port takes connections. For scheduled checks, and to verify what a rule did.
//!
//! Its section is `adapters.health`:
//!
//! ```yaml
//! targets:
//!   shop:
//!     http: https://shop.example.com/health   # asked with GET; redirects are not followed
//!     status: 200                             # any of 200 to 299 unless one is named
//!     contains: '"ok"'                        # a text within the first 64 KiB
//!     token: ${file:/run/secrets/shop}        # sent as a bearer token
//!     ca_file: /etc/ssl/shop.pem              # instead of the system's certificates
//!     timeout: 3s                             # for the whole exchange; 100ms to 30s
//!   database: {tcp: "db.example.com:5432"}
//! ```
//!
//! A target that does not answer is a finding, not a failure: it is `healthy: false`, with the reason. Only configuration says
//! what is asked: a rule names a target and can give no address. Deliberately absent: methods other than GET, bodies, headers.

mod http;
mod settings;
mod targets;
mod tcp;
mod tls;

use std::sync::Arc;

use selfheal_contract::settings::Section;
use selfheal_contract::{Adapter, FieldSpec, Prepared, RosterEntry};
use selfheal_core::span::Span;
use tokio::time::Instant;

use crate::targets::Targets;

/// The adapter's line in the roster.
pub const ENTRY: RosterEntry = RosterEntry { section: "health", check, inherits: None };

const DOC: &str = "Asks services whether they are well, by the names that they have under `adapters.health.targets`. It has \
    probes only and changes nothing. No answer, a wrong one, or one that is too late is `healthy: false` with the reason in \
    `why`: `health::http(\"shop\").equals(true)` waits until a service is back.\n\n\
    Settings, for each target: `http` (an address) or `tcp` (host:port); `timeout` (3s; a rule waits 5s at most for a \
    reading); for http `status`, `contains`, `token`, `ca_file`.";

fn check(section: &mut Section<'_>) -> Box<dyn Prepared> {
    Box::new(Checked(settings::check(section)))
}

struct Checked(Vec<settings::Target>);

impl Prepared for Checked {
    fn connect(self: Box<Self>) -> Result<Adapter, String> {
        let targets = Arc::new(Targets::connect(self.0)?);
        Ok(Adapter {
            name: "health",
            doc: DOC,
            probes: vec![Arc::new(http::Http(Arc::clone(&targets))), Arc::new(tcp::Tcp(targets))],
            ..Adapter::default()
        })
    }
}

const HEALTHY: FieldSpec =
    FieldSpec { name: "healthy", doc: "Whether it answered as it should, within its time: true or false." };
const SECONDS: FieldSpec = FieldSpec { name: "seconds", doc: "How long it took to know, in seconds." };
const WHY: FieldSpec = FieldSpec { name: "why", doc: "What was wrong; an empty text when it is healthy." };

fn seconds_since(began: Instant) -> f64 {
    (began.elapsed().as_secs_f64() * 1000.0).round() / 1000.0
}

fn late(timeout: Span) -> String {
    format!("no answer within {timeout}")
}
