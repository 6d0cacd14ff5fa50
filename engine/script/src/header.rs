//! Reads a rule's header, `const RULE = #{ .. }`, from the parsed text without running anything.

use std::collections::BTreeMap;
use std::str::FromStr;

use rhai::{AST, ASTFlags, Expr, Position, Stmt};
use selfheal_contract::settings::suggest;
use selfheal_core::matcher::{Matcher, parse_matchers};
use selfheal_core::rule::{COOLDOWN_DEFAULT, Component, Escalation, Mode, Priority, RuleHeader};
use selfheal_core::span::Span;

use crate::diagnostic::{Diagnostic, Source};

/// The constant that holds the header.
pub(crate) const HEADER: &str = "RULE";

/// The keys of a header: name, type, default, meaning; for the reference.
pub(crate) const KEYS: &[(&str, &str, &str, &str)] = &[
    ("matchers", "array of texts", "required", "Alertmanager matchers, all of which must hold"),
    (
        "priority",
        "text",
        "`\"medium\"`",
        "`critical` acts at once; `high`, `medium` and `low` wait first for the alert to go away",
    ),
    ("cooldown", "duration", "`\"5m\"`", "least time between two remediations of one target by this rule"),
    (
        "component",
        "text",
        "`\"compute\"`",
        "part of the health score it weighs on: `compute`, `network`, `storage`, `database`, `security`",
    ),
    (
        "mode",
        "text",
        "the operator's",
        "`shadow`, `approve` or `auto`; the stricter of this and the operator's holds",
    ),
    (
        "escalation",
        "map",
        "`#{ failures: 3, within: \"10m\" }`",
        "failed tries, and the window in which they are counted, that lead to the next plan of `escalate`",
    ),
];

/// A header with its faults: as complete as it could be read.
pub(crate) fn read(
    name: &str,
    ast: &AST,
    source: Source<'_>,
    faults: &mut Vec<Diagnostic>,
) -> Option<RuleHeader> {
    let header = ast.statements().iter().find_map(|statement| match statement {
        Stmt::Var(var, flags, at) if var.0.as_str() == HEADER => Some((&var.1, *flags, *at)),
        _ => None,
    });
    let Some((value, flags, at)) = header else {
        let help = "begin with const RULE = #{ matchers: [`alertname=\"HighErrorRate\"`] };";
        faults.push(source.error(Position::NONE, "the rule has no header", Some(help.into())));
        return None;
    };
    if !flags.intersects(ASTFlags::CONSTANT) {
        faults.push(source.error(at, "the header must be a constant", Some("write const RULE".into())));
    }
    let Some(entries) = entries(value) else {
        let message = "the header must be a map: const RULE = #{ matchers: [..] };";
        faults.push(source.error(value.position(), message, None));
        return None;
    };
    let mut fields = Fields { source, of: HEADER, entries, faults };
    let matchers = fields.matchers(at);
    let header = RuleHeader {
        name: name.to_owned(),
        doc: doc(ast.doc()),
        matchers,
        priority: fields.parsed("priority").unwrap_or(Priority::Medium),
        cooldown: fields.span("cooldown").unwrap_or(Span::from(COOLDOWN_DEFAULT)),
        component: fields.parsed("component").unwrap_or(Component::Compute),
        mode: fields.parsed::<Mode>("mode"),
        escalation: fields.escalation(),
    };
    let known: Vec<&str> = KEYS.iter().map(|key| key.0).collect();
    fields.finish(&known);
    Some(header)
}

/// A name that a rule's file may have.
pub(crate) fn is_rule_name(name: &str) -> bool {
    const CHARS_MAX: usize = 100;
    (1..=CHARS_MAX).contains(&name.len())
        && name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_' || c == b'-')
}

/// The leading comment without its marks.
fn doc(comment: &str) -> String {
    let line = |line: &str| {
        let line = line.trim_start().trim_start_matches("//!");
        line.strip_prefix(' ').unwrap_or(line).trim_end().to_owned()
    };
    comment.lines().map(line).collect::<Vec<_>>().join("\n").trim().to_owned()
}

type Entries<'a> = BTreeMap<&'a str, (Position, &'a Expr)>;

/// The entries of a literal map.
fn entries(value: &Expr) -> Option<Entries<'_>> {
    match value {
        Expr::Map(map, _) => {
            Some(map.0.iter().map(|(key, value)| (key.as_str(), (key.pos, value))).collect())
        }
        _ => None,
    }
}

/// Entries that are taken out one by one; what is left at the end is unknown.
struct Fields<'a, 'f> {
    source: Source<'a>,
    of: &'static str,
    entries: Entries<'a>,
    faults: &'f mut Vec<Diagnostic>,
}

