//! `pg::cancel_query`: stops queries that run too long; their connections stay.

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
use crate::sessions::{LISTED_MAX, Named, bound, by_user, long_enough, must_signal, permissions};

selfheal_contract::parameters! {
    /// What `pg::cancel_query` is given.
    pub struct CancelQueryParameters {
        /// Name of the target.
        pub database: String,
        /// How long a query must have been running, at least 1s.
        pub longer_than: Span,
        /// The most queries to cancel, 1 to 1000, the longest first; 1000 if left out.
        pub limit: Option<u32>,
    }
}

/// The queries that are to be cancelled, fixed before the intent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunningQueries {
    /// Session and start of each.
    pub queries: Vec<Named>,
}

/// See [`About::doc`].
pub(crate) struct CancelQuery(pub(crate) Servers);

const NOUNS: &str = "long queries";

fn seconds(params: &CancelQueryParameters) -> f64 {
    params.longer_than.duration().as_secs_f64()
}

#[async_trait]
impl Action for CancelQuery {
    type Parameters = CancelQueryParameters;
    type Prior = RunningQueries;

    fn about(&self) -> About {
        About {
            name: "cancel_query",
            doc: "Cancels statements of the whole server that have been running for some time, the longest first. \
                  The sessions stay; their open transactions fail. Backups, index builds and other maintenance count \
                  as statements too: put the users that run them into protected_users. Never touches a later \
                  statement of the same session, superusers, replication or selfheal's own. Cannot be undone: the \
                  application has to send the statement again.",
            reversal: Reversal::Irreversible,
            permissions: permissions(true),
        }
    }

    fn assess(&self, params: &Self::Parameters) -> Result<Assessment, Failure> {
        let server = self.0.find(&params.database)?;
        long_enough("longer_than", params.longer_than)?;
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
        let found = signal::find(server, Selection::Running, seconds(params), bound(params.limit)?).await?;
        must_signal(server, &found)?;
        let from = |seconds: f64, query: &str| json!({ "running_seconds": seconds.round(), "query": query });
        let changes =
            found.iter().take(LISTED_MAX).map(|one| one.change(from(one.seconds, &one.query))).collect();
        let whose = if found.is_empty() { String::new() } else { format!(" ({})", by_user(&found)) };
        let (count, longer_than) = (found.len(), params.longer_than);
        Ok(Preview {
            summary: format!("would cancel {count} queries running for at least {longer_than}{whose}"),
            changes,
        })
    }

    async fn capture(&self, params: &Self::Parameters) -> Result<Self::Prior, Failure> {
        let server = self.0.find(&params.database)?;
        let found = signal::find(server, Selection::Running, seconds(params), bound(params.limit)?).await?;
        must_signal(server, &found)?;
        Ok(RunningQueries { queries: found.into_iter().map(|one| one.named).collect() })
    }

    async fn apply(
        &self,
        params: &Self::Parameters,
        prior: &Self::Prior,
        _intent: &IntentId,
    ) -> Result<Applied, Failure> {
        let (seconds, wanted) = (seconds(params), &prior.queries);
        if wanted.is_empty() {
            return Ok(Applied::new(format!("no query had been running for {}", params.longer_than)));
        }
        let server = self.0.find(&params.database)?;
        let sent = signal::send(server, Selection::Running, seconds, wanted).await?;
        signal::report(server, Selection::Running, seconds, wanted, &sent, NOUNS).await
    }

    async fn effect(
        &self,
        params: &Self::Parameters,
        prior: &Self::Prior,
        _intent: &IntentId,
    ) -> Result<Effect, Failure> {
        let server = self.0.find(&params.database)?;
        signal::effect(server, Selection::Running, seconds(params), &prior.queries, NOUNS).await
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
