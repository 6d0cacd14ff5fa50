//! News as a Slack message of blocks: a header, the text, the facts side by side, a line with what it is about.
//!
//! Everything but the layout's own signs comes from outside and is escaped, so that a label such as `<!channel>` calls
//! nobody. What does not fit is cut with an ellipsis: Slack refuses a message that breaks one limit as a whole, and a refused
//! message is lost. Lengths are counted in UTF-16 units after escaping, which is at least what any way of counting gives.

use selfheal_core::issue::Outcome;
use selfheal_runtime::ports::{News, NewsKind};
use serde_json::{Value, json};

use crate::outgoing::is_hidden;

// Limits of docs.slack.dev, "Block Kit reference": header, section, context.
const HEADER_MAX: usize = 150;
const SECTION_MAX: usize = 3000;
const FIELD_MAX: usize = 2000;
const FIELDS_IN_A_SECTION: usize = 10;

/// All text of a message together. Slack names no figure for its error `msg_blocks_too_long`, which people met at about
/// 13 000; with this much, at most 2 + 3 + 10 of the 50 allowed blocks are used.
const MESSAGE_MAX: usize = 11_000;
/// The share of the text, so that a long one leaves room for the facts.
const TEXT_MAX: usize = 6000;
/// The most facts shown.
const FACTS_MAX: usize = 60;
/// One fact's name, and its value: about as much as reads well side by side.
const FACT_NAME_MAX: usize = 100;
const FACT_VALUE_MAX: usize = 1000;
/// One part of the last line.
const CONTEXT_PART_MAX: usize = 200;
/// The plain text that notifications show.
const FALLBACK_MAX: usize = 1000;

/// The payload of one message.
pub(in crate::sinks) fn payload(news: &News, link: Option<&str>, channel: Option<&str>) -> Value {
    let mark = mark(news);
    let header = format!("{mark} {}", clip(&news.title, HEADER_MAX - 3, Lines::Joined));
    let mut room = MESSAGE_MAX - length(&header) - CONTEXT_PART_MAX * 8;
    let mut blocks = vec![json!({ "type": "header", "text": plain(&header) })];

    let mut rest = news.text.trim();
    let mut text_room = TEXT_MAX.min(room);
    while !rest.is_empty() && text_room > 0 {
        let (shown, taken) = clip_part(rest, SECTION_MAX.min(text_room), Lines::Kept);
        if taken == 0 {
            // Not even one escaped character fits.
            break;
        }
        rest = rest[taken..].trim_start();
        text_room = text_room.saturating_sub(length(&shown));
        room = room.saturating_sub(length(&shown));
        if !shown.trim().is_empty() {
            blocks.push(json!({ "type": "section", "text": plain(&shown) }));
        }
    }

    let mut fields = Vec::new();
    for (name, value) in news.facts.iter().take(FACTS_MAX) {
        let name = clip(name, FACT_NAME_MAX, Lines::Joined);
        let value = clip(value, FACT_VALUE_MAX.min(FIELD_MAX - FACT_NAME_MAX - 3), Lines::Kept);
        let field = format!("*{name}*\n{}", if value.is_empty() { "-" } else { &value });
        if length(&field) > room {
            break;
        }
        room -= length(&field);
        fields.push(marked(&field));
    }
    let mut left_out = Vec::new();
    if !rest.is_empty() {
        left_out.push("the text is cut".to_owned());
    }
    if news.facts.len() > fields.len() {
        left_out.push(format!("{} more facts", news.facts.len() - fields.len()));
    }
    for fields in fields.chunks(FIELDS_IN_A_SECTION) {
        blocks.push(json!({ "type": "section", "fields": fields }));
    }
    blocks.push(json!({ "type": "context", "elements": [marked(&context(news, link, left_out))] }));

    let mut payload = json!({
        "text": clip(&format!("{}: {}", news.kind.name(), news.title), FALLBACK_MAX, Lines::Joined),
        "blocks": blocks,
        // Addresses in labels are shown, not visited.
        "unfurl_links": false,
        "unfurl_media": false,
    });
    if let Some(channel) = channel {
        payload["channel"] = channel.into();
    }
    payload
}

