//! The targets by name, and the adapter that is made of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use selfheal_contract::{Adapter, AnyAction, AnyProbe, Failure};

use crate::server::Server;
use crate::{NAME, actions, probes};

/// All configured targets; cheap to clone, one for each probe and action.
#[derive(Clone)]
pub(crate) struct Servers(Arc<BTreeMap<String, Server>>);

impl Servers {
    pub(crate) fn new(servers: impl IntoIterator<Item = Server>) -> Self {
        Self(Arc::new(servers.into_iter().map(|server| (server.name.clone(), server)).collect()))
    }

    /// The server of a target.
    ///
    /// # Errors
    /// `Refused`, with the names that there are.
    pub(crate) fn find(&self, name: &str) -> Result<&Server, Failure> {
        self.0.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.0.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            Failure::refused(format!(
                "no PostgreSQL target is named {:?}; configured under adapters.postgres.targets: {known}",
                crate::query_text::cut(name, 80)
            ))
        })
    }
}

/// The adapter over these servers.
pub(crate) fn adapter(servers: Servers) -> Adapter {
    let actions: Vec<Arc<dyn AnyAction>> = vec![
        Arc::new(actions::TerminateIdle(servers.clone())),
        Arc::new(actions::CancelQuery(servers.clone())),
        Arc::new(actions::VacuumAnalyze(servers.clone())),
        Arc::new(actions::CreateIndexConcurrently(servers.clone())),
    ];
    let probes: Vec<Arc<dyn AnyProbe>> = vec![
        Arc::new(probes::Connections(servers.clone())),
        Arc::new(probes::IdleConnections(servers.clone())),
        Arc::new(probes::LongQueries(servers.clone())),
        Arc::new(probes::TableBloat(servers.clone())),
        Arc::new(probes::IndexExists(servers)),
    ];
    Adapter {
        name: NAME,
        doc: "PostgreSQL: connections, running queries, tables and indexes. The first parameter of everything is the \
              name of a target from the configuration; sessions are those of the whole server that the target is on, \
              tables those of the target's database. Selfheal keeps the connections that it has made, so that it can \
              still get in when applications have used up all others. Superusers, replication, background processes, \
              selfheal's own sessions and the target's protected_users are never touched.",
        actions,
        probes,
        ..Adapter::default()
    }
}
