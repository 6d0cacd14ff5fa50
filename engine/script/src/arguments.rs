//! What a rule passes to functions, checked against what they expect: every refusal names the parameter, the expected
//! kind and the value given.

use rhai::{Array, Dynamic};
use selfheal_contract::{Kind, ParameterSpec};
use selfheal_core::span::Span;
use serde_json::{Map, Value};

use crate::fault::{Refusal, cut, refused};

/// The value as a message shows it.
pub(crate) fn shown(value: &Dynamic) -> String {
    if value.is_unit() {
        "() (nothing)".to_owned()
    } else if let Ok(text) = value.as_immutable_string_ref() {
        format!("{:?}", cut(&text))
    } else if value.is_int() || value.is_float() || value.is_bool() {
        value.to_string()
    } else if value.is_array() {
        "an array".to_owned()
    } else if value.is_map() {
        "a map".to_owned()
    } else if value.is_fnptr() {
        "a function".to_owned()
    } else {
        // Types of Rust are known by their last name: `selfheal_script::steps::Step` is a step.
        let name = value.type_name();
        match name.rsplit("::").next().unwrap_or(name) {
            "Judged" => "a condition".to_owned(),
            "Record" => "a reading".to_owned(),
            "View" => "an alert".to_owned(),
            "LabelsView" => "labels".to_owned(),
            name => format!("a {}", name.to_lowercase()),
        }
    }
}

/// A span of time, for example `"2m"`.
pub(crate) fn span(name: &str, value: &Dynamic) -> Result<Span, Refusal> {
    match value.as_immutable_string_ref() {
        Ok(text) => text.parse::<Span>().map_err(|fault| refused(format!("{name}: {fault}"))),
        Err(_) => {
            let refusal =
                refused(format!("{name}: expected {}, found {}", Kind::Duration.name(), shown(value)));
            Err(match value.as_int() {
                Ok(number) if number > 0 => refusal.help(format!("for seconds write \"{number}s\"")),
                _ => refusal,
            })
        }
    }
}

/// A finite number.
pub(crate) fn number(name: &str, value: &Dynamic) -> Result<f64, Refusal> {
    let number = value.as_float().or_else(|_| value.as_int().map(|whole| whole as f64));
    match number {
        Ok(number) if number.is_finite() => Ok(number),
        _ => Err(refused(format!("{name}: expected a number, found {}", shown(value)))),
    }
}

/// A whole number, also when it was computed as a float without a fraction.
fn whole(value: &Dynamic) -> Option<i64> {
    if let Ok(whole) = value.as_int() {
        return Some(whole);
    }
    // 2^53: below it every whole float is exact.
    value.as_float().ok().filter(|n| n.fract() == 0.0 && n.abs() < 9_007_199_254_740_992.0).map(|n| n as i64)
}

/// The arguments of an action or probe by name. Optional ones that are left out or `()` are absent.
pub(crate) fn by_name(
    specs: &[ParameterSpec],
    given: &mut [&mut Dynamic],
) -> Result<Map<String, Value>, Refusal> {
    let mut params = Map::new();
    for (spec, value) in specs.iter().zip(given) {
        if spec.optional && value.is_unit() {
            continue;
        }
        params.insert(spec.name.to_owned(), convert(spec, value)?);
    }
    Ok(params)
}

