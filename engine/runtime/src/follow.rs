//! Follows the audit chain, where other processes share the journal: it names every record in the order in which they became
//! durable, whoever wrote them, so that who watches one process sees what all of them do.
//!
//! Approvals have no link of their own: where something changed, those that are open are read again and compared.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::Engine;
use crate::feed::Change;
use crate::ports::JournalFault;
use crate::ports::journal::{ApprovalFilter, Said};

/// How often it is looked when nobody says that there is something.
const LOOK: Duration = Duration::from_millis(500);
/// The pause between two looks, so that a storm is not read record by record.
const PAUSE: Duration = Duration::from_millis(100);
/// Links that are read at a time; of more it is only said that there are.
const LINKS_MAX: usize = 2000;
/// The newest open approvals, of which changes are told.
const APPROVALS_MAX: u32 = 200;

/// Follows for as long as the process runs.
pub(crate) async fn run(engine: Arc<Engine>) {
    let mut place = Place::default();
    loop {
        if !engine.feed.is_heard() {
            place = Place::default();
            engine.feed.wanted().await;
        }
        if let Err(fault) = place.go_on(&engine).await {
            tracing::debug!(%fault, "what others have changed cannot be read; it is told later");
        }
        tokio::select! {
            biased;
            () = engine.journal.heard(Said::Record) => {}
            () = engine.clock.sleep(LOOK) => {}
        }
        engine.clock.sleep(PAUSE).await;
    }
}

/// What has been told of already.
#[derive(Default)]
struct Place {
    /// The last link; none before the first look.
    after: Option<u64>,
    /// The approvals that were open.
    open: BTreeSet<String>,
}

impl Place {
    async fn go_on(&mut self, engine: &Engine) -> Result<(), JournalFault> {
        let Some(after) = self.after else {
            // Who begins to listen hears what comes from then on.
            self.approvals(engine).await?;
            self.after = Some(engine.journal.chain().await?.head.seq);
            return Ok(());
        };
        let links = engine.journal.changed(after, LINKS_MAX).await?;
        let Some(last) = links.last() else { return Ok(()) };
        let mut change = Change {
            issues: links.iter().filter_map(|link| link.issue).collect(),
            remediations: links.iter().filter_map(|link| link.remediation).collect(),
            approvals: self.approvals(engine).await?,
            ..Change::default()
        };
        let mut through = last.seq;
        if links.len() == LINKS_MAX {
            through = engine.journal.chain().await?.head.seq;
            change = Change { much: true, ..Change::default() };
        }
        self.after = Some(through);
        engine.feed.tell(change);
        Ok(())
    }

    /// Approvals that are open and were not when they were last read, or the other way round.
    async fn approvals(&mut self, engine: &Engine) -> Result<Vec<String>, JournalFault> {
        let open = engine.journal.approvals(ApprovalFilter::open(APPROVALS_MAX)).await?;
        let open = open.into_iter().map(|approval| approval.id).collect();
        let before = std::mem::replace(&mut self.open, open);
        Ok(before.symmetric_difference(&self.open).cloned().collect())
    }
}
