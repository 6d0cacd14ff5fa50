//! What keeps a measurement from being made.

use std::io;

/// A measurement that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused something.
    #[error("cannot {what}: {source}")]
    System {
        /// What was tried; completes "cannot ...".
        what: String,
        /// Why not.
        source: io::Error,
    },
    /// A server could not be started or did not do what it should.
    #[error("{0}")]
    Server(String),
    /// A process of this crate's tests could not be guarded.
    #[error("{0}")]
    Process(#[from] selfheal_test_servers::Error),
}

/// Says what was tried when it failed.
pub trait While<T> {
    /// Turns a failure into one that names what was tried; `what` completes "cannot ...".
    ///
    /// # Errors
    /// As the result it is called on.
    fn doing(self, what: impl Into<String>) -> Result<T, Error>;
}

impl<T> While<T> for io::Result<T> {
    fn doing(self, what: impl Into<String>) -> Result<T, Error> {
        self.map_err(|source| Error::System { what: what.into(), source })
    }
}
