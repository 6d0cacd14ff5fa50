//! How long a list is, asked with nothing but the right to read: a script would need the right to write.

use redis::pipe;
use selfheal_contract::Failure;

use crate::server::Server;

/// What was found under a list's key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A list of so many entries; none when the key is not there, as Redis removes a list with its last entry.
    List(i64),
    /// Something else, by Redis' name of its type.
    Other(String),
}

/// Looks at a key.
pub(crate) async fn look(server: &Server, key: &str) -> Result<Found, Failure> {
    let mut question = pipe();
    question.cmd("TYPE").arg(key);
    let (kind,): (String,) = server.read(&question).await?;
    match kind.as_str() {
        "none" => Ok(Found::List(0)),
        "list" => {
            question.clear();
            question.cmd("LLEN").arg(key);
            // Signed, as the driver would read a negative answer as a huge unsigned one.
            match server.read(&question).await? {
                (length @ 0..,) => Ok(Found::List(length)),
                (length,) => Err(Failure::refused(format!("{server} says that a list has {length} entries"))),
            }
        }
        _ => Ok(Found::Other(kind)),
    }
}
