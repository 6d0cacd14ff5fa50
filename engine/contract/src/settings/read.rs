//! How one value is read as the type that its field asks for: pure functions from a node to a value or a problem.

use std::fmt::Display;
use std::ops::RangeInclusive;

use selfheal_core::span::Span;

use super::node::{Node, Value};
use super::secret::Secret;
use super::section::Problem;
use super::suggest::suggest;

fn unexpected(expected: &str, found: &Value) -> Problem {
    Problem::new(format!("expected {expected}, found {}", found.describe()))
}

/// Text, or whatever came from outside the file.
pub(super) fn text(node: &Node) -> Result<&str, Problem> {
    match &node.value {
        Value::Text(text) | Value::Open(text) => Ok(text),
        scalar @ (Value::Bool(_) | Value::Integer(_) | Value::Float(_)) => {
            Err(unexpected("text", scalar).help("put it in quotes"))
        }
        other => Err(unexpected("text", other)),
    }
}

pub(super) fn filled_text(node: &Node) -> Result<&str, Problem> {
    match text(node)? {
        "" => Err(Problem::new("must not be empty")),
        text => Ok(text),
    }
}

/// Like text, but a problem never quotes the value, and an empty secret is none: it would switch a check off.
pub(super) fn secret(node: &Node) -> Result<Secret, Problem> {
    let problem = match &node.value {
        Value::Text(text) | Value::Open(text) if text.is_empty() => {
            Problem::new("a secret must not be empty").help("leave the key out if there is none")
        }
        Value::Text(text) | Value::Open(text) => return Ok(Secret::new(text.as_str())),
        _ => Problem::new("expected a secret as text")
            .help("put it in quotes, or use ${NAME} or ${file:/path}"),
    };
    Err(problem.secret())
}

pub(super) fn list<'a>(node: &'a Node, expected: &str) -> Result<&'a [Node], Problem> {
    match &node.value {
        Value::List(items) => Ok(items),
        other => Err(unexpected(expected, other)),
    }
}

/// Like a list, but a problem never quotes what stands there instead: it is probably the only secret.
pub(super) fn secret_list(node: &Node) -> Result<&[Node], Problem> {
    match &node.value {
        Value::List(items) => Ok(items),
        _ => {
            Err(Problem::new("expected a list of secrets")
                .help("write each behind a dash, even a single one"))
        }
    }
}

pub(super) fn boolean(node: &Node) -> Result<bool, Problem> {
    match node.value.settled().as_ref() {
        Value::Bool(value) => Ok(*value),
        found => Err(unexpected("true or false", found)),
    }
}

pub(super) fn integer<T>(node: &Node, range: &RangeInclusive<T>) -> Result<T, Problem>
where
    T: TryFrom<i64> + PartialOrd + Display,
{
    match node.value.settled().as_ref() {
        // A number that the type cannot hold is outside the range as well.
        Value::Integer(value) => T::try_from(*value)
            .ok()
            .filter(|number| range.contains(number))
            .ok_or_else(|| outside(range.start(), range.end(), value)),
        found => Err(unexpected("a whole number", found)),
    }
}

pub(super) fn float(node: &Node, range: &RangeInclusive<f64>) -> Result<f64, Problem> {
    let value = match node.value.settled().as_ref() {
        Value::Integer(value) => *value as f64,
        Value::Float(value) => *value,
        found => return Err(unexpected("a number", found)),
    };
    // NaN is in no range.
    if range.contains(&value) { Ok(value) } else { Err(outside(range.start(), range.end(), value)) }
}

pub(super) fn span(node: &Node, range: &RangeInclusive<Span>) -> Result<Span, Problem> {
    let value = match node.value.settled().as_ref() {
        Value::Text(text) => text.parse::<Span>().map_err(|fault| Problem::new(fault.to_string()))?,
        found @ (Value::Integer(_) | Value::Float(_)) => {
            return Err(unexpected("a duration", found).help("add the unit: 500ms, 30s, 5m, 1h or 7d"));
        }
        found => return Err(unexpected("a duration such as 30s or 5m", found)),
    };
    if range.contains(&value) { Ok(value) } else { Err(outside(range.start(), range.end(), value)) }
}

pub(super) fn choice<T: Clone>(node: &Node, choices: &[(&str, T)]) -> Result<T, Problem> {
    let names = || choices.iter().map(|(name, _)| *name);
    let expected = || format!("one of {}", names().collect::<Vec<_>>().join(", "));
    let (Value::Text(given) | Value::Open(given)) = &node.value else {
        return Err(unexpected(&expected(), &node.value));
    };
    match choices.iter().find(|(name, _)| name == given) {
        Some((_, value)) => Ok(value.clone()),
        None => {
            let help = suggest(given, names()).map(|meant| format!("did you mean {meant:?}?"));
            Err(Problem { help, ..unexpected(&expected(), &node.value) })
        }
    }
}

fn outside(low: impl Display, high: impl Display, found: impl Display) -> Problem {
    Problem::new(format!("must be between {low} and {high}, found {found}"))
}
