//! The section `settings`: the thresholds that rules see as `settings.name`.
//!
//! Known names have a kind and a default; operators may add names of their own for their own rules.

use std::collections::BTreeMap;

use selfheal_contract::settings::{Collector, Fault, Key, Location, Node, Section, Value, suggest};
use selfheal_core::policy::Policy;
use selfheal_core::span::Span;
use serde_json::Value as Json;

use super::reading::is_name;

/// How many names there may be, known ones included: the limit of a map in a rule.
pub const SETTINGS_MAX: usize = 256;
/// The longest text, in bytes: the limit of a text in a rule.
pub const TEXT_BYTES_MAX: usize = 4096;

/// What a known setting holds, with its default.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// A share of a whole. Rules see 0 to 1; above 1 and up to 100 it is taken as a percentage, so that `0.85` and
    /// `85` are the same.
    Share(f64),
    /// A whole number from 0.
    Count(i64),
    /// Seconds from 0, with a fraction.
    Seconds(f64),
    /// A duration; rules see its text.
    Duration(Span),
    /// A text that is not empty.
    Text(&'static str),
}

/// All names that the shipped rules use.
const KNOWN: &[(&str, Kind)] = &[
    ("kafka_lag_threshold", Kind::Count(15_000)),
    ("postgres_conn_threshold", Kind::Share(0.85)),
    ("disk_space_threshold", Kind::Share(0.85)),
    ("memory_threshold", Kind::Share(0.85)),
    ("error_ratio_threshold", Kind::Share(0.05)),
    ("latency_threshold_seconds", Kind::Seconds(0.5)),
    ("network_latency_threshold_seconds", Kind::Seconds(0.2)),
    ("idle_connection_age", Kind::Duration(Span::from_mins(10))),
    ("slow_query_age", Kind::Duration(Span::from_secs(5))),
    ("redis_memory_threshold", Kind::Share(0.85)),
    ("queue_length_threshold", Kind::Count(10_000)),
    ("cpu_threshold", Kind::Share(0.85)),
    ("memory_limit_max_bytes", Kind::Count(8 * 1024 * 1024 * 1024)),
    ("cpu_limit_max_cores", Kind::Count(8)),
    ("replica_step", Kind::Count(2)),
    ("kafka_lag_per_replica", Kind::Count(3_500)),
    ("certificate_days", Kind::Count(30)),
    ("clean_up_command", Kind::Text("none")),
    ("queue_name", Kind::Text("celery")),
    ("postgres_database", Kind::Text("main")),
    ("redis_target", Kind::Text("main")),
];

/// Reads the section of the whole configuration, and adds the bounds of the policy, so that a rule plans within what would
/// be admitted. A name that looks like a slip of a known one gets a note.
pub(super) fn check(
    root: &mut Section<'_>,
    policy: &Policy,
    collector: &Collector,
    notes: &mut Vec<String>,
) -> BTreeMap<String, Json> {
    let mut section = root.section("settings");
    let mut settings: BTreeMap<String, Json> =
        KNOWN.iter().map(|&(name, kind)| (name.to_owned(), known(&mut section, name, kind))).collect();
    let entries = match root.node("settings") {
        Some(Node { value: Value::Map(entries), .. }) => entries.as_slice(),
        _ => &[],
    };
    let own = |(key, _): &&(Key, Node)| KNOWN.iter().all(|(name, _)| *name != key.name);
    for (key, node) in entries.iter().filter(own) {
        let path = section.path().key(&key.name);
        let fault = |at: Location, problem: String, help: &str| Fault {
            path: path.clone(),
            at,
            problem,
            help: Some(help.to_owned()),
            secret: false,
        };
        if !is_identifier(&key.name) {
            let problem = format!("{:?} cannot be a name in a rule", key.name);
            collector.push(fault(
                key.at,
                problem,
                "use small letters, digits and _, and begin with a letter",
            ));
            continue;
        }
        match own_value(&node.value) {
            Ok(Some(value)) => {
                note_slip(&key.name, entries, notes);
                settings.insert(key.name.clone(), value);
            }
            Ok(None) => {}
            Err(problem) => collector.push(fault(
                node.at,
                problem,
                "a rule can use a number, a text, true or false; put a text in quotes",
            )),
        }
    }
    settings.insert("replicas_min".to_owned(), Json::from(policy.replicas_min));
    settings.insert("replicas_max".to_owned(), Json::from(policy.replicas_max));
    if settings.len() > SETTINGS_MAX {
        let problem = format!("{} names are more than {SETTINGS_MAX}", settings.len());
        root.reject("settings", problem, None);
    }
    settings
}

fn known(section: &mut Section<'_>, name: &str, kind: Kind) -> Json {
    match kind {
        Kind::Share(default) => {
            let given = section.float_or(name, default, 0.0..=100.0);
            Json::from(if given > 1.0 { given / 100.0 } else { given })
        }
        Kind::Count(default) => Json::from(section.integer_or(name, default, 0..=i64::MAX)),
        Kind::Seconds(default) => Json::from(section.float_or(name, default, 0.0..=86_400.0)),
        Kind::Duration(default) => {
            Json::from(section.span_or(name, default, Span::ZERO..=Span::MAX).to_string())
        }
        Kind::Text(default) => Json::from(section.optional_text(name).unwrap_or_else(|| default.to_owned())),
    }
}

/// A value of the operator's own; `None` if there is none.
fn own_value(value: &Value) -> Result<Option<Json>, String> {
    match value.settled().as_ref() {
        // A variable that is not set was reported where it was filled in.
        Value::Null | Value::Faulty => Ok(None),
        Value::Bool(value) => Ok(Some(Json::from(*value))),
        Value::Integer(value) => Ok(Some(Json::from(*value))),
        Value::Float(value) if value.is_finite() => Ok(Some(Json::from(*value))),
        Value::Text(text) | Value::Open(text) if text.len() <= TEXT_BYTES_MAX => {
            Ok(Some(Json::from(text.as_str())))
        }
        Value::Text(text) | Value::Open(text) => {
            Err(format!("the text has {} bytes, more than {TEXT_BYTES_MAX}", text.len()))
        }
        found => Err(format!("expected one value, found {}", found.describe())),
    }
}

fn note_slip(name: &str, entries: &[(Key, Node)], notes: &mut Vec<String>) {
    let unset = KNOWN
        .iter()
        .map(|(known, _)| *known)
        .filter(|known| entries.iter().all(|(key, _)| key.name != *known));
    if let Some(meant) = suggest(name, unset) {
        notes.push(format!("settings.{name} is no name that selfheal knows; did you mean {meant}?"));
    }
}

fn is_identifier(name: &str) -> bool {
    is_name(name)
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}
