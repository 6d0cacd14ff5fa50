//! One Prometheus server: asking it a question, within bounds of time, size and number.
//!
//! Questions go by POST, so that their length is no matter of proxies, and are still only questions. Redirects are not
//! followed: they would carry credentials to an address that nobody configured.

use std::error::Error;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response, Url};
use selfheal_contract::settings::Secret;
use selfheal_contract::{Failure, Permission};
use selfheal_core::span::Span;
use tokio::sync::Semaphore;

use crate::answer::{self, Answer, Raw};
use crate::freshness::Question;
use crate::settings::ServerSettings;
use crate::text::shown;

/// Questions that are asked at a time; others wait, within their time.
const CONCURRENT_MAX: usize = 8;

/// The largest answer that is read: some ten thousand samples, where one is wanted.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// As whom to ask.
pub(crate) enum Credentials {
    /// Nobody.
    None,
    /// The whole header of a bearer token.
    Bearer(HeaderValue),
    /// A user and a password.
    Basic {
        /// Without `:`.
        user: String,
        /// Never shown.
        password: Secret,
    },
}

/// A server that can be asked. Connections are made when needed and kept for the next question.
pub(crate) struct Server {
    client: Client,
    settings: ServerSettings,
    slots: Semaphore,
}

impl Server {
    /// Makes the client; connects to nothing.
    pub(crate) fn new(settings: ServerSettings, tls: rustls::ClientConfig) -> Result<Self, String> {
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(Policy::none())
            .no_proxy()
            .timeout(settings.timeout.duration())
            .connect_timeout(settings.timeout.duration())
            .pool_max_idle_per_host(CONCURRENT_MAX)
            .user_agent("selfheal")
            .build()
            .map_err(|fault| format!("the client for Prometheus cannot be set up: {}", root_cause(&fault)))?;
        Ok(Self { client, settings, slots: Semaphore::new(CONCURRENT_MAX) })
    }

    /// The age beyond which a sample proves nothing.
    pub(crate) fn stale_after(&self) -> Span {
        self.settings.stale_after
    }

    /// Asks at the server's own present.
    ///
    /// # Errors
    /// `Refused` when the server will not answer this question, `Transient` when it could not be asked or what came is
    /// no answer.
    pub(crate) async fn ask(&self, question: &Question<'_>) -> Result<Answer, Failure> {
        let raw = self.exchange_in_time(question).await?;
        let judged = answer::judge(&raw, question);
        if judged.is_ok() || question.is_plain() || !raw.is_about_the_expression() {
            return judged;
        }
        // What the server says about the expression counts from what was put around it. Asked alone, it says it as
        // the rule's author wrote it.
        let plain = Question::plain(question.expression);
        let own = answer::judge(&self.exchange_in_time(&plain).await?, &plain);
        own.and(judged)
    }

    async fn exchange_in_time(&self, question: &Question<'_>) -> Result<Raw, Failure> {
        let exchange = async {
            // The semaphore is never closed; were it, asking without a slot would do no harm.
            let _slot = self.slots.acquire().await;
            self.exchange(question).await
        };
        let late = |_| Err(self.late());
        tokio::time::timeout(self.settings.timeout.duration(), exchange).await.unwrap_or_else(late)
    }

    async fn exchange(&self, question: &Question<'_>) -> Result<Raw, Failure> {
        let mut form = self.settings.endpoint.clone();
        form.query_pairs_mut()
            .append_pair("query", &question.text)
            .append_pair("timeout", &self.settings.timeout.to_string())
            .append_pair("lookback_delta", &self.settings.stale_after.to_string());
        let body = form.query().unwrap_or_default().to_owned();
        let request = self
            .client
            .post(self.settings.endpoint.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"))
            .body(body);
        let mut response = self.signed(request).send().await.map_err(|fault| self.unreached(&fault))?;
        let status = response.status().as_u16();
        let header = |name| header_text(&response, name);
        let (content_type, location) = (header(CONTENT_TYPE), header(LOCATION));
        let body = self.body(&mut response).await?;
        Ok(Raw { status, content_type, location, body })
    }

    fn signed(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.settings.credentials {
            Credentials::None => request,
            Credentials::Bearer(header) => request.header(AUTHORIZATION, header.clone()),
            Credentials::Basic { user, password } => request.basic_auth(user, Some(password.expose())),
        }
    }

    /// Reads no more than the bound, whatever the answer says of its length.
    async fn body(&self, response: &mut Response) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|fault| self.unreached(&fault))? {
            if body.len() + chunk.len() > BODY_BYTES_MAX {
                return Err(Failure::refused(format!(
                    "Prometheus at {} answered with more than {} MiB: aggregate in the expression (sum, max, topk), so \
                     that one series is left",
                    self.address(),
                    BODY_BYTES_MAX / (1024 * 1024)
                )));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn unreached(&self, fault: &reqwest::Error) -> Failure {
        if fault.is_timeout() {
            return self.late();
        }
        let what = if fault.is_connect() { "cannot be reached" } else { "broke off" };
        Failure::transient(format!("Prometheus at {} {what}: {}", self.address(), root_cause(fault)))
    }

    fn late(&self) -> Failure {
        Failure::transient(format!(
            "Prometheus at {} did not answer within {}: it is down or busy, the expression is heavy, or \
             adapters.prometheus.timeout is short",
            self.address(),
            self.settings.timeout
        ))
    }

    fn address(&self) -> &Url {
        &self.settings.endpoint
    }
}

fn header_text(response: &Response, name: reqwest::header::HeaderName) -> Option<String> {
    response.headers().get(name).map(|value| shown(&String::from_utf8_lossy(value.as_bytes()), 200))
}

/// The innermost cause, which says what happened; the outer ones say that something did.
fn root_cause(fault: &reqwest::Error) -> String {
    let mut cause: &dyn Error = fault;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    shown(&cause.to_string(), 200)
}

/// What the probes need at the server.
pub(crate) fn permission() -> Permission {
    Permission {
        right: "POST /api/v1/query".into(),
        purpose: "evaluating PromQL; nothing else is asked, and nothing can be changed by it",
    }
}

/// What a reading says when no server is configured.
pub(crate) fn unconfigured() -> Failure {
    Failure::refused(
        "no Prometheus is configured: set adapters.prometheus.url, or PROMETHEUS_URL in the environment, to its \
         address, such as http://prometheus:9090",
    )
}
