//! As much PromQL as is needed to refuse a broken expression before it is sent, and to find the places where label
//! values go: strings, brackets and matcher operators. The grammar itself is the server's.

use std::ops::Range;

use selfheal_contract::Failure;

use crate::caret;

/// The longest expression that is sent, in bytes, after values have been put in.
pub const EXPRESSION_BYTES_MAX: usize = 32 * 1024;

/// What a string in an expression is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The value of a label matcher `=` or `!=`.
    Equality,
    /// The value of a label matcher `=~` or `!~`: a regular expression.
    Pattern,
    /// Any other string, for example an argument of `label_replace`.
    Other,
}

/// A string in an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Literal {
    /// The bytes between the quotes.
    pub inner: Range<usize>,
    /// The quote: `"`, `'`, or a backtick, in which nothing is escaped.
    pub quote: u8,
    /// What it is for.
    pub role: Role,
}

/// An expression whose strings and brackets are whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression {
    /// Its strings, in the order of the text.
    pub literals: Vec<Literal>,
    /// Whether it is one metric by name, with or without label matchers, and nothing else: then the server can say
    /// when its sample was taken.
    pub is_plain_selector: bool,
}

/// What is wrong with an expression, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct SyntaxFault {
    /// The byte, from 0.
    pub offset: usize,
    /// What is wrong, and what to do.
    pub problem: String,
}

impl SyntaxFault {
    fn new(offset: usize, problem: impl Into<String>) -> Self {
        Self { offset, problem: problem.into() }
    }

    /// The refusal that a rule's author sees, with the line and a caret.
    pub fn refusal(&self, text: &str) -> Failure {
        Failure::refused(format!("{self}\n{}", caret::point(text, self.offset)))
    }
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// An empty or too long text, control characters, a string or bracket without its end, a comment.
    pub fn read(text: &str) -> Result<Self, SyntaxFault> {
        if text.trim().is_empty() {
            return Err(SyntaxFault::new(
                0,
                "the expression is empty; write a PromQL expression, such as `up`",
            ));
        }
        if text.len() > EXPRESSION_BYTES_MAX {
            let problem = format!(
                "the expression has {} bytes, at most {EXPRESSION_BYTES_MAX} are sent; use a recording rule",
                text.len()
            );
            return Err(SyntaxFault::new(EXPRESSION_BYTES_MAX, problem));
        }
        if let Some(at) = text.find(|c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            return Err(SyntaxFault::new(
                at,
                "a control character is not PromQL; inside a string, escape it",
            ));
        }
        Scanner { text, at: 0, open: Vec::new(), operator: None, literals: Vec::new(), braces_end: None }
            .run()
    }
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    /// The brackets that are open: what was written, and where.
    open: Vec<(u8, usize)>,
    /// The matcher operator just before this place.
    operator: Option<Role>,
    literals: Vec<Literal>,
    /// The end of the first `{...}` outside of any other bracket.
    braces_end: Option<usize>,
}

impl Scanner<'_> {
    fn run(mut self) -> Result<Expression, SyntaxFault> {
        while let Some(byte) = self.peek(0) {
            match byte {
                b'"' | b'\'' | b'`' => self.string(byte)?,
                b'(' | b'{' | b'[' => {
                    self.open.push((byte, self.at));
                    self.step(1, None);
                }
                b')' | b'}' | b']' => self.close(byte)?,
                b'#' => {
                    let problem = "a comment is not taken here: the rest of the line may be a query that a label value \
                                   cut off; comment outside of the expression, and give label values by `bind`";
                    return Err(SyntaxFault::new(self.at, problem));
                }
                b'=' | b'!' => {
                    let (length, role) = match self.peek(1) {
                        Some(b'~') => (2, Some(Role::Pattern)),
                        Some(b'=') if byte == b'!' => (2, Some(Role::Equality)),
                        Some(b'=') => (2, None),
                        _ => (1, (byte == b'=').then_some(Role::Equality)),
                    };
                    self.step(length, role);
                }
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                _ => self.step(1, None),
            }
        }
        if let Some((open, at)) = self.open.last() {
            let problem = format!("`{}` has no matching `{}`", char::from(*open), char::from(partner(*open)));
            return Err(SyntaxFault::new(*at, problem));
        }
        let is_plain_selector = is_plain_selector(self.text, self.braces_end);
        Ok(Expression { literals: self.literals, is_plain_selector })
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    fn step(&mut self, bytes: usize, operator: Option<Role>) {
        self.at += bytes;
        self.operator = operator;
    }

    fn string(&mut self, quote: u8) -> Result<(), SyntaxFault> {
        let start = self.at;
        let in_matcher = self.open.last().is_some_and(|(open, _)| *open == b'{');
        self.at += 1;
        loop {
            match self.peek(0) {
                Some(byte) if byte == quote => break,
                Some(b'\\') if quote != b'`' => self.at += 2,
                Some(b'\n') if quote != b'`' => return Err(unended(start)),
                Some(_) => self.at += 1,
                None => return Err(unended(start)),
            }
        }
        let role = self.operator.filter(|_| in_matcher).unwrap_or(Role::Other);
        self.literals.push(Literal { inner: start + 1..self.at, quote, role });
        self.step(1, None);
        Ok(())
    }

    fn close(&mut self, byte: u8) -> Result<(), SyntaxFault> {
        match self.open.pop() {
            Some((open, _)) if partner(open) == byte => {}
            Some((open, _)) => {
                let problem =
                    format!("expected `{}`, found `{}`", char::from(partner(open)), char::from(byte));
                return Err(SyntaxFault::new(self.at, problem));
            }
            None => {
                let problem = format!("`{}` closes nothing", char::from(byte));
                return Err(SyntaxFault::new(self.at, problem));
            }
        }
        self.step(1, None);
        if byte == b'}' && self.open.is_empty() {
            self.braces_end.get_or_insert(self.at);
        }
        Ok(())
    }
}

