//! What the driver's errors mean for the next step, in words that tell an operator what to do.

use std::{fmt, io};

use redis::{ErrorKind, RedisError};
use selfheal_contract::Failure;
use selfheal_core::span::Span;

use crate::text::plain;

/// Whether what was sent could have changed anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// It only reads.
    Read,
    /// It may have changed something once it was sent.
    Change,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectFault {
    /// It does not speak TLS, or its certificate is not trusted.
    #[error("its TLS cannot be used: {0}")]
    Tls(io::Error),
    /// It accepts connections and says nothing, or does not even accept them.
    #[error("no answer within {0}")]
    Slow(Span),
    /// No way to it.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It was reached; the login failed.
    #[error(transparent)]
    Login(#[from] RedisError),
}

/// A fault of making a connection, before anything was asked.
pub(crate) fn connecting(server: &dyn fmt::Display, fault: &ConnectFault) -> Failure {
    let words = plain(&fault.to_string());
    let unreachable = || {
        Failure::transient(format!("{server} cannot be reached: {words}; check that it runs and its address"))
    };
    match fault {
        ConnectFault::Tls(_) => Failure::refused(format!(
            "{server} cannot be used: {words}; check that it speaks TLS on this port and that `ca` holds its authority"
        )),
        ConnectFault::Slow(_) | ConnectFault::Io(_) => unreachable(),
        ConnectFault::Login(fault) => match (server_error(fault), fault.kind()) {
            (Some((code, detail)), _) => answered(server, &code, &detail),
            (None, ErrorKind::InvalidClientConfig | ErrorKind::RESP3NotSupported) => {
                Failure::refused(format!("{server} cannot be used: {words}; check its address"))
            }
            (None, _) => unreachable(),
        },
    }
}

/// A fault of an exchange over a connection that had shown to be alive.
pub(crate) fn exchanging(server: &dyn fmt::Display, purpose: Purpose, fault: &RedisError) -> Failure {
    if let Some((code, detail)) = server_error(fault) {
        return answered(server, &code, &detail);
    }
    let words = plain(&fault.to_string());
    match (purpose, fault.kind()) {
        (Purpose::Change, _) => Failure::indeterminate(format!(
            "{server} was sent the change, and its answer did not come ({words}); look whether it happened"
        )),
        (Purpose::Read, ErrorKind::Parse | ErrorKind::UnexpectedReturnType) => {
            Failure::refused(format!("{server} answered what a Redis does not answer: {words}"))
        }
        (Purpose::Read, _) => Failure::transient(format!("{server} gave no answer: {words}")),
    }
}

/// Whether the connection can still be used after this fault.
pub(crate) fn leaves_connection(fault: &RedisError) -> bool {
    server_error(fault).is_some()
}

/// Whether the server only denies this login the command, or does not have it.
pub(crate) fn denies_command(fault: &RedisError) -> bool {
    server_error(fault).is_some_and(|(code, detail)| code == "NOPERM" || detail.starts_with("unknown "))
}

/// The code and the words of an error that the server itself sent. Nothing was changed then: every change here is one
/// command, one script whose writes happen all or not at all, or several commands of one form, of which the server denies
/// all or none.
fn server_error(fault: &RedisError) -> Option<(String, String)> {
    let errors = fault.clone().into_server_errors()?;
    let (_, first) = errors.first()?;
    Some((first.code().to_owned(), first.details().unwrap_or_default().to_owned()))
}

fn denied(server: &dyn fmt::Display, words: &str) -> Failure {
    Failure::refused(format!(
        "{server} does not permit it: {words}; grant selfheal's user the rights that this action's documentation names"
    ))
}

fn answered(server: &dyn fmt::Display, code: &str, detail: &str) -> Failure {
    let words = plain(&format!("{code} {detail}"));
    match code {
        "LOADING" | "BUSY" | "MASTERDOWN" | "TRYAGAIN" | "CLUSTERDOWN" => {
            Failure::transient(format!("{server} cannot do it now: {words}"))
        }
        "ERR" if detail.starts_with("max number of clients") => {
            Failure::transient(format!("{server} takes no further connection: {words}"))
        }
        "NOAUTH" | "WRONGPASS" => Failure::refused(format!(
            "{server} does not accept the login: {words}; check `user` and `password` of this target in adapters.redis.targets"
        )),
        "NOPERM" => denied(server, &words),
        // What a script may not do is told in words only.
        "ERR" if detail.starts_with("The user executing the script can't") => denied(server, &words),
        "READONLY" => {
            Failure::refused(format!("{server} is a replica: {words}; name its primary as the target"))
        }
        "MOVED" | "ASK" | "CROSSSLOT" => Failure::refused(format!(
            "{server} is a node of a cluster, and the key is on another: {words}; name that node as the target"
        )),
        _ => Failure::refused(format!("{server} refused: {words}")),
    }
}
