//! `pg::terminate_idle`: ends connections that do nothing but take up room.

use async_trait::async_trait;
use selfheal_contract::{
    About, Action, Applied, Assessment, BlastRadius, Effect, Failure, IntentId, Preview, Reversal, Undone,
};
use selfheal_core::span::Span;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::signal::{self, Selection};
use crate::NAME;
use crate::servers::Servers;
use crate::sessions::{Found, LISTED_MAX, Named, bound, by_user, long_enough, must_signal, permissions};

selfheal_contract::parameters! {
    /// What `pg::terminate_idle` is given.
    pub struct TerminateIdleParameters {
        /// Name of the target.
        pub database: String,
        /// How long a connection must have been idle, at least 1s.
        pub idle_for: Span,
        /// Also end connections that are idle within an open transaction, whose work is then lost; false if left out.
        pub include_in_transaction: Option<bool>,
        /// The most connections to end, 1 to 1000, those idle longest first; 1000 if left out.
        pub limit: Option<u32>,
    }
}

/// The connections that are to be ended, fixed before the intent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IdleSessions {
    /// Number and start of each.
    pub sessions: Vec<Named>,
}

/// See [`About::doc`].
pub(crate) struct TerminateIdle(pub(crate) Servers);

impl TerminateIdleParameters {
    fn selection(&self) -> Selection {
        if self.include_in_transaction == Some(true) {
            Selection::IdleOrInTransaction
        } else {
            Selection::Idle
        }
    }

    fn seconds(&self) -> f64 {
        self.idle_for.duration().as_secs_f64()
    }
}

const NOUNS: &str = "idle connections";

#[async_trait]
impl Action for TerminateIdle {
    type Parameters = TerminateIdleParameters;
    type Prior = IdleSessions;

    fn about(&self) -> About {
        About {
            name: "terminate_idle",
            doc: "Ends connections of the whole server that have been idle for some time, those idle longest first; \
                  connections count against max_connections whichever database they are to. Never ends one that is \
                  running a statement, one that went back to work meanwhile, superusers, replication, selfheal's own \
                  or the target's protected_users. Cannot be undone: applications have to connect again, which their \
                  pools do by themselves.",
            reversal: Reversal::Irreversible,
            permissions: permissions(true),
        }
    }

    fn assess(&self, params: &Self::Parameters) -> Result<Assessment, Failure> {
        let server = self.0.find(&params.database)?;
        long_enough("idle_for", params.idle_for)?;
        bound(params.limit)?;
        Ok(Assessment {
            target: format!("{NAME}/{}", server.name),
            blast_radius: BlastRadius::Item,
            reversal: Reversal::Irreversible,
            replicas: None,
            approval: None,
            forbidden: None,
        })
    }

    async fn preview(&self, params: &Self::Parameters) -> Result<Preview, Failure> {
        let server = self.0.find(&params.database)?;
        let limit = bound(params.limit)?;
        let found = signal::find(server, params.selection(), params.seconds(), limit).await?;
        must_signal(server, &found)?;
        let from = |one: &Found| one.change(json!({ "state": one.state, "seconds": one.seconds.round() }));
        let changes = found.iter().take(LISTED_MAX).map(from).collect();
        let whose = if found.is_empty() { String::new() } else { format!(" ({})", by_user(&found)) };
        let (count, idle_for) = (found.len(), params.idle_for);
        Ok(Preview {
            summary: format!("would end {count} connections idle for at least {idle_for}{whose}"),
            changes,
        })
    }

    async fn capture(&self, params: &Self::Parameters) -> Result<Self::Prior, Failure> {
        let server = self.0.find(&params.database)?;
        let limit = bound(params.limit)?;
        let found = signal::find(server, params.selection(), params.seconds(), limit).await?;
        must_signal(server, &found)?;
        Ok(IdleSessions { sessions: found.into_iter().map(|one| one.named).collect() })
    }

    async fn apply(
        &self,
        params: &Self::Parameters,
        prior: &Self::Prior,
        _intent: &IntentId,
    ) -> Result<Applied, Failure> {
        let (selection, seconds, wanted) = (params.selection(), params.seconds(), &prior.sessions);
        if wanted.is_empty() {
            return Ok(Applied::new(format!("no connection had been idle for {}", params.idle_for)));
        }
        let server = self.0.find(&params.database)?;
        let sent = signal::send(server, selection, seconds, wanted).await?;
        signal::report(server, selection, seconds, wanted, &sent, NOUNS).await
    }

    async fn effect(
        &self,
        params: &Self::Parameters,
        prior: &Self::Prior,
        _intent: &IntentId,
    ) -> Result<Effect, Failure> {
        let server = self.0.find(&params.database)?;
        signal::effect(server, params.selection(), params.seconds(), &prior.sessions, NOUNS).await
    }

    async fn undo(
        &self,
        _params: &Self::Parameters,
        _prior: &Self::Prior,
        _intent: &IntentId,
    ) -> Result<Undone, Failure> {
        Ok(Undone::Irreversible)
    }
}
