//! A target for Prometheus whose metrics a test can change.

use crate::{
    error::Error,
    stand_in::{HttpStandIn, Reply},
};
use std::sync::{Arc, Mutex, PoisonError};

/// Serves a text at `/metrics`, in Prometheus' text format; other paths are 404.
pub struct Exporter {
    server: HttpStandIn,
    text: Arc<Mutex<String>>,
}

impl Exporter {
    /// Starts with this text: lines like `queue_length{name="a"} 7`.
    ///
    /// # Errors
    ///
    /// When no port is free.
    pub fn start(text: impl Into<String>) -> Result<Self, Error> {
        let server = HttpStandIn::start()?;
        let text = Arc::new(Mutex::new(text.into()));
        let served = Arc::clone(&text);
        server.answer_by(move |request| {
            if request.path.split('?').next() != Some("/metrics") {
                return Reply::status(404);
            }
            let text = served.lock().unwrap_or_else(PoisonError::into_inner).clone();
            // Prometheus refuses a last line without an end.
            let text = if text.is_empty() || text.ends_with('\n') { text } else { text + "\n" };
            Reply::status(200).header("content-type", "text/plain; version=0.0.4; charset=utf-8").body(text)
        });
        Ok(Self { server, text })
    }

    /// Serves this text from now on.
    pub fn set(&self, text: impl Into<String>) {
        *self.text.lock().unwrap_or_else(PoisonError::into_inner) = text.into();
    }

    /// How often it was asked.
    #[must_use]
    pub fn scrapes(&self) -> usize {
        self.server.count()
    }

    /// Takes the target away, so that its scrapes fail.
    pub fn stop(&self) {
        self.server.stop();
    }

    /// Brings the target back on the same port.
    ///
    /// # Errors
    ///
    /// When someone else has taken the port meanwhile.
    pub fn restart(&self) -> Result<(), Error> {
        self.server.restart()
    }

    /// `127.0.0.1:<port>`, as [`ScrapeTarget`](crate::ScrapeTarget) wants it.
    #[must_use]
    pub fn address(&self) -> String {
        self.server.address()
    }

    /// `http://127.0.0.1:<port>/metrics`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}/metrics", self.server.url())
    }
}
