//! Query texts for people: without the values in them, which may be anybody's secrets, and cut to a bound.

/// How much of a query is shown, in characters.
pub(crate) const QUERY_CHARS_MAX: usize = 200;

/// A query fit to be shown: quoted values replaced by `'?'`, white space and control characters by single spaces, cut.
pub(crate) fn shown(query: &str) -> String {
    let masked = mask(query);
    let words: Vec<&str> = masked.split(|c: char| c.is_whitespace() || c.is_control()).collect();
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    cut(&words.join(" "), QUERY_CHARS_MAX)
}

/// The first characters of a text, with three dots when there were more.
pub(crate) fn cut(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// Replaces string constants: `'..'`, `E'..'` and `$tag$..$tag$` (PostgreSQL's documentation, 4.1.2). One without an
/// end, as in a text that the server has cut, goes up to the text's end. Comments, which applications fill with
/// values too, become a space.
fn mask(query: &str) -> String {
    let mut masked = String::with_capacity(query.len());
    let mut rest = query;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' => {
                let backslashes = ends_with_escape_prefix(&masked);
                masked.push_str("'?'");
                quoted_length(rest, '\'', backslashes)
            }
            '"' => {
                let length = quoted_length(rest, '"', false);
                masked.push_str(&rest[..length]);
                length
            }
            '$' => match dollar_quoted_length(rest) {
                Some(length) => {
                    masked.push_str("'?'");
                    length
                }
                None => {
                    masked.push('$');
                    1
                }
            },
            '-' if rest.starts_with("--") => {
                masked.push(' ');
                rest.find('\n').unwrap_or(rest.len())
            }
            '/' if rest.starts_with("/*") => {
                masked.push(' ');
                rest.find("*/").map_or(rest.len(), |at| at + 2)
            }
            other => {
                masked.push(other);
                other.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    masked
}

/// Whether the text before a quote is the `E` that gives backslashes a meaning, and not the end of a name.
fn ends_with_escape_prefix(before: &str) -> bool {
    let mut last = before.chars().rev();
    matches!(last.next(), Some('e' | 'E')) && last.next().is_none_or(|c| !c.is_alphanumeric() && c != '_')
}

/// The bytes from an opening quote to behind its closing one; a doubled quote stands for itself.
fn quoted_length(text: &str, quote: char, backslashes: bool) -> usize {
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\\' && backslashes {
            chars.next();
        } else if c == quote {
            if chars.peek().is_some_and(|(_, next)| *next == quote) {
                chars.next();
            } else {
                return at + 1;
            }
        }
    }
    text.len()
}

/// The bytes of a dollar-quoted constant at the text's beginning; `$1` is a parameter.
fn dollar_quoted_length(text: &str) -> Option<usize> {
    let tag_end = 1 + text[1..].find('$')?;
    let tag = &text[1..tag_end];
    let is_tag = tag.chars().all(|c| c.is_alphanumeric() || c == '_')
        && !tag.starts_with(|c: char| c.is_ascii_digit());
    let delimiter = &text[..=tag_end];
    let body = &text[tag_end + 1..];
    is_tag.then(|| body.find(delimiter).map_or(text.len(), |at| tag_end + 1 + at + delimiter.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_shown_without_values() {
        let cases = [
            ("SELECT 1", "SELECT 1"),
            ("  select\n\t*\u{0} from  t ", "select * from t"),
            ("ALTER ROLE a PASSWORD 'hunter2'", "ALTER ROLE a PASSWORD '?'"),
            ("select 'it''s', 'b'", "select '?', '?'"),
            (r"select E'a\'b', 'c'", "select E'?', '?'"),
            (r"select typE'a\', 'secret'", "select typE'?', '?'"),
            (r"select 'a\', 'b'", "select '?', '?'"),
            ("select 'never ends", "select '?'"),
            ("select $$secret$$, $1, $x$se$$cret$x$, 2", "select '?', $1, '?', 2"),
            ("select $x$ without end", "select '?'"),
            ("select \"a'b\" from \"t\"", "select \"a'b\" from \"t\""),
            ("select 1 -- user=bob\nfrom t /* key=1 */ where x", "select 1 from t where x"),
            ("select '\u{e9}\u{1f600}', \u{e9}", "select '?', \u{e9}"),
            ("", ""),
            ("$", "$"),
            ("'", "'?'"),
        ];
        for (query, expected) in cases {
            assert_eq!(shown(query), expected, "{query:?}");
        }
    }

    #[test]
    fn long_queries_are_cut_between_characters() {
        let shown = shown(&"\u{e9}".repeat(1000));
        assert_eq!(shown.chars().count(), QUERY_CHARS_MAX + 3);
    }
}
