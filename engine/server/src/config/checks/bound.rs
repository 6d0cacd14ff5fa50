//! What is wrong: one comparison of a check, with a number, the name of a threshold, or a value.

use std::collections::BTreeMap;

use selfheal_contract::settings::{Section, Value, suggest};
use selfheal_core::condition::Test;
use serde::Serialize;
use serde_json::Value as Json;

/// The comparison that holds when something is wrong.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// More than this.
    Above(f64),
    /// This or more.
    AtLeast(f64),
    /// Less than this.
    Below(f64),
    /// This or less.
    AtMost(f64),
    /// This.
    Equals(Json),
    /// Anything else than this.
    Differs(Json),
}

impl Bound {
    /// The comparison as conditions know it.
    pub fn test(&self) -> Test {
        match self {
            Self::Above(bound) => Test::Above(*bound),
            Self::AtLeast(bound) => Test::AtLeast(*bound),
            Self::Below(bound) => Test::Below(*bound),
            Self::AtMost(bound) => Test::AtMost(*bound),
            Self::Equals(value) => Test::Equals(value.clone()),
            Self::Differs(value) => Test::Differs(value.clone()),
        }
    }
}

/// Makes a comparison with a number.
type WithNumber = fn(f64) -> Bound;

const NUMBERS: [(&str, WithNumber); 4] = [
    ("above", Bound::Above),
    ("at_least", Bound::AtLeast),
    ("below", Bound::Below),
    ("at_most", Bound::AtMost),
];

/// Reads the one comparison of a check. `implied` checks need none: theirs is that the target is not healthy.
pub(super) fn read(
    section: &mut Section<'_>,
    settings: &BTreeMap<String, Json>,
    implied: bool,
) -> Option<Bound> {
    let given: Vec<&str> = NUMBERS
        .iter()
        .map(|(name, _)| *name)
        .chain(["equals", "differs"])
        .filter(|name| section.node(name).is_some())
        .collect();
    let name = match given.as_slice() {
        [name] => *name,
        [] if implied => return Some(Bound::Differs(Json::from(true))),
        [] => {
            let help = "say what is wrong by one of above, at_least, below, at_most, equals, differs";
            section.reject("above", "a bound is required, but missing", Some(help));
            return None;
        }
        [.., last] => {
            section.reject(last, format!("{} cannot be used together", given.join(" and ")), None);
            return None;
        }
    };
    let node = section.node(name)?;
    let settled = node.value.settled();
    let number = NUMBERS.iter().find(|(candidate, _)| *candidate == name).map(|(_, make)| *make);
    match (number, settled.as_ref()) {
        (_, Value::Faulty) => None,
        (Some(make), Value::Integer(value)) => Some(make(*value as f64)),
        (Some(make), Value::Float(value)) if value.is_finite() => Some(make(*value)),
        (Some(make), Value::Text(text)) => threshold(section, name, text, settings).map(make),
        (None, value) => {
            let value = super::value(value);
            if value.is_none() {
                section.reject(name, format!("expected one value, found {}", node.value.describe()), None);
            }
            value.map(|value| if name == "equals" { Bound::Equals(value) } else { Bound::Differs(value) })
        }
        (Some(_), found) => {
            let problem = format!("expected a number or the name of a setting, found {}", found.describe());
            section.reject(name, problem, None);
            None
        }
    }
}

/// The number that a setting holds.
fn threshold(
    section: &Section<'_>,
    name: &str,
    text: &str,
    settings: &BTreeMap<String, Json>,
) -> Option<f64> {
    let setting = text.strip_prefix("settings.").unwrap_or(text);
    let found = settings.get(setting).and_then(Json::as_f64);
    if found.is_none() {
        let numbers = settings.iter().filter(|(_, value)| value.is_number()).map(|(name, _)| name.as_str());
        let help = suggest(setting, numbers).map(|meant| format!("did you mean {meant:?}?"));
        let problem = format!("expected a number or the name of a setting that holds one, found {text:?}");
        section.reject(name, problem, help.as_deref());
    }
    found
}
