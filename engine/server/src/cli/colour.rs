//! Colour, where somebody looks at a terminal and has not said no (<https://no-color.org>).

use std::sync::atomic::{AtomicBool, Ordering};

/// Decided once, when the program starts; off until then.
static ON: AtomicBool = AtomicBool::new(false);

/// Turns colour on where standard output is a terminal and nothing speaks against it.
pub(super) fn decide(is_terminal: bool, no_color: Option<&str>, term: Option<&str>) {
    ON.store(wanted(is_terminal, no_color, term), Ordering::Relaxed);
}

/// Whether what is written may have colour.
pub(super) fn is_on() -> bool {
    ON.load(Ordering::Relaxed)
}

fn wanted(is_terminal: bool, no_color: Option<&str>, term: Option<&str>) -> bool {
    is_terminal && no_color.is_none_or(str::is_empty) && term != Some("dumb")
}

/// A text in the colour of the word that it begins with: green for what is well, red for what needs a person, yellow for what
/// waits. Other words stay as they are.
pub(super) fn by_word(word: &str, text: &str) -> String {
    match code(word).filter(|_| is_on()) {
        Some(code) => format!("\x1b[{code}m{text}\x1b[0m"),
        None => text.to_owned(),
    }
}

/// A heading.
pub(super) fn bold(text: &str) -> String {
    if is_on() { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
}

fn code(word: &str) -> Option<&'static str> {
    Some(match word {
        "recovered" | "success" | "applied" | "granted" | "done" | "on" | "rolled_back" => "32",
        "stuck" | "unknown" | "escalated" | "failed" | "kept" | "expired" | "critical" | "off"
        | "undo_failed" => "31",
        "waiting" | "awaiting_approval" | "remediating" | "in_progress" | "open" | "warning" | "held"
        | "high" => "33",
        "closed" | "subsided" | "skipped" | "unmatched" | "info" => "2",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_for_terminals_of_those_who_want_it() {
        for (is_terminal, no_color, term, expected) in [
            (true, None, Some("xterm"), true),
            (true, Some(""), None, true),
            (true, Some("1"), Some("xterm"), false),
            (true, None, Some("dumb"), false),
            (false, None, Some("xterm"), false),
        ] {
            assert_eq!(wanted(is_terminal, no_color, term), expected);
        }
        // Tests have no terminal.
        assert!(!is_on());
        assert_eq!(by_word("failed", "failed"), "failed");
        assert_eq!((code("failed"), code("issue-1")), (Some("31"), None));
    }
}
