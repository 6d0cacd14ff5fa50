//! Reads an alert from JSON in one pass, and keeps a trail of where it is, so that a fault can name the field
//! and label and its kind can be counted. The trail is written only when something fails: the good path pays nothing.
//!
//! Unknown fields are ignored (Grafana sends `values`, `silenceURL` and more); of a field given twice the last counts, as in
//! Go's decoder, which is what Alertmanager's other receivers use.

use std::fmt;

use jiff::Timestamp;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::{Alert, AlertStatus, GENERATOR_URL_BYTES_MAX, UNSET_BEFORE};
use crate::labels::{Bound, Labels, LabelsProblem, LabelsSeed};

/// Why an alert cannot be taken; the label of the metric that counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AlertFaultKind {
    /// Something has another JSON type than it must have.
    WrongType,
    /// A field that must be there is not, or there are no labels.
    Missing,
    /// A status other than "firing" and "resolved".
    UnknownStatus,
    /// A time that is not RFC 3339 within the years that can be represented.
    BadTime,
    /// A fingerprint that is not 16 hexadecimal digits.
    BadFingerprint,
    /// A name, value or URL that is too long, or all of them together.
    TooLarge,
    /// Too many labels or annotations.
    TooMany,
    /// Text that is not UTF-8, or half of a surrogate pair; or nesting that is too deep.
    Unreadable,
}

impl AlertFaultKind {
    /// The kind in snake case, for metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WrongType => "wrong_type",
            Self::Missing => "missing",
            Self::UnknownStatus => "unknown_status",
            Self::BadTime => "bad_time",
            Self::BadFingerprint => "bad_fingerprint",
            Self::TooLarge => "too_large",
            Self::TooMany => "too_many",
            Self::Unreadable => "unreadable",
        }
    }
}

impl fmt::Display for AlertFaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Where reading an alert stopped, and why if that is known better than by serde's error.
#[derive(Debug, Default)]
pub(crate) struct Trail {
    pub(crate) field: Option<&'static str>,
    pub(crate) label: Option<Box<str>>,
    pub(crate) kind: Option<AlertFaultKind>,
}

impl Trail {
    /// Notes the field, and the kind where one is known, on the way out with an error.
    fn fail<E>(&mut self, field: &'static str, kind: Option<AlertFaultKind>, error: E) -> E {
        self.field = Some(field);
        self.kind = kind;
        error
    }
}

/// Reads one alert and leaves in the trail what prevented it.
pub(crate) struct AlertSeed<'t> {
    pub(crate) trail: &'t mut Trail,
}

impl<'de> Deserialize<'de> for Alert {
    /// Reads Alertmanager's JSON of an alert, from a self-describing format.
    ///
    /// # Errors
    /// What [`AlertFaultKind`] lists; the text says what was expected.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        AlertSeed { trail: &mut Trail::default() }.deserialize(deserializer)
    }
}

impl<'de> DeserializeSeed<'de> for AlertSeed<'_> {
    type Value = Alert;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Alert, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AlertSeed<'_> {
    type Value = Alert;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an alert, which is an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Alert, A::Error> {
        let trail = self.trail;
        let (mut status, mut labels, mut annotations) = (None, None, Labels::default());
        let (mut starts_at, mut ends_at, mut generator_url, mut fingerprint) = (None, None, "".into(), None);
        let mut heard_by = None;
        while let Some(field) = map.next_key::<Field>()? {
            match field {
                Field::Status => status = Some(text(&mut map, trail, field, "a string", None, read_status)?),
                Field::Labels => labels = Some(label_set(&mut map, trail, field)?),
                Field::Annotations => annotations = label_set(&mut map, trail, field)?,
                Field::StartsAt => starts_at = Some(text(&mut map, trail, field, TIME, None, read_time)?),
                Field::EndsAt => ends_at = text(&mut map, trail, field, TIME, Some(None), read_end)?,
                Field::GeneratorUrl => {
                    generator_url = text(&mut map, trail, field, "a string", Some("".into()), read_url)?;
                }
                Field::Fingerprint => {
                    let expected = "a string of 16 hexadecimal digits";
                    fingerprint = text(&mut map, trail, field, expected, Some(None), |text| match text {
                        "" => Ok(None),
                        _ => text
                            .parse()
                            .map(Some)
                            .map_err(|fault| refuse(AlertFaultKind::BadFingerprint, fault)),
                    })?;
                }
                Field::HeardBy => {
                    heard_by =
                        text(&mut map, trail, field, "a string", Some(None), |watch| Ok(Some(watch.into())))?;
                }
                Field::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let missing = Some(AlertFaultKind::Missing);
        let status = status.ok_or_else(|| {
            trail.fail("status", missing, A::Error::custom("missing, expected \"firing\" or \"resolved\""))
        })?;
        let labels = labels.filter(|labels: &Labels| !labels.is_empty()).ok_or_else(|| {
            trail.fail(
                "labels",
                missing,
                A::Error::custom("missing, expected an object with at least one label"),
            )
        })?;
        let starts_at = starts_at.ok_or_else(|| {
            trail.fail("startsAt", missing, A::Error::custom(format_args!("missing, expected {TIME}")))
        })?;
        let fingerprint = fingerprint.unwrap_or_else(|| labels.fingerprint());
        Ok(Alert { status, labels, annotations, starts_at, ends_at, generator_url, fingerprint, heard_by })
    }
}

const TIME: &str = "a time such as \"2026-11-22T03:34:39.289Z\"";

/// The fields that are read.
#[derive(Clone, Copy)]
enum Field {
    Status,
    Labels,
    Annotations,
    StartsAt,
    EndsAt,
    GeneratorUrl,
    HeardBy,
    Fingerprint,
    Other,
}

impl Field {
    const fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Labels => "labels",
            Self::Annotations => "annotations",
            Self::StartsAt => "startsAt",
            Self::EndsAt => "endsAt",
            Self::GeneratorUrl => "generatorURL",
            Self::HeardBy => "heardBy",
            Self::Fingerprint => "fingerprint",
            Self::Other => "",
        }
    }
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = Field;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a field name")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Field, E> {
                Ok(match name {
                    "status" => Field::Status,
                    "labels" => Field::Labels,
                    "annotations" => Field::Annotations,
                    "startsAt" => Field::StartsAt,
                    "endsAt" => Field::EndsAt,
                    "generatorURL" => Field::GeneratorUrl,
                    "heardBy" => Field::HeardBy,
                    "fingerprint" => Field::Fingerprint,
                    _ => Field::Other,
                })
            }
        }
        deserializer.deserialize_identifier(Name)
    }
}

