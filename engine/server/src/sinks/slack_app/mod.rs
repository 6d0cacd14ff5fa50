//! Slack by an app's bot: one issue is one message, which is edited and gets a thread as the issue moves on.
//!
//! The flow: [`route`](ChannelRoute) chooses the channel, [`thread`] knows the message and how it looks, [`digest`] stands in
//! for a flood of them, [`api`] calls Slack. What is known of a message is in the journal, so that a restart goes on with it.
//! Slack has no deduplication: a try whose answer was lost may show a message twice, and the buttons of both count.
//! Buttons come back by `POST /slack/actions`.

pub mod api;
mod digest;
pub(crate) mod thread;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use selfheal_contract::settings::Secret;
use selfheal_core::issue::IssueId;
use selfheal_core::labels::Labels;
use selfheal_core::matcher::Matcher;
use selfheal_runtime::ports::{Clock, Journal, News, NewsKind, Sink, SinkFault};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::known::Known;
use super::slack::message::{Lines, clip, payload, plain};
use super::{SinkSettingsFault, issue_link};
use crate::report;
use api::{Api, Said};
use digest::{Digest, GATHER, Rate, Turn};
use thread::Thread;

/// Under what name the digest is kept.
const DIGEST: &str = "digest";
/// A report in a thread: all of its text, within what Slack takes of one message, and one block of it.
const REPORT_MAX: usize = 11_000;
const REPORT_BLOCK_MAX: usize = 2900;

/// How a Slack app receives news.
#[derive(Clone, Debug)]
pub struct SlackAppSettings {
    /// The sink's name in the configuration and the outbox.
    pub name: String,
    /// The bot's token, `xoxb-...`, with the scope `chat:write`.
    pub token: Secret,
    /// Where Slack's methods are.
    pub api: String,
    /// The channel for what no route is for.
    pub channel: String,
    /// Channels for some news; the first that fits is taken.
    pub routes: Vec<ChannelRoute>,
    /// New messages a minute; what is more goes into one digest.
    pub digest_over: u32,
    /// Whether a closed issue's report goes into its thread.
    pub report: bool,
    /// Whether alerts can be silenced, so that a message may have a button for it.
    pub silences: bool,
    /// The kinds of news that it takes.
    pub events: Vec<NewsKind>,
    /// The longest time for one call.
    pub timeout: Duration,
    /// Where people reach this server, for links; without it there are none.
    pub external_url: Option<String>,
}

/// A channel for some news.
#[derive(Clone, Debug, Serialize)]
pub struct ChannelRoute {
    /// What must hold of `severity`, `namespace`, `rule`, `kind` and `level` (of escalation).
    pub matchers: Vec<Matcher>,
    /// The channel.
    pub channel: String,
}

/// A Slack app as a sink.
pub struct SlackApp {
    settings: SlackAppSettings,
    api: Api,
    known: Known,
    clock: Arc<dyn Clock>,
    rate: Mutex<Rate>,
}

impl SlackApp {
    /// Makes the sink; nothing is sent yet.
    ///
    /// # Errors
    /// The address of the API is none, the token cannot be sent, or no client can be made.
    pub fn new(
        settings: SlackAppSettings,
        clock: Arc<dyn Clock>,
        journal: Arc<dyn Journal>,
    ) -> Result<Self, SinkSettingsFault> {
        let name = &settings.name;
        let api = Api::new(&settings.api, &settings.token, settings.timeout, Arc::clone(&clock))
            .map_err(SinkSettingsFault::outgoing(name))?;
        let known = Known::new(journal, name);
        Ok(Self { settings, api, known, clock, rate: Mutex::default() })
    }

    fn external_url(&self) -> Option<&str> {
        self.settings.external_url.as_deref()
    }

    /// The first message about an issue, or its part in the digest.
    async fn open(&self, issue: IssueId, news: &News, key: &str) -> Result<(), SinkFault> {
        let now = self.clock.now();
        let mut digest: Digest = self.known.of(DIGEST).await?.unwrap_or_default();
        let room = self.rate.lock().await.allows(self.settings.digest_over, now);
        if digest.is_awaited(key) || !room {
            return self.gather(&mut digest, news, key, now).await;
        }
        let mut thread = Thread::new(news, key);
        let mut message =
            thread.payload(&self.settings.name, self.external_url(), self.settings.silences);
        message["channel"] = self.channel(news).into();
        let answer = self.api.call("chat.postMessage", &message).await?;
        self.rate.lock().await.count(now);
        (thread.channel, thread.ts) = place(&answer)?;
        self.known.keep_issue(issue, &thread).await
    }

    /// Puts news into the digest, and brings its message up to date when it is time.
    async fn gather(
        &self,
        digest: &mut Digest,
        news: &News,
        key: &str,
        now: Timestamp,
    ) -> Result<(), SinkFault> {
        let turn = digest.gather(news, key, now);
        if turn == Turn::Flush {
            let mut message = digest.payload(self.external_url());
            if let Some((channel, ts)) = &digest.message {
                (message["channel"], message["ts"]) = (channel.as_str().into(), ts.as_str().into());
                match self.api.call("chat.update", &message).await {
                    Ok(_) => return self.known.keep(DIGEST, digest).await,
                    // Somebody has deleted it: what was gathered is told anew.
                    Err(Said::Gone(_)) => {}
                    Err(said) => return Err(said.into()),
                }
            }
            message["channel"] = self.settings.channel.as_str().into();
            if let Some(fields) = message.as_object_mut() {
                fields.remove("ts");
            }
            let answer = self.api.call("chat.postMessage", &message).await?;
            digest.message = Some(place(&answer)?);
        }
        self.known.keep(DIGEST, digest).await?;
        match turn {
            Turn::Wait => {
                let what = "there are too many messages: it is gathered into a digest".to_owned();
                Err(SinkFault { what, retry: true, after: Some(GATHER) })
            }
            Turn::Flush | Turn::Gathered => Ok(()),
        }
    }

