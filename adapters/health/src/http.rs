//! The probe `http`: whether a page answers as it should.

use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::header::{AUTHORIZATION, CONNECTION, DATE, HeaderValue, LOCATION};
use reqwest::tls::TlsInfo;
use reqwest::{Response, StatusCode};
use selfheal_contract::{AboutProbe, Failure, FieldSpec, Permission, Probe, Reading, parameters};
use serde_json::json;
use tokio::time::{Instant, timeout};

use crate::targets::{HttpTarget, Targets};
use crate::{HEALTHY, SECONDS, WHY, late, seconds_since, tls};

/// How much of a body is searched.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// Characters of others' text that are shown.
const SHOWN_CHARS_MAX: usize = 200;

parameters! {
    /// Asks whether a page answers as it should.
    pub struct HttpParameters {
        /// The target's name in the configuration; it has `http`.
        pub target: String,
    }
}

/// The probe.
pub(crate) struct Http(pub(crate) Arc<Targets>);

/// What an answer says, as far as there was one.
#[derive(Default)]
struct Answered {
    status: Option<u16>,
    certificate_days: Option<f64>,
}

#[async_trait]
impl Probe for Http {
    type Parameters = HttpParameters;

    fn about(&self) -> AboutProbe {
        AboutProbe {
            name: "http",
            doc: "Whether a page answers a GET as it should: the status that is configured (any of 200 to 299 unless one \
                  is), with the text that is configured in it, in time. Redirects are not followed, and no more of the \
                  body is read than is needed, at most 64 KiB. Each reading makes a connection of its own. A certificate \
                  that cannot be trusted is not healthy.",
            fields: &[
                HEALTHY,
                SECONDS,
                WHY,
                FieldSpec {
                    name: "status",
                    doc: "The status that came, such as 200; null without an answer.",
                },
                FieldSpec {
                    name: "certificate_days",
                    doc: "For how many days the certificate is still good, by the target's own date; null without one.",
                },
            ],
            main_field: "healthy",
            permissions: vec![Permission {
                right: "GET of the configured page".into(),
                purpose: "asking whether it answers; nothing else is asked for",
            }],
        }
    }

    fn check(&self, params: &HttpParameters) -> Result<(), Failure> {
        self.0.http(&params.target).map(drop)
    }

    async fn read(&self, params: &HttpParameters) -> Result<Reading, Failure> {
        let target = self.0.http(&params.target)?;
        let began = Instant::now();
        let mut answered = Answered::default();
        let asked = timeout(target.timeout.duration(), ask(target, &mut answered)).await;
        let why = asked.unwrap_or_else(|_| Err(late(target.timeout))).err();
        Ok(Reading::Known(json!({
            "healthy": why.is_none(),
            "seconds": seconds_since(began),
            "why": why.unwrap_or_default(),
            "status": answered.status,
            "certificate_days": answered.certificate_days,
        })))
    }
}

/// Asks; the error is what is wrong.
async fn ask(target: &HttpTarget, answered: &mut Answered) -> Result<(), String> {
    let page = &target.page;
    let mut request =
        target.client.get(page.url.clone()).header(CONNECTION, HeaderValue::from_static("close"));
    if let Some(token) = &page.token {
        request = request.header(AUTHORIZATION, token.clone());
    }
    let mut response = request.send().await.map_err(|fault| root_cause(&fault))?;
    let status = response.status();
    answered.status = Some(status.as_u16());
    answered.certificate_days = certificate_days(&response);
    match page.status {
        Some(expected) if status.as_u16() != expected => {
            return Err(format!("expected status {expected}, got {}", told(&response)));
        }
        None if !status.is_success() => {
            return Err(format!("expected a status from 200 to 299, got {}", told(&response)));
        }
        _ => {}
    }
    match &page.contains {
        Some(text) => find(&mut response, text).await,
        None => Ok(()),
    }
}

/// The status for people, with where a redirect leads.
fn told(response: &Response) -> String {
    let status: StatusCode = response.status();
    match response.headers().get(LOCATION) {
        Some(to) if status.is_redirection() => {
            let to = shown(&String::from_utf8_lossy(to.as_bytes()));
            format!("{} to {to}; redirects are not followed", status.as_u16())
        }
        _ => status.as_u16().to_string(),
    }
}

/// Reads until the text is found, within the bound.
async fn find(response: &mut Response, text: &str) -> Result<(), String> {
    let mut body: Vec<u8> = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|fault| root_cause(&fault))? {
        // The text may begin in what was searched already.
        let from = body.len().saturating_sub(text.len());
        let room = BODY_BYTES_MAX - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if body[from..].windows(text.len()).any(|part| part == text.as_bytes()) {
            return Ok(());
        }
        if body.len() >= BODY_BYTES_MAX {
            break;
        }
    }
    Err(format!("expected {:?} in the body, and it is not in its first {} bytes", shown(text), body.len()))
}

fn certificate_days(response: &Response) -> Option<f64> {
    let certificate = response.extensions().get::<TlsInfo>()?.peer_certificate()?;
    let date = response.headers().get(DATE)?.to_str().ok()?;
    tls::days_left(certificate, date).map(|days| (days * 100.0).round() / 100.0)
}

/// The innermost cause, which says what happened; the outer ones say that something did.
fn root_cause(fault: &reqwest::Error) -> String {
    let mut cause: &dyn Error = fault;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    shown(&cause.to_string())
}

/// A text of others, on one line and bounded.
fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