/// Reads a label set as the value of `field`.
fn label_set<'de, A: MapAccess<'de>>(
    map: &mut A,
    trail: &mut Trail,
    field: Field,
) -> Result<Labels, A::Error> {
    let mut problem = LabelsProblem::default();
    map.next_value_seed(LabelsSeed { problem: &mut problem }).map_err(|error| {
        trail.label = problem.name;
        let kind = problem.bound.map(|bound| match bound {
            Bound::Count => AlertFaultKind::TooMany,
            Bound::Bytes => AlertFaultKind::TooLarge,
        });
        trail.fail(field.name(), kind, error)
    })
}

/// A text that was read but cannot be taken.
struct Refusal {
    kind: AlertFaultKind,
    problem: String,
}

fn refuse(kind: AlertFaultKind, problem: impl fmt::Display) -> Refusal {
    Refusal { kind, problem: problem.to_string() }
}

/// Reads a string as the value of `field`; null stands for `absent`, where that is allowed.
fn text<'de, A: MapAccess<'de>, T>(
    map: &mut A,
    trail: &mut Trail,
    field: Field,
    expected: &'static str,
    absent: Option<T>,
    read: fn(&str) -> Result<T, Refusal>,
) -> Result<T, A::Error> {
    let mut kind = None;
    map.next_value_seed(Text { expected, absent, read, kind: &mut kind })
        .map_err(|error| trail.fail(field.name(), kind, error))
}

struct Text<'k, T> {
    expected: &'static str,
    absent: Option<T>,
    read: fn(&str) -> Result<T, Refusal>,
    kind: &'k mut Option<AlertFaultKind>,
}

impl<'de, T> DeserializeSeed<'de> for Text<'_, T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<T> Visitor<'_> for Text<'_, T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_unit<E: Error>(mut self) -> Result<T, E> {
        self.absent.take().ok_or_else(|| E::invalid_type(serde::de::Unexpected::Unit, &self))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.read)(text).map_err(|refusal| {
            *self.kind = Some(refusal.kind);
            E::custom(refusal.problem)
        })
    }
}

fn read_status(text: &str) -> Result<AlertStatus, Refusal> {
    text.parse().map_err(|fault| refuse(AlertFaultKind::UnknownStatus, fault))
}

fn read_time(text: &str) -> Result<Timestamp, Refusal> {
    text.parse().map_err(|_| {
        let shown: String = text.chars().take(64).collect();
        refuse(AlertFaultKind::BadTime, format_args!("{shown:?} is no time, expected {TIME}"))
    })
}

fn read_end(text: &str) -> Result<Option<Timestamp>, Refusal> {
    if text.is_empty() {
        return Ok(None);
    }
    read_time(text).map(|time| Some(time).filter(|time| *time >= UNSET_BEFORE))
}

fn read_url(text: &str) -> Result<Box<str>, Refusal> {
    if text.len() > GENERATOR_URL_BYTES_MAX {
        let problem = format!("has {} bytes, expected at most {GENERATOR_URL_BYTES_MAX}", text.len());
        return Err(refuse(AlertFaultKind::TooLarge, problem));
    }
    Ok(text.into())
}
