//! What the tests share: the adapter as the server makes it, from settings, and calls by the probes' names.

use std::sync::Arc;

use selfheal_contract::settings::{Collector, Key, Location, Node, Section, Value as Setting};
use selfheal_contract::{Adapter, AnyProbe, Failure, Reading};
use serde_json::{Map, Value};

/// The adapter with these settings.
pub fn adapter(settings: &[(&str, &str)]) -> Adapter {
    let at = Location::START;
    let entry = |(name, text): &(&str, &str)| {
        (Key { name: (*name).to_owned(), at }, Node { value: Setting::Text((*text).to_owned()), at })
    };
    let node = Node { value: Setting::Map(settings.iter().map(entry).collect()), at };
    let collector = Collector::default();
    let prepared = (selfheal_prometheus::ENTRY.check)(&mut Section::root(&node, &collector));
    collector.accept(prepared).unwrap_or_else(|faults| panic!("{faults}")).connect().unwrap()
}

/// A probe by its name.
pub fn probe(adapter: &Adapter, name: &str) -> Arc<dyn AnyProbe> {
    adapter.probes.iter().find(|probe| probe.about().name == name).unwrap().clone()
}

/// The parameters in a JSON object.
pub fn params(value: Value) -> Map<String, Value> {
    let Value::Object(params) = value else { panic!("{value} is no object") };
    params
}

/// Reads `query` with only an expression.
pub async fn query(adapter: &Adapter, expr: &str) -> Result<Reading, Failure> {
    probe(adapter, "query").read(&params(serde_json::json!({ "expr": expr }))).await
}

/// A field of a reading that must be known, as a number.
#[track_caller]
pub fn number(reading: Result<Reading, Failure>, field: &str) -> f64 {
    let reading = reading.unwrap_or_else(|failure| panic!("{failure}"));
    reading.field(field).unwrap_or_else(|why| panic!("{why}")).as_f64().unwrap()
}

/// Why a reading is inconclusive.
#[track_caller]
pub fn why(reading: Result<Reading, Failure>) -> String {
    match reading {
        Ok(Reading::Inconclusive(why)) => why,
        other => panic!("expected an inconclusive reading, got {other:?}"),
    }
}
