//! Checkpoints: signs every hour, where there is a key, where the audit chain ends, and records that in the chain itself;
//! the first time before there is anything else in it.
//!
//! What was signed before is looked for each time: who makes the chain anew under a running process is found out by it, and
//! gets no signature for that.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use selfheal_core::audit::{Checkpoint, Head, Key, Numbers};
use serde_json::json;
use tokio::sync::Mutex;

use crate::engine::Engine;
use crate::ports::JournalFault;
use crate::ports::journal::{Chain, Record, Write};

/// How often the end of the chain is signed.
const EVERY: Duration = Duration::from_secs(3600);
/// How long to wait after it could not be.
const RETRY: Duration = Duration::from_secs(30);
/// Of the processes that share a journal one signs.
const TASK: &str = "audit";

/// The key, and what this process has signed.
pub(crate) struct Checkpoints {
    key: Option<Key>,
    /// The newest head that this process has signed.
    last: Mutex<Option<Head>>,
    made_anew: AtomicBool,
}

impl Checkpoints {
    pub(crate) fn new(key: Option<Key>) -> Self {
        Self { key, last: Mutex::default(), made_anew: AtomicBool::new(false) }
    }

    pub(crate) fn key(&self) -> Option<&Key> {
        self.key.as_ref()
    }

    /// Whether the chain is not any more the one that this process has signed.
    pub(crate) fn is_made_anew(&self) -> bool {
        self.made_anew.load(Ordering::Relaxed)
    }
}

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointFault {
    /// The journal cannot be read or written.
    #[error(transparent)]
    Journal(#[from] JournalFault),
    /// The chain is another.
    #[error(
        "the audit chain had the head {0} when that was signed, and has not any more: it was made anew; nothing is signed \
         and nothing is forgotten from now on. See `selfheal audit verify --head {0}`, and who can write the journal"
    )]
    MadeAnew(Head),
}

/// Signs for as long as the process runs, beginning at once.
pub(crate) async fn run(engine: Arc<Engine>) {
    loop {
        let mut wait = EVERY;
        if engine.leads(TASK).await
            && let Err(fault) = engine.checkpoint().await
        {
            tracing::error!(%fault, "the audit chain could not be signed");
            wait = RETRY;
        }
        engine.clock.sleep(wait).await;
    }
}

impl Engine {
    /// Where the audit chain begins and ends, and the end signed if there is a key.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub async fn audit_head(&self) -> Result<(Chain, Option<Checkpoint>), JournalFault> {
        let chain = self.journal.chain().await?;
        let sign = |key: &Key| key.sign(chain.head, &Numbers::default());
        Ok((chain, self.checkpoints.key().filter(|_| !self.checkpoints.is_made_anew()).map(sign)))
    }

    /// Signs where the audit chain ends, if there is a key and something new to sign; it is in the journal when this
    /// returns.
    ///
    /// # Errors
    /// The journal cannot be read or written, or its chain is not any more the one that this process has signed.
    pub async fn checkpoint(&self) -> Result<(), CheckpointFault> {
        let Some(key) = self.checkpoints.key() else { return Ok(()) };
        let mut last = self.checkpoints.last.lock().await;
        let Chain { first, head } = self.journal.chain().await?;
        if let Some(last) = *last {
            let stands = match last.seq.checked_sub(1) {
                Some(before) => self.journal.links(before, 1).await?.first().map(|entry| entry.link.head()),
                None => Some(Head::start(first)),
            };
            if stands != Some(last) {
                self.checkpoints.made_anew.store(true, Ordering::Relaxed);
                return Err(CheckpointFault::MadeAnew(last));
            }
        }
        // The record of a checkpoint is itself a link; it alone is nothing new.
        if last.is_some_and(|last| head.seq <= last.seq + 1) {
            return Ok(());
        }
        let checkpoint = key.sign(head, &Numbers::default());
        let record = Record {
            issue: None,
            remediation: None,
            at: self.clock.now(),
            kind: Checkpoint::KIND.to_owned(),
            actor: "selfheal".to_owned(),
            summary: format!("the audit chain is signed up to link {} by key {}", head.seq, key.name()),
            facts: json!(checkpoint),
        };
        self.journal.commit(vec![Write::Record(record)]).await?;
        *last = Some(head);
        Ok(())
    }
}
