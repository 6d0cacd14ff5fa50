//! The HTTP client behind every request that leaves the server: how it is built, how much of an answer is read, and how a
//! failure is told without telling the address, which may hold a secret.
//!
//! Redirects are never followed: an address comes from the operator's configuration or not at all. A proxy is taken from the
//! environment as usual, but never for loopback.

use std::error::Error as _;
use std::time::Duration;

use reqwest::{Client, Response, Url, redirect};

/// The longest time for a connection to be made.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// What requests say they come from.
const USER_AGENT: &str = concat!("selfheal/", env!("CARGO_PKG_VERSION"));

/// An address that cannot be asked, or a client that cannot be made. The text never shows the address.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct OutgoingFault(String);

impl OutgoingFault {
    /// A fault of another kind, told without the secret that it is about.
    pub fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

/// Reads an address.
///
/// # Errors
/// It is not an `http://` or `https://` address with a host.
pub fn address(text: &str) -> Result<Url, OutgoingFault> {
    let url = Url::parse(text).map_err(|error| {
        OutgoingFault(format!("the url cannot be read ({error}): expected http:// or https:// and a host"))
    })?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(url),
        scheme => Err(OutgoingFault(format!("the url begins with {scheme:?}: expected http:// or https://"))),
    }
}

/// Makes a client for one address; `timeout` is for a whole request, its answer read.
///
/// # Errors
/// No certificate authorities are installed and the address is `https://`.
pub fn client(url: &Url, timeout: Duration) -> Result<Client, OutgoingFault> {
    let mut builder = Client::builder()
        .redirect(redirect::Policy::none())
        .user_agent(USER_AGENT)
        .timeout(timeout)
        .connect_timeout(timeout.min(CONNECT_MAX));
    if is_loopback(url) {
        builder = builder.no_proxy();
    }
    if url.scheme() == "http" {
        // Reading the system's authorities costs a megabyte, and fails where none are installed.
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(|error| OutgoingFault(format!("no HTTP client can be made: {}", told(error))))
}

/// Whether an address is this machine's own.
pub fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Scheme, host and port of an address: what may be shown of it.
pub fn shown(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{}://{host}:{port}", url.scheme()),
        None => format!("{}://{host}", url.scheme()),
    }
}

/// An error with its causes in one line, without the address.
pub fn told(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    text
}

/// What lies at the bottom of an error, such as a refused connection: for people who are told the rest.
pub fn cause(error: &reqwest::Error) -> String {
    let mut last: &dyn std::error::Error = error;
    while let Some(inner) = last.source() {
        last = inner;
    }
    last.to_string()
}

/// The beginning of an answer's body as one printable line, for a message about a failure. Never more than `bytes_max` is read.
pub async fn excerpt(mut response: Response, bytes_max: usize) -> String {
    let mut body = Vec::new();
    while body.len() < bytes_max
        && let Ok(Some(chunk)) = response.chunk().await
    {
        body.extend_from_slice(&chunk[..chunk.len().min(bytes_max - body.len())]);
    }
    let text = String::from_utf8_lossy(&body);
    text.trim().chars().map(|c| if is_hidden(c) { ' ' } else { c }).collect()
}

/// Whether a character could rewrite a terminal or turn the order of a text: controls, line separators, bidirectional marks.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_shown_without_their_secrets() {
        let cases = [
            ("http://127.0.0.1:9093/path", Some(("http://127.0.0.1:9093", true))),
            ("http://localhost", Some(("http://localhost", true))),
            ("http://[::1]:80/", Some(("http://[::1]", true))),
            (
                "https://user:secret@hooks.slack.com/services/T0/B0/secret",
                Some(("https://hooks.slack.com", false)),
            ),
            ("ftp://example.org", None),
            ("hooks.slack.com/services", None),
            ("file:///etc/passwd", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let url = address(text);
            let found = url.as_ref().ok().map(|url| (shown(url), is_loopback(url)));
            assert_eq!(found, expected.map(|(shown, loopback)| (shown.to_owned(), loopback)), "{text}");
            if let Err(fault) = url {
                assert!(fault.to_string().contains("http://"), "{fault}");
            }
        }
    }
}
