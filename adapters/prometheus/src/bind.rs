//! Putting label values into an expression so that they stay values: `$1` in the quoted value of a label matcher
//! stands for the first of `bind`, escaped for the string and, behind `=~` and `!~`, for the regular expression too.
//!
//! Only matcher values take part: `label_replace` keeps its own `$1`.

use selfheal_contract::Failure;

use crate::caret;
use crate::expression::{Expression, Literal, Role};

/// A value as a PromQL string in double quotes, which means exactly that value.
///
/// ```
/// use selfheal_prometheus::quote_label_value;
///
/// assert_eq!(quote_label_value("x\"} or vector(0) #"), r#""x\"} or vector(0) #""#);
/// ```
pub fn quote_label_value(value: &str) -> String {
    let mut out = String::with_capacity(value.len() + 2);
    out.push('"');
    push_escaped(&mut out, value, '"');
    out.push('"');
    out
}

/// The expression with the values in their places, read again.
///
/// # Errors
/// `Refused` with the place: a broken expression, a placeholder without a value, a value without a placeholder, a
/// placeholder in a backtick string, where nothing can be escaped.
pub(crate) fn bind(text: &str, values: &[String]) -> Result<(String, Expression), Failure> {
    let template = Expression::read(text).map_err(|fault| fault.refusal(text))?;
    let mut used = vec![false; values.len()];
    let mut out = String::with_capacity(text.len());
    let mut copied = 0;
    for literal in template.literals.iter().filter(|literal| literal.role != Role::Other) {
        for place in placeholders(&text[literal.inner.clone()]) {
            let (at, end) = (literal.inner.start + place.start, literal.inner.start + place.end);
            let refuse = |problem: String| Failure::refused(format!("{problem}\n{}", caret::point(text, at)));
            let number = &text[at + 1..end];
            let index = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
            let Some((index, value)) = index.and_then(|index| Some((index, values.get(index)?))) else {
                return Err(refuse(format!(
                    "${number} has no value: `bind` has {}, and $1 is the first; where a dollar sign is meant, write [$]",
                    values.len()
                )));
            };
            if literal.quote == b'`' {
                return Err(refuse(format!(
                    "${number} cannot be escaped between backticks; use double quotes"
                )));
            }
            out.push_str(&text[copied..at]);
            push_value(&mut out, value, literal);
            used[index] = true;
            copied = end;
        }
    }
    out.push_str(&text[copied..]);
    if let Some(unused) = used.iter().position(|used| !used) {
        let number = unused + 1;
        return Err(Failure::refused(format!(
            "value {number} of `bind` is not used: ${number} must stand in the quoted value of a label matcher, as in \
             up{{job=\"${number}\"}}"
        )));
    }
    // Read again, so that the bound on the length holds for what is sent.
    let bound = Expression::read(&out).map_err(|fault| fault.refusal(&out))?;
    Ok((out, bound))
}

/// The places of `$` and digits in the inside of a string.
fn placeholders(inner: &str) -> impl Iterator<Item = std::ops::Range<usize>> {
    inner.match_indices('$').filter_map(|(at, _)| {
        let digits = inner[at + 1..].bytes().take_while(u8::is_ascii_digit).count();
        (digits > 0).then_some(at..at + 1 + digits)
    })
}

fn push_value(out: &mut String, value: &str, literal: &Literal) {
    let quote = char::from(literal.quote);
    if literal.role == Role::Pattern {
        push_escaped(out, &quote_pattern(value), quote);
    } else {
        push_escaped(out, value, quote);
    }
}

/// A regular expression that matches exactly this text: every character with a meaning in RE2 is escaped.
fn quote_pattern(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// PromQL takes Go's escapes, and the escaped quote only inside that quote's own strings.
fn push_escaped(out: &mut String, value: &str, quote: char) {
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c == quote => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_values() {
        let cases: &[(&str, &[&str], &str)] = &[
            ("up", &[], "up"),
            (r#"x{a="$1"}"#, &["b"], r#"x{a="b"}"#),
            (r#"x{a="$2",b="$1-$2"}"#, &["p", "q"], r#"x{a="q",b="p-q"}"#),
            (r#"x{a="$1"}"#, &[r#"x"} or vector(0) #"#], r#"x{a="x\"} or vector(0) #"}"#),
            (r#"x{a='$1'}"#, &[r#"it's "x""#], r#"x{a='it\'s "x"'}"#),
            (r#"x{a="$1"}"#, &["a\\b\nc\0"], r#"x{a="a\\b\nc\u0000"}"#),
            (r#"x{a="$1"}"#, &["$1 $2"], r#"x{a="$1 $2"}"#),
            (r#"x{a=~"$1-.*"}"#, &["a.b|c"], r#"x{a=~"a\\.b\\|c-.*"}"#),
            (r#"x{a!~"$1"}"#, &[r"\d+"], r#"x{a!~"\\\\d\\+"}"#),
            (r#"x{a=~"b$"}"#, &[], r#"x{a=~"b$"}"#),
            (r#"label_replace(x{a="$1"},"b","$1","c","(.*)")"#, &["v"], {
                r#"label_replace(x{a="v"},"b","$1","c","(.*)")"#
            }),
            (r#"x{a="$1"}"#, &[""], r#"x{a=""}"#),
        ];
        for (text, values, expected) in cases {
            let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
            let (bound, _) = bind(text, &values).unwrap_or_else(|failure| panic!("{text}: {failure}"));
            assert_eq!(bound, *expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_bound_is_refused() {
        let long = "x".repeat(40_000);
        let cases: &[(&str, &[&str], &str)] = &[
            (r#"x{a="$1"}"#, &[], "$1 has no value: `bind` has 0"),
            (r#"x{a="$2"}"#, &["v"], "$2 has no value: `bind` has 1"),
            (r#"x{a="$0"}"#, &["v"], "$0 has no value"),
            (r#"x{a="$99999999999999999999"}"#, &["v"], "has no value"),
            ("x{a=`$1`}", &["v"], "backticks"),
            ("x{a=\"b\"} > $1", &["v"], "value 1 of `bind` is not used"),
            (r#"x{a="$1"}"#, &["v", "w"], "value 2 of `bind` is not used"),
            (r#"x{a="$1}"#, &["v"], "has no end"),
            (r#"x{a="$1"}"#, &[&long], "at most 32768"),
        ];
        for (text, values, expected) in cases {
            let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
            let failure = bind(text, &values).expect_err(text);
            assert!(failure.what.contains(expected), "{text}: {failure}");
        }
    }
}
