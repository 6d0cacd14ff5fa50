//! PagerDuty by its Events API v2: one issue is one alert there, triggered, acknowledged and resolved under one key.
//!
//! <https://developer.pagerduty.com/docs/events-api-v2-overview>: a repeated event with a known `dedup_key` changes nothing,
//! so that a try whose answer was lost may be made again.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::HeaderMap;
use reqwest::{Client, Url};
use selfheal_contract::settings::Secret;
use selfheal_runtime::ports::{Clock, Journal, News, NewsKind, Sink, SinkFault};
use serde_json::{Map, Value, json};

use super::known::Known;
use super::post::{Refusal, post};
use super::{SinkSettingsFault, alert_links, cut, heals, issue_link, leaves_open};
use crate::outgoing;

/// Where PagerDuty takes events.
pub const URL_DEFAULT: &str = "https://events.pagerduty.com";
// Limits of the Events API v2: the summary, and the whole event.
const SUMMARY_CHARS_MAX: usize = 1024;
const DETAIL_CHARS_MAX: usize = 4000;
/// Details of one event; with the bound of each, an event stays far below the 512 KB that PagerDuty takes.
const DETAILS_MAX: usize = 40;

/// How PagerDuty receives news.
#[derive(Clone, Debug)]
pub struct PagerDutySettings {
    /// The sink's name in the configuration and the outbox.
    pub name: String,
    /// PagerDuty, or what speaks like it: scheme, host and port.
    pub url: String,
    /// The integration key of the service.
    pub routing_key: Secret,
    /// The kinds of news that trigger an alert.
    pub events: Vec<NewsKind>,
    /// The longest time for one try.
    pub timeout: Duration,
    /// Where people reach this server, for links; without it there are none.
    pub external_url: Option<String>,
}

/// A PagerDuty service as a sink.
pub struct PagerDuty {
    settings: PagerDutySettings,
    url: Url,
    client: Client,
    clock: Arc<dyn Clock>,
    known: Known,
}

/// What happens to an alert there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Trigger,
    Acknowledge,
    Resolve,
}

impl Event {
    /// What a message means for the alert there, if anything.
    fn of(news: &News) -> Option<Self> {
        match news.kind {
            NewsKind::Acknowledged | NewsKind::Answered => Some(Self::Acknowledge),
            NewsKind::Closed => Some(Self::Resolve),
            _ if heals(news) => Some(Self::Resolve),
            _ if leaves_open(news) => None,
            _ => Some(Self::Trigger),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Trigger => "trigger",
            Self::Acknowledge => "acknowledge",
            Self::Resolve => "resolve",
        }
    }
}

impl PagerDuty {
    /// Makes the sink; nothing is sent yet.
    ///
    /// # Errors
    /// The url is none, or no client can be made for it.
    pub fn new(
        settings: PagerDutySettings,
        clock: Arc<dyn Clock>,
        journal: Arc<dyn Journal>,
    ) -> Result<Self, SinkSettingsFault> {
        let name = &settings.name;
        let mut url = outgoing::address(&settings.url).map_err(SinkSettingsFault::outgoing(name))?;
        url.set_path("/v2/enqueue");
        let client = outgoing::client(&url, settings.timeout).map_err(SinkSettingsFault::outgoing(name))?;
        let known = Known::new(journal, name);
        Ok(Self { settings, url, client, clock, known })
    }

    fn body(&self, news: &News, event: Event, dedup_key: &str) -> Value {
        let mut body = json!({
            "routing_key": self.settings.routing_key.expose(),
            "event_action": event.name(),
            "dedup_key": dedup_key,
        });
        if event != Event::Trigger {
            return body;
        }
        let mut details: Map<String, Value> = Map::new();
        if !news.text.is_empty() {
            details.insert("text".to_owned(), cut(&news.text, DETAIL_CHARS_MAX).into());
        }
        for (name, value) in news.facts.iter().take(DETAILS_MAX) {
            details.insert(cut(name, SUMMARY_CHARS_MAX), cut(value, DETAIL_CHARS_MAX).into());
        }
        body["payload"] = json!({
            "summary": cut(&news.title, SUMMARY_CHARS_MAX),
            "source": news.namespace.as_deref().unwrap_or("selfheal"),
            "severity": severity(news),
            "timestamp": news.at,
            "component": news.rule,
            "class": news.kind.name(),
            "custom_details": details,
        });
        body["client"] = "selfheal".into();
        let mut links: Vec<Value> = Vec::new();
        if let Some(link) = issue_link(news, self.settings.external_url.as_deref()) {
            links.push(json!({ "href": link, "text": "the issue's story" }));
            body["client_url"] = link.into();
        }
        links
            .extend(alert_links(news).into_iter().map(|link| json!({ "href": link.url, "text": link.name })));
        if !links.is_empty() {
            body["links"] = links.into();
        }
        body
    }
}

/// The severities that PagerDuty knows; what people must decide is never less than an error.
fn severity(news: &News) -> &'static str {
    match news.severity.as_deref() {
        Some("critical" | "page" | "emergency" | "fatal") => "critical",
        Some("warning" | "warn") if news.kind != NewsKind::Person => "warning",
        Some("info" | "none" | "notice") if news.kind != NewsKind::Person => "info",
        _ => "error",
    }
}

fn hint(refusal: &Refusal<'_>) -> Option<&'static str> {
    match refusal.status.as_u16() {
        400 => Some(
            "PagerDuty did not understand the event: check routing_key, an Events API v2 integration key",
        ),
        401 | 403 => Some("the routing_key is not accepted"),
        404 => Some("there is no such service: check url"),
        _ => None,
    }
}

#[async_trait]
impl Sink for PagerDuty {
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
        // What is about no issue has no end either, and would stay triggered for ever.
        let Some(issue) = news.issue else { return Ok(()) };
        let Some(event) = Event::of(news) else { return Ok(()) };
        let dedup_key = format!("selfheal/{issue}");
        let stands: Option<bool> = self.known.of_issue(issue).await?;
        if event != Event::Trigger && stands != Some(true) {
            return Ok(());
        }
        let body = self.body(news, event, &dedup_key).to_string().into_bytes();
        post(&self.client, self.url.clone(), HeaderMap::new(), body, self.clock.now(), hint).await?;
        if event != Event::Acknowledge {
            self.known.keep_issue(issue, &(event == Event::Trigger)).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "pagerduty_tests.rs"]
mod tests;
