//! Matchers: which alerts a rule is for, in Alertmanager's own syntax and meaning.
//!
//! A matcher compares one label with a value; a label that is absent counts as empty, and a regular expression must
//! match the whole value. Reading the text is in `parse`; what an expression can be reduced to, in `pattern`.

mod parse;
mod pattern;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::labels::Labels;

pub use parse::{MATCHERS_MAX, MatcherFault, parse_matchers};
pub use pattern::{LITERALS_MAX, PATTERN_BYTES_MAX, PatternFault};

use pattern::Pattern;

/// How a label is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MatchOp {
    /// `=`: it is the value.
    Equal,
    /// `!=`: it is not the value.
    NotEqual,
    /// `=~`: the expression matches all of it.
    Matches,
    /// `!~`: the expression does not match all of it.
    MatchesNot,
}

impl MatchOp {
    /// The operator as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Matches => "=~",
            Self::MatchesNot => "!~",
        }
    }
}

impl fmt::Display for MatchOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One comparison of a label with a value, such as `alertname=~"(A|B)"`; cheap to clone and to ask.
///
/// Its text, by `Display` and in JSON, is always quoted, and reads back as an equal matcher. Expressions have
/// RE2's syntax less `\C`, `\Q..\E` and Unicode scripts; `\d`, `\w` and `\s` know Unicode, which Go's do not.
#[derive(Clone)]
pub struct Matcher {
    name: Box<str>,
    op: MatchOp,
    value: Box<str>,
    /// Present exactly for the two expression operators.
    pattern: Option<Pattern>,
}

/// The label values for which a matcher can hold, as far as they can be looked up in a table.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reach<'m> {
    /// Only these values, none of them empty.
    Values(Vec<&'m str>),
    /// Only values that begin with one of these bytes, none of them empty.
    Prefixes(&'m [Box<[u8]>]),
    /// Cannot be said: also an absent label may do.
    Unbounded,
}

impl Matcher {
    /// A matcher from its parts.
    ///
    /// # Errors
    /// The expression is malformed, or too large when compiled. Without an expression operator it cannot fail.
    pub fn new(name: &str, op: MatchOp, value: &str) -> Result<Self, PatternFault> {
        let pattern = match op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            MatchOp::Matches | MatchOp::MatchesNot => Some(Pattern::new(value)?),
        };
        Ok(Self { name: name.into(), op, value: value.into(), pattern })
    }

    /// Reads one matcher, such as `severity!="info"`.
    ///
    /// # Errors
    /// Where the text stops being a matcher, what was expected there, and what may have been meant.
    pub fn parse(text: &str) -> Result<Self, MatcherFault> {
        parse::parse_one(text)
    }

    /// The label that is compared.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it is compared.
    pub fn op(&self) -> MatchOp {
        self.op
    }

    /// What it is compared with: a value or an expression, unquoted.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether it holds for these labels.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.holds(labels.get(&self.name).unwrap_or(""))
    }

    /// Whether it holds for this value of the label; "" stands for an absent label.
    pub fn holds(&self, actual: &str) -> bool {
        let same = match &self.pattern {
            Some(pattern) => pattern.matches(actual),
            None => *self.value == *actual,
        };
        same == matches!(self.op, MatchOp::Equal | MatchOp::Matches)
    }

    /// Whether it holds, with what it was asked about.
    pub fn verdict(&self, labels: &Labels) -> MatcherVerdict {
        let actual = labels.get(&self.name);
        MatcherVerdict {
            matcher: self.to_string(),
            label: self.name.clone(),
            actual: actual.map(Into::into),
            holds: self.holds(actual.unwrap_or("")),
        }
    }

    /// The values for which it can hold.
    pub(crate) fn reach(&self) -> Reach<'_> {
        match (self.op, &self.pattern) {
            (MatchOp::Equal, _) if !self.value.is_empty() => Reach::Values(vec![&self.value]),
            (MatchOp::Matches, Some(pattern)) => pattern.reach(),
            _ => Reach::Unbounded,
        }
    }
}

/// What one matcher said of one alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatcherVerdict {
    /// The matcher's text.
    pub matcher: String,
    /// The label it asks for.
    pub label: Box<str>,
    /// The alert's value of it; `None` where the alert has no such label, which matches as "".
    pub actual: Option<Box<str>>,
    /// Whether the matcher holds.
    pub holds: bool,
}

impl PartialEq for Matcher {
    /// The pattern follows from operator and value.
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.op, &self.value) == (&other.name, other.op, &other.value)
    }
}

impl Eq for Matcher {}

impl std::hash::Hash for Matcher {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (&self.name, self.op, &self.value).hash(state);
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.is_empty() || self.name.chars().any(parse::is_reserved) {
            write_quoted(f, &self.name)?;
        } else {
            f.write_str(&self.name)?;
        }
        f.write_str(self.op.as_str())?;
        write_quoted(f, &self.value)
    }
}

fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    use fmt::Write;
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Matcher({self})")
    }
}

impl FromStr for Matcher {
    type Err = MatcherFault;

    fn from_str(text: &str) -> Result<Self, MatcherFault> {
        Self::parse(text)
    }
}

