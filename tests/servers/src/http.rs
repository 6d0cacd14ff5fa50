//! A blocking HTTP client of a few lines, for plain `http://` on loopback: enough to drive the servers from a test.
//!
//! It speaks HTTP/1.0, one request a connection, so that every answer ends with its connection. Deliberately absent:
//! TLS, redirects, chunks, compression.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    time::Duration,
};

/// No answer after this is an error.
const TIME_LIMIT: Duration = Duration::from_secs(30);
/// More than this of an answer is an error.
const ANSWER_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// A server's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code, 100 to 599.
    pub status: u16,
    /// The headers in their order, names as sent.
    pub headers: Vec<(String, String)>,
    /// The body, bytes that are no UTF-8 replaced.
    pub body: String,
}

impl Response {
    /// Whether the status is 2xx.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Sends a GET.
///
/// # Errors
///
/// When the server cannot be reached, says nothing for 30 s, or answers no HTTP.
pub fn get(url: &str) -> io::Result<Response> {
    request("GET", url, &[], b"")
}

/// Sends a POST of JSON.
///
/// # Errors
///
/// As for [`get`].
pub fn post_json(url: &str, body: &str) -> io::Result<Response> {
    request("POST", url, &[("content-type", "application/json")], body.as_bytes())
}

/// Sends any request.
///
/// # Errors
///
/// As for [`get`]; also when the URL is not `http://<host>:<port>[/...]`.
pub fn request(method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<Response> {
    let rest = url.strip_prefix("http://").ok_or_else(|| invalid(format!("not an http:// URL: {url}")))?;
    let (address, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(TIME_LIMIT))?;
    stream.set_write_timeout(Some(TIME_LIMIT))?;
    let mut head =
        format!("{method} {path} HTTP/1.0\r\nhost: {address}\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    // A server may refuse and close before it has read everything; what it said counts then.
    let written = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
    let mut answer = Vec::new();
    let read = stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer);
    match parse(&answer) {
        Some(response) => Ok(response),
        None => {
            written?;
            read?;
            Err(invalid(format!("{address} answered no HTTP: {:?}", String::from_utf8_lossy(&answer))))
        }
    }
}

/// Percent-encodes a text for use as a query's value.
#[must_use]
pub fn encode(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            other => out.push_str(&format!("%{other:02X}")),
        }
        out
    })
}

fn parse(answer: &[u8]) -> Option<Response> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    Some(Response { status, headers, body: String::from_utf8_lossy(&answer[end + 4..]).into_owned() })
}

fn invalid(reason: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_parsed_or_refused() {
        for (answer, expected) in [
            ("HTTP/1.1 200 OK\r\nA: b\r\n\r\nbody", Some((200, "body"))),
            ("HTTP/1.0 503 Service Unavailable\r\n\r\n", Some((503, ""))),
            ("HTTP/1.1 200 OK\r\n", None),
            ("hello\r\n\r\n", None),
            ("", None),
        ] {
            let parsed = parse(answer.as_bytes());
            assert_eq!(parsed.as_ref().map(|r| (r.status, r.body.as_str())), expected, "{answer:?}");
        }
    }

    #[test]
    fn query_values_are_encoded() {
        assert_eq!(encode("up{a=\"b c\"} > 0"), "up%7Ba%3D%22b%20c%22%7D%20%3E%200");
    }
}
