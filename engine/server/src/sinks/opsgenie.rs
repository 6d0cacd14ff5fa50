//! Opsgenie, and what speaks like it, by its alert API: one issue is one alert, created, acknowledged and closed by its alias.
//!
//! <https://docs.opsgenie.com/docs/alert-api>: requests are taken with 202 and worked off later; an alert that is open under
//! an alias is counted up, not doubled, and closing what is closed changes nothing. So every try may be made again.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Client, Url};
use selfheal_contract::settings::Secret;
use selfheal_runtime::ports::{Clock, Journal, News, NewsKind, Sink, SinkFault};
use serde_json::{Map, Value, json};

use super::known::Known;
use super::post::{Refusal, authorization, post};
use super::{SinkSettingsFault, alert_links, cut, heals, issue_link, leaves_open};
use crate::outgoing;

/// Where Opsgenie takes alerts; accounts in Europe have another.
pub const URL_DEFAULT: &str = "https://api.opsgenie.com";
// Limits of the alert API.
const MESSAGE_CHARS_MAX: usize = 130;
const DESCRIPTION_CHARS_MAX: usize = 15_000;
const DETAILS_CHARS_MAX: usize = 8000;
const TAG_CHARS_MAX: usize = 50;
const NOTE_CHARS_MAX: usize = 25_000;

/// How Opsgenie receives news.
#[derive(Clone, Debug)]
pub struct OpsgenieSettings {
    /// The sink's name in the configuration and the outbox.
    pub name: String,
    /// Opsgenie, or what speaks like it: scheme, host and port.
    pub url: String,
    /// The API key of the integration.
    pub key: Secret,
    /// The kinds of news that create an alert.
    pub events: Vec<NewsKind>,
    /// The longest time for one try.
    pub timeout: Duration,
    /// Where people reach this server, for links; without it there are none.
    pub external_url: Option<String>,
}

/// An Opsgenie integration as a sink.
pub struct Opsgenie {
    settings: OpsgenieSettings,
    url: Url,
    client: Client,
    authorization: HeaderValue,
    clock: Arc<dyn Clock>,
    known: Known,
}

impl Opsgenie {
    /// Makes the sink; nothing is sent yet.
    ///
    /// # Errors
    /// The url is none, the key cannot be sent, or no client can be made.
    pub fn new(
        settings: OpsgenieSettings,
        clock: Arc<dyn Clock>,
        journal: Arc<dyn Journal>,
    ) -> Result<Self, SinkSettingsFault> {
        let name = &settings.name;
        let url = outgoing::address(&settings.url).map_err(SinkSettingsFault::outgoing(name))?;
        let client = outgoing::client(&url, settings.timeout).map_err(SinkSettingsFault::outgoing(name))?;
        let authorization = authorization("GenieKey", &settings.key)
            .map_err(|problem| SinkSettingsFault::new(name, problem))?;
        let known = Known::new(journal, name);
        Ok(Self { settings, url, client, authorization, clock, known })
    }

    fn alert(&self, news: &News, alias: &str) -> Value {
        let mut room = DETAILS_CHARS_MAX;
        let mut details = Map::new();
        for (name, value) in &news.facts {
            let size = name.chars().count() + value.chars().count();
            if size > room {
                continue;
            }
            room -= size;
            details.insert(name.clone(), value.as_str().into());
        }
        let own = issue_link(news, self.settings.external_url.as_deref());
        let links = own.map(|url| format!("\n{url}")).into_iter();
        let links =
            links.chain(alert_links(news).into_iter().map(|link| format!("\n{}: {}", link.name, link.url)));
        let links: String = links.collect();
        let text_max = DESCRIPTION_CHARS_MAX.saturating_sub(links.chars().count()).max(1);
        let description = format!("{}{links}", cut(&news.text, text_max));
        let tags = [Some("selfheal"), news.rule.as_deref(), news.namespace.as_deref()];
        let tags: Vec<String> = tags.into_iter().flatten().map(|tag| cut(tag, TAG_CHARS_MAX)).collect();
        json!({
            "message": cut(&news.title, MESSAGE_CHARS_MAX),
            "alias": alias,
            "description": description,
            "details": details,
            "tags": tags,
            "source": "selfheal",
            "entity": news.namespace.as_deref().unwrap_or_default(),
            "priority": priority(news),
        })
    }
}

fn priority(news: &News) -> &'static str {
    match (news.severity.as_deref(), news.kind) {
        (Some("critical" | "page" | "emergency" | "fatal"), _) => "P1",
        (_, NewsKind::Person) => "P2",
        (Some("warning" | "warn"), _) => "P3",
        (Some("info" | "none" | "notice"), _) => "P5",
        _ => "P3",
    }
}

fn hint(refusal: &Refusal<'_>) -> Option<&'static str> {
    match refusal.status.as_u16() {
        401 | 403 => Some("the key is not accepted: use the key of an API integration, and its region's url"),
        404 => Some("there is no such service: check url"),
        422 => Some("the alert was not understood"),
        _ => None,
    }
}

#[async_trait]
impl Sink for Opsgenie {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn wants(&self, news: &News) -> bool {
        news.issue.is_some()
            && (self.settings.events.contains(&news.kind)
                || NewsKind::FOLLOW_UPS.contains(&news.kind)
                || heals(news))
    }

    async fn deliver(&self, news: &News, _key: &str) -> Result<(), SinkFault> {
        let Some(issue) = news.issue.filter(|_| !leaves_open(news)) else { return Ok(()) };
        let alias = format!("selfheal-{issue}");
        let step = match news.kind {
            NewsKind::Acknowledged | NewsKind::Answered => Some("acknowledge"),
            NewsKind::Closed => Some("close"),
            _ if heals(news) => Some("close"),
            _ => None,
        };
        if step.is_some() && self.known.of_issue::<bool>(issue).await? != Some(true) {
            return Ok(());
        }
        let (mut url, body) = (
            self.url.clone(),
            match step {
                None => self.alert(news, &alias),
                Some(_) => json!({
                    "source": "selfheal",
                    "note": cut(&format!("{}. {}", news.title, news.text), NOTE_CHARS_MAX),
                }),
            },
        );
        match step {
            None => url.set_path("/v2/alerts"),
            Some(step) => {
                url.set_path(&format!("/v2/alerts/{alias}/{step}"));
                url.set_query(Some("identifierType=alias"));
            }
        }
        let headers = HeaderMap::from_iter([(AUTHORIZATION, self.authorization.clone())]);
        let body = body.to_string().into_bytes();
        tracing::trace!(kind = news.kind.name(), alias, "to Opsgenie");
        post(&self.client, url, headers, body, self.clock.now(), hint).await?;
        match step {
            Some("acknowledge") => Ok(()),
            step => self.known.keep_issue(issue, &step.is_none()).await,
        }
    }
}

#[cfg(test)]
#[path = "opsgenie_tests.rs"]
mod tests;
