//! One message in place of a flood: what many issues have to tell at once, counted by what it is.
//!
//! When more issues want a message of their own in a channel within a minute than there may be, the rest goes into the
//! channel's digest; never what calls people, nor what says that a storm holds a rule. What is gathered is durable at once; the
//! message shows it a little later. The news that was gathered first after the message was last brought up to date stays in the
//! outbox meanwhile, and brings it up to date when it is tried again.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use selfheal_core::moment::later;
use selfheal_runtime::ports::{News, NewsKind};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::sinks::calls_people;
use crate::sinks::links::dashboard;
use crate::sinks::slack::message::{Lines, clip, link, mark, marked, plain};

/// The window in which messages are counted.
const WINDOW: Duration = Duration::from_secs(60);
/// How long what is gathered waits for more.
pub(super) const GATHER: Duration = Duration::from_secs(15);
/// After so much calm a flood is over, and the next one is a new message: nobody hears of a message that is changed. One that
/// goes on is told anew now and then.
const CALM: Duration = WINDOW;
const LASTS: Duration = Duration::from_secs(900);
/// The news that brings the message up to date is given up by the outbox after a day; then another one takes its place.
const LOST: Duration = Duration::from_secs(25 * 3600);
/// The kinds of messages that are told apart; a line each, within a section of Slack's.
const LINES_MAX: usize = 15;
const LINE_MAX: usize = 150;

/// What was gathered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Digest {
    /// The channel and the message, once there is one.
    pub(super) message: Option<(String, String)>,
    since: Timestamp,
    last: Timestamp,
    count: u64,
    by_title: BTreeMap<String, u64>,
    /// The key of the news that brings the message up to date, and since when it is to.
    flusher: Option<(String, Timestamp)>,
}

/// Whether a piece of news may go into a digest.
pub(super) fn takes(news: &News) -> bool {
    !calls_people(news) && news.kind != NewsKind::Storm
}

/// Under what name a channel's digest is kept.
pub(super) fn name(channel: &str) -> String {
    format!("digest-{channel}")
}

/// What is to be done about a piece of news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It was gathered; somebody else brings the message up to date.
    Gathered,
    /// It was gathered, and brings the message up to date a little later.
    Wait,
    /// It brings the message up to date now.
    Flush,
}

impl Digest {
    /// Whether a piece of news has been gathered, and waits to bring the message up to date.
    pub(super) fn is_awaited(&self, key: &str) -> bool {
        self.flusher.as_ref().is_some_and(|(awaited, _)| awaited == key)
    }

    /// Takes in a piece of news.
    pub(super) fn gather(&mut self, news: &News, key: &str, now: Timestamp) -> Turn {
        if self.is_awaited(key) {
            self.flusher = None;
            return Turn::Flush;
        }
        self.flusher.take_if(|(_, since)| later(*since, LOST) <= now);
        let over = later(self.last, CALM) <= now || later(self.since, LASTS) <= now;
        if self.flusher.is_none() && over {
            *self = Self { since: now, ..Self::default() };
        }
        self.last = now;
        self.count += 1;
        let line = format!("{} {}", mark(news), clip(&news.title, LINE_MAX, Lines::Joined));
        let line = match self.by_title.len() < LINES_MAX || self.by_title.contains_key(&line) {
            true => line,
            false => "others".to_owned(),
        };
        *self.by_title.entry(line).or_default() += 1;
        if self.flusher.is_some() {
            return Turn::Gathered;
        }
        self.flusher = Some((key.to_owned(), now));
        Turn::Wait
    }

    /// The message as it is to be now.
    pub(super) fn payload(&self, external_url: Option<&str>) -> Value {
        let messages = if self.count == 1 { "message" } else { "messages" };
        let header = format!("🌊 {} {messages} since {}", self.count, self.since.strftime("%H:%M:%SZ"));
        let mut lines: Vec<(&String, &u64)> = self.by_title.iter().collect();
        lines.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let lines: Vec<String> = lines.iter().map(|(line, count)| format!("{count} × {line}")).collect();
        let all = external_url
            .map_or("the dashboard".to_owned(), |url| link(&dashboard(url, "issues"), "the dashboard"));
        let about = format!(
            "There are too many for a message each; what needs a person still has its own. Every issue is in {all}."
        );
        json!({
            "text": header,
            "blocks": [
                { "type": "header", "text": plain(&header) },
                { "type": "section", "text": plain(&lines.join("\n")) },
                { "type": "context", "elements": [marked(&about)] },
            ],
            "unfurl_links": false,
            "unfurl_media": false,
        })
    }
}

/// The messages of the last minute.
#[derive(Debug, Default)]
pub(super) struct Rate(VecDeque<Timestamp>);

impl Rate {
    /// Whether there may be one more now.
    pub(super) fn allows(&mut self, most: u32, now: Timestamp) -> bool {
        while self.0.front().is_some_and(|at| later(*at, WINDOW) <= now) {
            self.0.pop_front();
        }
        self.0.len() < most as usize
    }

    /// Counts one.
    pub(super) fn count(&mut self, now: Timestamp) {
        self.0.push_back(now);
    }
}
