//! `redis::clients`: who is connected to a server.

use std::sync::Arc;

use async_trait::async_trait;
use redis::pipe;
use selfheal_contract::{AboutProbe, Failure, FieldSpec, Reading};
use serde_json::{Value, json};

use super::right;
use crate::clients::{self, Role};
use crate::info::Info;
use crate::targets::Targets;

selfheal_contract::parameters! {
    /// Which server.
    pub struct Parameters {
        /// The target's name in the configuration.
        pub target: String,
    }
}

pub(super) struct Probe(pub(super) Arc<Targets>);

#[async_trait]
impl selfheal_contract::Probe for Probe {
    type Parameters = Parameters;

    fn about(&self) -> AboutProbe {
        AboutProbe {
            name: "clients",
            doc: "Who is connected to a server. Subscribers, replicas, monitors and selfheal's own connections are counted, \
                but are none of the idle ones; nor are clients that wait in a blocking command.",
            fields: &[
                FieldSpec { name: "count", doc: "Connections, without those of replicas and primaries." },
                FieldSpec {
                    name: "max",
                    doc: "The most that it takes (maxclients); null when it does not tell.",
                },
                FieldSpec { name: "share", doc: "count of max, 0 to 1; null when it does not tell." },
                FieldSpec { name: "blocked", doc: "Clients that wait in a blocking command such as BRPOP." },
                FieldSpec { name: "subscribers", doc: "Clients that are subscribed to a channel." },
                FieldSpec {
                    name: "idle_longest_id",
                    doc: "The id of the client that has been idle longest, or null.",
                },
                FieldSpec {
                    name: "idle_longest_seconds",
                    doc: "For how long that client has been idle, in seconds; 0 when there is none.",
                },
            ],
            main_field: "count",
            permissions: vec![right("+client|list +client|id +info", "to list the connections")],
        }
    }

    fn check(&self, params: &Parameters) -> Result<(), Failure> {
        self.0.find(&params.target).map(drop)
    }

    async fn read(&self, params: &Parameters) -> Result<Reading, Failure> {
        let mut question = pipe();
        question.cmd("CLIENT").arg("LIST").cmd("INFO").arg("clients");
        let ((list, info), own): ((Vec<u8>, Vec<u8>), _) =
            self.0.find(&params.target)?.read_as(&question).await?;
        let own = own.unwrap_or_default();
        let clients: Vec<_> = clients::parse(&list)
            .into_iter()
            .map(|client| (client.role(own), client))
            .filter(|(role, _)| *role != Role::Infrastructure)
            .collect();
        let max = Info::parse(&info).number("maxclients").filter(|max| *max > 0);
        let longest = clients
            .iter()
            .filter(|(role, client)| *role == Role::Ordinary && !client.is_blocked())
            .map(|(_, client)| client)
            .max_by_key(|client| client.idle_seconds);
        Ok(Reading::Known(json!({
            "count": clients.len(),
            "max": max,
            "share": max.map_or(Value::Null, |max| json!(clients.len() as f64 / max as f64)),
            "blocked": clients.iter().filter(|(_, client)| client.is_blocked()).count(),
            "subscribers": clients.iter().filter(|(role, _)| *role == Role::Subscriber).count(),
            "idle_longest_id": longest.map(|client| client.id),
            "idle_longest_seconds": longest.map_or(0, |client| client.idle_seconds),
        })))
    }
}
