//! A report in a thread: its Markdown as Slack's `markdown` block takes it.
//!
//! That block renders headings, lists, emphasis and code by itself. What it does not surely render is said otherwise: rows of a
//! table become a list, tasks get a box. Mentions are read in it as everywhere, so `&`, `<` and `>` are escaped.
//! (docs.slack.dev, "Markdown block".)

use serde_json::{Value, json};

use crate::sinks::cut;
use crate::sinks::slack::message::length;

/// All of the block's text, within the 12 000 characters that Slack takes of all such blocks of a message.
const TEXT_MAX: usize = 11_000;
/// One line.
const LINE_CHARS_MAX: usize = 1500;

/// The block with as much of a report as fits; where something is left out, `elsewhere` says where all of it is.
pub(super) fn block(report: &str, elsewhere: &str) -> Value {
    let more = format!("\n\n… {}", escaped(elsewhere));
    let mut room = TEXT_MAX - length(&more);
    let mut text = String::new();
    // The fence of the block of code that a line is in.
    let mut fence: Option<&str> = None;
    for line in report.lines() {
        let (line, after) = match (fence, fence_of(line)) {
            (None, Some(opened)) => (line.to_owned(), Some(opened)),
            (Some(open), Some(_)) if line == open => (line.to_owned(), None),
            (Some(_), _) => (escaped(&cut(line, LINE_CHARS_MAX)), fence),
            (None, None) => match prose(&cut(line, LINE_CHARS_MAX)) {
                Some(line) => (line, None),
                None => continue,
            },
        };
        // Code that is open must be closed, too.
        let closing = after.map_or(0, |fence: &str| fence.len() + 1);
        let needed = length(&line) + 1;
        if needed + closing > room {
            text.push_str(fence.unwrap_or_default());
            text.push_str(&more);
            break;
        }
        room -= needed;
        text.push_str(&line);
        text.push('\n');
        fence = after;
    }
    json!({ "type": "markdown", "text": text })
}

/// The signs with which a line opens or closes a block of code.
fn fence_of(line: &str) -> Option<&str> {
    let signs = line.len() - line.trim_start_matches('`').len();
    (signs >= 3).then(|| &line[..signs])
}

/// A line that is no code; nothing for one that only holds a table together.
fn prose(line: &str) -> Option<String> {
    let read = line.replace("\\<", "<").replace("\\>", ">").replace("&amp;", "&");
    let Some(row) = read.strip_prefix('|').and_then(|row| row.strip_suffix('|')) else {
        return Some(escaped(&read.replace("- [ ] ", "- ☐ ")));
    };
    if row.chars().all(|c| matches!(c, '|' | '-' | ' ')) {
        return None;
    }
    let cells: Vec<&str> = row.split(" | ").map(str::trim).collect();
    let (name, values) = cells.split_first()?;
    Some(escaped(&format!("- **{name}**: {}", values.join(", ").replace("\\|", "|"))))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(report: &str) -> String {
        block(report, "the whole report: selfheal report issue-1")["text"].as_str().unwrap().to_owned()
    }

    #[test]
    fn a_report_is_rendered_and_calls_nobody() {
        let cases = [
            ("# issue-1: a \\| b\n\n## Summary\n", "# issue-1: a \\| b\n\n## Summary\n"),
            ("| | |\n|---|---|\n| Severity | x \\| \\<!here\\> |\n", "- **Severity**: x | &lt;!here&gt;\n"),
            ("- [ ] Take `a` back by hand: R&amp;D\n", "- ☐ Take `a` back by hand: R&amp;D\n"),
            ("at `<!channel>` — **done**\n", "at `&lt;!channel&gt;` — **done**\n"),
            (
                "```diff\n- | a | <@U1>\n| |\n```\n| a | b |\n",
                "```diff\n- | a | &lt;@U1&gt;\n| |\n```\n- **a**: b\n",
            ),
            ("````json\n```\n````\n- [ ] a\n", "````json\n```\n````\n- ☐ a\n"),
        ];
        for (report, expected) in cases {
            assert_eq!(text(report), expected);
        }
    }

    #[test]
    fn what_is_left_out_is_said_outside_of_code() {
        let within = format!("# report\n\n```json\n{}", "\"<line>\": 1,\n".repeat(2000));
        let prose = "word & word\n".repeat(2000);
        for (report, end) in [(within, ",\n```\n\n… the whole"), (prose, "word\n\n\n… the whole")] {
            let text = text(&report);
            assert!((10_500..=TEXT_MAX).contains(&length(&text)), "{}", length(&text));
            assert!(text.ends_with("report: selfheal report issue-1") && text.contains(end), "{text}");
        }
        let long = text(&format!("{}\nend\n", "x".repeat(20_000)));
        assert!(long.ends_with("…\nend\n"), "{long}");
    }
}
