//! One listener: what it missed, then every event, a sign of life in between, and an end.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::web::Bytes;
use futures::Stream;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep_until};

use super::{LISTENERS_MAX, Shared};

/// The time between two signs of life, below the minute after which proxies usually hang up.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Longer than any listener listens: for tokens without an end.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// A place among the listeners, given back when it is dropped.
pub(super) struct Place(Arc<Shared>);

impl Place {
    /// Takes one, if there is one.
    pub(super) fn take(shared: Arc<Shared>) -> Option<Self> {
        let taken = shared.listeners.fetch_add(1, Ordering::Relaxed);
        let place = Self(shared);
        (taken < LISTENERS_MAX).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.listeners.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Everything of one listener.
struct Listener {
    place: Place,
    missed: VecDeque<Bytes>,
    events: Receiver<Bytes>,
    ends: Instant,
    /// Whether the last word has been said.
    over: bool,
}

/// The listener's side of the stream.
pub(super) fn hear(
    place: Place,
    missed: Vec<Bytes>,
    events: Receiver<Bytes>,
    remaining: Option<Duration>,
) -> impl Stream<Item = Result<Bytes, Infallible>> + 'static {
    let ends = Instant::now() + remaining.unwrap_or(FOREVER).min(FOREVER);
    let listener = Listener { place, missed: missed.into(), events, ends, over: false };
    futures::stream::unfold(listener, |mut listener| async move {
        let next = listener.next().await?;
        Some((Ok(next), listener))
    })
}

impl Listener {
    async fn next(&mut self) -> Option<Bytes> {
        if self.over {
            return None;
        }
        if let Some(missed) = self.missed.pop_front() {
            return Some(missed);
        }
        let mut closed = self.place.0.closed.subscribe();
        let last_word = |text: &'static str| Some(Bytes::from_static(text.as_bytes()));
        tokio::select! {
            event = self.events.recv() => match event {
                Ok(event) => Some(event),
                Err(RecvError::Lagged(_)) => {
                    // What it missed is on the ring, as far as that goes; it comes back with the last id that it saw.
                    self.over = true;
                    last_word(": too slow, come again\nretry: 1000\n\n")
                }
                Err(RecvError::Closed) => None,
            },
            _ = closed.wait_for(|closed| *closed) => {
                self.over = true;
                last_word(": the server stops, come again\nretry: 3000\n\n")
            }
            () = sleep_until(self.ends) => {
                self.over = true;
                last_word("event: expired\ndata: {}\n\n")
            }
            () = tokio::time::sleep(HEARTBEAT) => last_word(": still here\n\n"),
        }
    }
}
