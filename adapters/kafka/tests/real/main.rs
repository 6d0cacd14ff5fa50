//! The adapter against brokers: the client library's own in-process cluster, Tansu, and a full Kafka where `KAFKA_E2E` names
//! one (its `bootstrap.servers`); what it reads, changes, takes in and publishes, and what it does when they fail.
#![expect(clippy::unwrap_used, reason = "a test fails where one of its helpers does")]

mod actions;
mod broker;
mod double;
mod faults;
mod group;
mod lag;
mod publisher;
mod source;
mod support;
mod topic;
