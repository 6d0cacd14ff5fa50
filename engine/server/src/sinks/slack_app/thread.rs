//! What is known of an issue's message in Slack, and how it looks: the latest news, what came before in a line each, buttons.

use std::time::Duration;

use jiff::Timestamp;
use selfheal_core::hash::ContentHash;
use selfheal_runtime::ports::{News, NewsKind};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::sinks::calls_people;
use crate::sinks::slack::message::{Lines, clip, mark, payload, plain};

/// Lines about what came before; with their bound they stay within a section of Slack's.
const LINES_MAX: usize = 8;
const LINE_MAX: usize = 170;
/// Earlier messages of an issue in other channels that are kept up to date.
const ELSEWHERE_MAX: usize = 4;
/// The news kept for the message's next version: more than a message shows of each part.
const KEPT_TEXT_CHARS_MAX: usize = 6000;
const KEPT_FACTS_MAX: usize = 60;

/// The buttons, by their `action_id`.
pub(crate) const APPROVE: &str = "selfheal_approve";
/// See [`APPROVE`].
pub(crate) const REFUSE: &str = "selfheal_refuse";
/// See [`APPROVE`].
pub(crate) const ACKNOWLEDGE: &str = "selfheal_acknowledge";
/// See [`APPROVE`].
pub(crate) const SILENCE: &str = "selfheal_silence";

/// How long the button keeps an alert quiet; its label says so.
pub(crate) const SILENCE_LASTS: Duration = Duration::from_secs(2 * 3600);

/// An issue's message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Thread {
    /// The channel, by Slack's own name for it.
    pub(super) channel: String,
    /// The message, by Slack's name: its time.
    pub(super) ts: String,
    /// The channel as it is configured; unknown of a message of an earlier version.
    #[serde(default)]
    pub(super) routed_to: Option<String>,
    /// Earlier messages in other channels, by Slack's names.
    #[serde(default)]
    elsewhere: Vec<(String, String)>,
    /// What is shown at its top.
    pub(super) main: News,
    /// What came before, oldest first.
    pub(super) lines: Vec<String>,
    /// The key of the last message that is in the thread, so that a second try adds nothing twice.
    pub(super) said: String,
    /// Goes with the buttons that are shown; without it there are none, and those of before count no more.
    pub(crate) nonce: Option<String>,
    /// Whether somebody has it in hand.
    pub(super) in_hand: bool,
    /// Whether the report is in the thread.
    pub(super) reported: bool,
}

impl Thread {
    /// The message before it is sent to a channel.
    pub(super) fn new(news: &News, key: &str, channel: &str) -> Self {
        let mut thread = Self {
            channel: String::new(),
            ts: String::new(),
            routed_to: Some(channel.to_owned()),
            elsewhere: Vec::new(),
            main: bounded(news),
            lines: Vec::new(),
            said: key.to_owned(),
            nonce: None,
            in_hand: false,
            reported: false,
        };
        thread.ask(news, key);
        thread
    }

    /// Takes in what has happened since.
    pub(super) fn follow(&mut self, news: &News, key: &str) {
        key.clone_into(&mut self.said);
        match news.kind {
            NewsKind::Acknowledged => {
                self.in_hand = true;
                self.note(&news.title, news.at, news);
            }
            NewsKind::Answered => {
                self.nonce = None;
                self.in_hand = true;
                self.note(&news.text, news.at, news);
            }
            _ => {
                let before = std::mem::replace(&mut self.main, bounded(news));
                self.note(&before.title, before.at, &before);
                self.ask(news, key);
            }
        }
    }

    /// It is shown in another channel from now on, and kept up to date where it was.
    pub(super) fn moved(&mut self, routed_to: &str, channel: String, ts: String) {
        self.routed_to = Some(routed_to.to_owned());
        let before = (std::mem::replace(&mut self.channel, channel), std::mem::replace(&mut self.ts, ts));
        self.elsewhere.push(before);
        if self.elsewhere.len() > ELSEWHERE_MAX {
            self.elsewhere.remove(0);
        }
    }

    /// Where it is shown: channel and message.
    pub(super) fn places(&self) -> impl Iterator<Item = (&str, &str)> {
        let elsewhere = self.elsewhere.iter().map(|(channel, ts)| (channel.as_str(), ts.as_str()));
        std::iter::once((self.channel.as_str(), self.ts.as_str())).chain(elsewhere)
    }

    /// The nonce is made from what is told: a second try after a crash may show the buttons twice, and both must count.
    /// Nobody has to be kept from guessing it, since Slack signs every press, and a button says only what it was given.
    fn ask(&mut self, news: &News, key: &str) {
        let asks = news.kind == NewsKind::Approval && news.approval.is_some();
        self.nonce = asks.then(|| ContentHash::of_bytes(key.as_bytes()).short());
    }

