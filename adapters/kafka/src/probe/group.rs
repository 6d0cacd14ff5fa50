//! `kafka::group`: how a consumer group is.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use rdkafka::consumer::Consumer;
use selfheal_contract::{AboutProbe, Failure, FieldSpec, Reading};
use serde_json::json;

use super::right;
use crate::clusters::Clusters;
use crate::membership;
use crate::names;
use crate::text::plain;

/// Members, and topics, that a reading names one by one.
const NAMED_MAX: usize = 100;

selfheal_contract::parameters! {
    /// Which group.
    pub struct Parameters {
        /// The consumer group.
        pub group: String,
        /// The cluster's name in the configuration; the only one when left out.
        pub cluster: Option<String>,
    }
}

pub(super) struct Probe(pub(super) Arc<Clusters>);

/// What a member says of itself.
struct Member {
    client: String,
    host: String,
    /// None when the broker does not tell.
    topics: Option<Vec<(String, usize)>>,
}

#[async_trait]
impl selfheal_contract::Probe for Probe {
    type Parameters = Parameters;

    fn about(&self) -> AboutProbe {
        AboutProbe {
            name: "group",
            doc: "The state of a consumer group and its members, seen from outside. A group that nobody knows is `Dead` and has \
                no members.",
            fields: &[
                FieldSpec {
                    name: "state",
                    doc: "As the broker calls it: Stable, Empty, Dead, PreparingRebalance, CompletingRebalance.",
                },
                FieldSpec { name: "members", doc: "Members, from 0." },
                FieldSpec {
                    name: "assigned",
                    doc: "Partitions that are assigned to members; null when the broker does not tell.",
                },
                FieldSpec {
                    name: "idle",
                    doc: "Members without a partition, as when there are more of them than partitions; null when the broker does not tell.",
                },
                FieldSpec {
                    name: "topics",
                    doc: "A list of the topics that are read, by name; at most 100.",
                },
                FieldSpec {
                    name: "by_member",
                    doc: "A list of client, host and partitions, those with the most first; at most 100.",
                },
            ],
            main_field: "members",
            permissions: vec![
                right("DESCRIBE on the group", "to read its state and members"),
                right("DESCRIBE on the cluster", "to list groups at brokers of old versions"),
            ],
        }
    }

    fn check(&self, params: &Parameters) -> Result<(), Failure> {
        self.0.find(params.cluster.as_deref())?;
        names::group(&params.group)
    }

    async fn read(&self, params: &Parameters) -> Result<Reading, Failure> {
        self.check(params)?;
        let cluster = self.0.find(params.cluster.as_deref())?;
        let group = params.group.clone();
        let found = cluster
            .ask(move |client, within| {
                let list = client.fetch_group_list(Some(&group), within)?;
                let group = list.groups().iter().find(|found| found.name() == group);
                Ok(group.map(|group| {
                    let members = group.members().iter().map(|member| Member {
                        client: member.client_id().to_owned(),
                        host: member.client_host().to_owned(),
                        topics: member.assignment().map(membership::topics),
                    });
                    (group.state().to_owned(), members.collect::<Vec<_>>())
                }))
            })
            .await?;
        let (state, members) = found.unwrap_or_else(|| ("Dead".to_owned(), Vec::new()));
        Ok(Reading::Known(reading(&state, members)))
    }
}

fn reading(state: &str, members: Vec<Member>) -> serde_json::Value {
    let count = members.len();
    let told = members.is_empty() || members.iter().any(|member| member.topics.is_some());
    let mut topics: BTreeMap<String, usize> = BTreeMap::new();
    let mut named: Vec<(usize, Member)> = Vec::with_capacity(count);
    for member in members {
        let assigned = member.topics.as_deref().unwrap_or_default();
        let partitions = assigned.iter().map(|(_, partitions)| partitions).sum();
        for (topic, partitions) in assigned {
            *topics.entry(topic.clone()).or_default() += partitions;
        }
        named.push((partitions, member));
    }
    let idle = named.iter().filter(|(partitions, _)| *partitions == 0).count();
    named.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.client.cmp(&b.1.client)));
    let by_member: Vec<_> = named
        .iter()
        .take(NAMED_MAX)
        .map(|(partitions, member)| {
            json!({ "client": plain(&member.client), "host": plain(&member.host), "partitions": partitions })
        })
        .collect();
    json!({
        "state": plain(state),
        "members": count,
        "assigned": told.then(|| topics.values().sum::<usize>()),
        "idle": told.then_some(idle),
        "topics": topics.into_keys().take(NAMED_MAX).collect::<Vec<_>>(),
        "by_member": by_member,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_summed_up() {
        let member = |client: &str, topics: &[(&str, usize)]| Member {
            client: client.to_owned(),
            host: "/10.0.0.1".to_owned(),
            topics: Some(
                topics.iter().map(|(topic, partitions)| ((*topic).to_owned(), *partitions)).collect(),
            ),
        };
        let members = vec![
            member("a", &[]),
            member("b", &[("orders", 3), ("refunds", 1)]),
            member("c", &[("orders", 2)]),
        ];
        let reading = reading("Stable", members);
        assert_eq!(reading["members"], 3);
        assert_eq!(reading["assigned"], 6);
        assert_eq!(reading["idle"], 1);
        assert_eq!(reading["topics"], json!(["orders", "refunds"]));
        assert_eq!(reading["by_member"][0], json!({ "client": "b", "host": "/10.0.0.1", "partitions": 4 }));
    }

    #[test]
    fn what_members_call_themselves_is_escaped_and_bounded() {
        let members = (0..300)
            .map(|_| Member { client: "x\n\u{1b}[31m".to_owned(), host: String::new(), topics: None })
            .collect();
        let reading = reading("Stable", members);
        assert_eq!(reading["members"], 300);
        assert_eq!((&reading["assigned"], &reading["idle"]), (&json!(null), &json!(null)));
        assert_eq!(reading["by_member"].as_array().map(Vec::len), Some(NAMED_MAX));
        assert_eq!(reading["by_member"][0]["client"], "x\\n\\u{1b}[31m");
    }
}
