//! Tickets through an incident API: opened once when something needs a person, closed once when it is over.
//!
//! # The requests
//!
//! ```http
//! POST <url>                              PATCH <url>/<id>
//! Authorization: Bearer <token>           Authorization: Bearer <token>
//! Idempotency-Key: <one for a message>    Idempotency-Key: <one for a message>
//!
//! {"title":"...","description":"...",     {"status":"closed","resolution":"..."}
//!  "severity":"critical","status":"open",
//!  "reference":"issue-17","link":"...","links":[{"name":"runbook","url":"..."}],
//!  "facts":[{"name":"...","value":"..."}]}
//! ```
//!
//! A 2xx means done. The answer to the first is JSON with the ticket's `id`, a text or a number, which is kept. 409 says that
//! the receiver knows the key already and carries the same `id`. Closing a ticket that is gone (404, 410) is done.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Client, Method, Url};
use selfheal_contract::settings::Secret;
use selfheal_core::issue::IssueId;
use selfheal_runtime::ports::{Clock, Journal, News, NewsKind, Sink, SinkFault};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::known::Known;
use super::post::{Refusal, authorization, body_json, sent};
use super::{SinkSettingsFault, alert_links, cut, issue_link};
use crate::outgoing;

/// What is told of an issue in a ticket, at most.
const TITLE_CHARS_MAX: usize = 200;
const TEXT_CHARS_MAX: usize = 10_000;
/// The longest name of a ticket.
const ID_CHARS_MAX: usize = 200;

/// How an incident API receives news.
#[derive(Clone, Debug)]
pub struct IncidentsSettings {
    /// The sink's name in the configuration and the outbox.
    pub name: String,
    /// Where tickets are made; a ticket's own address is this with `/<id>`.
    pub url: Secret,
    /// The bearer token.
    pub token: Secret,
    /// The kinds of news that open a ticket.
    pub events: Vec<NewsKind>,
    /// The longest time for one try.
    pub timeout: Duration,
    /// Where people reach this server, for links; without it there are none.
    pub external_url: Option<String>,
}

/// An incident API as a sink.
pub struct Incidents {
    settings: IncidentsSettings,
    url: Url,
    client: Client,
    authorization: HeaderValue,
    clock: Arc<dyn Clock>,
    known: Known,
}

/// A ticket.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Ticket {
    id: String,
    open: bool,
}

impl Incidents {
    /// Makes the sink; nothing is sent yet.
    ///
    /// # Errors
    /// The url is none, the token cannot be sent, or no client can be made.
    pub fn new(
        settings: IncidentsSettings,
        clock: Arc<dyn Clock>,
        journal: Arc<dyn Journal>,
    ) -> Result<Self, SinkSettingsFault> {
        let name = &settings.name;
        let url = outgoing::address(settings.url.expose()).map_err(SinkSettingsFault::outgoing(name))?;
        let client = outgoing::client(&url, settings.timeout).map_err(SinkSettingsFault::outgoing(name))?;
        let authorization = authorization("Bearer", &settings.token)
            .map_err(|problem| SinkSettingsFault::new(name, problem))?;
        let known = Known::new(journal, name);
        Ok(Self { settings, url, client, authorization, clock, known })
    }

    fn headers(&self, key: &str) -> Result<HeaderMap, SinkFault> {
        let key = HeaderValue::from_str(key)
            .map_err(|_| given_up(format!("the key {key:?} cannot be a header's value")))?;
        let mut headers = HeaderMap::new();
        headers.insert("idempotency-key", key);
        headers.insert(AUTHORIZATION, self.authorization.clone());
        Ok(headers)
    }

    async fn open(&self, issue: IssueId, news: &News, key: &str) -> Result<(), SinkFault> {
        let facts: Vec<Value> =
            news.facts.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        let body = json!({
            "title": cut(&news.title, TITLE_CHARS_MAX),
            "description": cut(&news.text, TEXT_CHARS_MAX),
            "severity": news.severity,
            "status": "open",
            "reference": issue.to_string(),
            "link": issue_link(news, self.settings.external_url.as_deref()),
            "links": alert_links(news),
            "facts": facts,
        });
        let (url, headers, body) = (self.url.clone(), self.headers(key)?, body.to_string().into_bytes());
        let request = self.client.request(Method::POST, url).headers(headers);
        let answered = sent(request, body, self.clock.now(), &[409], hint).await?;
        let id = match &body_json(answered).await["id"] {
            Value::String(id) => id.clone(),
            Value::Number(id) => id.to_string(),
            _ => String::new(),
        };
        if id.is_empty() || id.chars().count() > ID_CHARS_MAX {
            // It may well be open: asking again with the same key is harmless.
            return Err(SinkFault { what: "the answer has no id".to_owned(), retry: true, after: None });
        }
        self.known.keep_issue(issue, &Ticket { id, open: true }).await
    }

    async fn close(&self, issue: IssueId, ticket: Ticket, news: &News, key: &str) -> Result<(), SinkFault> {
        let mut url = self.url.clone();
        if let Ok(mut parts) = url.path_segments_mut() {
            parts.pop_if_empty().push(&ticket.id);
        }
        let resolution = cut(&format!("{}. {}", news.title, news.text), TEXT_CHARS_MAX);
        let body = json!({ "status": "closed", "resolution": resolution }).to_string().into_bytes();
        let request = self.client.request(Method::PATCH, url).headers(self.headers(key)?);
        sent(request, body, self.clock.now(), &[404, 410], hint).await?;
        self.known.keep_issue(issue, &Ticket { open: false, ..ticket }).await
    }
}

fn given_up(what: String) -> SinkFault {
    SinkFault { what, retry: false, after: None }
}

fn hint(refusal: &Refusal<'_>) -> Option<&'static str> {
    match refusal.status.as_u16() {
        401 | 403 => Some("the token is not accepted"),
        404 | 410 => Some("there is no such receiver: check the url"),
        413 | 422 => Some("the receiver does not take this ticket"),
        _ => None,
    }
}

#[async_trait]
impl Sink for Incidents {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn wants(&self, news: &News) -> bool {
        news.issue.is_some() && (self.settings.events.contains(&news.kind) || news.kind == NewsKind::Closed)
    }

    async fn deliver(&self, news: &News, key: &str) -> Result<(), SinkFault> {
        let Some(issue) = news.issue else { return Ok(()) };
        let ticket: Option<Ticket> = self.known.of_issue(issue).await?;
        match (ticket, news.kind) {
            (Some(ticket), NewsKind::Closed) if ticket.open => self.close(issue, ticket, news, key).await,
            (None, kind) if kind != NewsKind::Closed => self.open(issue, news, key).await,
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
#[path = "incidents_tests.rs"]
mod tests;
