//! One connection to PostgreSQL, by the simple query protocol: enough to hold it open, to prepare data and to look.
//!
//! Written out rather than taken from a client crate, so that this crate stays small and blocking and its readings
//! do not depend on the client that it helps to test. Protocol 3.0, PostgreSQL's documentation, chapter 55.

use crate::error::{Error, While};
use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, TcpStream},
    time::Duration,
};

/// The server says nothing for this long: an error.
const TIME_LIMIT: Duration = Duration::from_secs(10);
/// Longer messages are a fault of the protocol, not of a test.
const MESSAGE_BYTES_MAX: u32 = 16 * 1024 * 1024;

/// A row's values as text; `None` is NULL.
pub type Row = Vec<Option<String>>;

/// An open connection of the superuser to the database `postgres`.
#[derive(Debug)]
pub struct Session {
    stream: TcpStream,
    pid: u32,
}

impl Session {
    pub(super) fn connect(port: u16, application_name: &str) -> io::Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIME_LIMIT))?;
        stream.set_write_timeout(Some(TIME_LIMIT))?;
        let mut session = Self { stream, pid: 0 };
        let mut startup = 196_608_u32.to_be_bytes().to_vec();
        for text in ["user", super::USER, "database", "postgres", "application_name", application_name, ""] {
            startup.extend(text.as_bytes());
            startup.push(0);
        }
        session.send(None, &startup)?;
        let mut refusal = None;
        loop {
            match session.receive()? {
                (b'R', body) if body != [0; 4] => return Err(fault("it asks for a password")),
                (b'K', body) => session.pid = be_u32(&body)?,
                (b'E', body) => refusal = Some(message(&body)),
                (b'Z', _) => return Ok(session),
                _ => {}
            }
            // After a refusal at start the server closes without being ready first.
            if let Some(reason) = refusal.take() {
                return Err(io::Error::new(io::ErrorKind::ConnectionRefused, reason));
            }
        }
    }

    /// The number of the server's process for this connection, as in `pg_stat_activity.pid`.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Runs SQL, one or several statements, and returns all their rows.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with the server's message; [`Error::Io`] when the connection is broken, for example terminated
    /// by an administrator, or there is no answer within 10 s.
    pub fn sql(&mut self, text: &str) -> Result<Vec<Row>, Error> {
        let doing = || format!("run {text:?}");
        self.begin(text)?;
        let mut rows = Vec::new();
        let mut refusal = None;
        loop {
            match self.receive().doing(doing) {
                Ok((b'D', body)) => rows.push(row(&body).doing(doing)?),
                Ok((b'E', body)) => refusal = Some(message(&body)),
                Ok((b'Z', _)) => break,
                Ok(_) => {}
                // The server says why it closes a connection, and closes it.
                Err(error) if refusal.is_none() => return Err(error),
                Err(_) => break,
            }
        }
        match refusal {
            None => Ok(rows),
            Some(reason) => {
                Err(Error::Refused { server: "postgres".to_owned(), request: format!("{text:?}"), reason })
            }
        }
    }

    /// Sends SQL without waiting for its end, to be seen running by others (`select pg_sleep(60)`).
    ///
    /// The session's next use reads this query's answer; drop the session instead.
    ///
    /// # Errors
    ///
    /// When the connection is broken.
    pub fn begin(&mut self, text: &str) -> Result<(), Error> {
        let body: Vec<u8> = text.bytes().chain([0]).collect();
        self.send(Some(b'Q'), &body).doing(|| format!("send {text:?}"))
    }

    /// Whether the server has closed this connection; it must not be running a query.
    #[must_use]
    pub fn is_closed(&mut self) -> bool {
        self.sql("").is_err()
    }

    fn send(&mut self, tag: Option<u8>, body: &[u8]) -> io::Result<()> {
        let length = u32::try_from(body.len() + 4).map_err(|_| fault("the message is too long"))?;
        let bytes: Vec<u8> =
            tag.into_iter().chain(length.to_be_bytes()).chain(body.iter().copied()).collect();
        self.stream.write_all(&bytes)
    }

    fn receive(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let mut head = [0; 5];
        self.stream.read_exact(&mut head)?;
        let length = be_u32(&head[1..])?;
        if !(4..=MESSAGE_BYTES_MAX).contains(&length) {
            return Err(fault("a message has an impossible length"));
        }
        let mut body = vec![0; length as usize - 4];
        self.stream.read_exact(&mut body)?;
        Ok((head[0], body))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // A polite end; a server that is gone already needs none.
        let _ = self.send(Some(b'X'), &[]);
    }
}

fn fault(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

fn be_u32(bytes: &[u8]) -> io::Result<u32> {
    let four = bytes.first_chunk::<4>().ok_or_else(|| fault("a message ends early"))?;
    Ok(u32::from_be_bytes(*four))
}

/// The human-readable field `M` of an error's fields, each `<tag><text>\0`.
fn message(body: &[u8]) -> String {
    body.split(|byte| *byte == 0)
        .find_map(|field| field.strip_prefix(b"M"))
        .map_or_else(|| "no reason given".to_owned(), |text| String::from_utf8_lossy(text).into_owned())
}

/// A DataRow: the count of values, then each with its length, −1 for NULL.
fn row(body: &[u8]) -> io::Result<Row> {
    let early = || fault("a row ends early");
    let (count, mut rest) = body.split_first_chunk::<2>().ok_or_else(early)?;
    let mut values = Vec::new();
    for _ in 0..u16::from_be_bytes(*count) {
        let (length, after) = rest.split_first_chunk::<4>().ok_or_else(early)?;
        rest = after;
        values.push(match usize::try_from(i32::from_be_bytes(*length)) {
            Err(_) => None,
            Ok(length) => {
                let (value, after) = rest.split_at_checked(length).ok_or_else(early)?;
                rest = after;
                Some(String::from_utf8_lossy(value).into_owned())
            }
        });
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_or_refused() {
        let two = [0, 2, 0, 0, 0, 1, b'x', 255, 255, 255, 255];
        assert_eq!(row(&two).unwrap(), [Some("x".to_owned()), None]);
        for length in 0..two.len() {
            assert!(row(&two[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn the_message_of_an_error_is_found() {
        assert_eq!(message(b"SFATAL\0C57P03\0Mstarting up\0\0"), "starting up");
        assert_eq!(message(b"\0"), "no reason given");
    }
}
