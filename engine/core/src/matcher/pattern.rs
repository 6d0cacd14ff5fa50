//! Regular expressions of matchers. Most of those that operators write, `A|B` or `(Predator)?X`, are a short list of
//! values in disguise: these are kept as that list, which an index can look up and which costs no compiled program.

use std::fmt;

use regex::{Regex, RegexBuilder};
use regex_syntax::hir::literal::{ExtractKind, Extractor};
use regex_syntax::hir::{Hir, HirKind, Look};
use thiserror::Error;

use super::Reach;

/// The longest expression, in bytes.
pub const PATTERN_BYTES_MAX: usize = 16 * 1024;

/// The most values that an expression is reduced to.
pub const LITERALS_MAX: usize = 64;

/// The longest single value that an expression is reduced to, in bytes.
const LITERAL_BYTES_MAX: usize = 1024;

/// The longest prefix that is used for looking up, in bytes; longer ones tell hardly more.
const PREFIX_BYTES_MAX: usize = 32;

/// The most memory for one compiled expression, and for its cache while matching, in bytes.
const COMPILED_BYTES_MAX: usize = 1024 * 1024;

/// How deep groups and repetitions may nest.
const NESTING_MAX: u32 = 100;

/// An expression that must match the whole of a value.
#[derive(Clone)]
pub(super) enum Pattern {
    /// It matches exactly these values, sorted.
    Values(Box<[Box<str>]>),
    /// It must be asked; what it matches begins with one of the prefixes, unless there are none.
    Program { regex: Regex, prefixes: Box<[Box<[u8]>]> },
}

/// Why an expression cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{problem}")]
pub struct PatternFault {
    /// The byte of the expression, from 0, where the problem is.
    pub offset: usize,
    /// What is wrong there.
    pub problem: Box<str>,
    /// What to do instead, where that can be said.
    pub help: Option<Box<str>>,
}

impl PatternFault {
    fn new(offset: usize, problem: impl fmt::Display, help: Option<&str>) -> Self {
        Self { offset, problem: problem.to_string().into(), help: help.map(Into::into) }
    }
}

impl Pattern {
    pub(super) fn new(text: &str) -> Result<Self, PatternFault> {
        if text.len() > PATTERN_BYTES_MAX {
            let problem =
                format_args!("the expression has {} bytes, expected at most {PATTERN_BYTES_MAX}", text.len())
                    .to_string();
            return Err(PatternFault::new(
                PATTERN_BYTES_MAX,
                problem,
                Some("split it into several matchers or rules"),
            ));
        }
        // Parsed by itself first, so that no unbalanced parenthesis can reach outside its anchors.
        let hir = regex_syntax::ParserBuilder::new()
            .nest_limit(NESTING_MAX)
            .build()
            .parse(text)
            .map_err(|error| syntax_fault(&error))?;
        let literals = extract(&without_anchors(&hir));
        if let Some((values, true)) = &literals {
            let texts: Option<Vec<Box<str>>> =
                values.iter().map(|bytes| std::str::from_utf8(bytes).ok().map(Into::into)).collect();
            if let Some(texts) = texts {
                return Ok(Self::Values(texts.into()));
            }
        }
        let prefixes = literals.map(|(literals, _)| usable_prefixes(literals)).unwrap_or_default();
        build(&format!("^(?:{text})$"))
            .map(|regex| Self::Program { regex, prefixes })
            .map_err(|error| PatternFault::new(0, error, Some("repeat less, or list the values")))
    }

    pub(super) fn matches(&self, value: &str) -> bool {
        match self {
            Self::Values(values) => values.binary_search_by(|candidate| (**candidate).cmp(value)).is_ok(),
            Self::Program { regex, .. } => regex.is_match(value),
        }
    }

    pub(super) fn reach(&self) -> Reach<'_> {
        match self {
            Self::Values(values) if values.iter().all(|value| !value.is_empty()) => {
                Reach::Values(values.iter().map(|value| &**value).collect())
            }
            Self::Program { prefixes, .. } if !prefixes.is_empty() => Reach::Prefixes(prefixes),
            _ => Reach::Unbounded,
        }
    }
}

fn build(anchored: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(anchored)
        .nest_limit(NESTING_MAX + 2)
        .size_limit(COMPILED_BYTES_MAX)
        .dfa_size_limit(COMPILED_BYTES_MAX)
        .build()
}

/// The expression without anchors at its ends, which say only what holds anyway.
fn without_anchors(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Look(Look::Start | Look::End) => Hir::empty(),
        HirKind::Concat(parts) => {
            let mut parts = &parts[..];
            while let [first, rest @ ..] = parts
                && matches!(first.kind(), HirKind::Look(Look::Start))
            {
                parts = rest;
            }
            while let [rest @ .., last] = parts
                && matches!(last.kind(), HirKind::Look(Look::End))
            {
                parts = rest;
            }
            Hir::concat(parts.to_vec())
        }
        _ => hir.clone(),
    }
}

/// What every match begins with, sorted, and whether these literals are just the matches. `None` where that is unbounded.
fn extract(hir: &Hir) -> Option<(Vec<Box<[u8]>>, bool)> {
    let mut extractor = Extractor::new();
    extractor
        .kind(ExtractKind::Prefix)
        .limit_class(LITERALS_MAX)
        .limit_repeat(LITERALS_MAX)
        .limit_literal_len(LITERAL_BYTES_MAX)
        .limit_total(LITERALS_MAX);
    let sequence = extractor.extract(hir);
    // The extractor takes a look-around for something that always holds.
    let exact = sequence.is_exact() && hir.properties().look_set().is_empty();
    let mut literals: Vec<Box<[u8]>> =
        sequence.literals()?.iter().map(|literal| literal.as_bytes().into()).collect();
    literals.sort_unstable();
    literals.dedup();
    Some((literals, exact))
}

