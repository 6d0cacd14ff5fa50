//! Texts of strangers in Markdown: shown as they are, whatever they hold.

use jiff::SignedDuration;

use crate::outgoing::is_hidden;

/// The longest text that is shown in a block.
const BLOCK_CHARS_MAX: usize = 8000;

/// A text on one line, with every sign that could mean something escaped.
pub(super) fn words(text: &str) -> String {
    let mut shown = String::new();
    for c in text.trim().chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '~' | '#' | '!' => {
                shown.push('\\');
                shown.push(c);
            }
            '&' => shown.push_str("&amp;"),
            '\n' | '\t' => shown.push(' '),
            c if is_hidden(c) => {}
            c => shown.push(c),
        }
    }
    shown
}

/// A name as code on one line, within a table too.
pub(super) fn code(text: &str) -> String {
    let text: String = text.chars().map(|c| if is_hidden(c) || c == '`' { ' ' } else { c }).collect();
    let text = text.replace('|', "\\|");
    format!("`{}`", if text.trim().is_empty() { "-" } else { text.trim() })
}

/// A web address as a link that shows itself; anything else as text, which does nothing.
pub(super) fn link(text: &str) -> String {
    let is_web = ["http://", "https://"].iter().any(|scheme| text.starts_with(scheme));
    let is_plain = text.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '<' | '>' | '|' | '\\' | '`'));
    if is_web && is_plain { format!("<{text}>") } else { words(text) }
}

/// A block of code. Its fence is longer than any within.
pub(super) fn block(language: &str, text: &str) -> String {
    let text: String =
        text.chars().map(|c| if is_hidden(c) && c != '\n' && c != '\t' { ' ' } else { c }).collect();
    let text = crate::sinks::cut(text.trim_end(), BLOCK_CHARS_MAX);
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}{language}\n{text}\n{fence}")
}

/// A duration as people say it: the two largest parts.
pub(crate) fn span(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    let parts =
        [(seconds / 86_400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let shown: Vec<String> = parts
        .iter()
        .skip_while(|(count, _)| *count == 0)
        .take(2)
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count} {unit}"))
        .collect();
    if shown.is_empty() { "less than 1 s".to_owned() } else { shown.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strangers_write_is_shown_and_does_nothing() {
        for (text, expected) in [
            ("plain", "plain"),
            ("a\nb\u{1b}[31m", "a b\\[31m"),
            ("<script>x</script> & [l](http://e)", r"\<script\>x\</script\> &amp; \[l\](http://e)"),
            ("| a *b* _c_ `d`", r"\| a \*b\* \_c\_ \`d\`"),
        ] {
            assert_eq!(words(text), expected);
        }
        for (text, expected) in [
            ("https://runbooks.example/a?b=c&d", "<https://runbooks.example/a?b=c&d>"),
            ("javascript:alert(1)", "javascript:alert(1)"),
            ("https://a b|[c](d)", r"https://a b\|\[c\](d)"),
            ("https://a>*b*", r"https://a\>\*b\*"),
        ] {
            assert_eq!(link(text), expected);
        }
        assert_eq!(code("a`b|c\n"), r"`a b\|c`");
        assert_eq!(code(""), "`-`");
        assert_eq!(block("json", "a\n```\nb"), "````json\na\n```\nb\n````");
    }

    #[test]
    fn durations_are_said_in_two_parts() {
        for (seconds, expected) in [
            (-5, "less than 1 s"),
            (0, "less than 1 s"),
            (59, "59 s"),
            (60, "1 m"),
            (3_661, "1 h 1 m"),
            (86_400, "1 d"),
            (90_061, "1 d 1 h"),
        ] {
            assert_eq!(span(SignedDuration::from_secs(seconds)), expected);
        }
    }
}