    /// What has happened since the first message.
    async fn follow(
        &self,
        issue: IssueId,
        mut thread: Thread,
        news: &News,
        key: &str,
    ) -> Result<(), SinkFault> {
        if thread.said != key {
            match self.api.call("chat.postMessage", &thread::reply(news, &thread)).await {
                Ok(_) => {}
                Err(Said::Gone(_)) => return self.open(issue, news, key).await,
                Err(said) => return Err(said.into()),
            }
            thread.follow(news, key);
            self.known.keep_issue(issue, &thread).await?;
        }
        let mut message =
            thread.payload(&self.settings.name, self.external_url(), self.settings.silences);
        (message["channel"], message["ts"]) = (thread.channel.as_str().into(), thread.ts.as_str().into());
        match self.api.call("chat.update", &message).await {
            Ok(_) => {}
            // Somebody has deleted it, or its time for changes is over; the thread has what is new.
            Err(Said::Gone(what)) => tracing::info!(%issue, what, "the message in Slack stays as it is"),
            Err(said) => return Err(said.into()),
        }
        if news.kind == NewsKind::Closed && self.settings.report && !thread.reported {
            self.tell_report(issue, &thread, news).await?;
            thread.reported = true;
            self.known.keep_issue(issue, &thread).await?;
        }
        Ok(())
    }

    /// The report, as much as one message takes.
    async fn tell_report(&self, issue: IssueId, thread: &Thread, news: &News) -> Result<(), SinkFault> {
        let story = self.known.journal().story(issue).await;
        let story = story.map_err(|fault| SinkFault { what: fault.to_string(), retry: true, after: None })?;
        let Some(story) = story else { return Ok(()) };
        let mut text = report::markdown(&story);
        if text.chars().count() > REPORT_MAX {
            let whole = match issue_link(news, self.external_url()) {
                Some(link) => format!("\n… the whole report: selfheal report {issue}, and the story: {link}"),
                None => format!("\n… the whole report: selfheal report {issue}"),
            };
            text = super::cut(&text, REPORT_MAX - whole.chars().count());
            text.push_str(&whole);
        }
        let message = json!({
            "channel": thread.channel,
            "thread_ts": thread.ts,
            "text": format!("report of {issue}"),
            "blocks": report_blocks(&text),
            "unfurl_links": false,
            "unfurl_media": false,
        });
        match self.api.call("chat.postMessage", &message).await {
            Ok(_) | Err(Said::Gone(_)) => Ok(()),
            Err(said) => Err(said.into()),
        }
    }

    /// The channel of the first route that fits.
    fn channel(&self, news: &News) -> &str {
        let level = news.escalation.map(|level| level.to_string());
        let labels: Labels = [
            ("severity", news.severity.as_deref()),
            ("namespace", news.namespace.as_deref()),
            ("rule", news.rule.as_deref()),
            ("kind", Some(news.kind.name())),
            ("level", level.as_deref()),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
        let fits = |route: &&ChannelRoute| route.matchers.iter().all(|matcher| matcher.matches(&labels));
        self.settings.routes.iter().find(fits).map_or(&self.settings.channel, |route| &route.channel)
    }
}

/// Where a message is, by Slack's names.
fn place(answer: &Value) -> Result<(String, String), SinkFault> {
    match (answer["channel"].as_str(), answer["ts"].as_str()) {
        (Some(channel), Some(ts)) => Ok((channel.to_owned(), ts.to_owned())),
        _ => {
            let what = "chat.postMessage: the answer names no message".to_owned();
            Err(SinkFault { what, retry: false, after: None })
        }
    }
}

/// A text in blocks that Slack takes. Plain: Slack's signs are not Markdown's.
fn report_blocks(text: &str) -> Vec<Value> {
    let mut blocks = Vec::new();
    let mut block = String::new();
    for line in text.split_inclusive('\n') {
        let line = clip(line.trim_end_matches('\n'), REPORT_BLOCK_MAX - 1, Lines::Kept);
        if block.encode_utf16().count() + line.encode_utf16().count() + 1 > REPORT_BLOCK_MAX {
            blocks.push(std::mem::take(&mut block));
        }
        block.push_str(&line);
        block.push('\n');
    }
    blocks.push(block);
    let shown = blocks.iter().map(|block| block.trim_end()).filter(|block| !block.trim().is_empty());
    shown.take(40).map(|block| json!({ "type": "section", "text": plain(block) })).collect()
}

#[async_trait]
impl Sink for SlackApp {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn wants(&self, news: &News) -> bool {
        let follows = news.issue.is_some() && NewsKind::FOLLOW_UPS.contains(&news.kind);
        follows || self.settings.events.contains(&news.kind)
    }

    /// Slack takes about one message a second and channel; more at once would only be refused.
    fn at_once(&self) -> usize {
        1
    }

    async fn deliver(&self, news: &News, key: &str) -> Result<(), SinkFault> {
        let Some(issue) = news.issue else {
            let message = payload(news, None, Some(self.channel(news)));
            return Ok(self.api.call("chat.postMessage", &message).await.map(drop)?);
        };
        match self.known.of_issue::<Thread>(issue).await? {
            Some(thread) => self.follow(issue, thread, news, key).await,
            // Nobody was told of it, so nobody has to be told how it goes on.
            None if NewsKind::FOLLOW_UPS.contains(&news.kind) => Ok(()),
            None => self.open(issue, news, key).await,
        }
    }
}

#[cfg(test)]
#[path = "../slack_app_tests.rs"]
mod tests;
