//! `redis::kill_idle_clients`: ends connections that nobody has used for long, the longest idle first.

use std::sync::Arc;

use async_trait::async_trait;
use selfheal_contract::{
    About, Applied, Assessment, BlastRadius, Change, Effect, Failure, IntentId, Preview, Reversal, Undone,
};
use selfheal_core::span::Span;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::kill;
use crate::clients::{Client, Identity, Role};
use crate::probe::right;
use crate::server::Server;
use crate::targets::Targets;
use crate::text::count;

/// Connections that one use ends when the rule names no number.
const AT_MOST_DEFAULT: u32 = 100;

/// The most that a rule can name.
const AT_MOST_MAX: u32 = 1000;

selfheal_contract::parameters! {
    /// Which connections.
    pub struct Parameters {
        /// The target's name in the configuration.
        pub target: String,
        /// How long a connection must have been idle, at least "1s".
        pub idle_for: Span,
        /// The most connections that it ends, 1 to 1000; 100 when left out.
        pub at_most: Option<u32>,
    }
}

/// The connections that were idle, the longest first.
#[derive(Serialize, Deserialize)]
pub(super) struct Prior {
    clients: Vec<Identity>,
}

pub(super) struct Action(pub(super) Arc<Targets>);

/// Whether a connection is one that may be ended for being idle.
fn is_idle((role, client): &(Role, Client), params: &Parameters) -> bool {
    *role == Role::Ordinary
        && !client.is_blocked()
        && !client.in_transaction()
        && client.idle_seconds
            >= params.idle_for.duration().as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)
}

impl Action {
    fn check(&self, params: &Parameters) -> Result<(&Server, usize), Failure> {
        let server = self.0.find(&params.target)?;
        if params.idle_for < Span::from_secs(1) {
            return Err(Failure::refused(format!("idle_for is {}; expected at least 1s", params.idle_for)));
        }
        match params.at_most.unwrap_or(AT_MOST_DEFAULT) {
            at_most @ 1..=AT_MOST_MAX => Ok((server, at_most as usize)),
            other => Err(Failure::refused(format!("at_most is {other}; expected 1 to {AT_MOST_MAX}"))),
        }
    }

    async fn idle(&self, params: &Parameters) -> Result<Vec<Client>, Failure> {
        let (server, at_most) = self.check(params)?;
        let mut idle: Vec<Client> = kill::list(server)
            .await?
            .into_iter()
            .filter(|client| is_idle(client, params))
            .map(|(_, client)| client)
            .collect();
        idle.sort_by_key(|client| (std::cmp::Reverse(client.idle_seconds), client.id));
        idle.truncate(at_most);
        Ok(idle)
    }

    /// Those of the captured connections that are still there and still idle.
    async fn left(&self, params: &Parameters, prior: &Prior) -> Result<Vec<Identity>, Failure> {
        let (server, _) = self.check(params)?;
        let clients = kill::list(server).await?;
        let still = |identity: &&Identity| {
            clients.iter().any(|client| identity.is(&client.1) && is_idle(client, params))
        };
        Ok(prior.clients.iter().filter(still).cloned().collect())
    }
}

#[async_trait]
impl selfheal_contract::Action for Action {
    type Parameters = Parameters;
    type Prior = Prior;

    fn about(&self) -> About {
        About {
            name: "kill_idle_clients",
            doc: "Ends the connections that have been idle longest. Never one of selfheal's own, of a replica, primary, monitor \
                or subscriber, nor one that waits in a blocking command (a worker in BRPOP) or is in a transaction. Which \
                ones is fixed when the prior state is saved; of these, one that has been used since is spared. Most clients \
                connect again by themselves. It cannot be undone.",
            reversal: Reversal::Irreversible,
            permissions: vec![
                right("+client|list +client|id", "to find the connections"),
                right("+client|kill", "to end the connections"),
            ],
        }
    }

    fn assess(&self, params: &Parameters) -> Result<Assessment, Failure> {
        let (server, _) = self.check(params)?;
        Ok(Assessment {
            target: format!("redis/{}/clients", server.name()),
            blast_radius: BlastRadius::Item,
            reversal: Reversal::Irreversible,
            replicas: None,
            approval: None,
            forbidden: None,
        })
    }

    async fn preview(&self, params: &Parameters) -> Result<Preview, Failure> {
        let (server, _) = self.check(params)?;
        let idle = self.idle(params).await?;
        let number = count(idle.len() as u64, "client");
        Ok(Preview {
            summary: format!("ends {number} of {server} that did nothing for {}", params.idle_for),
            changes: idle
                .iter()
                .take(kill::NAMED_MAX)
                .map(|client| Change {
                    what: client.identity().describe(),
                    from: json!(format!("idle for {}s", client.idle_seconds)),
                    to: Value::Null,
                })
                .collect(),
        })
    }

    async fn capture(&self, params: &Parameters) -> Result<Prior, Failure> {
        Ok(Prior { clients: self.idle(params).await?.iter().map(Client::identity).collect() })
    }

    async fn apply(&self, params: &Parameters, prior: &Prior, _: &IntentId) -> Result<Applied, Failure> {
        let (server, _) = self.check(params)?;
        let left = self.left(params, prior).await?;
        kill::end(server, &left).await
    }

    async fn effect(&self, params: &Parameters, prior: &Prior, _: &IntentId) -> Result<Effect, Failure> {
        let (server, _) = self.check(params)?;
        // What is left can be ended by applying again; each connection is ended once, whatever happens.
        let left = self.left(params, prior).await?;
        Ok(if prior.clients.is_empty() || !left.is_empty() {
            Effect::Untouched
        } else {
            Effect::Done(Applied::new(format!("none of the idle clients of {server} is left")))
        })
    }

    async fn undo(&self, params: &Parameters, _: &Prior, _: &IntentId) -> Result<Undone, Failure> {
        self.check(params).map(|_| Undone::Irreversible)
    }
}
