//! Readings and settings as scripts see them: JSON objects that can be read and not changed.
//!
//! A record is shared, not copied, whatever its size; only the field that is asked for becomes a value of the script.

use std::sync::Arc;

use rhai::{Array, Dynamic, Engine, EvalAltResult, ImmutableString};
use selfheal_contract::settings::suggest;
use selfheal_core::condition::Reading;
use serde_json::{Map, Value};

use crate::fault::{FaultKind, Refusal};

/// The field that a reading has when, and only when, it is inconclusive.
pub(crate) const INCONCLUSIVE: &str = "inconclusive";

/// A JSON object. A field that is not there is `()`, unless the record is strict.
#[derive(Clone)]
pub(crate) struct Record {
    fields: Arc<Map<String, Value>>,
    /// The name under which unknown fields are complained about; `None` where they are `()`.
    strict: Option<&'static str>,
    known: bool,
}

impl Record {
    /// A probe's answer. One that is inconclusive has only the field `inconclusive`, which says why; one that is
    /// no object has only the field `value`.
    pub fn of_reading(reading: &Reading) -> Self {
        let (fields, known) = match reading {
            Reading::Known(Value::Object(fields)) => (fields.clone(), true),
            Reading::Known(other) => (Map::from_iter([("value".to_owned(), other.clone())]), true),
            Reading::Inconclusive(why) => {
                (Map::from_iter([(INCONCLUSIVE.to_owned(), Value::from(why.as_str()))]), false)
            }
        };
        Self { fields: Arc::new(fields), strict: None, known }
    }

    /// The operator's settings, in which an unknown name is a fault.
    pub fn strict(name: &'static str, fields: Map<String, Value>) -> Self {
        Self { fields: Arc::new(fields), strict: Some(name), known: true }
    }

    fn get(&self, name: &str) -> Result<Dynamic, Box<EvalAltResult>> {
        match (self.fields.get(name), self.strict) {
            (Some(value), _) => Ok(to_dynamic(value)),
            (None, None) => Ok(Dynamic::UNIT),
            (None, Some(of)) => Err(unknown_setting(of, name, self.fields.keys().map(String::as_str)).into()),
        }
    }
}

/// An unknown name in a strict record.
pub(crate) fn unknown_setting<'a>(
    of: &str,
    name: &str,
    known: impl Iterator<Item = &'a str> + Clone,
) -> Refusal {
    let refusal = Refusal::new(FaultKind::Script, format!("unknown setting {of}.{name}"));
    match suggest(name, known.clone()) {
        Some(meant) => refusal.help(format!("did you mean {of}.{meant}?")),
        None => {
            let known: Vec<&str> = known.take(20).collect();
            match known.as_slice() {
                [] => refusal.help("no settings are configured"),
                known => refusal.help(format!("known are {}", known.join(", "))),
            }
        }
    }
}

/// A JSON value as a script's value; objects stay shared records.
fn to_dynamic(value: &Value) -> Dynamic {
    match value {
        Value::Null => Dynamic::UNIT,
        Value::Bool(flag) => (*flag).into(),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => whole.into(),
            // Whole numbers beyond 2^63 lose their last digits, as they do in every JSON reader of doubles.
            None => number.as_f64().unwrap_or(f64::MAX).into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => Dynamic::from_array(items.iter().map(to_dynamic).collect::<Array>()),
        Value::Object(fields) => {
            Dynamic::from(Record { fields: Arc::new(fields.clone()), strict: None, known: true })
        }
    }
}

/// A script's plain value as JSON, for what a condition compares with.
pub(crate) fn to_json(value: &Dynamic) -> Option<Value> {
    if value.is_unit() {
        Some(Value::Null)
    } else if let Ok(flag) = value.as_bool() {
        Some(flag.into())
    } else if let Ok(whole) = value.as_int() {
        Some(whole.into())
    } else if let Ok(number) = value.as_float() {
        serde_json::Number::from_f64(number).map(Value::Number)
    } else if let Ok(text) = value.as_immutable_string_ref() {
        Some(text.as_str().into())
    } else {
        None
    }
}

/// Makes records known to scripts; `names` are fields that probes document, which are found fastest.
pub(crate) fn register(engine: &mut Engine, names: impl Iterator<Item = &'static str>) {
    engine.register_type_with_name::<Record>("Reading");
    for name in names.chain(["value", INCONCLUSIVE]) {
        engine.register_get(name, move |record: &mut Record| record.get(name));
    }
    engine.register_indexer_get(|record: &mut Record, name: ImmutableString| record.get(&name));
    engine.register_fn("contains", |record: &mut Record, name: ImmutableString| {
        record.fields.contains_key(&*name)
    });
    engine.register_fn("get", |record: &mut Record, name: ImmutableString| {
        record.fields.get(&*name).map_or(Dynamic::UNIT, to_dynamic)
    });
    engine.register_fn("keys", |record: &mut Record| -> Array {
        record.fields.keys().map(|name| name.as_str().into()).collect()
    });
    engine.register_fn("len", |record: &mut Record| i64::try_from(record.fields.len()).unwrap_or(i64::MAX));
    for name in ["to_string", "to_debug", "to_json"] {
        engine.register_fn(name, |record: &mut Record| {
            serde_json::to_string(&*record.fields).expect("a JSON object with text keys can be written")
        });
    }
    engine.register_fn("is_known", |value: Dynamic| match value.read_lock::<Record>() {
        Some(record) => record.known,
        None => !value.is_unit(),
    });
}