impl Serialize for Matcher {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Matcher {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl de::Visitor<'_> for Text {
            type Value = Matcher;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a matcher such as alertname=\"HighErrorRate\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Matcher, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_as_alertmanager_would() {
        let labels: Labels =
            [("alertname", "HighErrorRate"), ("severity", "critical"), ("empty", ""), ("text", "a\nb")]
                .into_iter()
                .collect();
        let cases = [
            (r#"severity="critical""#, true),
            (r#"severity="Critical""#, false),
            (r#"severity!="critical""#, false),
            (r#"severity!="info""#, true),
            (r#"absent="""#, true),
            (r#"absent!="""#, false),
            (r#"absent!="x""#, true),
            (r#"absent=~"x?""#, true),
            (r#"absent=~".+""#, false),
            (r#"absent!~".+""#, true),
            (r#"empty="""#, true),
            (r#"alertname=~"(Predator)?HighErrorRate""#, true),
            (r#"alertname=~"Error""#, false),
            (r#"alertname=~".*Error.*""#, true),
            (r#"alertname=~"High|Error""#, false),
            (r#"alertname=~"X|High.*""#, true),
            (r#"alertname=~"(?i)higherrorrate""#, true),
            (r#"alertname=~"^HighErrorRate$""#, true),
            (r#"alertname!~"High.*""#, false),
            (r#"alertname!~"Low.*""#, true),
            // The dot does not match a line break; with the flag it does.
            (r#"text=~"a.b""#, false),
            (r#"text=~"(?s)a.b""#, true),
            (r#"text="a\nb""#, true),
            // An expression that matches nothing at all.
            (r#"alertname=~"[^\s\S]""#, false),
        ];
        for (text, expected) in cases {
            let matcher: Matcher = text.parse().unwrap();
            assert_eq!(matcher.matches(&labels), expected, "{text}");
            assert_eq!(matcher.verdict(&labels).holds, expected, "{text}");
        }
    }

    #[test]
    fn text_reads_back_as_the_same_matcher() {
        let values = ["", "a", "a b", "\\d+", "\"quoted\"", "line\nbreak", "ä,{}=!~", "\\n", "\\\\"];
        let names = ["alertname", "", "a b", "ä", "with\"quote", "dotted.name", "=~"];
        for (name, value) in names.iter().flat_map(|name| values.iter().map(move |value| (name, value))) {
            for op in [MatchOp::Equal, MatchOp::NotEqual, MatchOp::Matches, MatchOp::MatchesNot] {
                let Ok(matcher) = Matcher::new(name, op, value) else { continue };
                if name.is_empty() {
                    // No label has an empty name: it can be built, but not written in a rule.
                    continue;
                }
                let text = matcher.to_string();
                assert_eq!(text.parse::<Matcher>().unwrap(), matcher, "{text}");
                let json = serde_json::to_string(&matcher).unwrap();
                assert_eq!(serde_json::from_str::<Matcher>(&json).unwrap(), matcher, "{json}");
            }
        }
    }

    #[test]
    fn reach_is_what_can_be_looked_up() {
        fn values(of: &[&str]) -> String {
            format!("{:?}", Reach::Values(of.to_vec()))
        }
        fn prefixes(of: &[&str]) -> String {
            let owned: Vec<Box<[u8]>> = of.iter().map(|prefix| prefix.as_bytes().into()).collect();
            format!("{:?}", Reach::Prefixes(&owned))
        }
        let unbounded = || format!("{:?}", Reach::Unbounded);
        let cases = [
            (r#"a="x""#, values(&["x"])),
            (r#"a="""#, unbounded()),
            (r#"a!="x""#, unbounded()),
            (r#"a!~"x""#, unbounded()),
            (r#"a=~"x""#, values(&["x"])),
            (r#"a=~"(B|A|B)""#, values(&["A", "B"])),
            (r#"a=~"(Predator)?X""#, values(&["PredatorX", "X"])),
            (r#"a=~"^(foo|bar)$""#, values(&["bar", "foo"])),
            (r#"a=~"^foo|bar$""#, prefixes(&["bar", "foo"])),
            (r#"a=~"x{2}[ab]""#, values(&["xxa", "xxb"])),
            (r#"a=~"(?i)ab""#, values(&["AB", "Ab", "aB", "ab"])),
            (r#"a=~"x?""#, unbounded()),
            (r#"a=~"(x|)""#, unbounded()),
            (r#"a=~".*""#, unbounded()),
            (r#"a=~"[^\s\S]""#, values(&[])),
            (r#"a=~"Kafka.*""#, prefixes(&["Kafka"])),
            (r#"a=~"(Kafka|Redis)\w.+""#, prefixes(&["Kafka", "Redis"])),
            // A word boundary inside can make a literal impossible, so literals alone do not decide.
            (r#"a=~"foo\\bbar""#, prefixes(&["foobar"])),
        ];
        for (text, expected) in cases {
            let matcher: Matcher = text.parse().unwrap();
            assert_eq!(format!("{:?}", matcher.reach()), expected, "{text}");
        }
    }
}
