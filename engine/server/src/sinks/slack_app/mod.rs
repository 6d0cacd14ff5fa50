//! Slack by an app's bot: one issue is one message, which is edited and gets a thread as the issue moves on. Who is called in
//! another channel gets it there, too.
//!
//! The flow: [`route`](ChannelRoute) chooses the channel, [`thread`] knows the message and how it looks, [`digest`] stands in
//! for a flood of them, [`report`] is its end, [`api`] calls Slack. What is known of a message is in the journal, so that a
//! restart goes on with it.
//! Slack has no deduplication: a try whose answer was lost may show a message twice, and the buttons of both count.
//! Buttons come back by `POST /slack/actions`.

pub mod api;
mod digest;
mod report;
pub(crate) mod thread;

use std::collections::BTreeMap;
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
use super::slack::message::payload;
use super::{SinkSettingsFault, calls_people, issue_link};
use api::{Api, Said};
use digest::{Digest, GATHER, Rate, Turn};
use thread::Thread;

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
    /// New messages a minute and channel; what is more goes into the channel's digest, unless it calls people.
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
    /// By channel.
    rates: Mutex<BTreeMap<String, Rate>>,
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
        Ok(Self { settings, api, known, clock, rates: Mutex::default() })
    }

    fn external_url(&self) -> Option<&str> {
        self.settings.external_url.as_deref()
    }

    /// The first message about an issue, or its part in the digest.
    async fn open(&self, issue: IssueId, news: &News, key: &str) -> Result<(), SinkFault> {
        let (now, channel) = (self.clock.now(), self.channel(news));
        if digest::takes(news) {
            let digest: Digest = self.known.of(&digest::name(channel)).await?.unwrap_or_default();
            if digest.is_awaited(key) || !self.has_room(channel, now).await {
                return self.gather(digest, channel, news, key, now).await;
            }
        }
        let mut thread = Thread::new(news, key, channel);
        let mut message = self.message(&thread);
        message["channel"] = channel.into();
        let answer = self.api.call("chat.postMessage", &message).await?;
        self.rates.lock().await.entry(channel.to_owned()).or_default().count(now);
        (thread.channel, thread.ts) = place(&answer)?;
        self.known.keep_issue(issue, &thread).await
    }

    async fn has_room(&self, channel: &str, now: Timestamp) -> bool {
        let mut rates = self.rates.lock().await;
        rates.entry(channel.to_owned()).or_default().allows(self.settings.digest_over, now)
    }

    /// An issue's message as it is to be now.
    fn message(&self, thread: &Thread) -> Value {
        thread.payload(&self.settings.name, self.external_url(), self.settings.silences)
    }

    /// Puts news into a channel's digest, and brings its message up to date when it is time.
    async fn gather(
        &self,
        mut digest: Digest,
        channel: &str,
        news: &News,
        key: &str,
        now: Timestamp,
    ) -> Result<(), SinkFault> {
        let name = digest::name(channel);
        let turn = digest.gather(news, key, now);
        if turn == Turn::Flush {
            let mut message = digest.payload(self.external_url());
            if let Some((channel, ts)) = &digest.message {
                (message["channel"], message["ts"]) = (channel.as_str().into(), ts.as_str().into());
                match self.api.call("chat.update", &message).await {
                    Ok(_) => return self.known.keep(&name, &digest).await,
                    // Somebody has deleted it: what was gathered is told anew.
                    Err(Said::Gone(_)) => {}
                    Err(said) => return Err(said.into()),
                }
            }
            message["channel"] = channel.into();
            if let Some(fields) = message.as_object_mut() {
                fields.remove("ts");
            }
            let answer = self.api.call("chat.postMessage", &message).await?;
            digest.message = Some(place(&answer)?);
        }
        self.known.keep(&name, &digest).await?;
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
        // Who is called looks at the channel that the news is for, which may not be that of the first message.
        let channel = Some(self.channel(news)).filter(|_| calls_people(news));
        let moves_to = channel.filter(|name| thread.routed_to.as_deref().is_some_and(|here| here != *name));
        if thread.said != key {
            let broadcast = calls_people(news) && moves_to.is_none();
            match self.api.call("chat.postMessage", &thread::reply(news, &thread, broadcast)).await {
                Ok(_) => {}
                Err(Said::Gone(_)) => return self.open(issue, news, key).await,
                Err(said) => return Err(said.into()),
            }
            thread.follow(news, key);
            self.known.keep_issue(issue, &thread).await?;
        }
        let mut message = self.message(&thread);
        if let Some(channel) = moves_to {
            message["channel"] = channel.into();
            let answer = self.api.call("chat.postMessage", &message).await?;
            let (own, ts) = place(&answer)?;
            thread.moved(channel, own, ts);
            self.known.keep_issue(issue, &thread).await?;
        }
        for (channel, ts) in thread.places() {
            (message["channel"], message["ts"]) = (channel.into(), ts.into());
            match self.api.call("chat.update", &message).await {
                Ok(_) => {}
                // Somebody has deleted it, or its time for changes is over; the thread has what is new.
                Err(Said::Gone(what)) => tracing::info!(%issue, what, "the message in Slack stays as it is"),
                Err(said) => return Err(said.into()),
            }
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
        let mut elsewhere = format!("the whole report: selfheal report {issue}");
        if let Some(link) = issue_link(news, self.external_url()) {
            elsewhere.push_str(&format!(", and the story: {link}"));
        }
        let message = json!({
            "channel": thread.channel,
            "thread_ts": thread.ts,
            "text": format!("report of {issue}"),
            "blocks": [report::block(&crate::report::markdown(&story), &elsewhere)],
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
            // No message was for it alone, so none has to say how it goes on.
            None if NewsKind::FOLLOW_UPS.contains(&news.kind) => Ok(()),
            None => self.open(issue, news, key).await,
        }
    }
}

#[cfg(test)]
#[path = "../slack_app_tests.rs"]
mod tests;
