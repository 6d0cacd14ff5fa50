//! The tree that a configuration file becomes: values that know where they stand.

use std::borrow::Cow;
use std::fmt;

use super::scalar::scalar;

/// A place in the configuration text. Lines and columns count from 1; a column is a character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// The line, from 1.
    pub line: usize,
    /// The character within the line, from 1.
    pub column: usize,
}

impl Location {
    /// The first character of a text.
    pub const START: Self = Self { line: 1, column: 1 };
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// The name of a map entry, and where it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The name as written, without quotes.
    pub name: String,
    /// Where the name begins.
    pub at: Location,
}

/// A value, and where it begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What is written there.
    pub value: Value,
    /// Where it begins.
    pub at: Location,
}

/// What a configuration value can be.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing: a key without a value, or `null`. A reader treats it as if the key were absent.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number; may be infinite or not a number.
    Float(f64),
    /// Text, whatever it looks like.
    Text(String),
    /// An unquoted value that came whole from outside the file, as `${NAME}`. It is whatever the reader
    /// asks for: a password of digits stays text, a limit becomes a number. Empty, it counts as absent.
    Open(String),
    /// A value that could not be had, such as an unset variable. That is reported already, so that a
    /// reader says nothing more about it.
    Faulty,
    /// A sequence.
    List(Vec<Node>),
    /// Entries in the order of the file; names are unique.
    Map(Vec<(Key, Node)>),
}

impl Value {
    /// The value with an [`Value::Open`] read as the scalar it looks like; any other as it is.
    pub fn settled(&self) -> Cow<'_, Self> {
        match self {
            Self::Open(text) => Cow::Owned(scalar(text)),
            other => Cow::Borrowed(other),
        }
    }

    /// Whether the value says nothing, so that a default applies.
    pub fn is_absent(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Open(text) => text.is_empty(),
            _ => false,
        }
    }

    /// The value in the words of a fault: `the number 5`, `a list`. Text is quoted and cut to 40 characters.
    pub fn describe(&self) -> String {
        const TEXT_CHARS_MAX: usize = 40;
        match self.settled().as_ref() {
            Self::Null => "nothing".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Integer(value) => format!("the number {value}"),
            Self::Float(value) => format!("the number {value}"),
            Self::Text(text) | Self::Open(text) => match text.char_indices().nth(TEXT_CHARS_MAX) {
                Some((end, _)) => format!("the text {:?}...", &text[..end]),
                None => format!("the text {text:?}"),
            },
            Self::Faulty => "a faulty value".to_owned(),
            Self::List(_) => "a list".to_owned(),
            Self::Map(_) => "a map".to_owned(),
        }
    }
}
