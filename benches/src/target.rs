//! A target that does nothing but note when it was asked: it speaks as much of Redis' protocol as selfheal's adapter uses.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::error::{Error, While};

/// How every list says that it is long.
const LIST_LENGTH: i64 = 12;
/// What the keys of a measurement begin with; a number of 16 hexadecimal digits follows.
pub const KEY_PREFIX: &str = "bench-";
/// The longest argument that is read.
const ARGUMENT_BYTES_MAX: usize = 64 * 1024;

/// When a key was first asked for, and when it was first changed.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// The first statement about it.
    pub first: Instant,
    /// The first that changes it.
    pub changed: Option<Instant>,
}

type Log = Arc<Mutex<HashMap<u64, Seen>>>;

/// The target. Its threads end with their connections.
pub struct Target {
    address: SocketAddr,
    log: Log,
}

impl Target {
    /// Listens on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// The system refuses the port.
    pub fn start() -> Result<Self, Error> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).doing("listen for the adapter")?;
        let address = listener.local_addr().doing("learn the port")?;
        let log = Log::default();
        let shared = Arc::clone(&log);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let log = Arc::clone(&shared);
                // A connection that breaks is the adapter's to make again.
                std::thread::spawn(move || serve(&stream, &log));
            }
        });
        Ok(Self { address, log })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it was asked for so far, by the number in the key.
    pub fn seen(&self) -> HashMap<u64, Seen> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn serve(stream: &TcpStream, log: &Log) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    loop {
        let command = read_command(&mut reader)?;
        let at = Instant::now();
        let name = command.first().map(|name| name.to_ascii_uppercase()).unwrap_or_default();
        let changes = name.starts_with("EVAL");
        if let Some(number) = command.iter().find_map(|argument| number(argument)) {
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            let seen = log.entry(number).or_insert(Seen { first: at, changed: None });
            if changes {
                seen.changed.get_or_insert(at);
            }
        }
        let second = command.get(1).map(|argument| argument.to_ascii_uppercase()).unwrap_or_default();
        let answer = match (name.as_str(), second.as_str()) {
            ("TYPE", _) => "+list\r\n".to_owned(),
            ("LLEN", _) => format!(":{LIST_LENGTH}\r\n"),
            ("PING", _) => "+PONG\r\n".to_owned(),
            ("CLIENT", "ID") => ":1\r\n".to_owned(),
            // As `redis::trim_list` has it: the length, how many went, and -1 since none had gone before.
            _ if changes => format!("*3\r\n:{LIST_LENGTH}\r\n:2\r\n:-1\r\n"),
            _ => "+OK\r\n".to_owned(),
        };
        (&*stream).write_all(answer.as_bytes())?;
    }
}

fn number(argument: &str) -> Option<u64> {
    u64::from_str_radix(argument.strip_prefix(KEY_PREFIX)?, 16).ok()
}

/// Reads an array of texts, `*2\r\n$4\r\nTYPE\r\n$1\r\nk\r\n`.
fn read_command(reader: &mut impl BufRead) -> io::Result<Vec<String>> {
    let count = read_length(reader, b'*')?;
    (0..count)
        .map(|_| {
            let length = read_length(reader, b'$')?;
            let mut bytes = vec![0; length + 2];
            reader.read_exact(&mut bytes)?;
            bytes.truncate(length);
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        })
        .collect()
}

fn read_length(reader: &mut impl BufRead, kind: u8) -> io::Result<usize> {
    let mut line = Vec::new();
    reader.take(32).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let digits = line.strip_prefix(&[kind]).and_then(|rest| std::str::from_utf8(rest).ok());
    let length = digits.and_then(|digits| digits.trim_end().parse::<usize>().ok());
    length.filter(|length| *length <= ARGUMENT_BYTES_MAX).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// How long an exchange with the target takes, asked over a connection of its own, in the order of asking.
///
/// # Errors
/// It cannot be reached.
pub fn round_trips(address: SocketAddr, count: usize) -> Result<crate::statistics::Times, Error> {
    let mut stream = TcpStream::connect(address).doing("connect to the target")?;
    stream.set_nodelay(true).doing("turn off Nagle's algorithm")?;
    let mut times = crate::statistics::Times::default();
    let mut answer = [0; 7];
    for _ in 0..count {
        let begun = Instant::now();
        stream
            .write_all(b"*1\r\n$4\r\nPING\r\n")
            .and_then(|()| stream.read_exact(&mut answer))
            .doing("ask the target")?;
        times.add(begun.elapsed());
    }
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_notes_when_a_key_was_asked_for_and_changed() {
        let target = Target::start().unwrap();
        let mut stream = TcpStream::connect(target.address()).unwrap();
        let exchanges = [
            ("*2\r\n$4\r\nTYPE\r\n$22\r\nbench-00000000000000ab\r\n", "+list\r\n"),
            ("*2\r\n$4\r\nllen\r\n$22\r\nbench-00000000000000ab\r\n", ":12\r\n"),
            ("*2\r\n$6\r\nCLIENT\r\n$2\r\nID\r\n", ":1\r\n"),
            (
                "*4\r\n$4\r\nEVAL\r\n$1\r\nx\r\n$1\r\n1\r\n$22\r\nbench-00000000000000ab\r\n",
                "*3\r\n:12\r\n:2\r\n:-1\r\n",
            ),
        ];
        for (question, expected) in exchanges {
            stream.write_all(question.as_bytes()).unwrap();
            let mut answer = vec![0; expected.len()];
            stream.read_exact(&mut answer).unwrap();
            assert_eq!(String::from_utf8_lossy(&answer), expected);
        }
        let seen = target.seen()[&0xab];
        assert!(seen.changed.is_some_and(|changed| changed > seen.first));
        assert_eq!(round_trips(target.address(), 3).unwrap().count(), 3);
    }
}
