//! News as a Slack message of blocks: a header, the text, the facts beside their names, a line with what it is about.
//!
//! Everything but the layout's own signs comes from outside: it is escaped, so that a label such as `<!channel>` calls nobody,
//! and it is plain text, so that none looks like what selfheal says itself. Only names of facts and links have layout, and
//! what a fact says stays on its line. What does not fit is cut with an ellipsis: Slack refuses a message that breaks one limit as a whole, and a refused
//! message is lost. Lengths are counted in UTF-16 units after escaping, which is at least what any way of counting gives.

use selfheal_core::issue::Outcome;
use selfheal_runtime::ports::{News, NewsKind};
use serde_json::{Value, json};

use crate::outgoing::is_hidden;
use crate::sinks::{alert_links, issue_link};

// Limits of docs.slack.dev, "Block Kit reference": header, section, context.
const HEADER_MAX: usize = 150;
const SECTION_MAX: usize = 3000;
/// An even number: a fact is two of them.
const FIELDS_IN_A_SECTION: usize = 10;

/// All text of a message together. Slack names no figure for its error `msg_blocks_too_long`, which people met at about
/// 13 000; with this much, at most 2 + 3 + 12 of the 50 allowed blocks are used.
const MESSAGE_MAX: usize = 11_000;
/// The share of the text, so that a long one leaves room for the facts.
const TEXT_MAX: usize = 6000;
/// The most facts shown.
const FACTS_MAX: usize = 60;
/// One fact's name, and its value: about as much as reads well side by side, and less than the 2000 that Slack allows.
const FACT_NAME_MAX: usize = 100;
const FACT_VALUE_MAX: usize = 1000;
/// One part of the last line, and all links in it.
const CONTEXT_PART_MAX: usize = 200;
const LINKS_MAX: usize = 2500;
/// The plain text that notifications show.
const FALLBACK_MAX: usize = 1000;

/// The payload of one message.
pub(in crate::sinks) fn payload(news: &News, external_url: Option<&str>, channel: Option<&str>) -> Value {
    let mark = mark(news);
    let header = format!("{mark} {}", clip(&news.title, HEADER_MAX - 3, Lines::Joined));
    let links = links(news, external_url);
    let mut room = MESSAGE_MAX - length(&header) - length(&links) - CONTEXT_PART_MAX * 8;
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
        let name = format!("*{}*", clip(name, FACT_NAME_MAX, Lines::Joined));
        let value = clip(value, FACT_VALUE_MAX, Lines::Joined);
        let value = if value.is_empty() { "-" } else { &value };
        let taken = length(&name) + length(value);
        if taken > room {
            break;
        }
        room -= taken;
        fields.extend([marked(&name), plain(value)]);
    }
    let mut left_out = Vec::new();
    if !rest.is_empty() {
        left_out.push("the text is cut".to_owned());
    }
    let facts_shown = fields.len() / 2;
    if news.facts.len() > facts_shown {
        left_out.push(format!("{} more facts", news.facts.len() - facts_shown));
    }
    for fields in fields.chunks(FIELDS_IN_A_SECTION) {
        blocks.push(json!({ "type": "section", "fields": fields }));
    }
    let mut elements = vec![plain(&context(news, left_out))];
    if !links.is_empty() {
        elements.insert(0, marked(&links));
    }
    blocks.push(json!({ "type": "context", "elements": elements }));

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
        (NewsKind::Outcome | NewsKind::Closed, Some(Outcome::Recovered)) => "✅",
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

/// Where more is to be read: the issue, and what the alert names.
fn links(news: &News, external_url: Option<&str>) -> String {
    let own = issue_link(news, external_url).map(|url| ("the whole story".to_owned(), url));
    let named = alert_links(news).into_iter().map(|link| (link.name, link.url));
    let mut line = String::new();
    for (name, url) in own.into_iter().chain(named) {
        let (gap, link) = (if line.is_empty() { "" } else { " · " }, link(&url, &name));
        if length(&line) + length(gap) + length(&link) <= LINKS_MAX {
            line.extend([gap, &link]);
        }
    }
    line
}

/// The last line: what it is about, and since when.
fn context(news: &News, left_out: Vec<String>) -> String {
    let mut parts = vec![news.kind.name().to_owned()];
    parts.extend(news.issue.map(|id| id.to_string()));
    parts.extend(news.remediation.map(|id| id.to_string()));
    parts.extend(news.outcome.map(|outcome| outcome.name().to_owned()));
    let severity = news.severity.as_deref().map(|severity| clip(severity, CONTEXT_PART_MAX, Lines::Joined));
    parts.extend(severity.filter(|severity| !severity.is_empty()));
    parts.push(format!("{:.0}", news.at));
    parts.extend(left_out);
    parts.join(" · ")
}

/// A link of Slack's; its name has no signs of layout. The signs that would end the address are written otherwise.
pub(in crate::sinks) fn link(url: &str, name: &str) -> String {
    let address = url.chars().filter(|c| !is_hidden(*c)).map(|c| match c {
        '<' => "%3C".to_owned(),
        '>' => "%3E".to_owned(),
        '|' => "%7C".to_owned(),
        '&' => "&amp;".to_owned(),
        c => c.to_string(),
    });
    format!("<{}|{name}>", address.collect::<String>())
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
