//! Probes as data: what to read, what came back, and the conditions that a reading must meet.
//!
//! A condition never guesses. A reading that is missing, not a number or stale is *inconclusive*, which is neither
//! success nor failure: verification goes on reading until the time is up.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A read-only question to an adapter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbeCall {
    /// The adapter's name in rules, for example `pg`.
    pub adapter: String,
    /// The probe's name, for example `connections`.
    pub probe: String,
    /// Parameters by name.
    pub params: Map<String, Value>,
}

impl ProbeCall {
    /// One text for one question: two calls with the same text share one reading.
    pub fn key(&self) -> String {
        call_text(&self.adapter, &self.probe, &self.params)
    }
}

/// Prints a call as `adapter::name(parameter: value, ...)`, the form that people read everywhere.
pub fn call_text(adapter: &str, name: &str, params: &Map<String, Value>) -> String {
    let params: Vec<String> = params.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    format!("{adapter}::{name}({})", params.join(", "))
}

/// A probe's answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// The fields that the probe documents.
    Known(Value),
    /// There is no answer that a decision may rest on; the text says why.
    Inconclusive(String),
}

impl Reading {
    /// The field of a known reading, by its dotted path (`memory.used`).
    pub fn field(&self, path: &str) -> Result<&Value, String> {
        match self {
            Self::Inconclusive(why) => Err(why.clone()),
            Self::Known(value) => path
                .split('.')
                .try_fold(value, |value, name| value.get(name))
                .ok_or_else(|| format!("the reading has no field {path:?}")),
        }
    }
}

/// Readings by the key of the probe that gave them.
pub type Readings = BTreeMap<String, Reading>;

/// What must hold for a step to have helped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// One field of one reading against a bound.
    Compare {
        /// What to read.
        probe: ProbeCall,
        /// Which field of the reading.
        field: String,
        /// The comparison.
        test: Test,
    },
    /// All of these.
    All(Vec<Condition>),
    /// At least one of these.
    Any(Vec<Condition>),
}

/// A comparison with an absolute bound, or with the reading taken just before the step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    /// Less than.
    Below(f64),
    /// Less than or equal.
    AtMost(f64),
    /// Greater than.
    Above(f64),
    /// Greater than or equal.
    AtLeast(f64),
    /// Equal, of any JSON type.
    Equals(Value),
    /// Known and different.
    Differs(Value),
    /// At least this share (0 to 1) lower than before the step.
    FallsBy(f64),
    /// At least this share (0 or more) higher than before the step.
    RisesBy(f64),
}

impl Test {
    fn is_relative(&self) -> bool {
        matches!(self, Self::FallsBy(_) | Self::RisesBy(_))
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Below(bound) => write!(f, "below {bound}"),
            Self::AtMost(bound) => write!(f, "at most {bound}"),
            Self::Above(bound) => write!(f, "above {bound}"),
            Self::AtLeast(bound) => write!(f, "at least {bound}"),
            Self::Equals(value) => write!(f, "equal to {value}"),
            Self::Differs(value) => write!(f, "other than {value}"),
            Self::FallsBy(share) => write!(f, "{} % lower than before", share * 100.0),
            Self::RisesBy(share) => write!(f, "{} % higher than before", share * 100.0),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compare { probe, field, test } => write!(f, "{}.{field} is {test}", probe.key()),
            Self::All(parts) => join(f, parts, " and "),
            Self::Any(parts) => join(f, parts, " or "),
        }
    }
}

fn join(f: &mut fmt::Formatter<'_>, parts: &[Condition], between: &str) -> fmt::Result {
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            f.write_str(between)?;
        }
        write!(f, "({part})")?;
    }
    Ok(())
}

/// Whether a condition holds, with the facts that decided it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "judgement", content = "why", rename_all = "snake_case")]
pub enum Judgement {
    /// It holds.
    Holds(String),
    /// It does not hold.
    Fails(String),
    /// It cannot be told.
    Inconclusive(String),
}

impl Condition {
    /// The probes that must be read to judge this condition, without repetition.
    pub fn probes(&self) -> Vec<&ProbeCall> {
        let mut probes = Vec::new();
        self.visit(&mut |probe, _| {
            if !probes.contains(&probe) {
                probes.push(probe);
            }
        });
        probes
    }

