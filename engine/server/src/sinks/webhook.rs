//! A signed webhook: news as JSON for whatever the operator runs.
//!
//! # The request
//!
//! ```http
//! POST <url>
//! Content-Type: application/json
//! Idempotency-Key: <the same for every try of one message>
//! X-Selfheal-Timestamp: 1795348800
//! X-Selfheal-Signature: v1=5f0c...
//!
//! {"version":1,"key":"...","kind":"outcome","at":"2026-11-22T12:00:00Z","title":"...","text":"...",
//!  "facts":[{"name":"namespace","value":"production"}],"issue":"issue-17","remediation":"remediation-17-1",
//!  "outcome":"recovered","severity":"critical","link":"https://.../#/issues/issue-17",
//!  "links":[{"name":"runbook","url":"https://..."}]}
//! ```
//!
//! `kind` is `outcome`, `approval`, `person`, `switch` or `storm`, and `opened`, `plan`, `acknowledged`, `answered` or `closed` where these are asked
//! for. `issue`, `remediation`, `outcome`, `severity`, `link` (the issue in the dashboard) and `links` (addresses among the
//! alert's annotations) are absent where there is none. Fields may be added under the same version: ignore what you do not know.
//!
//! # How a receiver verifies it
//!
//! 1. Take the value of `X-Selfheal-Timestamp`, a dot, and the body's bytes exactly as received, before any parsing.
//! 2. Compute HMAC-SHA-256 (RFC 2104) of that with the shared secret as key, in lower-case hexadecimal digits.
//! 3. Compare it in constant time with what follows `v1=` in `X-Selfheal-Signature`.
//! 4. Refuse a timestamp (seconds since 1970) that is more than five minutes off, and treat a known `Idempotency-Key` as
//!    delivered: answer 200 and do nothing.
//!
//! In Python: `hmac.new(secret, timestamp + b"." + body, "sha256").hexdigest()`.
//!
//! Any 2xx means received. 408, 429 and 5xx are tried again, after the wait that `Retry-After` asks for; any other answer
//! gives the message up. Redirects are not followed.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Client, Url};
use selfheal_contract::settings::Secret;
use selfheal_core::issue::Outcome;
use selfheal_runtime::ports::{Clock, News, NewsKind, Sink, SinkFault};
use serde::Serialize;
use sha2::Sha256;

use super::post::{Refusal, post};
use super::{Link, SinkSettingsFault, alert_links, issue_link};
use crate::outgoing;

/// How a webhook receives news.
#[derive(Clone, Debug)]
pub struct WebhookSettings {
    /// The sink's name in the configuration and the outbox.
    pub name: String,
    /// Where to post: `http://` or `https://`.
    pub url: Secret,
    /// The key of the signature, shared with the receiver; not empty.
    pub secret: Secret,
    /// The kinds of news that it takes.
    pub events: Vec<NewsKind>,
    /// The longest time for one try.
    pub timeout: Duration,
    /// Where people reach this server, for links; without it there are none.
    pub external_url: Option<String>,
}

/// A signed webhook as a sink.
pub struct Webhook {
    settings: WebhookSettings,
    url: Url,
    client: Client,
    clock: Arc<dyn Clock>,
}

/// The body.
#[derive(Serialize)]
struct Body<'n> {
    version: u32,
    key: &'n str,
    kind: &'static str,
    at: Timestamp,
    title: &'n str,
    text: &'n str,
    facts: Vec<Fact<'n>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issue: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remediation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Outcome>,
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<&'n str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    links: Vec<Link>,
}

/// A fact: a list, because its order has a meaning and names may repeat.
#[derive(Serialize)]
struct Fact<'n> {
    name: &'n str,
    value: &'n str,
}

impl Webhook {
    /// Makes the sink; nothing is sent yet.
    ///
    /// # Errors
    /// The url is none, the secret is empty, or no client can be made for the url.
    pub fn new(settings: WebhookSettings, clock: Arc<dyn Clock>) -> Result<Self, SinkSettingsFault> {
        let name = &settings.name;
        if settings.secret.expose().is_empty() {
            return Err(SinkSettingsFault::new(
                name,
                "the secret is empty: expected the key that the receiver verifies with",
            ));
        }
        let url = outgoing::address(settings.url.expose()).map_err(SinkSettingsFault::outgoing(name))?;
        let client = outgoing::client(&url, settings.timeout).map_err(SinkSettingsFault::outgoing(name))?;
        Ok(Self { settings, url, client, clock })
    }

    fn body(&self, news: &News, key: &str) -> Vec<u8> {
        let body = Body {
            version: 1,
            key,
            kind: news.kind.name(),
            at: news.at,
            title: &news.title,
            text: &news.text,
            facts: news.facts.iter().map(|(name, value)| Fact { name, value }).collect(),
            issue: news.issue.map(|id| id.to_string()),
            remediation: news.remediation.map(|id| id.to_string()),
            outcome: news.outcome,
            severity: news.severity.as_deref(),
            link: issue_link(news, self.settings.external_url.as_deref()),
            links: alert_links(news),
        };
        serde_json::to_vec(&body).expect("strings and numbers are always JSON")
    }
}

/// The signature of a body sent at `timestamp`, in seconds since 1970.
fn signature(secret: &Secret, timestamp: i64, body: &[u8]) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).expect("HMAC takes a key of any length");
    mac.update(timestamp.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    let digits = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("v1={digits}")
}

fn hint(refusal: &Refusal<'_>) -> Option<&'static str> {
    match refusal.status.as_u16() {
        401 | 403 => Some("the receiver did not accept the signature or the address: check url and secret"),
        404 | 410 => Some("there is no such receiver: check the url"),
        413 => Some("the receiver takes no message of this size"),
        _ => None,
    }
}

#[async_trait]
impl Sink for Webhook {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn wants(&self, news: &News) -> bool {
        self.settings.events.contains(&news.kind)
    }

    async fn deliver(&self, news: &News, key: &str) -> Result<(), SinkFault> {
        let now = self.clock.now();
        let body = self.body(news, key);
        let key = HeaderValue::from_str(key).map_err(|_| SinkFault {
            what: format!("the key {key:?} cannot be a header's value"),
            retry: false,
            after: None,
        })?;
        let seconds = now.as_second();
        let signature = HeaderValue::from_str(&signature(&self.settings.secret, seconds, &body))
            .expect("hexadecimal digits are a header's value");
        let mut headers = HeaderMap::new();
        headers.insert("idempotency-key", key);
        headers.insert("x-selfheal-timestamp", HeaderValue::from(seconds));
        headers.insert("x-selfheal-signature", signature);
        post(&self.client, self.url.clone(), headers, body, now, hint).await
    }
}

#[cfg(test)]
#[path = "webhook_tests.rs"]
mod tests;
