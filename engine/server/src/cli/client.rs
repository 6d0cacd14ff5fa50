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
/// The longest time for an answer that is only read.
const READ_MAX: Duration = Duration::from_secs(10);
/// The longest time for an answer of whatever does something: a decision is waited for, what is taken back is so step by
/// step, and a dry-run asks its probes.
const ACT_MAX: Duration = Duration::from_secs(2 * 60);

/// A server and the token for it.
pub(super) struct Client {
    http: reqwest::Client,
    server: Url,
    token: Option<String>,
    read_max: Duration,
    act_max: Duration,
}

/// What is asked.
struct Request {
    method: Method,
    url: Url,
    body: Option<Vec<u8>>,
    /// The longest time for the answer.
    limit: Duration,
    /// What tells whether it was done, where that may be although no answer comes.
    look: Option<String>,
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
        let http = outgoing::client(&server, ACT_MAX).map_err(|fault| Failure::usage(fault.to_string()))?;
        let token = token.filter(|token| !token.is_empty()).map(str::to_owned);
        Ok(Self { http, server, token, read_max: READ_MAX, act_max: ACT_MAX })
    }

    /// Reads something.
    pub(super) async fn get(&self, path: &[&str], query: &[(&str, String)]) -> Result<Value, Failure> {
        let mut url = self.url(path)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.send(self.reading(url)).await
    }

    /// Reads something that is text.
    pub(super) async fn get_text(&self, path: &[&str]) -> Result<String, Failure> {
        let (_, bytes) = self.answered(self.reading(self.url(path)?)).await?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Changes something, or asks with a body.
    pub(super) async fn post(&self, path: &[&str], body: Vec<u8>) -> Result<Value, Failure> {
        self.send(self.acting(Method::POST, path, Some(body))?).await
    }

    /// Takes something away.
    pub(super) async fn delete(&self, path: &[&str]) -> Result<Value, Failure> {
        self.send(self.acting(Method::DELETE, path, None)?).await
    }

    /// What the server says of its parts: its `status` is `ready`, `degraded` or `not_ready`, which is an answer, too.
    pub(super) async fn ready(&self) -> Result<Value, Failure> {
        let mut url = self.server.clone();
        url.path_segments_mut().map_err(|()| no_path())?.pop_if_empty().push("ready");
        let (status, bytes) = self.asked(self.reading(url)).await?;
        let answer: Option<Value> = serde_json::from_slice(&bytes).ok();
        let known =
            |answer: &Value| matches!(answer["status"].as_str(), Some("ready" | "degraded" | "not_ready"));
        // Something else may listen there, and many things answer with JSON.
        answer.filter(known).ok_or_else(|| self.strange(status))
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

    fn reading(&self, url: Url) -> Request {
        Request { method: Method::GET, url, body: None, limit: self.read_max, look: None }
    }

    fn acting(&self, method: Method, path: &[&str], body: Option<Vec<u8>>) -> Result<Request, Failure> {
        Ok(Request { method, url: self.url(path)?, body, limit: self.act_max, look: look(path) })
    }

    async fn send(&self, request: Request) -> Result<Value, Failure> {
        let (status, bytes) = self.answered(request).await?;
        serde_json::from_slice(&bytes).map_err(|_| self.strange(status))
    }

    fn strange(&self, status: StatusCode) -> Failure {
        let shown = outgoing::shown(&self.server);
        Failure::unreachable(format!("{shown} answers {status}, and not as selfheal would"))
    }

    /// Any answer.
    async fn asked(&self, request: Request) -> Result<(StatusCode, Vec<u8>), Failure> {
        let Request { method, url, body, limit, look } = request;
        let shown = outgoing::shown(&self.server);
        let mut request = self.http.request(method, url).timeout(limit);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        let lost = |error: reqwest::Error| {
            let is_asked = error.is_timeout() && !error.is_connect();
            Failure::unreachable(match &look {
                _ if !is_asked => format!(
                    "{shown} cannot be asked: {}; is `selfheal serve` running there? --server names another",
                    outgoing::cause(&error)
                ),
                Some(look) => format!(
                    "{shown} has not answered within {limit:?}, and what you asked for may have been done, or may yet be: \
                     look with `{look}` before you ask again"
                ),
                None => format!(
                    "{shown} has not answered within {limit:?}; `selfheal ready` says whether it works, then ask again"
                ),
            })
        };
        let asked = async {
            let response = request.send().await?;
            let status = response.status();
            Ok((status, response.bytes().await?))
        };
        let (status, bytes) = progress::shown(&format!("asking {shown}"), asked).await.map_err(lost)?;
        Ok((status, bytes.to_vec()))
    }

    /// A good answer, with its status.
    async fn answered(&self, request: Request) -> Result<(StatusCode, Vec<u8>), Failure> {
        let (status, bytes) = self.asked(request).await?;
        if status.is_success() {
            return Ok((status, bytes));
        }
        let answer: Option<Value> = serde_json::from_slice(&bytes).ok();
        match answer {
            Some(answer) if answer["error"].is_string() => Err(refused(status, &answer)),
            _ => Err(self.strange(status)),
        }
    }
}

/// The command that shows whether something was done; a dry-run does nothing.
fn look(path: &[&str]) -> Option<String> {
    Some(match path {
        ["issues", _, "silence"] => "selfheal silences list".to_owned(),
        ["issues" | "manual-remediate", issue, ..] => format!("selfheal issues show {}", plain(issue)),
        ["remediations", remediation, ..] => format!("selfheal remediations show {}", plain(remediation)),
        ["approvals", approval] => format!("selfheal approvals show {}", plain(approval)),
        // It shows the rules that were let go on, too.
        ["rules" | "toggle-auto-remediation", ..] => "selfheal switch show".to_owned(),
        _ => return None,
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_not_answered_in_time_may_have_been_done() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Connections are made, and nobody answers.
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let server = format!("http://{}", silent.local_addr().unwrap());
        let mut client = Client::new(Some(&server), None).unwrap();
        assert_eq!((client.read_max, client.act_max), (Duration::from_secs(10), Duration::from_secs(120)));
        (client.read_max, client.act_max) = (Duration::from_millis(20), Duration::from_millis(30));
        let cases: [(&[&str], &str); 8] = [
            (&["manual-remediate", "issue-17"], "`selfheal issues show issue-17`"),
            (&["issues", "issue-17", "acknowledge"], "`selfheal issues show issue-17`"),
            (&["issues", "issue-17", "silence"], "`selfheal silences list`"),
            (
                &["remediations", "remediation-17-1", "rollback"],
                "`selfheal remediations show remediation-17-1`",
            ),
            (&["approvals", "a\u{1b}b"], "`selfheal approvals show a b`"),
            (&["rules", "disk", "release"], "`selfheal switch show`"),
            (&["toggle-auto-remediation"], "`selfheal switch show`"),
            (&["dry-run"], ""),
        ];
        for (path, look) in cases {
            let failure = client.post(path, Vec::new()).await.unwrap_err();
            let expected = match look {
                "" => format!(
                    "{server} has not answered within 30ms; `selfheal ready` says whether it works, then ask again"
                ),
                _ => format!(
                    "{server} has not answered within 30ms, and what you asked for may have been done, or may yet be: look \
                     with {look} before you ask again"
                ),
            };
            assert_eq!(failure, Failure::unreachable(expected), "{path:?}");
        }
        let failure = client.delete(&["issues", "issue-17", "silence"]).await.unwrap_err();
        assert!(failure.text.contains("within 30ms, and what you asked for may have been done"), "{failure}");
        let failure = client.get(&["issues"], &[]).await.unwrap_err();
        assert!(failure.text.contains("has not answered within 20ms; `selfheal ready`"), "{failure}");
        drop(silent);
        let failure = client.post(&["dry-run"], Vec::new()).await.unwrap_err();
        assert!(failure.text.contains("is `selfheal serve` running there?"), "{failure}");
    }
}
