//! Walks a body's outer object and its array of alerts by hand, and leaves every value in it to `serde_json`. So each
//! value is read straight from the body, once, and where it begins is known: an alert that fails is read again to say why,
//! is skipped, and the walk goes on behind it.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, Visitor};
use serde_json::error::Category;

use super::fault::{AlertFault, BodyFault, BodyFaultKind, Position};
use super::{ALERTS_MAX, Alert};
use crate::alert::{AlertFaultKind, AlertSeed, Trail};

type Walk<T> = Result<T, BodyFault>;

pub(super) struct Cursor<'b> {
    body: &'b [u8],
    at: usize,
    /// A place whose line is known, so that finding the lines of many faults reads the body once, not once a fault.
    /// The column is not kept, but where the line starts.
    known: Known,
}

#[derive(Clone, Copy, Default)]
struct Known {
    offset: usize,
    lines_before: usize,
    line_start: usize,
}

impl<'b> Cursor<'b> {
    pub(super) fn new(body: &'b [u8]) -> Self {
        Self { body, at: 0, known: Known::default() }
    }

    /// Walks an object that is the whole body; `member` reads or skips the value of each name.
    pub(super) fn object(&mut self, member: &mut dyn FnMut(&mut Self, &str) -> Walk<()>) -> Walk<()> {
        if self.next_byte() != Some(b'{') {
            // Whatever else it is, JSON or not, the error says which.
            self.value::<NotObject>("body")?;
            return Err(self.not_json("expected an object"));
        }
        self.at += 1;
        let mut ended = self.take(b'}');
        while !ended {
            if self.next_byte() != Some(b'"') {
                return Err(self.not_json("expected a field name in double quotes"));
            }
            let name = self.value::<Name<'b>>("body")?.0;
            if !self.take(b':') {
                return Err(self.not_json("expected a colon after the field name"));
            }
            member(self, &name)?;
            ended = self.take(b'}');
            if !ended && !self.take(b',') {
                return Err(self.not_json("expected a comma or the end of the object"));
            }
        }
        match self.next_byte() {
            None => Ok(()),
            Some(_) => Err(self.not_json("expected nothing after the end of the object")),
        }
    }

    /// Walks an array of alerts and says how many it has.
    pub(super) fn alerts(&mut self, visit: &mut dyn FnMut(usize, Result<Alert, AlertFault>)) -> Walk<usize> {
        if self.next_byte() != Some(b'[') {
            self.value::<NotArray>("alerts")?;
            return Err(self.not_json("expected an array"));
        }
        self.at += 1;
        let mut index = 0;
        let mut ended = self.take(b']');
        while !ended {
            if index == ALERTS_MAX {
                return Err(self.fault(BodyFaultKind::TooManyAlerts));
            }
            self.next_byte();
            let outcome = match self.read::<Alert>() {
                Ok(alert) => Ok(alert),
                Err(_) => Err(self.alert_fault(index)?),
            };
            visit(index, outcome);
            index += 1;
            ended = self.take(b']');
            if !ended && !self.take(b',') {
                return Err(self.not_json("expected a comma or the end of the array"));
            }
        }
        Ok(index)
    }

    /// Says why the alert at the cursor cannot be taken, and goes behind it.
    fn alert_fault(&mut self, index: usize) -> Walk<AlertFault> {
        let start = self.at;
        let mut trail = Trail::default();
        let mut json = serde_json::Deserializer::from_slice(&self.body[start..]);
        let outcome = AlertSeed { trail: &mut trail }.deserialize(&mut json);
        // Skipping checks that it is JSON; where it is not, nobody can say where the next alert begins.
        self.skip("alerts")?;
        let (problem, offset, unreadable) = match &outcome {
            Err(error) => (plain(error), self.offset_of(start, error), !error.is_data()),
            Ok(_) => ("not followed by a comma or the end of the array".into(), self.at, true),
        };
        let kind = trail.kind.unwrap_or(if unreadable {
            AlertFaultKind::Unreadable
        } else {
            AlertFaultKind::WrongType
        });
        let at = self.locate(offset);
        Ok(AlertFault { index, at, kind, field: trail.field, label: trail.label, problem })
    }

    /// Reads a text, or "" for null.
    pub(super) fn text(&mut self, field: &'static str) -> Walk<String> {
        Ok(self.value::<Option<String>>(field)?.unwrap_or_default())
    }