/// A sign that is seen before anything is read.
pub(in crate::sinks) fn mark(news: &News) -> &'static str {
    match (news.kind, news.outcome) {
        (NewsKind::Person, _) => "🚨",
        (kind, Some(outcome)) if outcome.needs_person() && kind != NewsKind::Closed => "🚨",
        (NewsKind::Outcome | NewsKind::Closed, Some(Outcome::Recovered | Outcome::Applied)) => "✅",
        (NewsKind::Outcome, _) => "📝",
        (NewsKind::Opened, _) => "🔔",
        (NewsKind::Plan, _) => "🩹",
        (NewsKind::Approval, _) => "✋",
        (NewsKind::Switch, _) => "🔀",
        (NewsKind::Storm, _) => "🌊",
        (NewsKind::Acknowledged, _) => "👀",
        (NewsKind::Answered, _) => "🖊",
        (NewsKind::Closed, _) => "🏁",
    }
}

/// The last line: what it is about, and since when.
fn context(news: &News, link: Option<&str>, left_out: Vec<String>) -> String {
    let mut parts = vec![news.kind.name().to_owned()];
    if let Some(issue) = news.issue {
        parts.push(match link {
            Some(link) => format!("<{}|{issue}>", address(link)),
            None => issue.to_string(),
        });
    }
    parts.extend(news.remediation.map(|id| id.to_string()));
    parts.extend(news.outcome.map(|outcome| outcome.name().to_owned()));
    let severity = news.severity.as_deref().map(|severity| clip(severity, CONTEXT_PART_MAX, Lines::Joined));
    parts.extend(severity.filter(|severity| !severity.is_empty()));
    parts.push(format!("{:.0}", news.at));
    parts.extend(left_out);
    parts.join(" · ")
}

/// An address as the target of a link: without the signs that would end it.
pub(in crate::sinks) fn address(link: &str) -> String {
    let shown = link.chars().filter(|c| !is_hidden(*c)).map(|c| match c {
        '<' => "%3C".to_owned(),
        '>' => "%3E".to_owned(),
        '|' => "%7C".to_owned(),
        '&' => "&amp;".to_owned(),
        c => c.to_string(),
    });
    shown.collect()
}

/// Text that is shown as it is.
pub(in crate::sinks) fn plain(text: &str) -> Value {
    json!({ "type": "plain_text", "text": text, "emoji": false })
}

/// Text with signs of layout; `verbatim` keeps Slack from making links and mentions out of words.
pub(in crate::sinks) fn marked(text: &str) -> Value {
    json!({ "type": "mrkdwn", "text": text, "verbatim": true })
}

/// What becomes of line breaks.
#[derive(Clone, Copy, PartialEq)]
pub(in crate::sinks) enum Lines {
    Kept,
    Joined,
}

/// As much of a text as fits, escaped, with an ellipsis where something was cut.
pub(in crate::sinks) fn clip(text: &str, units_max: usize, lines: Lines) -> String {
    let text = text.trim();
    let (mut shown, taken) = clip_part(text, units_max, lines);
    if taken < text.len() {
        shown = clip_part(text, units_max - 1, lines).0;
        shown.push('…');
    }
    shown
}

/// As much of a text as fits, escaped, and how many of its bytes that took. Never ends within an escape.
fn clip_part(text: &str, units_max: usize, lines: Lines) -> (String, usize) {
    let mut shown = String::new();
    let mut units = 0;
    let mut own = [0; 4];
    for (at, c) in text.char_indices() {
        let piece: &str = match c {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            '\n' if lines == Lines::Kept => "\n",
            '\n' | '\t' => " ",
            '\r' => "",
            c if is_hidden(c) => "\u{fffd}",
            c => c.encode_utf8(&mut own),
        };
        units += length(piece);
        if units > units_max {
            return (shown, at);
        }
        shown.push_str(piece);
    }
    (shown, text.len())
}

/// A text's length in UTF-16 units.
pub(in crate::sinks) fn length(text: &str) -> usize {
    text.encode_utf16().count()
}
