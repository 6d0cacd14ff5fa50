//! `redis::memory`: how full a server is.

use std::sync::Arc;

use async_trait::async_trait;
use selfheal_contract::{AboutProbe, Failure, FieldSpec, Reading};
use serde_json::{Value, json};

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
        AboutProbe {
            name: "memory",
            doc: "How full a server is. Without a limit (maxmemory 0) there is no share: it is null, and a condition on it \
                is inconclusive. Inconclusive as a whole while the server is still loading its data.",
            fields: &[
                FieldSpec { name: "used_bytes", doc: "Memory that its data and buffers take, in bytes." },
                FieldSpec { name: "max_bytes", doc: "The limit, in bytes; 0 means none." },
                FieldSpec {
                    name: "share",
                    doc: "used_bytes of max_bytes, from 0, above 1 when over the limit.",
                },
                FieldSpec { name: "peak_bytes", doc: "The most that used_bytes has been since its start." },
                FieldSpec { name: "system_bytes", doc: "Memory of its machine, in bytes." },
                FieldSpec {
                    name: "fragmentation",
                    doc: "Memory taken from the system for each byte used; above 1.5 much is wasted, below 1 it swaps.",
                },
                FieldSpec {
                    name: "policy",
                    doc: "What it does at the limit: noeviction, allkeys-lru and so on.",
                },
            ],
            main_field: "share",
            permissions: vec![right("+info", "to read INFO")],
        }
    }

    fn check(&self, params: &Parameters) -> Result<(), Failure> {
        self.0.find(&params.target).map(drop)
    }

    async fn read(&self, params: &Parameters) -> Result<Reading, Failure> {
        let (text,): (Vec<u8>,) = self.0.find(&params.target)?.read(&question()).await?;
        Ok(reading(&Info::parse(&text)))
    }
}

fn reading(info: &Info) -> Reading {
    if let Some(why) = info.unsettled() {
        return Reading::Inconclusive(why);
    }
    let (Some(used), Some(max)) = (info.number("used_memory"), info.number("maxmemory")) else {
        return Reading::Inconclusive("the server's INFO does not tell used_memory and maxmemory".to_owned());
    };
    let share = if max == 0 { Value::Null } else { json!(used as f64 / max as f64) };
    Reading::Known(json!({
        "used_bytes": used,
        "max_bytes": max,
        "share": share,
        "peak_bytes": info.number_or_null("used_memory_peak"),
        "system_bytes": info.number_or_null("total_system_memory"),
        "fragmentation": info.fraction("mem_fragmentation_ratio").map_or(Value::Null, Value::from),
        "policy": info.text_or_null("maxmemory_policy"),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_needs_a_limit() {
        let cases = [
            ("used_memory:50\nmaxmemory:100\n", Ok(json!(0.5))),
            ("used_memory:150\nmaxmemory:100\n", Ok(json!(1.5))),
            ("used_memory:50\nmaxmemory:0\n", Ok(Value::Null)),
            ("used_memory:-1\nmaxmemory:100\n", Err(())),
            ("maxmemory:100\n", Err(())),
            ("loading:1\nused_memory:50\nmaxmemory:100\n", Err(())),
            ("", Err(())),
        ];
        for (text, expected) in cases {
            let reading = reading(&Info::parse(text.as_bytes()));
            assert_eq!(reading.field("share").cloned().map_err(drop), expected, "{text:?}");
        }
    }
}
