//! Readings and settings as scripts see them: JSON objects that can be read and not changed.
//!
//! A record is shared, not copied, whatever its size; only the field that is asked for becomes a value of the script.

use std::sync::Arc;

use rhai::{Array, Dynamic, Engine, EvalAltResult, ImmutableString};
use selfheal_contract::settings::suggest;
use selfheal_core::condition::Reading;
use serde_json::{Map, Value};

use crate::fault::{FaultKind, Refusal, cut};
use crate::fields::ProbeFacts;

/// The field that a reading has when, and only when, it is inconclusive.
pub(crate) const INCONCLUSIVE: &str = "inconclusive";

/// A JSON object.
#[derive(Clone)]
pub(crate) struct Record {
    fields: Arc<Map<String, Value>>,
    form: Form,
    known: bool,
}

/// What is known of a record's fields, and so what one that is not there means.
#[derive(Clone)]
enum Form {
    /// Nothing: it is `()`.
    Open,
    /// All that there are: it is a fault. The name is that of the record.
    Closed(&'static str),
    /// What a probe documents, below this path: what it documents is `()`, anything else a fault.
    Documented(Arc<ProbeFacts>, Box<str>),
}

impl Form {
    /// The form of what stands in a field of this name.
    fn below(&self, name: &str) -> Self {
        match self {
            Self::Documented(probe, path) => Self::Documented(Arc::clone(probe), joined(path, name).into()),
            Self::Open | Self::Closed(_) => Self::Open,
        }
    }
}

/// The dotted path of a field below a path, which may be empty.
fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

impl Record {
    /// A probe's answer. One that is inconclusive has only the field `inconclusive`, which says why; one that is
    /// no object has only the field `value`. A probe that is not there any more documents nothing.
    pub fn of_reading(reading: &Reading, probe: Option<&Arc<ProbeFacts>>) -> Self {
        let form = probe.map_or(Form::Open, |probe| Form::Documented(Arc::clone(probe), "".into()));
        let (fields, known) = match reading {
            Reading::Known(Value::Object(fields)) => (fields.clone(), true),
            Reading::Known(other) => (Map::from_iter([("value".to_owned(), other.clone())]), true),
            Reading::Inconclusive(why) => {
                (Map::from_iter([(INCONCLUSIVE.to_owned(), Value::from(why.as_str()))]), false)
            }
        };
        Self { fields: Arc::new(fields), form, known }
    }

    /// The operator's settings, in which an unknown name is a fault.
    pub fn strict(name: &'static str, fields: Map<String, Value>) -> Self {
        Self { fields: Arc::new(fields), form: Form::Closed(name), known: true }
    }

    fn field(&self, name: &str) -> Option<Dynamic> {
        Some(match self.fields.get(name)? {
            Value::Object(fields) => {
                let fields = Arc::new(fields.clone());
                Dynamic::from(Self { fields, form: self.form.below(name), known: true })
            }
            other => to_dynamic(other),
        })
    }

    fn get(&self, name: &str) -> Result<Dynamic, Box<EvalAltResult>> {
        if let Some(value) = self.field(name) {
            return Ok(value);
        }
        match &self.form {
            Form::Open => Ok(Dynamic::UNIT),
            Form::Closed(of) => Err(unknown_setting(of, name, self.fields.keys().map(String::as_str)).into()),
            Form::Documented(probe, path) => {
                let field = joined(path, name);
                if field == INCONCLUSIVE {
                    Ok(Dynamic::UNIT)
                } else if !probe.may_have(&field) {
                    Err(probe.unknown(FaultKind::Script, &field).into())
                } else if self.known {
                    Ok(Dynamic::UNIT)
                } else {
                    Err(self.unproven(probe, &field).into())
                }
            }
        }
    }

    /// The field, or `()` where there is none, be it that the reading proves nothing; a field that the probe does not
    /// document is a fault all the same.
    fn get_leniently(&self, name: &str) -> Result<Dynamic, Box<EvalAltResult>> {
        match &self.form {
            Form::Documented(probe, path) if self.field(name).is_none() => {
                let field = joined(path, name);
                match probe.may_have(&field) || field == INCONCLUSIVE {
                    true => Ok(Dynamic::UNIT),
                    false => Err(probe.unknown(FaultKind::Script, &field).into()),
                }
            }
            _ => Ok(self.field(name).unwrap_or(Dynamic::UNIT)),
        }
    }

    /// What is said of a field that is asked for although the reading proves nothing.
    fn unproven(&self, probe: &ProbeFacts, field: &str) -> Refusal {
        let why = self.fields.get(INCONCLUSIVE).and_then(Value::as_str).unwrap_or_default();
        let message =
            format!("the reading of {} is inconclusive ({}): it has no {field}", probe.name(), cut(why));
        Refusal::new(FaultKind::Script, message).help("ask is_known(..) of the reading first")
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
            Dynamic::from(Record { fields: Arc::new(fields.clone()), form: Form::Open, known: true })
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
pub(crate) fn register(engine: &mut Engine, names: &[&'static str]) {
    engine.register_type_with_name::<Record>("Reading");
    for name in names.iter().copied().chain(["value", INCONCLUSIVE]) {
        engine.register_get(name, move |record: &mut Record| record.get(name));
    }
    engine.register_indexer_get(|record: &mut Record, name: ImmutableString| record.get(&name));
    engine.register_fn("contains", |record: &mut Record, name: ImmutableString| {
        record.fields.contains_key(&*name)
    });
    engine.register_fn("get", |record: &mut Record, name: ImmutableString| record.get_leniently(&name));
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
