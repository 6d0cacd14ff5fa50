//! Reads matchers: `alertname=~"(A|B)", severity!="info"`, with or without braces around and a comma at the end.
//!
//! The grammar is that of Alertmanager's UTF-8 parser (prometheus/alertmanager, `matcher/parse`): unquoted texts are anything
//! without space and `{}!=~,\"'` and backtick. Inside quotes `\"`, `\\` and `\n` are escapes; a backslash before any other
//! character stays, as in Alertmanager's classic parser, so that `"\d+"` is the expression it looks like. Where
//! Alertmanager guesses (unquoted spaces, nothing at all after the operator), this refuses and proposes quotes.

use thiserror::Error;

use super::{MatchOp, Matcher};

/// The most matchers in one text.
pub const MATCHERS_MAX: usize = 64;

/// A text that is no matcher, with the place where it stops being one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{problem} at byte {offset}{}", help.as_deref().map(|help| format!("; {help}")).unwrap_or_default())]
pub struct MatcherFault {
    /// The byte of the text, from 0, where the problem is; the text's length when something is missing at its end.
    pub offset: usize,
    /// What was expected there, and what was found.
    pub problem: Box<str>,
    /// What may have been meant, or what to do.
    pub help: Option<Box<str>>,
}

/// Whether a character can only stand inside quotes.
pub(super) fn is_reserved(c: char) -> bool {
    c.is_whitespace() || "{}!=~,\\\"'`".contains(c)
}

/// Reads any number of matchers, separated by commas; braces around them and a comma at the end are optional.
///
/// # Errors
/// Where the text stops being matchers, what was expected there, and what may have been meant. An empty text
/// is a fault; empty braces are none, and no matcher then has to hold.
pub fn parse_matchers(text: &str) -> Result<Vec<Matcher>, MatcherFault> {
    let mut reader = Reader { text, at: 0 };
    let mut matchers = Vec::new();
    reader.skip_space();
    let braced = reader.take('{');
    let brace_at = reader.at.saturating_sub(1);
    loop {
        reader.skip_space();
        if braced && reader.take('}') {
            break;
        }
        if !braced && !matchers.is_empty() && reader.peek().is_none() {
            break;
        }
        if matchers.len() == MATCHERS_MAX {
            return Err(
                reader.fault(format!("more than {MATCHERS_MAX} matchers"), Some("split the rule".into()))
            );
        }
        matchers.push(reader.matcher()?);
        reader.skip_space();
        if reader.take(',') {
            continue;
        }
        match reader.peek() {
            Some('}') if braced => {}
            None if !braced => break,
            None => {
                let help = format!("the brace opened at byte {brace_at} is not closed");
                return Err(reader.expected("a comma or a closing brace", Some(help)));
            }
            Some(c) => {
                let help = match c {
                    '}' => "there is no opening brace before it",
                    '=' | '!' | '~' => "a value with such characters must be quoted",
                    _ => {
                        "separate matchers by commas; a value with spaces or special characters must be quoted"
                    }
                };
                return Err(reader.expected("a comma or the end", Some(help.into())));
            }
        }
    }
    reader.skip_space();
    if reader.peek().is_some() {
        return Err(reader.expected("nothing after the closing brace", None));
    }
    Ok(matchers)
}