    /// Reads a value; `field` names it in a fault.
    pub(super) fn value<T: Deserialize<'b>>(&mut self, field: &'static str) -> Walk<T> {
        let start = self.at;
        self.read().map_err(|error| {
            let kind = match error.classify() {
                Category::Data => BodyFaultKind::WrongField { field, problem: plain(&error) },
                Category::Syntax | Category::Eof | Category::Io => BodyFaultKind::NotJson(plain(&error)),
            };
            let offset = self.offset_of(start, &error);
            BodyFault { at: self.locate(offset), kind }
        })
    }

    /// Goes behind a value of any type.
    pub(super) fn skip(&mut self, field: &'static str) -> Walk<()> {
        self.value::<IgnoredAny>(field).map(|_| ())
    }

    /// Reads a value and goes behind it; on an error the cursor stays.
    fn read<T: Deserialize<'b>>(&mut self) -> serde_json::Result<T> {
        let rest = &self.body[self.at..];
        let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<T>();
        match values.next() {
            Some(outcome) => {
                let value = outcome?;
                self.at += values.byte_offset();
                Ok(value)
            }
            // Nothing but space is left, which read as a value gives the error about the early end.
            None => serde_json::from_slice(rest),
        }
    }

    fn next_byte(&mut self) -> Option<u8> {
        let space = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        self.at += self.body[self.at..].iter().take_while(space).count();
        self.body.get(self.at).copied()
    }

    fn take(&mut self, wanted: u8) -> bool {
        let found = self.next_byte() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    /// The offset at which the next value or sign begins.
    pub(super) fn offset(&mut self) -> usize {
        self.next_byte();
        self.at
    }

    pub(super) fn fault(&mut self, kind: BodyFaultKind) -> BodyFault {
        let offset = self.offset();
        self.fault_at(offset, kind)
    }

    pub(super) fn fault_at(&mut self, offset: usize, kind: BodyFaultKind) -> BodyFault {
        BodyFault { at: self.locate(offset), kind }
    }

    fn not_json(&mut self, expected: &str) -> BodyFault {
        let found = match self.next_byte() {
            None => "the end of the body".to_owned(),
            Some(byte) if byte.is_ascii_graphic() => format!("`{}`", char::from(byte)),
            Some(byte) => format!("the byte 0x{byte:02x}"),
        };
        self.fault(BodyFaultKind::NotJson(format!("{expected}, found {found}").into()))
    }

    /// Where in the body an error stands that came from reading at `start`: its line and column count from there.
    fn offset_of(&self, start: usize, error: &serde_json::Error) -> usize {
        let rest = &self.body[start..];
        let breaks = rest.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
        let line_start =
            error.line().checked_sub(2).and_then(|skipped| breaks.clone().nth(skipped)).unwrap_or(0);
        (start + line_start + error.column().saturating_sub(1)).min(self.body.len())
    }

    fn locate(&mut self, offset: usize) -> Position {
        if offset < self.known.offset {
            self.known = Known::default();
        }
        for (at, byte) in self.body[..offset].iter().enumerate().skip(self.known.offset) {
            if *byte == b'\n' {
                self.known.lines_before += 1;
                self.known.line_start = at + 1;
            }
        }
        self.known.offset = offset;
        Position { offset, line: self.known.lines_before + 1, column: offset - self.known.line_start + 1 }
    }
}

/// The longest text of a fault that quotes what was found, in characters: a body may hold one string of megabytes.
const PROBLEM_CHARS_MAX: usize = 300;

/// An error's text without the position, which counts from the value instead of from the body.
fn plain(error: &serde_json::Error) -> Box<str> {
    let text = error.to_string();
    let text = &text[..text.rfind(" at line ").unwrap_or(text.len())];
    match text.char_indices().nth(PROBLEM_CHARS_MAX) {
        // What was expected stands at the end, so the middle goes.
        Some((cut, _)) => {
            let expected = text.rfind(", expected").filter(|at| *at > cut).map_or("", |at| &text[at..]);
            format!("{}...{expected}", &text[..cut]).into()
        }
        None => text.into(),
    }
}

/// A field name, borrowed from the body unless it has escapes.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Name<'b>(#[serde(borrow)] std::borrow::Cow<'b, str>);

/// A text, or a whole number taken for the text that it is written as.
pub(super) struct TextOrNumber(pub(super) String);

impl<'de> Deserialize<'de> for TextOrNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = TextOrNumber;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<TextOrNumber, E> {
                Ok(TextOrNumber(text.to_owned()))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<TextOrNumber, E> {
                Ok(TextOrNumber(number.to_string()))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// A type that nothing can be, for the error that says what was found where something else had to be.
macro_rules! never {
    ($name:ident, $expected:literal) => {
        struct $name;

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Nothing;
                impl Visitor<'_> for Nothing {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expected)
                    }
                }
                deserializer.deserialize_any(Nothing)
            }
        }
    };
}

never!(NotObject, "an object");
never!(NotArray, "an array of alerts");