    /// Whether it compares with the reading before the step, which must then be taken and kept.
    pub fn is_relative(&self) -> bool {
        let mut relative = false;
        self.visit(&mut |_, test| relative |= test.is_relative());
        relative
    }

    fn visit<'a>(&'a self, see: &mut impl FnMut(&'a ProbeCall, &'a Test)) {
        match self {
            Self::Compare { probe, test, .. } => see(probe, test),
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.visit(see)),
        }
    }

    /// Judges the condition by the readings of now and of before the step.
    pub fn judge(&self, now: &Readings, before: &Readings) -> Judgement {
        match self {
            Self::Compare { probe, field, test } => compare(&probe.key(), field, test, now, before),
            Self::All(parts) => {
                let judged = parts.iter().map(|part| part.judge(now, before)).collect();
                settle(
                    judged,
                    |j| matches!(j, Judgement::Fails(_)),
                    |j| matches!(j, Judgement::Inconclusive(_)),
                )
            }
            Self::Any(parts) => {
                let judged = parts.iter().map(|part| part.judge(now, before)).collect();
                settle(
                    judged,
                    |j| matches!(j, Judgement::Holds(_)),
                    |j| matches!(j, Judgement::Inconclusive(_)),
                )
            }
        }
    }
}

/// The first judgement that decides, else the first that leaves it open, else the last.
fn settle(
    mut judged: Vec<Judgement>,
    decides: impl Fn(&Judgement) -> bool,
    leaves_open: impl Fn(&Judgement) -> bool,
) -> Judgement {
    let at = judged.iter().position(decides).or_else(|| judged.iter().position(leaves_open));
    match at {
        Some(at) => judged.swap_remove(at),
        None => judged.pop().unwrap_or_else(|| Judgement::Inconclusive("the condition is empty".to_owned())),
    }
}

fn compare(key: &str, field: &str, test: &Test, now: &Readings, before: &Readings) -> Judgement {
    let read = |readings: &Readings| match readings.get(key) {
        Some(reading) => reading.field(field).cloned(),
        None => Err("it was not read".to_owned()),
    };
    let value = match read(now) {
        Ok(value) => value,
        Err(why) => return Judgement::Inconclusive(format!("{key}.{field}: {why}")),
    };
    let facts = format!("{key}.{field} is {}, wanted {test}", shown(&value));
    let held = match test {
        Test::Equals(wanted) => Ok(equal(&value, wanted)),
        Test::Differs(unwanted) => Ok(!equal(&value, unwanted)),
        _ => number(&value).and_then(|value| match test {
            Test::Below(bound) => Ok(value < *bound),
            Test::AtMost(bound) => Ok(value <= *bound),
            Test::Above(bound) => Ok(value > *bound),
            Test::AtLeast(bound) => Ok(value >= *bound),
            Test::FallsBy(share) => Ok(value <= number(&read(before)?)? * (1.0 - share)),
            Test::RisesBy(share) => Ok(value >= number(&read(before)?)? * (1.0 + share)),
            Test::Equals(_) | Test::Differs(_) => Err("compared above".to_owned()),
        }),
    };
    match held {
        Ok(true) => Judgement::Holds(facts),
        Ok(false) => Judgement::Fails(facts),
        Err(why) => Judgement::Inconclusive(format!("{facts}: {why}")),
    }
}