    fn note(&mut self, text: &str, at: Timestamp, news: &News) {
        let room = LINE_MAX - 30;
        self.lines.push(format!(
            "{} {} {}",
            at.strftime("%H:%M:%S"),
            mark(news),
            clip(text, room, Lines::Joined)
        ));
        if self.lines.len() > LINES_MAX {
            self.lines.remove(0);
        }
    }

    /// The message as it is to be now; `silences` says whether alerts can be silenced.
    pub(super) fn payload(&self, sink: &str, external_url: Option<&str>, silences: bool) -> Value {
        let mut payload = payload(&self.main, external_url, None);
        if let Some(blocks) = payload["blocks"].as_array_mut() {
            // The last block says what it is about.
            let mut at = blocks.len().saturating_sub(1);
            if !self.lines.is_empty() {
                blocks.insert(at, json!({ "type": "section", "text": plain(&self.lines.join("\n")) }));
                at += 1;
            }
            let buttons = self.buttons(sink, silences);
            if !buttons.is_empty() {
                blocks.insert(at, json!({ "type": "actions", "block_id": "selfheal", "elements": buttons }));
            }
        }
        payload
    }

    fn buttons(&self, sink: &str, silences: bool) -> Vec<Value> {
        let mut buttons = Vec::new();
        if let (Some(nonce), Some(approval)) = (&self.nonce, &self.main.approval) {
            let value = Pressed {
                subject: approval.id.clone(),
                plan: approval.plan_hash.to_string(),
                nonce: nonce.clone(),
                sink: sink.to_owned(),
            };
            let value = value.write();
            let mut approve = button("Approve", APPROVE, &value);
            approve["style"] = "primary".into();
            approve["confirm"] = json!({
                "title": plain("Approve this plan?"),
                "text": plain("It runs at once, if the guards still let it."),
                "confirm": plain("Approve"),
                "deny": plain("Not now"),
            });
            let mut refuse = button("Refuse", REFUSE, &value);
            refuse["style"] = "danger".into();
            buttons.extend([approve, refuse]);
        }
        if let Some(issue) = self.main.issue.filter(|_| calls_people(&self.main)) {
            let value =
                Pressed { subject: issue.to_string(), sink: sink.to_owned(), ..Pressed::default() }.write();
            if !self.in_hand {
                buttons.push(button("I take it in hand", ACKNOWLEDGE, &value));
            }
            if silences {
                buttons.push(button("Silence 2 h", SILENCE, &value));
            }
        }
        buttons
    }
}

fn button(label: &str, action: &str, value: &str) -> Value {
    json!({ "type": "button", "text": plain(label), "action_id": action, "value": value })
}

/// What is kept for the next version of the message.
fn bounded(news: &News) -> News {
    let mut news = news.clone();
    news.text = crate::sinks::cut(&news.text, KEPT_TEXT_CHARS_MAX);
    news.facts.truncate(KEPT_FACTS_MAX);
    news
}

/// What a button carries: at most 200 characters of the 2 000 that Slack allows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pressed {
    /// The approval's id, or the issue.
    pub(crate) subject: String,
    /// The hash of the plan that was shown.
    pub(crate) plan: String,
    /// The nonce of the message.
    pub(crate) nonce: String,
    /// The sink.
    pub(crate) sink: String,
}

impl Pressed {
    fn write(&self) -> String {
        format!("{}:{}:{}:{}", self.subject, self.plan, self.nonce, self.sink)
    }

    /// Reads what a button carried.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split(':').collect();
        let &[subject, plan, nonce, sink] = parts.as_slice() else { return None };
        let own = str::to_owned;
        Some(Self { subject: own(subject), plan: own(plan), nonce: own(nonce), sink: own(sink) })
    }
}

/// What goes into the thread about one message: shorter, as the issue's message above shows the rest. A thread is read by those
/// who are in it, and of a changed message nobody hears: `broadcast` shows it in the channel, too.
pub(super) fn reply(news: &News, thread: &Thread, broadcast: bool) -> Value {
    let said = format!(
        "{} {}\n{}",
        mark(news),
        clip(&news.title, 300, Lines::Joined),
        clip(&news.text, 2500, Lines::Kept)
    );
    json!({
        "channel": thread.channel,
        "thread_ts": thread.ts,
        "reply_broadcast": broadcast,
        "text": clip(&news.title, 1000, Lines::Joined),
        "blocks": [{ "type": "section", "text": plain(said.trim_end()) }],
        "unfurl_links": false,
        "unfurl_media": false,
    })
}
