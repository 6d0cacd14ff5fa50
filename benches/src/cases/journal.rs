//! Commits of the journal, beside one sync of the same disk.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use selfheal_runtime::ports::Journal;
use selfheal_runtime::ports::journal::NewReceipt;
use selfheal_store::SqliteJournal;
use tokio::runtime::Runtime;

use super::{Case, Work};
use crate::body::Request;
use crate::disk::Disk;
use crate::error::{Error, While};
use crate::rules;

/// Writers at the same time, as many as connections in the load scenarios.
const TOGETHER: usize = 64;

pub(super) fn cases(directory: &Path) -> Result<Vec<Case>, Error> {
    Ok(vec![
        Case {
            figure: "journal, one receipt",
            floor_is: "one fdatasync",
            wanted: "",
            floor: syncing(directory)?,
            work: receiving(directory, "alone", 1)?,
        },
        Case {
            figure: "journal, 64 receipts at once",
            floor_is: "one fdatasync",
            wanted: "",
            floor: syncing(directory)?,
            work: receiving(directory, "together", TOGETHER)?,
        },
    ])
}

fn syncing(directory: &Path) -> Result<Work, Error> {
    let mut disk = Disk::open(directory)?;
    Ok(Box::new(move || disk.sync().expect("the journal beside it can be written too")))
}

/// Stores so many receipts at once and waits for all of them.
fn receiving(directory: &Path, name: &str, together: usize) -> Result<Work, Error> {
    let runtime = Runtime::new().doing("start threads")?;
    let path = directory.join(format!("{name}.sqlite"));
    let journal = SqliteJournal::open(&path).map_err(|fault| Error::Server(fault.to_string()))?;
    let journal = Arc::new(journal);
    let body = Request::new(rules::ALERT, 1).body().to_vec();
    Ok(Box::new(move || {
        let tasks: Vec<_> = (0..together)
            .map(|_| {
                let (journal, body) = (Arc::clone(&journal), body.clone());
                let received_at = Timestamp::now();
                let receipt = NewReceipt { received_at, source: "alertmanager", trace: "0".repeat(32), body };
                runtime.spawn(async move { journal.receive(receipt).await.map(drop) })
            })
            .collect();
        for task in tasks {
            runtime.block_on(task).expect("it does not panic").expect("the journal can be written");
        }
    }))
}
