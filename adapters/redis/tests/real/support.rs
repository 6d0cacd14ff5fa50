//! Building the adapter as the server does, calling it as the runtime does, and looking at Redis behind its back.

use std::sync::{Mutex, PoisonError};

use redis::{Connection, FromRedisValue};
use selfheal_contract::settings::{Collector, Key, Location, Node, Section, Value as Setting};
use selfheal_contract::{Adapter, Applied, Effect, Failure, IntentId, Preview, Reading, Undone};
use selfheal_core::hash::ContentHash;
use serde_json::{Map, Value, json};

/// An adapter over one target, `cache`, with the settings of all tests and short time-outs.
pub fn adapter(url: &str) -> Adapter {
    adapter_with(json!({ "url": url }))
}

/// As [`adapter`], with all the target's fields.
pub fn adapter_with(target: Value) -> Adapter {
    let settings = json!({
        "targets": { "cache": target },
        "timeout": "500ms",
        "connect_timeout": "500ms",
        "settable": ["maxmemory", "maxmemory-policy", "maxmemory-samples", "timeout", "hz"],
        "expirable": ["cache:*"],
        "trimmable": ["celery", "q:*"],
        "trim_unasked_max": 1000,
    });
    let collector = Collector::default();
    let checked = (selfheal_redis::ENTRY.check)(&mut Section::root(&node(&settings), &collector));
    collector.accept(checked).unwrap().connect().unwrap()
}

fn node(json: &Value) -> Node {
    let at = Location::START;
    let value = match json {
        Value::Null => Setting::Null,
        Value::Bool(value) => Setting::Bool(*value),
        Value::Number(value) => Setting::Integer(value.as_i64().unwrap()),
        Value::String(value) => Setting::Text(value.clone()),
        Value::Array(items) => Setting::List(items.iter().map(node).collect()),
        Value::Object(entries) => Setting::Map(
            entries.iter().map(|(name, value)| (Key { name: name.clone(), at }, node(value))).collect(),
        ),
    };
    Node { value, at }
}

/// Parameters from JSON, with the target added.
pub fn params(json: Value) -> Map<String, Value> {
    let Value::Object(mut params) = json else { panic!("parameters are an object") };
    params.entry("target").or_insert("cache".into());
    params
}

/// One use of one action, step by step as the runtime takes them.
pub struct Use<'a> {
    adapter: &'a Adapter,
    action: &'static str,
    params: Map<String, Value>,
}

pub fn intent() -> IntentId {
    ContentHash::of_parts([b"intent".as_slice()])
}

impl<'a> Use<'a> {
    pub fn of(adapter: &'a Adapter, action: &'static str, json: Value) -> Self {
        Self { adapter, action, params: params(json) }
    }

    fn action(&self) -> &dyn selfheal_contract::AnyAction {
        let found = self.adapter.actions.iter().find(|action| action.about().name == self.action);
        found.unwrap().as_ref()
    }

    /// Why it needs approval, if it does.
    pub fn approval(&self) -> Result<Option<String>, Failure> {
        self.action().assess(&self.params).map(|assessment| assessment.approval)
    }

    pub async fn preview(&self) -> Result<Preview, Failure> {
        self.action().preview(&self.params).await
    }

    pub async fn capture(&self) -> Result<Value, Failure> {
        self.action().capture(&self.params).await
    }

    pub async fn apply(&self, prior: &Value) -> Result<Applied, Failure> {
        self.action().apply(&self.params, prior, &intent()).await
    }

    pub async fn effect(&self, prior: &Value) -> Result<Effect, Failure> {
        self.action().effect(&self.params, prior, &intent()).await
    }

    pub async fn undo(&self, prior: &Value) -> Result<Undone, Failure> {
        self.action().undo(&self.params, prior, &intent()).await
    }
}

/// Reads a probe.
pub async fn read(adapter: &Adapter, probe: &str, json: Value) -> Result<Reading, Failure> {
    let found = adapter.probes.iter().find(|candidate| candidate.about().name == probe).unwrap();
    found.check(&params(json.clone()))?;
    found.read(&params(json)).await
}

/// A connection of the test's own. Its name keeps the adapter from ending it.
pub struct Shell(Mutex<Connection>);

impl Shell {
    pub fn open(url: &str) -> Self {
        let connection = redis::Client::open(url).unwrap().get_connection().unwrap();
        let shell = Self(Mutex::new(connection));
        shell.run::<()>("CLIENT SETNAME selfheal-test");
        shell
    }

    /// Runs words separated by spaces.
    pub fn run<T: FromRedisValue>(&self, words: &str) -> T {
        let mut words = words.split(' ');
        let mut command = redis::cmd(words.next().unwrap());
        words.for_each(|word| {
            command.arg(word);
        });
        let mut connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        command.query(&mut *connection).unwrap()
    }

    /// A parameter in force.
    pub fn config(&self, name: &str) -> String {
        self.run::<(String, String)>(&format!("CONFIG GET {name}")).1
    }

    /// Fills a list with the numbers from 1, the last at its head.
    pub fn fill(&self, key: &str, entries: u64) {
        let numbers: Vec<String> = (1..=entries).map(|number| number.to_string()).collect();
        self.run::<()>(&format!("LPUSH {key} {}", numbers.join(" ")));
    }

    /// The ids of the clients with this name.
    pub fn clients(&self, name: &str) -> Vec<u64> {
        let list: String = self.run("CLIENT LIST");
        let named = list.lines().filter(|line| line.contains(&format!(" name={name} ")));
        let id = |line: &str| line.strip_prefix("id=")?.split(' ').next()?.parse().ok();
        named.filter_map(id).collect()
    }
}

/// A client of the server, by this name, that does nothing.
pub fn idler(url: &str, name: &str) -> Connection {
    let mut connection = redis::Client::open(url).unwrap().get_connection().unwrap();
    redis::cmd("CLIENT").arg("SETNAME").arg(name).exec(&mut connection).unwrap();
    connection
}
