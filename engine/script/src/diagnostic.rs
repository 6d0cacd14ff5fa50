//! What is wrong with a rule's text and where, printed like a compiler's error.

use std::fmt;

use rhai::Position;
use serde::Serialize;

/// Whether a diagnostic keeps the rule from being used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The rule cannot be used.
    Error,
    /// The rule can be used, and probably does not do what was meant.
    Warning,
}

impl Severity {
    /// The name in texts and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One fault of a rule's text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// The rule's file, as it was named to the compiler.
    pub file: String,
    /// The line, from 1; 0 when the fault is of the file as a whole.
    pub line: usize,
    /// The character in that line, from 1; 0 when the fault is of the line as a whole.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// The line itself.
    pub source_line: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Whether it keeps the rule from being used.
    pub severity: Severity,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n  --> {}", self.severity.name(), self.message, self.file)?;
        let margin = if self.line == 0 {
            " ".to_owned()
        } else {
            write!(f, ":{}", self.line)?;
            if self.column > 0 {
                write!(f, ":{}", self.column)?;
            }
            let number = self.line.to_string();
            let margin = " ".repeat(number.len());
            write!(f, "\n{margin} |\n{number} | {}", self.source_line)?;
            if self.column > 0 {
                // Tabs stay tabs, so that the caret stands under its character whatever their width.
                let before: String = self
                    .source_line
                    .chars()
                    .chain(std::iter::repeat(' '))
                    .take(self.column - 1)
                    .map(|c| if c == '\t' { '\t' } else { ' ' })
                    .collect();
                write!(f, "\n{margin} | {before}^")?;
            }
            margin
        };
        match &self.help {
            Some(help) => write!(f, "\n{margin} = help: {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Diagnostic {}

/// A rule's text and the name under which people know it: what diagnostics are cut from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'t> {
    pub file: &'t str,
    pub text: &'t str,
}

impl Source<'_> {
    /// An error at a place of the text.
    pub fn error(&self, at: Position, message: impl Into<String>, help: Option<String>) -> Diagnostic {
        self.diagnostic(Severity::Error, at, message.into(), help)
    }

    /// A warning at a place of the text.
    pub fn warning(&self, at: Position, message: impl Into<String>, help: Option<String>) -> Diagnostic {
        self.diagnostic(Severity::Warning, at, message.into(), help)
    }

    /// Where a function of the rule begins.
    pub fn function(&self, name: &str) -> Position {
        let begins = |line: &str| {
            let rest = line.trim_start().strip_prefix("fn ")?.trim_start().strip_prefix(name)?;
            rest.trim_start().starts_with('(').then(|| line.len() - line.trim_start().len())
        };
        let found = self.text.lines().enumerate().find_map(|(at, line)| Some((at, begins(line)?)));
        match found.map(|(line, column)| (u16::try_from(line + 1), u16::try_from(column + 1))) {
            Some((Ok(line), Ok(column))) => Position::new(line, column),
            _ => Position::NONE,
        }
    }

    fn diagnostic(
        &self,
        severity: Severity,
        at: Position,
        message: String,
        help: Option<String>,
    ) -> Diagnostic {
        let line = at.line().unwrap_or(0);
        // A text that ends too early is wrong at its last line that has something on it.
        let lines = self.text.lines().count();
        let line = line.min(lines.max(1));
        let source_line = match line {
            0 => String::new(),
            line => self.text.lines().nth(line - 1).unwrap_or("").chars().take(LINE_CHARS_MAX).collect(),
        };
        let column = if line == 0 { 0 } else { at.position().unwrap_or(0) };
        let column = if column > LINE_CHARS_MAX { 0 } else { column };
        Diagnostic { file: self.file.to_owned(), line, column, message, source_line, help, severity }
    }
}

/// The longest part of a line that is shown, in characters.
const LINE_CHARS_MAX: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_like_a_compilers() {
        let text = "fn plan(alert, seen) {\n\tpg::terminte_idle(\"main\")\n}\n";
        let source = Source { file: "rules/x.rhai", text };
        let cases = [
            (
                source.error(
                    Position::new(2, 6),
                    "unknown function pg::terminte_idle",
                    Some("did you mean pg::terminate_idle?".into()),
                ),
                "error: unknown function pg::terminte_idle\n  --> rules/x.rhai:2:6\n  |\n2 | \
                 \tpg::terminte_idle(\"main\")\n  | \t    ^\n  = help: did you mean pg::terminate_idle?",
            ),
            (
                source.warning(Position::NONE, "no doc comment", None),
                "warning: no doc comment\n  --> rules/x.rhai",
            ),
            (
                source.error(Position::NONE, "no header", Some("begin with const RULE".into())),
                "error: no header\n  --> rules/x.rhai\n  = help: begin with const RULE",
            ),
            (
                // The parser reports the end of the text as a line after the last.
                source.error(Position::new(4, 1), "the text ends too early", None),
                "error: the text ends too early\n  --> rules/x.rhai:3:1\n  |\n3 | }\n  | ^",
            ),
        ];
        for (diagnostic, expected) in cases {
            assert_eq!(diagnostic.to_string(), expected);
        }
    }
}
