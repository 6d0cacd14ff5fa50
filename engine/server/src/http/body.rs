//! Reads a request's body: within its bound, within its time, and never more of all bodies together than fits.
//!
//! A `Content-Length` that is too much is refused before a byte is read. A compressed body is unpacked piece by piece
//! into the same bound, so that a bomb costs no more memory than an honest body.

use std::io::{self, Write as _};
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::web::Payload;
use flate2::write::MultiGzDecoder;
use futures::StreamExt as _;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::answer::Fault;

/// What is set aside for a body at once, by its `Content-Length` alone.
const PREALLOCATED_MAX: usize = 1024 * 1024;
/// How much of a compressed body is unpacked between two looks at the bound: at most a thousand times as much comes out.
const GZIP_PIECE: usize = 1024;
/// For how many bytes a body of unknown length asks at a time.
const RESERVED_STEP: usize = 64 * 1024;

/// The bounds of one body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// The most bytes, unpacked.
    pub(super) bytes_max: usize,
    /// The longest time for all of it to arrive.
    pub(super) timeout: Duration,
}

/// Why there is no body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BodyFault {
    /// It is longer than it may be.
    #[error("the body has more than {0} bytes")]
    TooLarge(usize),
    /// It did not arrive in time.
    #[error("the body did not arrive within {0:?}")]
    TooSlow(Duration),
    /// Too many bodies are being read.
    #[error("too many bodies are being read at the moment: send it again")]
    Busy,
    /// It is packed in a way that is not understood.
    #[error("the content encoding {0:?} is not supported")]
    Encoding(String),
    /// It ended too early, or is not what it says it is.
    #[error("the body cannot be read: {0}")]
    Broken(String),
}

impl BodyFault {
    /// The reason in metrics.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::TooLarge(_) => "too_large",
            Self::TooSlow(_) => "too_slow",
            Self::Busy => "busy",
            Self::Encoding(_) => "encoding",
            Self::Broken(_) => "broken",
        }
    }
}

impl From<BodyFault> for Fault {
    fn from(fault: BodyFault) -> Self {
        let text = fault.to_string();
        match fault {
            BodyFault::TooLarge(_) => Self::new(StatusCode::PAYLOAD_TOO_LARGE, text),
            BodyFault::TooSlow(_) => Self::new(StatusCode::REQUEST_TIMEOUT, text)
                // The rest may still come; it would be read as the next request.
                .header(header::CONNECTION, HeaderValue::from_static("close")),
            BodyFault::Busy => Self::new(StatusCode::SERVICE_UNAVAILABLE, text),
            BodyFault::Encoding(_) => {
                Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text).help("send it as it is, or with gzip")
            }
            BodyFault::Broken(_) => Self::wrong(text),
        }
    }
}

/// Room for the bodies that are being read and worked on at the same time.
pub(super) struct Room {
    bytes: Semaphore,
    wait: Duration,
}

impl Room {
    /// Room for this many bytes; who finds none waits for at most `wait`.
    pub(super) fn new(bytes: usize, wait: Duration) -> Self {
        Self { bytes: Semaphore::new(bytes.min(Semaphore::MAX_PERMITS)), wait }
    }

    async fn take(&self, bytes: usize) -> Result<SemaphorePermit<'_>, BodyFault> {
        let permits = u32::try_from(bytes).map_err(|_| BodyFault::TooLarge(u32::MAX as usize))?;
        if let Ok(permit) = self.bytes.try_acquire_many(permits) {
            return Ok(permit);
        }
        match tokio::time::timeout(self.wait, self.bytes.acquire_many(permits)).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(BodyFault::Busy),
        }
    }
}

/// A body that has arrived, with the room that it takes until it is dropped.
pub(super) struct Body<'r> {
    pub(super) bytes: Vec<u8>,
    pub(super) room: SemaphorePermit<'r>,
}

