//! A small HTTP/1.1 server in this process that records what it is sent and answers what a test tells it to: the
//! stand-in for Slack, for a webhook, for a collector of traces.
//!
//! One thread accepts, one thread a connection reads, records, and answers. A request counts as received when its body
//! is there, before the answer's delay, as it would at a slow service. Deliberately absent: TLS, routing, compression
//! (a compressed body is recorded as it came).

mod message;
mod reply;
mod serving;

pub use message::Request;
pub use reply::Reply;

use crate::{error::Error, port::Port};
use serving::{Serving, Shared};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// A recording HTTP server on 127.0.0.1; it and its threads end on Drop.
pub struct HttpStandIn {
    /// Declared, and so dropped, before the port's reservation.
    serving: Mutex<Option<Serving>>,
    shared: Arc<Shared>,
    port: Port,
}

impl HttpStandIn {
    /// Starts a server that answers 200 with an empty body until told otherwise.
    ///
    /// # Errors
    ///
    /// When no port is free.
    pub fn start() -> Result<Self, Error> {
        let port = Port::reserve()?;
        let shared = Arc::new(Shared::default());
        let serving = Mutex::new(Some(Serving::start(port.number(), Arc::clone(&shared))?));
        Ok(Self { serving, shared, port })
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// `127.0.0.1:<port>`.
    #[must_use]
    pub fn address(&self) -> String {
        self.port.address()
    }

    /// `http://127.0.0.1:<port>`, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.port.address())
    }

    /// Answers every further request with this, once the script has run out.
    pub fn answer(&self, reply: Reply) {
        self.answer_by(move |_| reply.clone());
    }

    /// Answers every further request with what the function makes of it, once the script has run out.
    pub fn answer_by(&self, reply: impl Fn(&Request) -> Reply + Send + Sync + 'static) {
        self.shared.state().usual = Arc::new(reply);
    }

    /// Adds answers to the script: each is given once, in order, before the usual answer comes back.
    pub fn script(&self, replies: impl IntoIterator<Item = Reply>) {
        self.shared.state().script.extend(replies);
    }

    /// All requests so far, oldest first; of more than 100 000 the newest.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.shared.state().requests.iter().cloned().collect()
    }

    /// How many requests have come since the start or the last [`forget`](Self::forget).
    #[must_use]
    pub fn count(&self) -> usize {
        self.shared.state().received
    }

    /// Forgets the requests so far; the script stays.
    pub fn forget(&self) {
        let mut state = self.shared.state();
        state.requests.clear();
        state.received = 0;
    }

    /// Waits for a request that fits, and returns the oldest; those that came before the call count too.
    ///
    /// # Panics
    ///
    /// When none comes within the time; the message lists what came instead.
    #[track_caller]
    pub fn wait_for(&self, fits: impl Fn(&Request) -> bool, within: Duration) -> Request {
        let found =
            self.wait_until(within, |state| state.requests.iter().find(|request| fits(request)).cloned());
        match found {
            Ok(request) => request,
            Err(came) => panic!("no request that fits came within {within:?}; what came: {came}"),
        }
    }

    /// Waits until at least so many requests have come, and returns all.
    ///
    /// # Panics
    ///
    /// When fewer come within the time; the message lists them.
    #[track_caller]
    pub fn wait_for_count(&self, count: usize, within: Duration) -> Vec<Request> {
        match self.wait_until(within, |state| (state.received >= count).then_some(())) {
            Ok(()) => self.requests(),
            Err(came) => panic!("fewer than {count} requests came within {within:?}; what came: {came}"),
        }
    }

    /// Takes the server away: its port refuses, open connections are cut. What it recorded stays.
    pub fn stop(&self) {
        // Taken out before it is dropped: ending the threads must not hold the lock.
        let serving = self.serving().take();
        drop(serving);
    }

    /// Brings the server back on the same port, with the same script. Nothing happens when it is there.
    ///
    /// # Errors
    ///
    /// When someone else has taken the port meanwhile.
    pub fn restart(&self) -> Result<(), Error> {
        let mut serving = self.serving();
        if serving.is_none() {
            *serving = Some(Serving::start(self.port.number(), Arc::clone(&self.shared))?);
        }
        Ok(())
    }

    fn serving(&self) -> MutexGuard<'_, Option<Serving>> {
        self.serving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer as soon as there is one, or a list of what came instead.
    fn wait_until<T>(
        &self,
        within: Duration,
        mut look: impl FnMut(&serving::State) -> Option<T>,
    ) -> Result<T, String> {
        let end = Instant::now() + within;
        let mut state = self.shared.state();
        loop {
            if let Some(found) = look(&state) {
                return Ok(found);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let lines = state.requests.iter().rev().take(20).map(Request::summary);
                return Err(format!(
                    "{} requests, newest first:\n{}",
                    state.received,
                    lines.collect::<String>()
                ));
            }
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