/// A value for people: of a number with a long fraction, four digits of it.
fn shown(value: &Value) -> String {
    match value.as_f64() {
        Some(number) if value.is_f64() && number.abs() >= 0.001 => {
            format!("{number:.4}").trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        _ => value.to_string(),
    }
}

/// Numbers compare by value, whichever way they are written; everything else by identity.
fn equal(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

fn number(value: &Value) -> Result<f64, String> {
    match value.as_f64() {
        Some(number) if number.is_finite() => Ok(number),
        _ => Err("not a number".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn probe() -> ProbeCall {
        ProbeCall { adapter: "pg".into(), probe: "connections".into(), params: Map::new() }
    }

    fn judge(test: Test, now: Value, before: Value) -> char {
        let readings =
            |value: Value| Readings::from([(probe().key(), Reading::Known(json!({ "x": value })))]);
        let condition = Condition::Compare { probe: probe(), field: "x".into(), test };
        match condition.judge(&readings(now), &readings(before)) {
            Judgement::Holds(_) => 'y',
            Judgement::Fails(_) => 'n',
            Judgement::Inconclusive(_) => '?',
        }
    }

    #[test]
    fn comparisons() {
        let cases = [
            (Test::Below(1.0), json!(0.5), json!(null), 'y'),
            (Test::Below(1.0), json!(1), json!(null), 'n'),
            (Test::AtMost(1.0), json!(1), json!(null), 'y'),
            (Test::Above(1.0), json!(2), json!(null), 'y'),
            (Test::AtLeast(1.0), json!(0.9), json!(null), 'n'),
            (Test::Below(1.0), json!("0.5"), json!(null), '?'),
            (Test::Below(1.0), json!(null), json!(null), '?'),
            (Test::Equals(json!("ok")), json!("ok"), json!(null), 'y'),
            (Test::Equals(json!(1)), json!(1.0), json!(null), 'y'),
            (Test::Differs(json!("ok")), json!("ok"), json!(null), 'n'),
            (Test::FallsBy(0.5), json!(50), json!(100), 'y'),
            (Test::FallsBy(0.5), json!(51), json!(100), 'n'),
            (Test::FallsBy(0.5), json!(50), json!(null), '?'),
            (Test::RisesBy(0.1), json!(120), json!(100), 'y'),
        ];
        for (test, now, before, wanted) in cases {
            let text = format!("{test:?} of {now}");
            assert_eq!(judge(test, now, before), wanted, "{text}");
        }
    }

    #[test]
    fn people_see_four_digits_of_a_fraction() {
        let cases = [
            (json!(0.037383177570093455), "0.0374"),
            (json!(0.5), "0.5"),
            (json!(2.0), "2"),
            (json!(7), "7"),
            (json!(0.00002), "0.00002"),
            (json!("up"), "\"up\""),
        ];
        for (value, wanted) in cases {
            assert_eq!(shown(&value), wanted);
        }
    }

    #[test]
    fn an_unread_or_inconclusive_probe_is_never_success() {
        let condition =
            Condition::Compare { probe: probe(), field: "x".into(), test: Test::Differs(json!("down")) };
        let empty = Readings::new();
        assert!(matches!(condition.judge(&empty, &empty), Judgement::Inconclusive(_)));
        let silent = Readings::from([(probe().key(), Reading::Inconclusive("no data".into()))]);
        assert!(matches!(condition.judge(&silent, &empty), Judgement::Inconclusive(_)));
        let any = Condition::Any(vec![]);
        assert!(matches!(any.judge(&empty, &empty), Judgement::Inconclusive(_)));
    }

    #[test]
    fn all_fails_before_it_is_inconclusive_and_any_holds_before() {
        let compare = |field: &str, test| Condition::Compare { probe: probe(), field: field.into(), test };
        let now = Readings::from([(probe().key(), Reading::Known(json!({ "x": 1 })))]);
        let (holds, fails, open) = (
            compare("x", Test::Below(2.0)),
            compare("x", Test::Above(2.0)),
            compare("missing", Test::Above(2.0)),
        );
        let judge = |c: Condition| c.judge(&now, &now);
        assert!(matches!(
            judge(Condition::All(vec![holds.clone(), open.clone(), fails.clone()])),
            Judgement::Fails(_)
        ));
        assert!(matches!(
            judge(Condition::All(vec![holds.clone(), open.clone()])),
            Judgement::Inconclusive(_)
        ));
        assert!(matches!(
            judge(Condition::Any(vec![fails.clone(), open.clone(), holds.clone()])),
            Judgement::Holds(_)
        ));
        assert!(matches!(judge(Condition::Any(vec![fails, open])), Judgement::Inconclusive(_)));
        assert!(matches!(judge(Condition::All(vec![holds])), Judgement::Holds(_)));
    }
}
