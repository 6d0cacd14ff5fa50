//! Slack by incoming webhook: one message of blocks, and a plain text for notifications.
//!
//! The flow: `message` makes the payload, pure, within Slack's limits; [`Slack::deliver`](Sink::deliver) posts it and reads
//! what Slack answered. Slack has no deduplication: a try whose answer was lost may show a message twice.

pub(super) mod message;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::HeaderMap;
use reqwest::{Client, Url};
use selfheal_contract::settings::Secret;
use selfheal_runtime::ports::{Clock, News, NewsKind, Sink, SinkFault};

use super::SinkSettingsFault;
use super::post::{Refusal, post};
use crate::outgoing;

/// How a Slack channel receives news.
#[derive(Clone, Debug)]
pub struct SlackSettings {
    /// The sink's name in the configuration and the outbox.
    pub name: String,
    /// The incoming webhook's address, which is itself the credential.
    pub url: Secret,
    /// The kinds of news that it takes.
    pub events: Vec<NewsKind>,
    /// The longest time for one try.
    pub timeout: Duration,
    /// Where people reach this server, for links; without it there are none.
    pub external_url: Option<String>,
    /// The channel, such as `#alerts`. Only webhooks of the old kind honour it; those of apps post where they were installed.
    pub channel: Option<String>,
}

/// A Slack channel as a sink.
pub struct Slack {
    settings: SlackSettings,
    url: Url,
    client: Client,
    clock: Arc<dyn Clock>,
}

impl Slack {
    /// Makes the sink; nothing is sent yet.
    ///
    /// # Errors
    /// The url is none, or no client can be made for it.
    pub fn new(settings: SlackSettings, clock: Arc<dyn Clock>) -> Result<Self, SinkSettingsFault> {
        let name = &settings.name;
        let url = outgoing::address(settings.url.expose()).map_err(SinkSettingsFault::outgoing(name))?;
        let client = outgoing::client(&url, settings.timeout).map_err(SinkSettingsFault::outgoing(name))?;
        Ok(Self { settings, url, client, clock })
    }
}

/// What to do about Slack's words (docs.slack.dev, "Sending messages using incoming webhooks", handling errors).
fn hint(refusal: &Refusal<'_>) -> Option<&'static str> {
    Some(match refusal.said {
        "no_service" | "no_service_id" | "no_active_hooks" => {
            "the webhook was removed or disabled: create a new one and configure its url"
        }
        "no_team" | "team_disabled" | "invalid_token" => {
            "the url names no workspace that Slack knows: copy it again"
        }
        "channel_not_found" | "channel_is_archived" => {
            "the channel is gone: install the webhook for another one"
        }
        "action_prohibited" | "posting_to_general_channel_denied" | "user_not_found" => {
            "the workspace does not let this webhook post: ask its administrator"
        }
        "invalid_payload" | "invalid_blocks" | "no_text" | "msg_blocks_too_long" => {
            "Slack did not understand the message"
        }
        _ => return None,
    })
}

#[async_trait]
impl Sink for Slack {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn wants(&self, news: &News) -> bool {
        self.settings.events.contains(&news.kind)
    }

    async fn deliver(&self, news: &News, _key: &str) -> Result<(), SinkFault> {
        let SlackSettings { external_url, channel, .. } = &self.settings;
        let payload = message::payload(news, external_url.as_deref(), channel.as_deref());
        let body = payload.to_string().into_bytes();
        post(&self.client, self.url.clone(), HeaderMap::new(), body, self.clock.now(), hint).await
    }
}

#[cfg(test)]
#[path = "slack_tests.rs"]
mod tests;
