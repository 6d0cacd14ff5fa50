//! A client made for speed: keep-alive connections, requests rendered beforehand, answers read no further than needed, few
//! threads, so that what is measured is the server.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::body::Request;
use crate::error::{Error, While};
use crate::statistics::Times;

/// The longest answer that is read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// How often a connection that may not send looks whether it may.
const GATE_LOOK: Duration = Duration::from_millis(1);
/// How long a connection waits before it is made again.
const RECONNECT: Duration = Duration::from_millis(20);

/// Which numbers may be sent: numbers are given out in order, and sent only while they are below the limit.
#[derive(Debug)]
pub struct Numbers {
    next: AtomicU64,
    limit: AtomicU64,
}

impl Numbers {
    /// The first number; none is the same as one of an alert of another kind.
    pub const FIRST: u64 = 1 << 40;

    /// Numbers without a limit.
    pub fn new() -> Self {
        Self { next: AtomicU64::new(Self::FIRST), limit: AtomicU64::new(u64::MAX) }
    }

    /// How many may be sent in all.
    pub fn allow(&self, count: u64) {
        self.limit.store(Self::FIRST.saturating_add(count), Ordering::Relaxed);
    }

    fn take(&self, count: u64) -> u64 {
        self.next.fetch_add(count, Ordering::Relaxed)
    }

    fn may_send(&self, number: u64) -> bool {
        number < self.limit.load(Ordering::Relaxed)
    }
}

impl Default for Numbers {
    fn default() -> Self {
        Self::new()
    }
}

/// How to send.
#[derive(Clone, Debug)]
pub struct Flood {
    /// The server.
    pub address: SocketAddr,
    /// Connections, each with one request under way at a time.
    pub connections: usize,
    /// Threads that drive them.
    pub threads: usize,
    /// How long.
    pub duration: Duration,
    /// Requests a second over all connections; without it, as fast as answers come.
    pub rate: Option<f64>,
    /// Whether every request has new alerts; else all have those of the first.
    pub distinct: bool,
}

/// What came back.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// Answers by status.
    pub by_status: BTreeMap<u16, u64>,
    /// Connections that broke with a request under way.
    pub broken: u64,
    /// How long the answers with 200 took.
    pub times: Times,
    /// How long it all took.
    pub elapsed: Duration,
}

impl Answers {
    /// Answers with 200.
    pub fn good(&self) -> u64 {
        self.by_status.get(&200).copied().unwrap_or_default()
    }

    /// Answers with 200 a second.
    pub fn rate(&self) -> f64 {
        self.good() as f64 / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    fn join(&mut self, other: Self) {
        for (status, count) in other.by_status {
            *self.by_status.entry(status).or_default() += count;
        }
        self.broken += other.broken;
        self.times.join(other.times);
        self.elapsed = self.elapsed.max(other.elapsed);
    }
}

impl Flood {
    /// Sends until the time is over, and reads every answer that is under way then.
    ///
    /// # Errors
    /// A thread cannot be started, or no connection can be made.
    pub fn run(&self, request: &Request, numbers: &Numbers) -> Result<Answers, Error> {
        let mut all = Answers::default();
        let answers = std::thread::scope(|scope| {
            let drive = |thread: usize| {
                let connections =
                    self.connections / self.threads + usize::from(thread < self.connections % self.threads);
                scope.spawn(move || self.drive(connections, request, numbers))
            };
            let threads: Vec<_> = (0..self.threads).map(drive).collect();
            threads.into_iter().map(|thread| thread.join()).collect::<Vec<_>>()
        });
        for answer in answers {
            all.join(answer.map_err(|_| Error::Server("a thread of the client panicked".to_owned()))??);
        }
        Ok(all)
    }

    fn drive(&self, connections: usize, request: &Request, numbers: &Numbers) -> Result<Answers, Error> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().doing("start a client")?;
        runtime.block_on(async {
            let tasks = (0..connections).map(|_| self.connection(request.clone(), numbers));
            let mut all = Answers::default();
            for answers in futures::future::join_all(tasks).await {
                all.join(answers?);
            }
            Ok(all)
        })
    }

    async fn connection(&self, mut request: Request, numbers: &Numbers) -> Result<Answers, Error> {
        let mut line = Line::connect(self.address).await.doing(format!("connect to {}", self.address))?;
        let mut answers = Answers::default();
        let begun = Instant::now();
        let every = self.rate.map(|rate| Duration::from_secs_f64(self.connections as f64 / rate));
        let mut due = begun;
        request.number(Numbers::FIRST);
        while begun.elapsed() < self.duration {
            if let Some(every) = every {
                due += every;
                tokio::time::sleep_until(due.into()).await;
            }
            if self.distinct {
                let number = numbers.take(request.alerts());
                while !numbers.may_send(number) {
                    if begun.elapsed() >= self.duration {
                        answers.elapsed = begun.elapsed();
                        return Ok(answers);
                    }
                    tokio::time::sleep(GATE_LOOK).await;
                }
                request.number(number);
            }
            let sent = Instant::now();
            match line.exchange(request.bytes()).await {
                Ok(status) => {
                    *answers.by_status.entry(status).or_default() += 1;
                    if status == 200 {
                        answers.times.add(sent.elapsed());
                    }
                }
                Err(_) => {
                    answers.broken += 1;
                    tokio::time::sleep(RECONNECT).await;
                    line = Line::connect(self.address).await.doing("connect again")?;
                }
            }
        }
        answers.elapsed = begun.elapsed();
        Ok(answers)
    }
}

/// A connection with what was read from it and not yet used.
struct Line {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Line {
    async fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(4096) })
    }

    /// Sends a request and reads its answer; gives the status.
    async fn exchange(&mut self, request: &[u8]) -> io::Result<u16> {
        self.stream.write_all(request).await?;
        loop {
            if let Some((status, length)) = answer(&self.buffer)? {
                self.buffer.drain(..length);
                return Ok(status);
            }
            if self.buffer.len() > ANSWER_BYTES_MAX {
                return Err(io::Error::other("the answer is too long"));
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// Status and length of an answer, once all of it is there.
fn answer(bytes: &[u8]) -> io::Result<Option<(u16, usize)>> {
    let Some(head) = bytes.windows(4).position(|end| end == b"\r\n\r\n") else { return Ok(None) };
    let malformed = || io::Error::other("the answer is no HTTP");
    let text = std::str::from_utf8(&bytes[..head]).map_err(|_| malformed())?;
    let status = text.get(9..12).and_then(|status| status.parse().ok()).ok_or_else(malformed)?;
    let length = text.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok()).flatten()
    });
    let whole = head + 4 + length.unwrap_or(0);
    Ok((bytes.len() >= whole).then_some((status, whole)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_end_where_their_length_says() {
        let cases: &[(&str, Option<(u16, usize)>)] = &[
            ("", None),
            ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n", None),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no", None),
            ("HTTP/1.1 503 No\r\ncontent-length: 2\r\n\r\nokHTTP", Some((503, 40))),
            ("HTTP/1.1 200 OK\r\n\r\n", Some((200, 19))),
        ];
        for (bytes, expected) in cases {
            assert_eq!(answer(bytes.as_bytes()).unwrap(), *expected, "{bytes:?}");
        }
        assert!(answer(b"nonsense\r\n\r\n").is_err());
    }
}