fn unended(start: usize) -> SyntaxFault {
    SyntaxFault::new(
        start,
        "the string that begins here has no end; give label values by `bind`, which escapes them",
    )
}

fn partner(open: u8) -> u8 {
    match open {
        b'(' => b')',
        b'{' => b'}',
        _ => b']',
    }
}

/// `name` or `name{...}`. Without a name several metrics may match, of which the server cannot give times in one
/// answer; `Inf` and `NaN` are numbers.
fn is_plain_selector(text: &str, braces_end: Option<usize>) -> bool {
    let text_end = text.trim_end().len();
    let name_start = text.len() - text.trim_start().len();
    let belongs = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
    let name_end = text[name_start..].find(|c| !belongs(c)).map_or(text.len(), |at| name_start + at);
    let name = &text[name_start..name_end];
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return false;
    }
    if name.eq_ignore_ascii_case("inf") || name.eq_ignore_ascii_case("nan") {
        return false;
    }
    let rest = text[name_end..text_end].trim_start();
    rest.is_empty() || (rest.starts_with('{') && braces_end == Some(text_end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_expressions_are_read_and_plain_selectors_known() {
        let cases = [
            ("up", true),
            (" up\n", true),
            ("job:errors:ratio5m", true),
            (r#"up{job="a}b",instance!~'x\'y'}"#, true),
            (r#"up { job="a" } "#, true),
            (r#"{job="a"}"#, false),
            ("up offset 5m", false),
            ("up[5m]", false),
            ("up + up", false),
            (r#"up{a="b"} + up{a="b"}"#, false),
            ("Inf", false),
            ("nan", false),
            ("1", false),
            ("1e3", false),
            ("sum(up)", false),
            (r#"label_replace(up, "a", "`$1", "b", "(.*)")"#, false),
            ("max_over_time(rate(x[1m])[5m:10s])", false),
            ("x{a=`\\`}", true),
        ];
        for (text, plain) in cases {
            let read = Expression::read(text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
            assert_eq!(read.is_plain_selector, plain, "{text}");
        }
    }

    #[test]
    fn broken_expressions_are_refused_at_the_place() {
        let long = "x".repeat(EXPRESSION_BYTES_MAX + 1);
        let cases = [
            ("", 0, "empty"),
            (" \n", 0, "empty"),
            (r#"up{job="a"#, 7, "no end"),
            ("up{job=\"a\nb\"}", 7, "no end"),
            (r#"up{job="a\"}"#, 7, "no end"),
            (r#"up{job='a"}"#, 7, "no end"),
            ("up{a=`b", 5, "no end"),
            ("sum(up", 3, "no matching `)`"),
            ("sum(up{a=\"b\")}", 12, "expected `}`, found `)`"),
            ("up)", 2, "closes nothing"),
            (r#"up{job="x"} or vector(0) #"}"#, 25, "comment"),
            ("up\0", 2, "control character"),
            ("up{job=\"\u{1b}\"}", 8, "control character"),
            (&long, EXPRESSION_BYTES_MAX, "at most 32768"),
        ];
        for (text, offset, problem) in cases {
            let fault = Expression::read(text).expect_err(text);
            assert_eq!(fault.offset, offset, "{text:.60}: {fault}");
            assert!(fault.problem.contains(problem), "{text:.60}: {fault}");
        }
    }

    #[test]
    fn strings_are_known_by_what_they_are_for() {
        let cases = [
            (r#"x{a="1"}"#, vec![Role::Equality]),
            (r#"x{a != '1', b =~ "2", c!~`3`}"#, vec![Role::Equality, Role::Pattern, Role::Pattern]),
            (r#"label_replace(x{a="1"}, "b", "$1", "c", "(.*)")"#, {
                vec![Role::Equality, Role::Other, Role::Other, Role::Other, Role::Other]
            }),
            (r#"{"x.y", "a.b"="1"}"#, vec![Role::Other, Role::Other, Role::Equality]),
            (r#"x == "1""#, vec![Role::Other]),
            (r#"count_values("v", x)"#, vec![Role::Other]),
        ];
        for (text, expected) in cases {
            let read = Expression::read(text).unwrap();
            let roles: Vec<Role> = read.literals.iter().map(|literal| literal.role).collect();
            assert_eq!(roles, expected, "{text}");
        }
    }
}
