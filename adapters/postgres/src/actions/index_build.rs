//! Building an index and removing one, without keeping anybody waiting.
//!
//! `CREATE INDEX CONCURRENTLY` is no transaction: when it fails, an unusable index is left that costs every write. So
//! after a failure the catalog is asked what there is, and the rest is removed.

use selfheal_contract::{Failure, FailureKind, IntentId};

use crate::indexes::{self, Index, Own};
use crate::server::{Locks, Server};
use crate::tables::Table;

/// Removes an index.
pub(crate) async fn drop_index(server: &Server, index: &Index) -> Result<(), Failure> {
    server.maintain(&format!("DROP INDEX CONCURRENTLY IF EXISTS {}", index.quoted), Locks::Patient).await
}

/// Builds the index under the name of its intent; what a build that failed leaves behind is removed.
pub(crate) async fn build(
    server: &Server,
    table: &Table,
    intent: &IntentId,
    statement: &str,
) -> Result<Index, Failure> {
    let failure = server.maintain(statement, Locks::Patient).await.err();
    let lost = |after: Failure| {
        Failure::indeterminate(format!("{after}; an index was being built on {}", table.name))
    };
    if failure.is_some() {
        // An answer comes a moment before the server is through with the statement, and one that nobody waits for any
        // more was told to stop.
        let is_over = || async { Ok(indexes::own(server, table, intent).await?.builder.is_none()) };
        server.settles(is_over).await.map_err(lost)?;
    }
    let found = indexes::own(server, table, intent).await.map_err(lost)?;
    match (failure, found) {
        // It may be complete although the answer was lost.
        (_, Own { building: Some(index), .. }) if index.is_valid => Ok(index),
        (None, _) => {
            Err(Failure::indeterminate(format!("the index on {} was built and is not there", table.name)))
        }
        (Some(failure), Own { builder: Some(pid), .. }) => {
            Err(Failure::indeterminate(format!("{failure}; process {pid} is still building it")))
        }
        (Some(failure), Own { building: Some(rest), .. }) => {
            drop_index(server, &rest).await.map_err(|second| {
                Failure::indeterminate(format!(
                    "{failure}; the unusable index {} is left: {second}",
                    rest.name
                ))
            })?;
            let what = format!("{failure}; what the build had left was removed");
            // Now that it is removed, nothing has happened any more.
            match failure.kind {
                FailureKind::Refused => Err(Failure::refused(what)),
                FailureKind::Transient | FailureKind::Indeterminate => Err(Failure::transient(what)),
            }
        }
        (Some(failure), Own { .. }) if failure.kind == FailureKind::Indeterminate => {
            Err(Failure::transient(format!("{}; nothing was built", failure.what)))
        }
        (Some(failure), _) => Err(failure),
    }
}
