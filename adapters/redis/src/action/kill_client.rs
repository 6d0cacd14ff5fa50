//! `redis::kill_client`: ends one connection by its id.

use std::sync::Arc;

use async_trait::async_trait;
use selfheal_contract::{
    About, Applied, Assessment, BlastRadius, Change, Effect, Failure, IntentId, Preview, Reversal, Undone,
};
use serde_json::{Value, json};

use super::kill;
use crate::clients::{Identity, Role};
use crate::probe::right;
use crate::server::Server;
use crate::targets::Targets;

selfheal_contract::parameters! {
    /// Which connection.
    pub struct Parameters {
        /// The target's name in the configuration.
        pub target: String,
        /// The client's id, as CLIENT LIST and the probe clients give it.
        pub id: u64,
    }
}

pub(super) struct Action(pub(super) Arc<Targets>);

impl Action {
    async fn identity(&self, params: &Parameters) -> Result<(&Server, Identity), Failure> {
        let server = self.0.find(&params.target)?;
        let found = kill::list(server).await?.into_iter().find(|(_, client)| client.id == params.id);
        let refused = |why: &str| Err(Failure::refused(format!("client {} of {server} {why}", params.id)));
        match found {
            None => refused("is not there (any more)"),
            Some((Role::Ordinary, client)) => Ok((server, client.identity())),
            Some((Role::Own, _)) => refused("is selfheal's own; it is never ended"),
            Some((Role::Subscriber, _)) => refused("is a subscriber; it is never ended"),
            Some((Role::Infrastructure, _)) => {
                refused("is a replica, a primary or a monitor; it is never ended")
            }
        }
    }
}

#[async_trait]
impl selfheal_contract::Action for Action {
    type Parameters = Parameters;
    type Prior = Identity;

    fn about(&self) -> About {
        About {
            name: "kill_client",
            doc: "Ends the connection of one client. Never one of selfheal's own, of a replica, primary, monitor or subscriber; \
                and only while id and address are those that were saved, as ids begin anew when a server restarts. Most \
                clients connect again by themselves. It cannot be undone.",
            reversal: Reversal::Irreversible,
            permissions: vec![
                right("+client|list +client|id", "to find the connection"),
                right("+client|kill", "to end the connection"),
            ],
        }
    }

    fn assess(&self, params: &Parameters) -> Result<Assessment, Failure> {
        let server = self.0.find(&params.target)?;
        Ok(Assessment {
            target: format!("redis/{}/clients/{}", server.name(), params.id),
            blast_radius: BlastRadius::Item,
            reversal: Reversal::Irreversible,
            replicas: None,
            approval: None,
            forbidden: None,
        })
    }

    async fn preview(&self, params: &Parameters) -> Result<Preview, Failure> {
        let (server, identity) = self.identity(params).await?;
        Ok(Preview {
            summary: format!("ends {} at {server}", identity.describe()),
            changes: vec![Change { what: identity.describe(), from: json!("connected"), to: Value::Null }],
        })
    }

    async fn capture(&self, params: &Parameters) -> Result<Identity, Failure> {
        self.identity(params).await.map(|(_, identity)| identity)
    }

    async fn apply(&self, params: &Parameters, prior: &Identity, _: &IntentId) -> Result<Applied, Failure> {
        let server = self.0.find(&params.target)?;
        let clients = kill::list(server).await?;
        let same = clients.iter().any(|(role, client)| *role == Role::Ordinary && prior.is(client));
        kill::end(server, if same { std::slice::from_ref(prior) } else { &[] }).await
    }

    async fn effect(&self, params: &Parameters, prior: &Identity, _: &IntentId) -> Result<Effect, Failure> {
        let server = self.0.find(&params.target)?;
        let there = kill::list(server).await?.iter().any(|(_, client)| prior.is(client));
        Ok(if there {
            Effect::Untouched
        } else {
            Effect::Done(Applied::new(format!("{} is gone from {server}", prior.describe())))
        })
    }

    async fn undo(&self, params: &Parameters, _: &Identity, _: &IntentId) -> Result<Undone, Failure> {
        self.0.find(&params.target).map(|_| Undone::Irreversible)
    }
}
