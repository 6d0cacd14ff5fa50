//! Pointing at a place in an expression: its line, with a caret under the character that is wrong.

/// Characters of the line that are shown before and after the place.
const AROUND_CHARS: usize = 60;

/// The line of `text` that holds the byte `offset`, and a caret under it; both indented, on two lines.
///
/// An offset at or beyond the end points behind the last character. Long lines are cut on both sides.
pub(crate) fn point(text: &str, offset: usize) -> String {
    let offset = (0..=offset.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let start = text[..offset].rfind('\n').map_or(0, |at| at + 1);
    let end = text[offset..].find('\n').map_or(text.len(), |at| offset + at);
    let before = text[start..offset].chars().count();
    let skipped = before.saturating_sub(AROUND_CHARS);
    let mark = if skipped > 0 { "…" } else { "" };
    // A tab would make the caret's column a guess.
    let tidy = |c: char| if c.is_control() { ' ' } else { c };
    let line: String = text[start..end].chars().skip(skipped).take(2 * AROUND_CHARS).map(tidy).collect();
    let column = before - skipped + mark.chars().count();
    format!("  {mark}{line}\n  {}^", " ".repeat(column))
}

/// The byte offset of a line and a column, as Prometheus gives them: both from 1, columns in bytes.
pub(crate) fn offset_of(text: &str, line: usize, column: usize) -> Option<usize> {
    let mut start = 0;
    for _ in 1..line {
        start += text.get(start..)?.find('\n')? + 1;
    }
    let length = text[start..].find('\n').unwrap_or(text.len() - start);
    let within = column.checked_sub(1)?;
    // One behind the last is where something is missing.
    (line > 0 && within <= length).then_some(start + within)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_under_the_character() {
        let cases = [
            ("up}", 2, "  up}\n    ^"),
            ("sum(\n  up}\n)", 9, "    up}\n      ^"),
            ("up", 2, "  up\n    ^"),
            ("up", 99, "  up\n    ^"),
            ("", 0, "  \n  ^"),
            ("ä}", 2, "  ä}\n   ^"),
            ("a\tb}", 3, "  a b}\n     ^"),
        ];
        for (text, offset, expected) in cases {
            assert_eq!(point(text, offset), expected, "{text:?} at {offset}");
        }
    }

    #[test]
    fn long_lines_are_cut_around_the_caret() {
        let text = format!("{}}}{}", "x".repeat(5000), "y".repeat(5000));
        let shown = point(&text, 5000);
        let (line, caret) = shown.split_once('\n').unwrap();
        assert_eq!(line.chars().count(), 2 + 1 + 120);
        assert_eq!(line.chars().nth(caret.chars().count() - 1), Some('}'));
    }

    #[test]
    fn lines_and_columns_become_offsets() {
        let text = "a\nbcd\ne";
        let cases = [
            (1, 1, Some(0)),
            (2, 3, Some(4)),
            (3, 1, Some(6)),
            (3, 2, Some(7)),
            (3, 3, None),
            (4, 1, None),
            (0, 1, None),
            (1, 0, None),
        ];
        for (line, column, expected) in cases {
            assert_eq!(offset_of(text, line, column), expected, "{line}:{column}");
        }
    }
}
