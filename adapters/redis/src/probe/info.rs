//! `redis::info`: what a server says of itself.

use std::sync::Arc;

use async_trait::async_trait;
use selfheal_contract::{AboutProbe, Failure, FieldSpec, Reading};
use serde_json::json;

use super::right;
use crate::info::{Info, question};
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
        const fn field(name: &'static str, doc: &'static str) -> FieldSpec {
            FieldSpec { name, doc }
        }
        AboutProbe {
            name: "info",
            doc: "What a server says of itself in INFO. A field that its version does not tell is null. Inconclusive while \
                it is still loading its data.",
            fields: const {
                &[
                    field("connected_clients", "Connections of clients, without those of replicas."),
                    field("blocked_clients", "Clients that wait in a blocking command such as BRPOP."),
                    field(
                        "rejected_connections",
                        "Connections refused because of maxclients, since its start.",
                    ),
                    field("used_memory_bytes", "Memory that its data and buffers take, in bytes."),
                    field("maxmemory_bytes", "The limit, in bytes; 0 means none."),
                    field(
                        "maxmemory_policy",
                        "What it does at the limit: noeviction, allkeys-lru and so on.",
                    ),
                    field("evicted_keys", "Keys deleted because of the limit, since its start."),
                    field("expired_keys", "Keys that expired, since its start."),
                    field("operations_per_second", "Commands a second, of late."),
                    field("role", "master or slave, as Redis calls them."),
                    field("connected_replicas", "Replicas connected to it."),
                    field("master_link_status", "up or down at a replica; null at a primary."),
                    field("uptime_seconds", "Since its start, in seconds."),
                    field("version", "Its version."),
                ]
            },
            main_field: "connected_clients",
            permissions: vec![right("+info", "to read INFO")],
        }
    }

    fn check(&self, params: &Parameters) -> Result<(), Failure> {
        self.0.find(&params.target).map(drop)
    }

    async fn read(&self, params: &Parameters) -> Result<Reading, Failure> {
        let (text,): (Vec<u8>,) = self.0.find(&params.target)?.read(&question()).await?;
        let info = Info::parse(&text);
        if let Some(why) = info.unsettled() {
            return Ok(Reading::Inconclusive(why));
        }
        Ok(Reading::Known(json!({
            "connected_clients": info.number_or_null("connected_clients"),
            "blocked_clients": info.number_or_null("blocked_clients"),
            "rejected_connections": info.number_or_null("rejected_connections"),
            "used_memory_bytes": info.number_or_null("used_memory"),
            "maxmemory_bytes": info.number_or_null("maxmemory"),
            "maxmemory_policy": info.text_or_null("maxmemory_policy"),
            "evicted_keys": info.number_or_null("evicted_keys"),
            "expired_keys": info.number_or_null("expired_keys"),
            "operations_per_second": info.number_or_null("instantaneous_ops_per_sec"),
            "role": info.text_or_null("role"),
            "connected_replicas": info.number_or_null("connected_slaves"),
            "master_link_status": info.text_or_null("master_link_status"),
            "uptime_seconds": info.number_or_null("uptime_in_seconds"),
            "version": info.text_or_null("redis_version"),
        })))
    }
}
