//! Cutting what others wrote before it is shown: bounded, and without characters that disturb a log or a terminal.

/// The text in at most `chars_max` characters, on one line, with `…` where it was cut.
pub(crate) fn shown(text: &str, chars_max: usize) -> String {
    let mut out: String =
        text.chars().take(chars_max).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(chars_max).is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_and_kept_on_one_line() {
        for (text, expected) in
            [("", ""), ("abcd", "abcd"), ("abcde", "abcd…"), ("a\nb\0", "a b "), ("äöüß", "äöüß")]
        {
            assert_eq!(shown(text, 4), expected, "{text:?}");
        }
    }
}
