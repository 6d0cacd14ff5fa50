//! What can go wrong when a server is started or driven.

use std::io;

/// A server's program is not installed on this machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{program} is missing (tests/install-servers.sh installs {package})")]
pub struct Missing {
    /// The program's name, as it would be called.
    pub program: &'static str,
    /// The package that has it: Debian's, where nothing else is said.
    pub package: &'static str,
}

/// Why a server could not be started or did not do what was asked of it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The program is not installed; [`require!`](crate::require!) turns this into a skipped test.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// The server runs or ran, and refused; `log` is the end of its output.
    #[error("{server}: {reason}\n--- the end of its log ---\n{log}")]
    Failed {
        /// Which server.
        server: String,
        /// What was expected and did not happen.
        reason: String,
        /// The last lines that the server wrote.
        log: String,
    },
    /// A server answered a request with an error.
    #[error("{server} refused {request}: {reason}")]
    Refused {
        /// Which server.
        server: String,
        /// What was asked.
        request: String,
        /// The server's own words.
        reason: String,
    },
    /// The operating system refused.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// The operating system's reason.
        source: io::Error,
    },
}

/// Adds to an I/O error what was tried.
pub(crate) trait While<T> {
    /// Names what was tried, only when it failed.
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Error>;
}

impl<T> While<T> for io::Result<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|source| Error::Io { what: what(), source })
    }
}