/// Reads exactly one matcher; the same text in braces is taken too.
pub(super) fn parse_one(text: &str) -> Result<Matcher, MatcherFault> {
    let mut matchers = parse_matchers(text)?;
    match (matchers.pop(), matchers.len()) {
        (Some(matcher), 0) => Ok(matcher),
        (_, more) => Err(MatcherFault {
            offset: 0,
            problem: format!("expected one matcher, found {}", if more == 0 { 0 } else { more + 1 }).into(),
            help: None,
        }),
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn skip_space(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    fn fault(&self, problem: String, help: Option<String>) -> MatcherFault {
        MatcherFault { offset: self.at, problem: problem.into(), help: help.map(Into::into) }
    }

    fn expected(&self, what: &str, help: Option<String>) -> MatcherFault {
        let found = self.peek().map_or("the end".to_owned(), |c| format!("{c:?}"));
        self.fault(format!("expected {what}, found {found}"), help)
    }

    fn matcher(&mut self) -> Result<Matcher, MatcherFault> {
        let name_at = self.at;
        let name = self.term("a label name", None)?;
        if name.is_empty() {
            self.at = name_at;
            return Err(self.fault("a label name is empty".into(), None));
        }
        self.skip_space();
        let op = self.operator(&name)?;
        self.skip_space();
        let value_at = self.at;
        let value =
            self.term("a value", Some(&format!("for an absent or empty label write {name}{op}\"\"")))?;
        Matcher::new(&name, op, &value).map_err(|fault| MatcherFault {
            offset: value_at + source_offset(&self.text[value_at..self.at], fault.offset),
            problem: fault.problem,
            help: fault.help,
        })
    }

    fn operator(&mut self, name: &str) -> Result<MatchOp, MatcherFault> {
        let rest = &self.text[self.at..];
        for (written, op, wrong) in [
            ("=~", MatchOp::Matches, ""),
            ("!~", MatchOp::MatchesNot, ""),
            ("==", MatchOp::Equal, "="),
            ("!==", MatchOp::NotEqual, "!="),
            ("!=", MatchOp::NotEqual, ""),
            ("=", MatchOp::Equal, ""),
            ("~=", MatchOp::Matches, "=~"),
            ("~", MatchOp::Matches, "=~"),
            ("<>", MatchOp::NotEqual, "!="),
            (":", MatchOp::Equal, "="),
        ] {
            if !rest.starts_with(written) {
                continue;
            }
            if !wrong.is_empty() {
                let help = Some(format!("did you mean {wrong}"));
                return Err(self.fault(format!("expected one of =, !=, =~, !~, found {written}"), help));
            }
            self.at += written.len();
            return Ok(op);
        }
        let help = format!("a matcher looks like {name}=\"value\"");
        Err(self.expected("one of =, !=, =~, !~", Some(help)))
    }

    /// A quoted or unquoted text.
    fn term(&mut self, what: &str, when_missing: Option<&str>) -> Result<String, MatcherFault> {
        if self.peek() == Some('"') {
            return self.quoted();
        }
        let rest = &self.text[self.at..];
        let end = rest.find(is_reserved).unwrap_or(rest.len());
        if end == 0 {
            let help = match self.peek() {
                Some('\'' | '`') => Some("quote with \" instead".to_owned()),
                Some('\\' | '{' | '=' | '!' | '~') => {
                    Some("a text with such characters must be quoted".to_owned())
                }
                _ => when_missing.map(Into::into),
            };
            return Err(self.expected(what, help));
        }
        self.at += end;
        if matches!(self.peek(), Some('\\' | '{' | '\'' | '`' | '"')) {
            return Err(self
                .expected("a comma or the end", Some("a text with such characters must be quoted".into())));
        }
        Ok(rest[..end].to_owned())
    }

    /// A text in double quotes, at whose opening quote the reader stands.
    fn quoted(&mut self) -> Result<String, MatcherFault> {
        let opened_at = self.at;
        let mut text = String::new();
        let mut characters = self.text[opened_at + 1..].char_indices().peekable();
        while let Some((at, c)) = characters.next() {
            match c {
                '"' => {
                    self.at = opened_at + 1 + at + 1;
                    return Ok(text);
                }
                '\\' => match characters.next_if(|(_, next)| matches!(next, '"' | '\\' | 'n')) {
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, escaped)) => text.push(escaped),
                    None => text.push('\\'),
                },
                c => text.push(c),
            }
        }
        self.at = self.text.len();
        let help = format!("the quote opened at byte {opened_at} is not closed");
        Err(self.fault("expected a closing quote, found the end".into(), Some(help)))
    }
}

