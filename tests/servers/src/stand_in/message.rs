//! Reading one HTTP/1.1 request (RFC 9112): by length, in chunks, or without a body.

use std::{
    io::{self, BufRead, Read, Write},
    time::Instant,
};

/// Of the request line with all headers, and of the trailers.
const HEAD_BYTES_MAX: u64 = 64 * 1024;
/// Of a body; Alertmanager's storms come in bodies of 50 MB.
const BODY_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// A request as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST` ...
    pub method: String,
    /// The request target as sent: the path with its query.
    pub path: String,
    /// The headers in their order, names as sent.
    pub headers: Vec<(String, String)>,
    /// The body, chunks put together.
    pub body: Vec<u8>,
    /// When its last byte had come.
    pub received: Instant,
    pub(super) minor_version: u8,
}

impl Request {
    /// A header's first value, whatever the case of its name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as text, bytes that are no UTF-8 replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// One line for a failed test's message.
    pub(super) fn summary(&self) -> String {
        let body: String = self.text().chars().take(200).collect();
        format!("  {} {} {body:?}\n", self.method, self.path)
    }

    /// Whether the client will send no other request on this connection.
    pub(super) fn is_last(&self) -> bool {
        let connection = self.header("connection").unwrap_or_default().to_ascii_lowercase();
        connection.contains("close") || (self.minor_version == 0 && !connection.contains("keep-alive"))
    }
}

/// Reads the next request, or `None` when the client has closed between two.
///
/// `InvalidData` means that the client sent no proper HTTP, and says what is wrong with it.
pub(super) fn read(from: &mut impl BufRead, interim: &mut impl Write) -> io::Result<Option<Request>> {
    let mut head = from.by_ref().take(HEAD_BYTES_MAX);
    let Some(line) = line(&mut head)? else { return Ok(None) };
    let mut words = line.split(' ');
    let (Some(method), Some(path), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(invalid("the request line is not <method> <target> <version>"));
    };
    let minor_version = match version {
        "HTTP/1.1" => 1,
        "HTTP/1.0" => 0,
        _ => return Err(invalid("the version is neither HTTP/1.1 nor HTTP/1.0")),
    };
    let mut request = Request {
        method: method.to_owned(),
        path: path.to_owned(),
        headers: headers(&mut head)?,
        body: Vec::new(),
        received: Instant::now(),
        minor_version,
    };
    if request.header("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue")) {
        interim.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    request.body = match (request.header("transfer-encoding"), request.header("content-length")) {
        (Some(coding), None) if coding.eq_ignore_ascii_case("chunked") => chunks(from)?,
        (Some(_), _) => {
            return Err(invalid("of transfer encodings only chunked, without a length, is understood"));
        }
        (None, Some(length)) => {
            let length = length.parse().map_err(|_| invalid("the content length is no number"))?;
            exactly(from, length, 0)?
        }
        (None, None) => Vec::new(),
    };
    request.received = Instant::now();
    Ok(Some(request))
}

fn headers(from: &mut impl BufRead) -> io::Result<Vec<(String, String)>> {
    let mut headers = Vec::new();
    loop {
        let line = line(from)?.ok_or_else(|| invalid("the headers end early or are too long"))?;
        if line.is_empty() {
            return Ok(headers);
        }
        let (name, value) = line.split_once(':').ok_or_else(|| invalid("a header has no colon"))?;
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
}

fn chunks(from: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut short = from.by_ref().take(HEAD_BYTES_MAX);
        let line = line(&mut short)?.ok_or_else(|| invalid("the chunks end early"))?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(size, 16).map_err(|_| invalid("a chunk's size is no hex number"))?;
        if size == 0 {
            headers(&mut short)?;
            return Ok(body);
        }
        body.extend(exactly(from, size, body.len() as u64)?);
        let mut end = [0; 2];
        from.read_exact(&mut end)?;
        if end != *b"\r\n" {
            return Err(invalid("a chunk is longer than its size"));
        }
    }
}

/// Reads so many bytes, on top of those that the body has.
fn exactly(from: &mut impl Read, length: u64, so_far: u64) -> io::Result<Vec<u8>> {
    if length.checked_add(so_far).is_none_or(|total| total > BODY_BYTES_MAX) {
        return Err(invalid("the body is too long"));
    }
    let mut bytes = Vec::new();
    if from.take(length).read_to_end(&mut bytes)? as u64 == length {
        Ok(bytes)
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

/// A line without its end, or `None` at the end of the stream.
fn line(from: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    from.read_until(b'\n', &mut bytes)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    let line = bytes.strip_suffix(b"\r\n").or_else(|| bytes.strip_suffix(b"\n"));
    let line = line.ok_or_else(|| invalid("a line ends early or is too long"))?;
    String::from_utf8(line.to_vec()).map(Some).map_err(|_| invalid("a line is no UTF-8"))
}

fn invalid(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8]) -> Result<Option<(String, String)>, String> {
        let mut from = bytes;
        let read = read(&mut from, &mut io::sink());
        read.map(|found| found.map(|request| (request.path.clone(), request.text())))
            .map_err(|e| e.to_string())
    }

    #[test]
    fn requests_are_read() {
        for (bytes, path, body) in [
            ("GET /a?b=c HTTP/1.1\r\n\r\n", "/a?b=c", ""),
            ("POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi", "/", "hi"),
            (
                "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n1;x=y\r\n!\r\n0\r\nt: u\r\n\r\n",
                "/",
                "hi!",
            ),
            ("POST / HTTP/1.0\ncontent-length: 0\n\n", "/", ""),
        ] {
            assert_eq!(check(bytes.as_bytes()), Ok(Some((path.to_owned(), body.to_owned()))), "{bytes}");
        }
        assert_eq!(check(b""), Ok(None));
    }

    #[test]
    fn what_is_no_request_is_refused_with_the_reason() {
        for (bytes, reason) in [
            ("hello\r\n\r\n", "request line"),
            ("GET / HTTP/2\r\n\r\n", "version"),
            ("GET / HTTP/1.1\r\nx\r\n\r\n", "no colon"),
            ("GET / HTTP/1.1\r\nx: y\r\n", "end early"),
            ("POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n", "no number"),
            ("POST / HTTP/1.1\r\ncontent-length: 999999999999\r\n\r\n", "too long"),
            ("POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nhi", "end of file"),
            ("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", "hex"),
            ("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\nhi\r\n", "longer"),
            (
                "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 1\r\n\r\n",
                "without a length",
            ),
        ] {
            let error = check(bytes.as_bytes()).unwrap_err();
            assert!(error.contains(reason), "{bytes:?}: {error}");
        }
    }

    #[test]
    fn the_last_request_of_a_connection_is_known() {
        for (bytes, last) in [
            ("GET / HTTP/1.1\r\n\r\n", false),
            ("GET / HTTP/1.1\r\nConnection: Close\r\n\r\n", true),
            ("GET / HTTP/1.0\r\n\r\n", true),
            ("GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n", false),
        ] {
            let request = read(&mut bytes.as_bytes(), &mut io::sink()).unwrap().unwrap();
            assert_eq!(request.is_last(), last, "{bytes}");
        }
    }
}
