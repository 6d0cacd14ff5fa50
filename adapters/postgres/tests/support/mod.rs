//! What the tests share: a real server with roles as an operator would make them, and the adapter over it.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::time::{Duration, Instant};

use selfheal_contract::settings::{Collector, Faults, Key, Location, Node, Section, Value as Setting};
use selfheal_contract::{Adapter, AnyAction, AnyProbe, Failure, IntentId, Reading};
use selfheal_core::hash::ContentHash;
use selfheal_postgres::ENTRY;
use selfheal_test_servers::{Postgres, PostgresOptions};
use serde_json::{Map, Value, json};
use tokio_postgres::{Client, Config, NoTls};

/// Longer than anything here takes.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// `selfheal` has what the documentation asks for, `plain` nothing; `app` and `billing` are applications.
const ROLES: &str = "
    CREATE ROLE app LOGIN; CREATE ROLE billing LOGIN; CREATE ROLE plain LOGIN; CREATE ROLE watcher LOGIN;
    CREATE ROLE selfheal LOGIN; CREATE ROLE copier LOGIN REPLICATION;
    GRANT pg_monitor, pg_signal_backend, app TO selfheal; GRANT pg_monitor TO watcher;
    CREATE SCHEMA shop AUTHORIZATION app;
    SET ROLE app;
    CREATE TABLE shop.\"Orders\" (id int, customer int, \"odd \"\"; drop table x; --\" int);
    INSERT INTO shop.\"Orders\" SELECT n, n % 100, n FROM generate_series(1, 5000) n;
    RESET ROLE;";

/// A running server and an adapter whose target `main` is it.
pub struct World {
    pub postgres: Postgres,
    pub adapter: Adapter,
}

impl World {
    /// Gives `None`, loudly, when PostgreSQL is not installed.
    pub fn start() -> Option<Self> {
        Self::start_with(json!({}))
    }

    /// `section` is merged over the section `postgres`.
    pub fn start_with(section: Value) -> Option<Self> {
        let options = PostgresOptions { max_connections: 150, ..PostgresOptions::default() };
        let postgres = selfheal_test_servers::require!(Postgres::start_with(&options), None);
        postgres.sql(ROLES).expect("the roles can be made");
        let adapter = connect(&postgres, "selfheal", section);
        Some(Self { postgres, adapter })
    }

    pub fn action(&self, name: &str) -> &dyn AnyAction {
        let found = self.adapter.actions.iter().find(|action| action.about().name == name);
        found.expect("the adapter has the action").as_ref()
    }

    pub fn probe(&self, name: &str) -> &dyn AnyProbe {
        let found = self.adapter.probes.iter().find(|probe| probe.about().name == name);
        found.expect("the adapter has the probe").as_ref()
    }

    pub async fn read(&self, probe: &str, params: Value) -> Result<Value, Failure> {
        match self.probe(probe).read(&object(params)).await? {
            Reading::Known(value) => Ok(value),
            Reading::Inconclusive(why) => panic!("{probe} is inconclusive: {why}"),
        }
    }

    pub async fn client(&self, user: &str, application: &str) -> Client {
        client(&self.postgres, user, application).await
    }

    pub async fn clients(&self, count: usize, user: &str, application: &str) -> Vec<Client> {
        let mut clients = Vec::new();
        for _ in 0..count {
            clients.push(self.client(user, application).await);
        }
        clients
    }

    /// The first column of the first row, as the superuser sees it.
    pub fn value(&self, sql: &str) -> String {
        let rows = self.postgres.sql(sql).expect("the superuser may ask");
        rows.into_iter().next().and_then(|row| row.into_iter().next().flatten()).unwrap_or_default()
    }

    pub async fn until(&self, what: &str, sql: &str, wanted: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            let found = self.value(sql);
            if found == wanted {
                return;
            }
            assert!(Instant::now() < end, "waited in vain until {what}: wanted {wanted}, found {found}");
            tokio::task::yield_now().await;
        }
    }

    /// Returns when all sessions of an application have been idle for so long.
    pub async fn until_idle(&self, application: &str, seconds: f64) {
        let sql = format!(
            "select coalesce(min(extract(epoch from clock_timestamp() - state_change)), 0) >= {seconds}
             from pg_stat_activity where application_name = '{application}' and state = 'idle'"
        );
        self.until("sessions are idle", &sql, "t").await;
    }
}

pub async fn client(postgres: &Postgres, user: &str, application: &str) -> Client {
    let mut config = Config::new();
    config
        .host("127.0.0.1")
        .port(postgres.port())
        .dbname("postgres")
        .user(user)
        .application_name(application);
    let (client, connection) = config.connect(NoTls).await.expect("the server lets this role in");
    tokio::spawn(connection);
    client.batch_execute("SELECT 1").await.expect("the session works");
    client
}

/// The adapter with a target `main`, as `user`.
pub fn connect(postgres: &Postgres, user: &str, section: Value) -> Adapter {
    let mut whole = json!({ "targets": { "main": {
        "host": "127.0.0.1", "port": postgres.port(), "user": user, "database": "postgres", "tls": "disable",
    } } });
    merge(&mut whole, section);
    check(whole).expect("the settings are fine")
}

/// Checks a section and connects.
pub fn check(section: Value) -> Result<Adapter, Faults> {
    let node = node(&section);
    let collector = Collector::default();
    let prepared = (ENTRY.check)(&mut Section::root(&node, &collector));
    collector.accept(prepared).map(|prepared| prepared.connect().expect("the settings can be used"))
}

pub fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other} is no object"),
    }
}

pub fn intent(name: &str) -> IntentId {
    ContentHash::of_parts([name.as_bytes()])
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

fn node(value: &Value) -> Node {
    let at = Location::START;
    let value = match value {
        Value::Null => Setting::Null,
        Value::Bool(value) => Setting::Bool(*value),
        Value::Number(number) => match number.as_i64() {
            Some(number) => Setting::Integer(number),
            None => Setting::Float(number.as_f64().expect("a number of JSON")),
        },
        Value::String(text) => Setting::Text(text.clone()),
        Value::Array(items) => Setting::List(items.iter().map(node).collect()),
        Value::Object(map) => Setting::Map(
            map.iter().map(|(name, value)| (Key { name: name.clone(), at }, node(value))).collect(),
        ),
    };
    Node { value, at }
}
