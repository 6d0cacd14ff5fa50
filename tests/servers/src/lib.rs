//! Real servers for tests: started on free loopback ports, killed on Drop.
//!
//! ```no_run
//! use selfheal_test_servers::{Postgres, Redis, require};
//!
//! fn a_test() {
//!     let postgres = require!(Postgres::start());
//!     let redis = require!(Redis::start());
//!     println!("{} {}", postgres.url(), redis.url());
//! }
//! ```
//!
//! A server whose program is not installed makes [`require!`] skip the test and say what to install, or fail it when
//! `SELFHEAL_REQUIRE_SERVERS=1` is set, as it is where everything is expected to be there.
//!
//! How nothing is left behind: every server is a [`Child`] which kills its whole process tree on Drop, and a warden
//! process does the same, and removes the server's directory, when the test itself is killed and no Drop runs. Servers
//! listen on 127.0.0.1 only, on ports that no other test of this user has reserved.
//!
//! The interface is synchronous, so that every kind of test can use it. An async test that waits with [`wait_until`]
//! blocks its thread: give it a multi-threaded runtime. Deliberately absent: assertions about what the servers do, which
//! belong to the tests.

mod alertmanager;
mod error;
mod exporter;
mod full_kafka;
pub mod http;
mod port;
mod postgres;
mod process;
mod program;
mod prometheus;
mod redis;
mod redis_groups;
mod require;
mod server;
pub mod slack;
mod stand_in;
mod state;
mod tansu;
mod wait;
mod yaml;

pub use alertmanager::{Alertmanager, AlertmanagerOptions, Credentials, WebhookRoute};
pub use error::{Error, Missing};
pub use exporter::Exporter;
pub use full_kafka::FullKafka;
pub use port::Port;
pub use postgres::{Postgres, PostgresOptions, Row, Session};
pub use process::{Child, ChildOptions};
pub use prometheus::{Prometheus, PrometheusOptions, ScrapeTarget};
pub use redis::{Redis, RedisOptions};
pub use redis_groups::{RedisCluster, RedisSentinels, Sentinel};
pub use require::{servers_required, skip};
pub use rustix::process::Signal;
pub use slack::{SlackMessage, SlackStandIn};
pub use stand_in::{HttpStandIn, Reply, Request};
pub use tansu::Tansu;
pub use wait::{poll, wait_until};
