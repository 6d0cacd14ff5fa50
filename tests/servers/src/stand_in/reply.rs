//! What the stand-in answers.

use std::{
    io::{self, Write},
    time::Duration,
};

/// An answer; build it from [`Reply::status`].
///
/// ```
/// use selfheal_test_servers::Reply;
/// use std::time::Duration;
///
/// let slow_refusal = Reply::status(503).body("busy").header("retry-after", "1").after(Duration::from_millis(50));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    pub(super) delay: Duration,
    pub(super) hang_up: bool,
}

impl Reply {
    /// An empty answer with this status, 200 to 599.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), delay: Duration::ZERO, hang_up: false }
    }

    /// No answer: the connection is closed after the request was received.
    #[must_use]
    pub fn hang_up() -> Self {
        Self { hang_up: true, ..Self::status(200) }
    }

    /// With this body.
    #[must_use]
    pub fn body(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self }
    }

    /// With this JSON as body.
    #[must_use]
    pub fn json(self, body: impl Into<Vec<u8>>) -> Self {
        self.header("content-type", "application/json").body(body)
    }

    /// With one header more.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Only after this time; a stop of the server ends the wait.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// Writes the answer; without the body to a HEAD, and a 204 or 304 has none.
    pub(super) fn write(&self, to: &mut impl Write, method: &str, close: bool) -> io::Result<()> {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let bodiless = matches!(self.status, 204 | 304);
        if !bodiless {
            head.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        head.push_str(if close { "connection: close\r\n\r\n" } else { "\r\n" });
        let mut bytes = head.into_bytes();
        if !bodiless && method != "HEAD" {
            bytes.extend(&self.body);
        }
        to.write_all(&bytes)?;
        to.flush()
    }
}

/// The phrase is for people only (RFC 9112, section 4); the common ones make captured traffic readable.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_written() {
        let ok = Reply::status(200).header("a", "b").body("hi");
        for (reply, method, close, expected) in [
            (ok.clone(), "POST", false, "HTTP/1.1 200 OK\r\na: b\r\ncontent-length: 2\r\n\r\nhi"),
            (ok, "HEAD", true, "HTTP/1.1 200 OK\r\na: b\r\ncontent-length: 2\r\nconnection: close\r\n\r\n"),
            (Reply::status(204).body("never"), "GET", false, "HTTP/1.1 204 No Content\r\n\r\n"),
        ] {
            let mut written = Vec::new();
            reply.write(&mut written, method, close).unwrap();
            assert_eq!(String::from_utf8(written).unwrap(), expected);
        }
    }
}
