//! The live stream: what changes is read once, written once, and given to all who listen.
//!
//! One task hears the engine's feed, gathers for a moment what belongs together (`teller`), and puts the events on the
//! [`ring`], from which those who come back get what they missed. Nobody is waited for: a listener that does not keep up
//! is sent away and comes again. Without listeners nothing is read.

mod listener;
mod ring;
mod teller;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::web::Bytes;
use futures::Stream;
use jiff::Timestamp;
use selfheal_runtime::Engine;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::insight::Insight;
use ring::Ring;

/// How many may listen at the same time.
pub(super) const LISTENERS_MAX: usize = 4096;

/// The stream and its task, which ends with it.
pub(crate) struct Live {
    shared: Arc<Shared>,
    teller: AbortHandle,
}

/// What the teller and the listeners share.
struct Shared {
    ring: Mutex<Ring>,
    listeners: AtomicUsize,
    /// Turns true when the server stops.
    closed: watch::Sender<bool>,
}

impl Shared {
    fn ring(&self) -> std::sync::MutexGuard<'_, Ring> {
        // The ring is whole after each of its methods.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_heard(&self) -> bool {
        self.listeners.load(Ordering::Relaxed) > 0
    }
}

impl Live {
    /// Begins to hear the engine. Must be called within the runtime.
    pub(crate) fn start(engine: Arc<Engine>, insight: Arc<Insight>) -> Self {
        // Events of another process must not be taken for this one's.
        let origin = format!("{:x}", engine.clock.now().as_microsecond());
        let shared = Arc::new(Shared {
            ring: Mutex::new(Ring::new(origin)),
            listeners: AtomicUsize::new(0),
            closed: watch::Sender::new(false),
        });
        let teller = tokio::spawn(teller::run(engine, insight, Arc::clone(&shared))).abort_handle();
        Self { shared, teller }
    }

    /// Sends all listeners away, so that the server can stop.
    pub(crate) fn close(&self) {
        self.shared.closed.send_replace(true);
    }

    /// What a new listener hears: first what it missed since the event `after`, if that is still known. `None` when too
    /// many listen already. It ends by itself at `expires`.
    pub(super) fn listen(
        &self,
        after: Option<&str>,
        remaining: Option<Duration>,
    ) -> Option<impl Stream<Item = Result<Bytes, std::convert::Infallible>> + 'static> {
        let place = listener::Place::take(Arc::clone(&self.shared))?;
        let (missed, events) = self.shared.ring().join(after);
        Some(listener::hear(place, missed, events, remaining))
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.teller.abort();
    }
}

/// How long until a token ends.
pub(super) fn remaining(expires: Option<Timestamp>, now: Timestamp) -> Option<Duration> {
    expires.map(|expires| Duration::try_from(expires.duration_since(now)).unwrap_or_default())
}