/// The prefixes cut to a length worth looking up, or none where one is empty and so says nothing.
fn usable_prefixes(mut literals: Vec<Box<[u8]>>) -> Box<[Box<[u8]>]> {
    if literals.iter().any(|literal| literal.is_empty()) {
        return Box::default();
    }
    for literal in &mut literals {
        if literal.len() > PREFIX_BYTES_MAX {
            *literal = literal[..PREFIX_BYTES_MAX].into();
        }
    }
    literals.dedup();
    literals.into()
}

/// A syntax error, with the place in the expression and a way out for what other engines allow.
fn syntax_fault(error: &regex_syntax::Error) -> PatternFault {
    use regex_syntax::ast::ErrorKind;
    match error {
        regex_syntax::Error::Parse(error) => {
            let help = match error.kind() {
                ErrorKind::UnsupportedLookAround => {
                    Some("look-around does not exist in RE2's syntax; use a second matcher with !~")
                }
                ErrorKind::UnsupportedBackreference => Some("back-references do not exist in RE2's syntax"),
                ErrorKind::RepetitionMissing => Some("for any text write .* instead of *"),
                ErrorKind::GroupUnclosed | ErrorKind::GroupUnopened => {
                    Some("balance the parentheses, or write \\( for the character itself")
                }
                ErrorKind::EscapeUnrecognized => {
                    Some("write the character without the backslash, or \\\\ for a backslash")
                }
                _ => None,
            };
            PatternFault::new(
                error.span().start.offset,
                format_args!("the expression is malformed: {}", error.kind()),
                help,
            )
        }
        regex_syntax::Error::Translate(error) => PatternFault::new(
            error.span().start.offset,
            format_args!("the expression is malformed: {}", error.kind()),
            None,
        ),
        other => PatternFault::new(0, format_args!("the expression is malformed: {other}"), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_where_an_expression_is_malformed() {
        let cases = [
            ("a(b", 1, "unclosed group"),
            ("a)b", 1, "unopened group"),
            ("a)|(b", 1, "unopened group"),
            ("*", 0, "repetition operator missing expression"),
            ("x(?=y)", 1, "look-around"),
            ("(a)\\1", 3, "backreferences"),
            ("[z-a]", 1, "invalid character class range"),
            ("\\y", 0, "unrecognized escape"),
        ];
        for (text, offset, part) in cases {
            let fault = Pattern::new(text).err().unwrap_or_else(|| panic!("{text} is taken"));
            assert!(fault.problem.contains(part), "{text}: {fault}");
            assert_eq!(fault.offset, offset, "{text}: {fault}");
        }
    }

    #[test]
    fn bounds_what_an_expression_may_cost() {
        let cases = [
            "x".repeat(PATTERN_BYTES_MAX + 1),
            r"(\w{100}){100}".to_owned(),
            "(".repeat(200) + &")".repeat(200),
        ];
        for text in cases {
            assert!(Pattern::new(&text).is_err(), "{}", &text[..10]);
        }
        // Many values in one expression are no list, but still work.
        let many: Vec<String> = (0..200).map(|n| format!("Alert{n:03}")).collect();
        let pattern = Pattern::new(&many.join("|")).unwrap();
        assert!(pattern.matches("Alert123") && !pattern.matches("Alert200"));
    }

    /// Lists and programs must agree: whatever is reduced to values matches what the plain expression matches.
    #[test]
    fn reduced_expressions_match_what_the_expression_matches() {
        let expressions = [
            "a|b|ab",
            "(a|b)?c",
            "a{1,2}b",
            "(a|)b",
            "[ab][ab]?",
            "(?i)ab",
            "^a$",
            "a|",
            "(a(b|c)?)+",
            "a.*",
            "ab.+",
            "\\ba",
            "a\\b",
            "a$b",
            "(^|b)a",
            "(a|b){2}",
            "[^\\s\\S]",
            "((a))",
            "(?:)",
            "a$|b",
            "^(a|b.*)$",
        ];
        let mut values = vec![String::new()];
        for length in 0..4 {
            let longest: Vec<String> =
                values.iter().filter(|value| value.chars().count() == length).cloned().collect();
            values.extend(
                longest.iter().flat_map(|value| "abcAB\n".chars().map(move |c| format!("{value}{c}"))),
            );
        }
        for expression in expressions {
            let pattern = Pattern::new(expression).unwrap();
            let plain = Regex::new(&format!("^(?:{expression})$")).unwrap();
            for value in &values {
                let expected = plain.is_match(value);
                assert_eq!(pattern.matches(value), expected, "{expression} {value:?}");
                let reached = match pattern.reach() {
                    Reach::Values(values) => values.contains(&value.as_str()),
                    Reach::Prefixes(prefixes) => {
                        prefixes.iter().any(|prefix| value.as_bytes().starts_with(prefix))
                    }
                    Reach::Unbounded => true,
                };
                assert!(reached || !expected, "{expression} {value:?} is out of reach");
            }
        }
    }
}