/// Reads a body.
///
/// # Errors
/// It is too large, too slow, packed in an unknown way, broken, or there is no room.
pub(super) async fn read<'r>(
    headers: &HeaderMap,
    payload: Payload,
    bounds: Bounds,
    room: &'r Room,
) -> Result<Body<'r>, BodyFault> {
    let declared = declared_length(headers);
    if declared.is_some_and(|length| length > bounds.bytes_max as u64) {
        return Err(BodyFault::TooLarge(bounds.bytes_max));
    }
    // What is declared fits a usize, since the bound does.
    let declared = declared.map_or(0, |length| length as usize);
    let is_packed = is_gzip(headers)?;
    let reading = async {
        let held = room.take(declared).await?;
        let collected = Collected {
            bytes: Vec::with_capacity(if is_packed { 0 } else { declared.min(PREALLOCATED_MAX) }),
            bytes_max: bounds.bytes_max,
            overflowed: false,
        };
        let growing = Growing { room, held, reserved: declared, most: bounds.bytes_max };
        match is_packed {
            false => plain(payload, collected, growing).await,
            true => unpacked(payload, collected, growing).await,
        }
    };
    match tokio::time::timeout(bounds.timeout, reading).await {
        Ok(read) => read,
        Err(_) => Err(BodyFault::TooSlow(bounds.timeout)),
    }
}

async fn plain<'r>(
    mut payload: Payload,
    mut collected: Collected,
    mut growing: Growing<'r>,
) -> Result<Body<'r>, BodyFault> {
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| BodyFault::Broken(error.to_string()))?;
        if collected.write_all(&chunk).is_err() {
            return Err(BodyFault::TooLarge(collected.bytes_max));
        }
        growing.to(collected.bytes.len()).await?;
    }
    Ok(Body { bytes: collected.bytes, room: growing.held })
}

async fn unpacked<'r>(
    mut payload: Payload,
    collected: Collected,
    mut growing: Growing<'r>,
) -> Result<Body<'r>, BodyFault> {
    let bytes_max = collected.bytes_max;
    let mut decoder = MultiGzDecoder::new(collected);
    let fault = |overflowed: bool, error: io::Error| match overflowed {
        true => BodyFault::TooLarge(bytes_max),
        false => BodyFault::Broken(format!("it is not gzip: {error}")),
    };
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| BodyFault::Broken(error.to_string()))?;
        for piece in chunk.chunks(GZIP_PIECE) {
            if let Err(error) = decoder.write_all(piece) {
                return Err(fault(decoder.get_ref().overflowed, error));
            }
            growing.to(decoder.get_ref().bytes.len()).await?;
            // Unpacking is work; other requests of this thread have their turn in between.
            tokio::task::yield_now().await;
        }
    }
    if let Err(error) = decoder.try_finish() {
        return Err(fault(decoder.get_ref().overflowed, error));
    }
    let collected = decoder.finish().map_err(|error| fault(false, error))?;
    Ok(Body { bytes: collected.bytes, room: growing.held })
}

/// What has arrived so far.
struct Collected {
    bytes: Vec<u8>,
    bytes_max: usize,
    overflowed: bool,
}

impl io::Write for Collected {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        if piece.len() > self.bytes_max - self.bytes.len() {
            self.overflowed = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The room of a body that turns out longer than it said.
struct Growing<'r> {
    room: &'r Room,
    held: SemaphorePermit<'r>,
    reserved: usize,
    /// What the body may come to; more is never asked for, since there may be no more.
    most: usize,
}

impl Growing<'_> {
    async fn to(&mut self, bytes: usize) -> Result<(), BodyFault> {
        if bytes <= self.reserved {
            return Ok(());
        }
        let more = (bytes - self.reserved).max(RESERVED_STEP).min(self.most - self.reserved);
        self.held.merge(self.room.take(more).await?);
        self.reserved += more;
        Ok(())
    }
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn is_gzip(headers: &HeaderMap) -> Result<bool, BodyFault> {
    let Some(encoding) = headers.get(header::CONTENT_ENCODING) else { return Ok(false) };
    match encoding.to_str().unwrap_or("?").trim() {
        "" | "identity" => Ok(false),
        "gzip" | "x-gzip" => Ok(true),
        other => Err(BodyFault::Encoding(other.chars().take(64).collect())),
    }
}
