//! Calls of probes and actions as they are written in a test: `pg::connections("main")`.
//!
//! What rules and stories print is understood (`pg::connections(database: "main")`), and what a rule says itself, without
//! the names of parameters. Without brackets, `pg::connections` means every call.

use selfheal_contract::{Kind, ParameterSpec};
use selfheal_core::span::Span;
use serde_json::{Map, Value};

/// A call, or all calls of a probe or action.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Call {
    pub(super) adapter: String,
    pub(super) name: String,
    /// The parameters by name; `None` means whatever they are.
    params: Option<Map<String, Value>>,
}

/// What is written, before it is known which parameters there are.
pub(super) struct Written {
    pub(super) adapter: String,
    pub(super) name: String,
    arguments: Option<Vec<(Option<String>, Value)>>,
}

impl Written {
    /// Reads a call.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        const FORM: &str =
            "expected a call such as pg::connections(\"main\"), or pg::connections for all calls";
        let (path, rest) = match text.find('(') {
            Some(at) => (&text[..at], Some(&text[at + 1..])),
            None => (text, None),
        };
        let is_word =
            |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let (adapter, name) =
            path.trim().split_once("::").or_else(|| path.trim().split_once('.')).ok_or(FORM)?;
        if !is_word(adapter) || !is_word(name) {
            return Err(FORM.to_owned());
        }
        let arguments = rest.map(arguments).transpose()?;
        Ok(Self { adapter: adapter.to_owned(), name: name.to_owned(), arguments })
    }

    /// The call, now that its parameters are known.
    pub(super) fn resolve(self, specs: &[ParameterSpec]) -> Result<Call, String> {
        let Self { adapter, name, arguments } = self;
        let Some(arguments) = arguments else { return Ok(Call { adapter, name, params: None }) };
        let known = || specs.iter().map(|spec| spec.name).collect::<Vec<_>>().join(", ");
        let mut params = Map::new();
        for (index, (named, value)) in arguments.into_iter().enumerate() {
            let spec = match &named {
                Some(named) => specs.iter().find(|spec| spec.name == named),
                None => specs.get(index),
            };
            let Some(spec) = spec else {
                let what = named.unwrap_or_else(|| format!("number {}", index + 1));
                return Err(format!("{adapter}::{name} has no parameter {what}; it has: {}", known()));
            };
            params.insert(spec.name.to_owned(), canonical(spec.kind, value));
        }
        Ok(Call { adapter, name, params: Some(params) })
    }
}

impl Call {
    /// The parameters, where they are given.
    pub(super) fn params(&self) -> Option<&Map<String, Value>> {
        self.params.as_ref()
    }

    /// Whether this call is meant.
    pub(super) fn covers(&self, adapter: &str, name: &str, params: &Map<String, Value>) -> bool {
        let same = |own: &Map<String, Value>| {
            own.len() == params.len()
                && own.iter().all(|(name, value)| params.get(name).is_some_and(|other| same(value, other)))
        };
        self.adapter == adapter && self.name == name && self.params.as_ref().is_none_or(same)
    }
}

/// Numbers are the same whether they have a fraction of zero or none.
fn same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a.total_cmp(&b).is_eq(),
        _ => a == b,
    }
}

/// As the rule language hands a value on: `"60s"` is `"1m"`.
fn canonical(kind: Kind, value: Value) -> Value {
    match (kind, &value) {
        (Kind::Duration, Value::String(text)) => {
            text.parse::<Span>().map_or(value.clone(), |span| Value::from(span.to_string()))
        }
        _ => value,
    }
}

/// `"main", idle_for: "10m")`: values are JSON, each with or without the name of its parameter.
fn arguments(text: &str) -> Result<Vec<(Option<String>, Value)>, String> {
    let mut read = Vec::new();
    let mut rest = text.trim();
    loop {
        if let Some(after) = rest.strip_prefix(')') {
            return if after.trim().is_empty() {
                Ok(read)
            } else {
                Err(format!("nothing may follow the call, found {after:?}"))
            };
        }
        if rest.is_empty() {
            return Err("the call is not closed: a ) is missing".to_owned());
        }
        let mut named = None;
        if rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && let Some((name, after)) = rest.split_once(':')
            && name.trim().chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        {
            (named, rest) = (Some(name.trim().to_owned()), after.trim_start());
        }
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
        let value = match values.next() {
            Some(Ok(value)) => value,
            _ => return Err(format!("expected a value such as \"main\", 10 or true at {rest:?}")),
        };
        rest = rest[values.byte_offset()..].trim_start();
        read.push((named, value));
        match rest.strip_prefix(',') {
            Some(after) => rest = after.trim_start(),
            None if rest.starts_with(')') => {}
            None => return Err(format!("expected , or ) at {rest:?}")),
        }
    }
}
