//! How answers are written: text for people, JSON for scripts.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

use crate::outgoing::is_hidden;

/// The form of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Output {
    #[default]
    Text,
    Json,
}

/// Writes a value as JSON, with a line break at its end.
pub(super) fn json(out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
}

/// A text that may come from an alert, on one line and without what could rewrite a terminal.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if is_hidden(c) { ' ' } else { c }).collect()
}

/// The same over several lines.
pub(super) fn plain_lines(text: &str) -> String {
    text.chars().map(|c| if is_hidden(c) && c != '\n' && c != '\t' { ' ' } else { c }).collect()
}

/// A member as one short line; of what a compiler says about a rule, what and where, without the line of its text.
pub(super) fn headline(value: &Value, name: &str) -> String {
    let text = value[name].as_str().unwrap_or_default();
    let lines: Vec<&str> = text.lines().map(str::trim).take_while(|line| *line != "|").collect();
    plain(&lines.join(" "))
}

/// A member as text; empty where there is none.
pub(super) fn text(value: &Value, name: &str) -> String {
    match &value[name] {
        Value::Null => String::new(),
        Value::String(text) => plain(text),
        other => plain(&other.to_string()),
    }
}

/// A moment without its fraction of a second.
pub(super) fn moment(value: &Value, name: &str) -> String {
    let text = text(value, name);
    match text.split_once('.') {
        Some((seconds, fraction)) if fraction.ends_with('Z') => format!("{seconds}Z"),
        _ => text,
    }
}

/// A member as a list; empty where there is none.
pub(super) fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_headline_says_what_and_where() {
        let fault = "rule x: error: unknown function y\n  --> rules/x.rhai:3:5\n  |\n3 |     y(1)\n  |     ^\n  = help: z";
        let cases = [
            (fault, "rule x: error: unknown function y --> rules/x.rhai:3:5"),
            ("one\nline", "one line"),
            ("plain", "plain"),
            ("", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(headline(&serde_json::json!({ "why": text }), "why"), expected);
        }
    }
}
