//! The little YAML that the servers' configurations need: quoted strings and durations.

use std::{fmt::Write, time::Duration};

/// A double-quoted YAML scalar, whatever the text holds.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            control if control.is_control() => {
                write!(out, "\\u{:04x}", u32::from(control)).expect("writing to a String cannot fail");
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

/// A list in one line: `["a", "b"]`.
pub(crate) fn list<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    format!("[{}]", items.into_iter().map(quoted).collect::<Vec<_>>().join(", "))
}

/// A duration as Prometheus and Alertmanager write it, in whole milliseconds.
pub(crate) fn duration(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_quoted() {
        for (text, expected) in [
            ("", r#""""#),
            ("a: b #c", r#""a: b #c""#),
            (r#"C:\ "x""#, r#""C:\\ \"x\"""#),
            ("a\nb\u{85}", r#""a\u000ab\u0085""#),
        ] {
            assert_eq!(quoted(text), expected);
        }
        assert_eq!(list(["a", "b"]), r#"["a", "b"]"#);
        assert_eq!(duration(Duration::from_secs(2)), "2000ms");
    }
}
