//! How a command ends: the exit codes, and failures that carry one.

use std::io::{self, Write};
use std::process::ExitCode;

/// The exit codes. Scripts may rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, and nothing was found.
    Good = 0,
    /// What was checked has faults, or the server said no.
    Findings = 1,
    /// The command line or the configuration is faulty, or a file cannot be read.
    Usage = 2,
    /// The server cannot be reached, or cannot answer now.
    Unreachable = 3,
    /// selfheal itself failed.
    Internal = 70,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A command that could not do what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Failure {
    /// How the process ends.
    pub exit: Exit,
    /// What happened and what to do; empty when there is nobody to tell.
    pub text: String,
}

impl Failure {
    /// A failure that ends the process so.
    pub(super) fn new(exit: Exit, text: impl Into<String>) -> Self {
        Self { exit, text: text.into() }
    }

    /// What was checked has faults, or the server said no.
    pub(super) fn findings(text: impl Into<String>) -> Self {
        Self::new(Exit::Findings, text)
    }

    /// The command line or the configuration is faulty.
    pub(super) fn usage(text: impl Into<String>) -> Self {
        Self::new(Exit::Usage, text)
    }

    /// The server cannot be reached.
    pub(super) fn unreachable(text: impl Into<String>) -> Self {
        Self::new(Exit::Unreachable, text)
    }

    /// selfheal itself failed.
    pub(super) fn internal(text: impl Into<String>) -> Self {
        Self::new(Exit::Internal, text)
    }

    /// The same, with what else there is to say.
    pub(super) fn with(self, more: &str) -> Self {
        Self { text: format!("{}; {more}", self.text), ..self }
    }

    /// Writes what happened. A page of faults stands for itself; one line says who speaks.
    pub(super) fn tell(&self, err: &mut dyn Write) -> io::Result<()> {
        let text = self.text.trim_end();
        match text {
            "" => Ok(()),
            page if page.contains('\n') => writeln!(err, "{page}"),
            line => writeln!(err, "selfheal: {line}"),
        }
    }
}

impl From<io::Error> for Failure {
    /// Standard output cannot be written. Where its reader has gone away (`| head`), that is no failure.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(Exit::Good, ""),
            _ => Self::internal(format!("standard output cannot be written: {error}")),
        }
    }
}
