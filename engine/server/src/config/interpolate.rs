//! Puts values from the environment and from files into the texts of a configuration.
//!
//! | written | becomes |
//! |---|---|
//! | `${NAME}` | the variable; a fault if it is not set |
//! | `${NAME:-default}` | the variable, or `default` if it is not set or empty |
//! | `${file:/path}` | the content of the file, without the line break at its end |
//! | `$$` | one `$` |
//!
//! A `$` before anything else is itself. What is put in is not looked at again. Names of keys are left alone.
//! Environment and files are arguments.

use std::collections::BTreeMap;
use std::io;

use selfheal_contract::settings::{Collector, Fault, Key, Node, Path, Value};

/// Where the values come from.
pub struct Sources<'a> {
    /// The environment, by name.
    pub environment: &'a BTreeMap<String, String>,
    /// Reads a whole file as text; bounds its size.
    pub read_file: &'a dyn Fn(&std::path::Path) -> io::Result<String>,
    /// What becomes of a value that cannot be had.
    pub missing: Missing,
}

/// What becomes of a text whose variable is not set, or whose file cannot be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Missing {
    /// It is a fault.
    #[default]
    Refused,
    /// It is left open, for those who look at a configuration where its secrets are not.
    LeftOpen,
}

/// Puts values into all texts of the tree.
///
/// A value that cannot be had is a fault at the text that asks for it, and becomes [`Value::Faulty`]. A text stays
/// text; an unquoted one that was a single `${...}` becomes [`Value::Open`], which is read as its field wants it. Where that
/// is permitted, what cannot be had is no fault, and its reference is put to `left_open`; the text becomes
/// [`Value::Faulty`] all the same, of which nobody says anything more.
pub fn interpolate(
    node: Node,
    sources: &Sources<'_>,
    collector: &Collector,
    left_open: &mut Vec<String>,
) -> Node {
    Interpolation { sources, collector, left_open }.node(node, &Path::default())
}

/// Whether a text is one `${...}` and nothing else.
pub(super) fn is_one_reference(text: &str) -> bool {
    text.strip_prefix("${").and_then(|rest| rest.find('}')).is_some_and(|end| end + "${}".len() == text.len())
}

struct Interpolation<'a> {
    sources: &'a Sources<'a>,
    collector: &'a Collector,
    left_open: &'a mut Vec<String>,
}

/// Why a reference has no value, and what would give it one.
struct Problem {
    text: String,
    help: String,
    /// The reference, where it is as it should be and only its value cannot be had.
    of: Option<String>,
}

impl Problem {
    fn new(text: impl Into<String>, help: impl Into<String>) -> Self {
        Self { text: text.into(), help: help.into(), of: None }
    }
}

impl Interpolation<'_> {
    // The depth of the tree is bounded where it is read.
    fn node(&mut self, node: Node, path: &Path) -> Node {
        let Node { value, at } = node;
        let expanded = match value {
            Value::Text(text) => self.expand(&text).map(Value::Text),
            Value::Open(text) => self.expand(&text).map(Value::Open),
            Value::List(items) => {
                let item = |(index, node)| self.node(node, &path.item(index));
                Ok(Value::List(items.into_iter().enumerate().map(item).collect()))
            }
            Value::Map(entries) => {
                let entry = |(key, node): (Key, Node)| {
                    let node = self.node(node, &path.key(&key.name));
                    (key, node)
                };
                Ok(Value::Map(entries.into_iter().map(entry).collect()))
            }
            other => Ok(other),
        };
        let value = expanded.unwrap_or_else(|Problem { text, help, of }| {
            match of.filter(|_| self.sources.missing == Missing::LeftOpen) {
                Some(reference) => self.left_open.push(reference),
                None => self.collector.push(Fault {
                    path: path.clone(),
                    at,
                    problem: text,
                    help: Some(help),
                    secret: false,
                }),
            }
            Value::Faulty
        });
        Node { value, at }
    }

    fn expand(&self, text: &str) -> Result<String, Problem> {
        let mut expanded = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            expanded.push_str(before);
            rest = if let Some(after) = after.strip_prefix('$') {
                expanded.push('$');
                after
            } else if let Some(after) = after.strip_prefix('{') {
                let (reference, after) = after.split_once('}').ok_or_else(|| {
                    Problem::new("`${` without `}`", "close it, or write $$ for a dollar sign")
                })?;
                expanded.push_str(&self.resolve(reference)?);
                after
            } else {
                expanded.push('$');
                after
            };
        }
        expanded.push_str(rest);
        Ok(expanded)
    }

    fn resolve(&self, reference: &str) -> Result<String, Problem> {
        if let Some(path) = reference.strip_prefix("file:") {
            return self.file(path);
        }
        let (name, default) = match reference.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (reference, None),
        };
        if !is_name(name) {
            return Err(Problem::new(
                format!("`${{{reference}}}` names no environment variable"),
                "write ${NAME}, ${NAME:-default} or ${file:/path}, and $$ for a dollar sign",
            ));
        }
        if default.is_some_and(|default| default.contains("${")) {
            let text = format!("the default of {name} holds another `${{`");
            return Err(Problem::new(text, "a default is plain text"));
        }
        match (self.sources.environment.get(name), default) {
            (Some(value), Some(default)) if value.is_empty() => Ok(default.to_owned()),
            (Some(value), _) => Ok(value.clone()),
            (None, Some(default)) => Ok(default.to_owned()),
            (None, None) => Err(Problem {
                text: format!("the environment variable {name} is not set"),
                help: format!("set it, or give a default: ${{{name}:-value}}"),
                of: Some(format!("${{{name}}}")),
            }),
        }
    }

    fn file(&self, path: &str) -> Result<String, Problem> {
        let mut content = (self.sources.read_file)(std::path::Path::new(path)).map_err(|error| Problem {
            text: format!("cannot read the file {path:?}: {error}"),
            help: "check that it exists, is text, and may be read by selfheal's user".to_owned(),
            of: Some(format!("${{file:{path}}}")),
        })?;
        if content.ends_with('\n') {
            content.pop();
            if content.ends_with('\r') {
                content.pop();
            }
        }
        Ok(content)
    }
}

fn is_name(text: &str) -> bool {
    let valid = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && text.chars().all(valid)
}

#[cfg(test)]
#[path = "interpolate_tests.rs"]
mod tests;