impl<'a> Fields<'a, '_> {
    fn fault(&mut self, at: Position, message: String, help: Option<String>) {
        self.faults.push(self.source.error(at, message, help));
    }

    fn take(&mut self, key: &str) -> Option<&'a Expr> {
        self.entries.remove(key).map(|(_, value)| value)
    }

    /// A literal text; anything else is a fault.
    fn text(&mut self, key: &str) -> Option<(&'a str, Position)> {
        let value = self.take(key)?;
        match literal_text(value) {
            Some(text) => Some((text, value.position())),
            None => {
                self.fault(value.position(), format!("{key} must be a plain text"), None);
                None
            }
        }
    }

    fn parsed<T: FromStr<Err = String>>(&mut self, key: &str) -> Option<T> {
        let (text, at) = self.text(key)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(expected) => {
                self.fault(at, format!("unknown {key} {text:?}"), Some(expected));
                None
            }
        }
    }

    fn span(&mut self, key: &str) -> Option<Span> {
        let (text, at) = self.text(key)?;
        match text.parse() {
            Ok(span) => Some(span),
            Err(fault) => {
                self.fault(at, format!("{key}: {fault}"), None);
                None
            }
        }
    }

    fn matchers(&mut self, header_at: Position) -> Vec<Matcher> {
        const HELP: &str = "matchers: [`alertname=\"HighErrorRate\"`, `severity=~\"critical|warning\"`]";
        let Some(value) = self.take("matchers") else {
            self.fault(header_at, "the header has no matchers".into(), Some(HELP.into()));
            return Vec::new();
        };
        let Expr::Array(items, at) = value else {
            self.fault(value.position(), "matchers must be an array of texts".into(), Some(HELP.into()));
            return Vec::new();
        };
        if items.is_empty() {
            self.fault(*at, "matchers is empty: the rule would be for every alert".into(), Some(HELP.into()));
        }
        let mut matchers = Vec::new();
        for item in items {
            let Some(text) = literal_text(item) else {
                self.fault(item.position(), "a matcher must be a plain text".into(), Some(HELP.into()));
                continue;
            };
            match parse_matchers(text) {
                Ok(found) => matchers.extend(found),
                Err(fault) => {
                    let at = inside(item.position(), text, fault.offset);
                    self.fault(at, format!("matcher: {}", fault.problem), fault.help.map(Into::into));
                }
            }
        }
        matchers
    }

    fn escalation(&mut self) -> Escalation {
        let defaults = Escalation::default();
        let Some(value) = self.take("escalation") else { return defaults };
        let Some(entries) = entries(value) else {
            let help = "escalation: #{ failures: 3, within: \"10m\" }";
            self.fault(value.position(), "escalation must be a map".into(), Some(help.into()));
            return defaults;
        };
        let mut fields = Fields { source: self.source, of: "escalation", entries, faults: self.faults };
        let failures = match fields.take("failures") {
            None => defaults.failures,
            Some(Expr::IntegerConstant(failures, _)) if (1..=FAILURES_MAX).contains(failures) => {
                u32::try_from(*failures).expect("FAILURES_MAX fits")
            }
            Some(other) => {
                let message = format!("failures must be a whole number from 1 to {FAILURES_MAX}");
                fields.fault(other.position(), message, None);
                defaults.failures
            }
        };
        let within = fields.span("within").unwrap_or(defaults.within);
        fields.finish(&["failures", "within"]);
        Escalation { failures, within }
    }

    fn finish(mut self, known: &[&str]) {
        for (key, (at, _)) in std::mem::take(&mut self.entries) {
            let help = match suggest(key, known.iter().copied()) {
                Some(meant) => format!("did you mean {meant}?"),
                None => format!("known are {}", known.join(", ")),
            };
            let message = format!("unknown key {key} in {}", self.of);
            self.fault(at, message, Some(help));
        }
    }
}

/// The most failures that a rule may wait for before it escalates.
const FAILURES_MAX: i64 = 1000;

fn literal_text(value: &Expr) -> Option<&str> {
    match value {
        Expr::StringConstant(text, _) => Some(text),
        // A text in backticks without anything to fill in.
        Expr::InterpolatedString(parts, _) => match parts.as_slice() {
            [Expr::StringConstant(text, _)] => Some(text),
            _ => None,
        },
        _ => None,
    }
}

/// The place of a byte inside a literal of one line, whose first character is its quote. Escapes before it move the
/// place a little to the left, which is near enough.
fn inside(literal: Position, text: &str, offset: usize) -> Position {
    let before = text.get(..offset).unwrap_or(text);
    let place = (literal.line(), literal.position());
    let (Some(line), Some(column), false) = (place.0, place.1, before.contains('\n')) else { return literal };
    let column = column + 1 + before.chars().count();
    match (u16::try_from(line), u16::try_from(column)) {
        (Ok(line), Ok(column)) => Position::new(line, column),
        _ => literal,
    }
}
