//! Texts for operators: bounded, and quoted where they hold what somebody else wrote.

use std::fmt::Write as _;

/// What is shown of a text that came from outside: a label, a name, a broker's answer.
const SHOWN_CHARS_MAX: usize = 200;

/// The text in quotes, control characters escaped, cut to [`SHOWN_CHARS_MAX`] characters.
pub(crate) fn quoted(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{:?}...", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// The text with control characters escaped, cut to [`SHOWN_CHARS_MAX`] characters, without quotes.
pub(crate) fn plain(text: &str) -> String {
    let mut shown = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == SHOWN_CHARS_MAX {
            shown.push_str("...");
            break;
        }
        if c.is_control() {
            let _ = write!(shown, "{}", c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// `1 partition`, `2 partitions`.
pub(crate) fn count(number: u64, one: &str) -> String {
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_bounded_and_hold_no_control_characters() {
        let long = "x".repeat(300);
        let cut = format!("{}...", "x".repeat(200));
        let cases = [
            ("orders", "\"orders\"", "orders"),
            ("a\n\0\"b\"", r#""a\n\0\"b\"""#, r#"a\n\u{0}"b""#),
            ("", "\"\"", ""),
        ];
        for (text, in_quotes, without) in cases {
            assert_eq!((quoted(text).as_str(), plain(text).as_str()), (in_quotes, without), "{text:?}");
        }
        assert_eq!(plain(&long), cut);
        assert_eq!(quoted(&long), format!("\"{}\"...", "x".repeat(200)));
    }

    #[test]
    fn counts_have_their_plural() {
        assert_eq!([count(0, "key"), count(1, "key"), count(2, "key")], ["0 keys", "1 key", "2 keys"]);
    }
}
