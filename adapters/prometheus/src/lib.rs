//! Prometheus as an adapter: `prom::query(..)` for a value now, `prom::query_range(..)` for what it did over a time,
//! `prom::anomaly(..)` for how unusual it is, `prom::forecast(..)` for where it will be.
//!
//! It has probes only. Each asks one Prometheus (or whatever speaks its HTTP API) by `POST /api/v1/query` and trusts a
//! number only when it is one number, finite, fresh and complete: everything else is an inconclusive reading that says
//! what was found instead. All times are those of the server; this crate has no clock.
//!
//! The flow of a reading: [`bind`](mod@bind) puts label values into the expression, [`expression`] refuses what is
//! broken, the probe wraps the expression so that the answer shows how fresh it is, `client` asks within bounds,
//! `answer` judges what came, the probe makes it a reading.

mod anomaly;
mod answer;
pub mod bind;
mod caret;
mod client;
pub mod expression;
mod forecast;
mod freshness;
mod query;
mod query_range;
mod series;
mod settings;
mod text;
mod tls;
mod trend;

use std::sync::Arc;

use selfheal_contract::{Adapter, Prepared, RosterEntry};

use crate::client::Server;

pub use bind::quote_label_value;

/// The adapter's line in the roster: section `prometheus`, adapter `prom` in rules.
pub const ENTRY: RosterEntry = RosterEntry {
    section: "prometheus",
    check: |section| -> Box<dyn Prepared> { Box::new(settings::Settings::check(section)) },
    inherits: None,
};

const DOC: &str = "Reads from Prometheus by PromQL. It has probes only and changes nothing. A reading is a number that \
    a decision may rest on, or inconclusive with the reason: no data, not a number, stale, more than one series, or \
    warnings about an incomplete answer.\n\n\
    Label values go into an expression by `bind`, never by pasting them in: in \
    `prom::query(\"rate(http_requests_total{app=\\\"$1\\\"}[1m])\", [alert.labels.app])` the value stands for `$1`, \
    escaped, so that no label can change what is asked.\n\n\
    Settings: `url` (or the environment's PROMETHEUS_URL), `token` or `user` and `password`, `ca_file` (PEM, instead of \
    the system's certificates), `timeout` (2s, for each question; a reading asks at most three), `stale_after` (5m; \
    longer than the longest scrape interval).";

/// The adapter; without a server every reading is refused with what to configure.
fn adapter(server: Option<Arc<Server>>) -> Adapter {
    Adapter {
        name: "prom",
        doc: DOC,
        actions: Vec::new(),
        probes: vec![
            Arc::new(query::Query::new(server.clone())),
            Arc::new(query_range::QueryRange::new(server.clone())),
            Arc::new(anomaly::Anomaly::new(server.clone())),
            Arc::new(forecast::Forecast::new(server)),
        ],
        ..Adapter::default()
    }
}
