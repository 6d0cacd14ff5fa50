//! Answers: JSON with the headers of an API, and faults that say what was wrong and what to do.

use std::fmt;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use selfheal_runtime::ports::{JournalFault, JournalFaultKind};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// Headers of every answer of the API: browsers must neither guess its type, nor keep it, nor show it as a page.
const SECURITY: [(HeaderName, &str); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CACHE_CONTROL, "no-store"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::REFERRER_POLICY, "no-referrer"),
];

/// Adds the headers that every answer of the API has.
pub(super) fn secured(mut response: HttpResponse) -> HttpResponse {
    for (name, value) in SECURITY {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// A value as JSON.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> HttpResponse {
    match serde_json::to_vec(value) {
        Ok(body) => HttpResponse::build(status).content_type("application/json").body(body),
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written as JSON");
            HttpResponse::InternalServerError()
                .content_type("text/plain; charset=utf-8")
                .body(error.to_string())
        }
    }
}

/// A request that is not answered with what it asked for: `{"error": "...", "help": "..."}`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fault {
    pub(super) status: StatusCode,
    error: String,
    help: Option<String>,
    /// Further members of the answer.
    more: Map<String, Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Fault {
    pub(super) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, error: error.into(), help: None, more: Map::new(), headers: Vec::new() }
    }

    /// The request is wrong.
    pub(super) fn wrong(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }

    /// There is no such thing.
    pub(super) fn missing(error: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, error)
    }

    /// It cannot be done as things stand.
    pub(super) fn conflict(error: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, error)
    }

    /// What to do.
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// A further member of the answer.
    pub(super) fn with(mut self, name: &str, value: Value) -> Self {
        self.more.insert(name.to_owned(), value);
        self
    }

    /// A header of the answer.
    pub(super) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// As JSON, for the API.
    pub(super) fn into_json(self) -> HttpResponse {
        let mut body = self.more;
        body.insert("error".to_owned(), json!(self.error));
        body.insert("help".to_owned(), json!(self.help));
        let mut response = json(self.status, &body);
        for (name, value) in self.headers {
            response.headers_mut().insert(name, value);
        }
        response
    }

    /// As one line of text, for what ends up in Alertmanager's log.
    pub(super) fn into_text(self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        response.content_type("text/plain; charset=utf-8");
        for header in &self.headers {
            response.insert_header(header.clone());
        }
        response.body(format!("{self}\n"))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

impl From<JournalFault> for Fault {
    fn from(fault: JournalFault) -> Self {
        match fault.kind {
            JournalFaultKind::Conflict | JournalFaultKind::Fenced => Self::conflict(fault.what),
            JournalFaultKind::Unavailable | JournalFaultKind::Broken => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, fault.to_string())
                    .help("try again; /ready says what is wrong")
            }
        }
    }
}