/// One argument, as the adapter is given it.
pub(crate) fn convert(spec: &ParameterSpec, value: &Dynamic) -> Result<Value, Refusal> {
    let converted = match spec.kind {
        Kind::Text => value.as_immutable_string_ref().ok().map(|text| Value::from(text.as_str())),
        Kind::Boolean => value.as_bool().ok().map(Value::from),
        Kind::Integer => whole(value).map(Value::from),
        Kind::Positive => whole(value).filter(|number| *number > 0).map(Value::from),
        Kind::Choice(texts) => value
            .as_immutable_string_ref()
            .ok()
            .filter(|text| texts.contains(&text.as_str()))
            .map(|text| Value::from(text.as_str())),
        Kind::Number => return number(spec.name, value).map(Value::from),
        // Written in one way, so that "60s" and "1m" are one plan.
        Kind::Duration => return span(spec.name, value).map(|span| span.to_string().into()),
        Kind::Texts => texts(value),
    };
    converted.ok_or_else(|| {
        let message = format!("{}: expected {}, found {}", spec.name, spec.kind.name(), shown(value));
        let refusal = refused(message);
        if value.is_unit() {
            refusal.help("the label, annotation or field it comes from is missing")
        } else if spec.kind == Kind::Text && (value.is_int() || value.is_float()) {
            refusal.help("turn it into text with .to_string()")
        } else {
            refusal
        }
    })
}

fn texts(value: &Dynamic) -> Option<Value> {
    let items = value.read_lock::<Array>()?;
    let text = |item: &Dynamic| item.as_immutable_string_ref().ok().map(|text| Value::from(text.as_str()));
    items.iter().map(text).collect::<Option<Vec<Value>>>().map(Value::Array)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(kind: Kind) -> ParameterSpec {
        ParameterSpec { name: "p", doc: "", kind, optional: false }
    }

    #[test]
    fn values_are_taken_or_refused_by_name_kind_and_value() {
        let texts = Dynamic::from_array(vec!["a".into(), "b".into()]);
        let mixed = Dynamic::from_array(vec!["a".into(), 1_i64.into()]);
        let cases: [(Kind, Dynamic, Result<&str, &str>); 23] = [
            (Kind::Text, "x\"y".into(), Ok(r#""x\"y""#)),
            (Kind::Text, 1_i64.into(), Err("p: expected text, found 1")),
            (Kind::Text, Dynamic::UNIT, Err("p: expected text, found () (nothing)")),
            (Kind::Boolean, true.into(), Ok("true")),
            (Kind::Boolean, "true".into(), Err("p: expected boolean, found \"true\"")),
            (Kind::Integer, 5_i64.into(), Ok("5")),
            (Kind::Integer, 5.0_f64.into(), Ok("5")),
            (Kind::Integer, 5.5_f64.into(), Err("p: expected whole number, found 5.5")),
            (Kind::Integer, f64::INFINITY.into(), Err("p: expected whole number, found inf")),
            (Kind::Positive, 1_i64.into(), Ok("1")),
            (Kind::Positive, 0_i64.into(), Err("p: expected whole number from 1, found 0")),
            (Kind::Choice(&["a", "b"]), "b".into(), Ok("\"b\"")),
            (Kind::Choice(&["a", "b"]), "c".into(), Err("p: expected \"a\" or \"b\", found \"c\"")),
            (Kind::Number, 5_i64.into(), Ok("5.0")),
            (Kind::Number, 0.25_f64.into(), Ok("0.25")),
            (Kind::Number, f64::NAN.into(), Err("p: expected a number, found NaN")),
            (Kind::Number, "5".into(), Err("p: expected a number, found \"5\"")),
            (Kind::Duration, "60s".into(), Ok("\"1m\"")),
            (Kind::Duration, 60_i64.into(), Err("p: expected duration such as \"5m\", found 60")),
            (Kind::Duration, "5min".into(), Err("p: \"5min\" is no span of time")),
            (Kind::Texts, texts, Ok(r#"["a","b"]"#)),
            (Kind::Texts, mixed, Err("p: expected array of texts, found an array")),
            (Kind::Texts, "a".into(), Err("p: expected array of texts, found \"a\"")),
        ];
        for (kind, value, expected) in cases {
            match (convert(&spec(kind), &value), expected) {
                (Ok(value), Ok(text)) => assert_eq!(value.to_string(), text),
                (Err(refusal), Err(text)) => assert!(refusal.message.starts_with(text), "{refusal}"),
                (found, _) => panic!("{kind:?} of {value:?}: {found:?}, expected {expected:?}"),
            }
        }
    }
}