/// Where the byte `offset` of a term's value stands in its written form.
fn source_offset(written: &str, offset: usize) -> usize {
    let Some(inner) = written.strip_prefix('"') else { return offset.min(written.len()) };
    let (mut value_bytes, mut characters) = (0, inner.char_indices().peekable());
    while let Some((at, c)) = characters.next() {
        if value_bytes >= offset {
            return at + 1;
        }
        if c == '\\' {
            characters.next_if(|(_, next)| matches!(next, '"' | '\\' | 'n'));
        }
        value_bytes += c.len_utf8();
    }
    written.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_alertmanagers_syntax() {
        let cases: &[(&str, &[&str])] = &[
            ("{}", &[]),
            (" { } ", &[]),
            ("a=b", &[r#"a="b""#]),
            ("{a=b}", &[r#"a="b""#]),
            ("{a=b,}", &[r#"a="b""#]),
            ("a=b,", &[r#"a="b""#]),
            (r#" a = "b" , c != d "#, &[r#"a="b""#, r#"c!="d""#]),
            (r#"alertname=~"(A|B)""#, &[r#"alertname=~"(A|B)""#]),
            ("alertname=~A|B", &[r#"alertname=~"A|B""#]),
            ("a!~x.*", &[r#"a!~"x.*""#]),
            (r#"a="""#, &[r#"a="""#]),
            (r#"a="x,y}={\"z\"""#, &[r#"a="x,y}={\"z\"""#]),
            (r#""with space"="b""#, &[r#""with space"="b""#]),
            (r#""a"=b"#, &[r#"a="b""#]),
            ("dotted.näme=ö", &[r#"dotted.näme="ö""#]),
            (r#"a=~"\d+\.\w""#, &[r#"a=~"\\d+\\.\\w""#]),
            (r#"a="\\d""#, &[r#"a="\\d""#]),
            (r#"a="1\n2""#, &[r#"a="1\n2""#]),
            ("a=\"1\n2\"", &[r#"a="1\n2""#]),
        ];
        for (text, expected) in cases {
            let matchers = parse_matchers(text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
            let shown: Vec<String> = matchers.iter().map(ToString::to_string).collect();
            assert_eq!(shown, *expected, "{text}");
        }
    }

    #[test]
    fn says_what_was_expected_and_where() {
        let cases = [
            ("", 0, "expected a label name, found the end"),
            (",", 0, "expected a label name, found ','"),
            ("a=b,,c=d", 4, "expected a label name, found ','"),
            (
                "alertname",
                9,
                r#"expected one of =, !=, =~, !~, found the end at byte 9; a matcher looks like alertname="value""#,
            ),
            ("alertname==\"X\"", 9, "found == at byte 9; did you mean ="),
            ("a !== b", 2, "did you mean !="),
            ("a~b", 1, "did you mean =~"),
            ("a~=b", 1, "did you mean =~"),
            (
                "a=",
                2,
                r#"expected a value, found the end at byte 2; for an absent or empty label write a="""#,
            ),
            ("a=b c=d", 4, "expected a comma or the end, found 'c' at byte 4; separate matchers by commas"),
            ("a=b=c", 3, "must be quoted"),
            (r"a=~\d+", 3, "must be quoted"),
            ("a=~x{2}", 4, "must be quoted"),
            ("a='b'", 2, "quote with \" instead"),
            ("a=`b`", 2, "quote with \" instead"),
            (r#"a="b"#, 4, "the quote opened at byte 2 is not closed"),
            (r#"a="b\""#, 6, "the quote opened at byte 2 is not closed"),
            ("{a=b", 4, "the brace opened at byte 0 is not closed"),
            ("a=b}", 3, "there is no opening brace"),
            ("{a=b} c", 6, "expected nothing after the closing brace"),
            (r#"""=b"#, 0, "a label name is empty"),
            (r#"a=~"x(y""#, 5, "unclosed group"),
            (r#"ä=~"\\\"x(y""#, 10, "unclosed group"),
            ("a=~*", 3, "for any text write .*"),
        ];
        for (text, offset, part) in cases {
            let fault = parse_matchers(text).expect_err(text);
            assert!(fault.to_string().contains(part), "{text}: {fault}");
            assert_eq!(fault.offset, offset, "{text}: {fault}");
        }
        let many = "a=b,".repeat(MATCHERS_MAX + 1);
        assert!(parse_matchers(&many).unwrap_err().to_string().starts_with("more than 64 matchers"));
    }

    #[test]
    fn one_matcher_is_one() {
        assert_eq!(parse_one("a=b").unwrap(), Matcher::new("a", MatchOp::Equal, "b").unwrap());
        for (text, found) in [("{}", "found 0"), ("a=b,c=d", "found 2"), ("a=b,c=d,e=f", "found 3")] {
            assert!(parse_one(text).unwrap_err().problem.contains(found), "{text}");
        }
    }
}
