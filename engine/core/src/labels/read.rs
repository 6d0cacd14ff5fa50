//! Reads a label set from JSON within bounds, straight into its packed form: no string of its own for any
//! name or value. What went wrong is kept apart from serde's text, so that a fault can name the label.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, Visitor};

use super::{Builder, Labels};

/// The most labels, and the most annotations, of one alert.
pub const LABELS_MAX: usize = 256;

/// The longest label name, in bytes.
pub const LABEL_NAME_BYTES_MAX: usize = 1024;

/// The longest label value or annotation, in bytes.
pub const LABEL_VALUE_BYTES_MAX: usize = 64 * 1024;

/// The most text in all names and values of one set together, in bytes.
pub const LABELS_BYTES_MAX: usize = 512 * 1024;

/// What was wrong with a set that could not be read, and at which label.
#[derive(Debug, Default)]
pub(crate) struct LabelsProblem {
    /// The label that was being read; absent while its name was.
    pub(crate) name: Option<Box<str>>,
    /// A bound was exceeded (otherwise a type or text was wrong).
    pub(crate) bound: Option<Bound>,
}

/// Which bound was exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    /// [`LABELS_MAX`].
    Count,
    /// One of the bounds in bytes.
    Bytes,
}

/// Reads a set and says into `problem` what prevented it.
pub(crate) struct LabelsSeed<'p> {
    pub(crate) problem: &'p mut LabelsProblem,
}

impl<'de> DeserializeSeed<'de> for LabelsSeed<'_> {
    type Value = Labels;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Labels, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for LabelsSeed<'_> {
    type Value = Labels;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings")
    }

    /// Go writes an empty map that was never made as null.
    fn visit_unit<E: Error>(self) -> Result<Labels, E> {
        Ok(Labels::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Labels, A::Error> {
        let Self { problem } = self;
        let mut builder = Builder::with_room();
        loop {
            let name_start = builder.text.len();
            let Some(()) = map.next_key_seed(Part { text: &mut builder.text, what: "a label name" })? else {
                return Ok(builder.build());
            };
            let name_end = builder.text.len();
            builder.end_part();
            if name_end == name_start {
                return Err(A::Error::custom("a label's name is empty"));
            }
            if name_end - name_start > LABEL_NAME_BYTES_MAX {
                problem.bound = Some(Bound::Bytes);
                return Err(exceeds("a label name", name_end - name_start, LABEL_NAME_BYTES_MAX));
            }
            if builder.ends.len() / 2 == LABELS_MAX {
                problem.bound = Some(Bound::Count);
                return Err(A::Error::custom(format_args!("more than {LABELS_MAX} labels or annotations")));
            }
            let value = map.next_value_seed(Part { text: &mut builder.text, what: "a string" });
            let value_bytes = builder.text.len() - name_end;
            let outcome = value.and_then(|()| {
                let too_large = if value_bytes > LABEL_VALUE_BYTES_MAX {
                    Some(exceeds("the value", value_bytes, LABEL_VALUE_BYTES_MAX))
                } else if builder.text.len() > LABELS_BYTES_MAX {
                    Some(exceeds("the set up to here", builder.text.len(), LABELS_BYTES_MAX))
                } else {
                    None
                };
                too_large.map_or(Ok(()), |error| {
                    problem.bound = Some(Bound::Bytes);
                    Err(error)
                })
            });
            if let Err(error) = outcome {
                problem.name = Some(builder.text[name_start..name_end].into());
                return Err(error);
            }
            builder.end_part();
        }
    }
}

fn exceeds<E: Error>(what: &str, bytes: usize, bytes_max: usize) -> E {
    E::custom(format_args!("{what} has {bytes} bytes, expected at most {bytes_max}"))
}

/// Appends one string to the text that is being packed.
struct Part<'t> {
    text: &'t mut String,
    what: &'static str,
}

impl<'de> DeserializeSeed<'de> for Part<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Part<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.text.push_str(text);
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Labels {
    /// Reads an object of strings, or null for an empty one, from a self-describing format such as JSON.
    ///
    /// # Errors
    /// A value that is no string, an empty name, or more than [`LABELS_MAX`], [`LABEL_NAME_BYTES_MAX`],
    /// [`LABEL_VALUE_BYTES_MAX`] or [`LABELS_BYTES_MAX`] allow.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        LabelsSeed { problem: &mut LabelsProblem::default() }.deserialize(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_no_label_set_and_says_why() {
        let many = |count: usize| {
            let pairs: Vec<String> = (0..count).map(|n| format!(r#""l{n}":"v""#)).collect();
            format!("{{{}}}", pairs.join(","))
        };
        let sized =
            |name: usize, value: usize| format!(r#"{{"{}":"{}"}}"#, "n".repeat(name), "v".repeat(value));
        let heavy = |count: usize| {
            let value = "v".repeat(LABEL_VALUE_BYTES_MAX);
            let pairs: Vec<String> = (0..count).map(|n| format!(r#""{n}":"{value}""#)).collect();
            format!("{{{}}}", pairs.join(","))
        };
        let cases = [
            ("null".to_owned(), Ok(0)),
            ("{}".to_owned(), Ok(0)),
            (many(LABELS_MAX), Ok(LABELS_MAX)),
            (many(LABELS_MAX + 1), Err("more than 256 labels")),
            (sized(LABEL_NAME_BYTES_MAX, LABEL_VALUE_BYTES_MAX), Ok(1)),
            (sized(LABEL_NAME_BYTES_MAX + 1, 0), Err("a label name has 1025 bytes, expected at most 1024")),
            (sized(1, LABEL_VALUE_BYTES_MAX + 1), Err("the value has 65537 bytes, expected at most 65536")),
            (heavy(8), Err("expected at most 524288")),
            (sized(0, 1), Err("name is empty")),
            (r#"{"a":5}"#.to_owned(), Err("expected a string")),
            (r#"{"a":null}"#.to_owned(), Err("expected a string")),
            (r#"{"a":{"b":"c"}}"#.to_owned(), Err("expected a string")),
            ("[]".to_owned(), Err("expected an object of strings")),
            (r#""a""#.to_owned(), Err("expected an object of strings")),
        ];
        for (json, expected) in cases {
            let shown: String = json.chars().take(40).collect();
            match (serde_json::from_str::<Labels>(&json), expected) {
                (Ok(labels), Ok(count)) => assert_eq!(labels.len(), count, "{shown}"),
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{shown}: {error}"),
                (got, expected) => panic!("{shown}: got {:?}, expected {expected:?}", got.map(|l| l.len())),
            }
        }
    }
}
