//! The typed accessors of a section, one for each kind of setting there is.
//!
//! `x` is required, `x_or` has a default, `optional_x` may be absent. A required value that is absent or
//! faulty is reported and replaced by an empty stand-in, which is never used: the collector is not empty.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use selfheal_core::span::Span;

use super::node::{Node, Value};
use super::read;
use super::secret::Secret;
use super::section::{Problem, Section};
use super::url;

impl Section<'_> {
    /// Text that must be there and not be empty.
    pub fn text(&mut self, name: &str) -> String {
        self.required(name, read::filled_text).unwrap_or_default().to_owned()
    }

    /// Text, or `default`. `""` in the file is empty text.
    pub fn text_or(&mut self, name: &str, default: &str) -> String {
        self.optional(name, read::text).unwrap_or(default).to_owned()
    }

    /// Text that may be absent, but not empty.
    pub fn optional_text(&mut self, name: &str) -> Option<String> {
        self.optional(name, read::filled_text).map(str::to_owned)
    }

    /// A list of texts, none of them empty; empty if absent. What came whole from outside the file, as
    /// `${NAME}`, is split at commas.
    pub fn texts(&mut self, name: &str) -> Vec<String> {
        if let Some(Node { value: Value::Open(text), .. }) = self.value(name) {
            return text
                .split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty())
                .map(str::to_owned)
                .collect();
        }
        let list = |node| read::list(node, "a list of texts");
        self.each(name, list, |node| read::filled_text(node).map(str::to_owned))
    }

    /// A map from names to texts, in the order of the file; empty if absent.
    pub fn text_map(&mut self, name: &str) -> Vec<(String, String)> {
        let entries = self.entries(name, read::text);
        entries.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect()
    }

    /// A secret that must be there.
    pub fn secret(&mut self, name: &str) -> Secret {
        self.required(name, read::secret).unwrap_or_default()
    }

    /// A secret that may be absent, but not empty.
    pub fn optional_secret(&mut self, name: &str) -> Option<Secret> {
        self.optional(name, read::secret)
    }

    /// A list of secrets; empty if absent. One that cannot be had is an empty one, so that nobody takes the list for shorter
    /// than it is written.
    pub fn secrets(&mut self, name: &str) -> Vec<Secret> {
        let unknown = match self.value(name).map(|node| &node.value) {
            Some(Value::List(items)) => items.iter().filter(|item| item.value == Value::Faulty).count(),
            _ => 0,
        };
        let known = self.each(name, read::secret_list, read::secret);
        known.into_iter().chain(std::iter::repeat_n(Secret::default(), unknown)).collect()
    }

    /// `true` or `false`, or `default`.
    pub fn bool_or(&mut self, name: &str, default: bool) -> bool {
        self.optional(name, read::boolean).unwrap_or(default)
    }

    /// A whole number within `range` that must be there; the start of `range` stands in for a faulty one.
    pub fn integer<T>(&mut self, name: &str, range: RangeInclusive<T>) -> T
    where
        T: TryFrom<i64> + PartialOrd + Display + Copy,
    {
        self.required(name, |node| read::integer(node, &range)).unwrap_or(*range.start())
    }

    /// A whole number within `range`, or `default`. The type is the field's own: `u16`, `usize`, `i64`.
    pub fn integer_or<T>(&mut self, name: &str, default: T, range: RangeInclusive<T>) -> T
    where
        T: TryFrom<i64> + PartialOrd + Display,
    {
        debug_assert!(range.contains(&default), "the default of {name} is outside its range");
        self.optional(name, |node| read::integer(node, &range)).unwrap_or(default)
    }

    /// A whole number within `range` that may be absent.
    pub fn optional_integer<T>(&mut self, name: &str, range: RangeInclusive<T>) -> Option<T>
    where
        T: TryFrom<i64> + PartialOrd + Display,
    {
        self.optional(name, |node| read::integer(node, &range))
    }

    /// A number within `range`, or `default`. Never NaN; whole numbers are taken too.
    pub fn float_or(&mut self, name: &str, default: f64, range: RangeInclusive<f64>) -> f64 {
        debug_assert!(range.contains(&default), "the default of {name} is outside its range");
        self.optional(name, |node| read::float(node, &range)).unwrap_or(default)
    }

    /// A duration within `range`, written with its unit (`500ms`, `5m`, `1h30m`), or `default`.
    pub fn span_or(&mut self, name: &str, default: Span, range: RangeInclusive<Span>) -> Span {
        debug_assert!(range.contains(&default), "the default of {name} is outside its range");
        self.optional_span(name, range).unwrap_or(default)
    }

    /// A duration within `range` that may be absent.
    pub fn optional_span(&mut self, name: &str, range: RangeInclusive<Span>) -> Option<Span> {
        self.optional(name, |node| read::span(node, &range))
    }

    /// One of the named choices, or `default`. Names are compared with their case.
    pub fn one_of<T: Clone>(&mut self, name: &str, choices: &[(&str, T)], default: T) -> T {
        self.optional(name, |node| read::choice(node, choices)).unwrap_or(default)
    }

    /// Whatever can be parsed from text and must be there, such as a socket address; `None` is reported.
    pub fn parsed<T>(&mut self, name: &str) -> Option<T>
    where
        T: FromStr<Err: Display>,
    {
        self.required(name, parse)
    }

    /// Whatever can be parsed from text, or `default`.
    pub fn parsed_or<T>(&mut self, name: &str, default: T) -> T
    where
        T: FromStr<Err: Display>,
    {
        self.optional_parsed(name).unwrap_or(default)
    }

    /// Whatever can be parsed from text and may be absent.
    pub fn optional_parsed<T>(&mut self, name: &str) -> Option<T>
    where
        T: FromStr<Err: Display>,
    {
        self.optional(name, parse)
    }

    /// An address `scheme://host[:port][/...]` with one of `schemes`, without credentials, that must be there.
    pub fn url(&mut self, name: &str, schemes: &[&str]) -> String {
        self.required(name, |node| address(node, schemes)).unwrap_or_default()
    }

    /// An address as in [`Section::url`], or `default`.
    pub fn url_or(&mut self, name: &str, default: &str, schemes: &[&str]) -> String {
        self.optional_url(name, schemes).unwrap_or_else(|| default.to_owned())
    }

    /// An address as in [`Section::url`] that may be absent.
    pub fn optional_url(&mut self, name: &str, schemes: &[&str]) -> Option<String> {
        self.optional(name, |node| address(node, schemes))
    }

    /// An address with one of `schemes` that may hold credentials and is kept like one; it must be there. What
    /// follows the scheme is for the driver to judge.
    pub fn secret_url(&mut self, name: &str, schemes: &[&str]) -> Secret {
        self.required(name, |node| secret_address(node, schemes)).unwrap_or_default()
    }

    /// An address as in [`Section::secret_url`] that may be absent.
    pub fn optional_secret_url(&mut self, name: &str, schemes: &[&str]) -> Option<Secret> {
        self.optional(name, |node| secret_address(node, schemes))
    }
}

fn parse<T>(node: &Node) -> Result<T, Problem>
where
    T: FromStr<Err: Display>,
{
    let text = read::filled_text(node)?;
    text.parse().map_err(|error| Problem::new(format!("{error}, found {}", node.value.describe())))
}

fn address(node: &Node, schemes: &[&str]) -> Result<String, Problem> {
    let text = read::filled_text(node)?;
    url::check(text, schemes).map(|()| text.to_owned())
}

fn secret_address(node: &Node, schemes: &[&str]) -> Result<Secret, Problem> {
    let secret = read::secret(node)?;
    url::check_scheme(secret.expose(), schemes).map_err(Problem::secret)?;
    Ok(secret)
}
