//! Asks a running server over its API.

use std::time::Duration;

use reqwest::{Method, StatusCode, Url};
use serde_json::Value;

use super::arguments::ServerArguments;
use super::exit::Failure;
use super::output::{plain, plain_lines};
use super::progress;
use crate::outgoing;

/// The server that is asked when nothing else is said.
pub(super) const SERVER_DEFAULT: &str = "http://127.0.0.1:8400";
/// The longest time for one answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A server and the token for it.
pub(super) struct Client {
    http: reqwest::Client,
    server: Url,
    token: Option<String>,
}

impl Client {
    /// A client for the server that was named, or the default; nothing is asked yet.
    ///
    /// # Errors
    /// The address is none.
    pub(super) fn of(server: &ServerArguments) -> Result<Self, Failure> {
        Self::new(server.server.as_deref(), server.token.as_deref())
    }

    /// A client for a server; nothing is asked yet.
    ///
    /// # Errors
    /// The address is none.
    pub(super) fn new(server: Option<&str>, token: Option<&str>) -> Result<Self, Failure> {
        let given = server.filter(|server| !server.is_empty()).unwrap_or(SERVER_DEFAULT);
        let server =
            outgoing::address(given).map_err(|fault| Failure::usage(format!("--server: {fault}")))?;
        let http = outgoing::client(&server, TIMEOUT).map_err(|fault| Failure::usage(fault.to_string()))?;
        let token = token.filter(|token| !token.is_empty()).map(str::to_owned);
        Ok(Self { http, server, token })
    }

    /// Reads something.
    pub(super) async fn get(&self, path: &[&str], query: &[(&str, String)]) -> Result<Value, Failure> {
        let mut url = self.url(path)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.send(Method::GET, url, None).await
    }

    /// Reads something that is text.
    pub(super) async fn get_text(&self, path: &[&str]) -> Result<String, Failure> {
        let bytes = self.answered(Method::GET, self.url(path)?, None).await?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Changes something, or asks with a body.
    pub(super) async fn post(&self, path: &[&str], body: Vec<u8>) -> Result<Value, Failure> {
        let url = self.url(path)?;
        self.send(Method::POST, url, Some(body)).await
    }

    /// Takes something away.
    pub(super) async fn delete(&self, path: &[&str]) -> Result<Value, Failure> {
        let url = self.url(path)?;
        self.send(Method::DELETE, url, None).await
    }

    /// What the server says of its parts. That it is not ready is an answer, too.
    pub(super) async fn ready(&self) -> Result<Value, Failure> {
        let mut url = self.server.clone();
        url.path_segments_mut().map_err(|()| no_path())?.pop_if_empty().push("ready");
        let (_, bytes) = self.asked(Method::GET, url, None).await?;
        self.read(&bytes)
    }

    /// Parts of the path may come from the command line; each stays one part.
    fn url(&self, path: &[&str]) -> Result<Url, Failure> {
        let mut url = self.server.clone();
        url.path_segments_mut()
            .map_err(|()| no_path())?
            .pop_if_empty()
            .extend(["api", "self-healing"])
            .extend(path);
        Ok(url)
    }

    async fn send(&self, method: Method, url: Url, body: Option<Vec<u8>>) -> Result<Value, Failure> {
        let bytes = self.answered(method, url, body).await?;
        self.read(&bytes)
    }

    fn read(&self, bytes: &[u8]) -> Result<Value, Failure> {
        let shown = outgoing::shown(&self.server);
        let strange = || Failure::unreachable(format!("{shown} answers, and not as selfheal would"));
        serde_json::from_slice(bytes).map_err(|_| strange())
    }

    /// Any answer.
    async fn asked(
        &self,
        method: Method,
        url: Url,
        body: Option<Vec<u8>>,
    ) -> Result<(StatusCode, Vec<u8>), Failure> {
        let shown = outgoing::shown(&self.server);
        let mut request = self.http.request(method, url);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        let lost = |error: reqwest::Error| {
            let text = format!(
                "{shown} cannot be asked: {}; is `selfheal serve` running there? --server names another",
                outgoing::cause(&error)
            );
            Failure::unreachable(text)
        };
        let asked = async {
            let response = request.send().await?;
            let status = response.status();
            Ok((status, response.bytes().await?))
        };
        let (status, bytes) = progress::shown(&format!("asking {shown}"), asked).await.map_err(lost)?;
        Ok((status, bytes.to_vec()))
    }

    /// The body of a good answer.
    async fn answered(&self, method: Method, url: Url, body: Option<Vec<u8>>) -> Result<Vec<u8>, Failure> {
        let (status, bytes) = self.asked(method, url, body).await?;
        if status.is_success() {
            return Ok(bytes);
        }
        let shown = outgoing::shown(&self.server);
        let answer: Option<Value> = serde_json::from_slice(&bytes).ok();
        match answer {
            Some(answer) if answer["error"].is_string() => Err(refused(status, &answer)),
            _ => Err(Failure::unreachable(format!("{shown} answers {status}, and not as selfheal would"))),
        }
    }
}

fn no_path() -> Failure {
    Failure::usage("--server: the url cannot have a path")
}

/// What the server says is wrong.
fn refused(status: StatusCode, answer: &Value) -> Failure {
    let error = plain(answer["error"].as_str().unwrap_or_default());
    let mut text = match answer["help"].as_str() {
        Some(help) => format!("{error}; {}", plain(help)),
        None => error,
    };
    if let Some(page) = answer["text"].as_str() {
        text = plain_lines(page);
    }
    if status.is_server_error() { Failure::unreachable(text) } else { Failure::findings(text) }
}
