//! The audit chain as it stands in a journal, to be read and verified. It can be read while another process writes.

use async_trait::async_trait;
use selfheal_core::audit::{Checkpoint, Forgot, Found, Head, Key, Link, Says, Verified, Verifier};
use selfheal_core::hash::ContentHash;

use super::fault::JournalFault;
use super::story::Record;

/// Links that are read at a time.
const PAGE: usize = 1000;

/// Where the chain begins and ends, as the journal itself says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The number of the first record that has a link: older ones were there before there was a chain.
    pub first: i64,
    /// The last link.
    pub head: Head,
}

/// One link, with its record unless that was forgotten or removed.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEntry {
    /// The link.
    pub link: Link,
    /// The record, and the hash of it as it is stored now.
    pub record: Option<(ContentHash, Record)>,
}

impl AuditEntry {
    /// What is found where the record is to be.
    fn found(&self) -> Option<Found> {
        let (content, record) = self.record.as_ref()?;
        let forgot = (record.kind == Forgot::KIND)
            .then(|| serde_json::from_value(record.facts.clone()).ok())
            .flatten();
        Some(Found { content: *content, forgot })
    }
}

/// The chain in a journal.
#[async_trait]
pub trait Audit: Send + Sync {
    /// Where it begins and ends.
    async fn chain(&self) -> Result<Chain, JournalFault>;
    /// Links after a number, with their records, in the order of their numbers.
    async fn links(&self, after: u64, most: usize) -> Result<Vec<AuditEntry>, JournalFault>;
    /// How many records have no link although the chain had begun.
    async fn unlinked(&self) -> Result<u64, JournalFault>;
}

/// Goes over the whole chain. `known` are heads that it had, noted where nobody could alter them; `keys` those with which
/// checkpoints were signed, without which signatures are not looked at. What is written meanwhile is no finding.
///
/// # Errors
/// The journal cannot be read.
pub async fn verify(
    audit: &dyn Audit,
    mut known: Vec<Head>,
    keys: Vec<Key>,
) -> Result<Verified, JournalFault> {
    let Chain { first, head } = audit.chain().await?;
    known.push(head);
    let mut verifier = Verifier::new(first, known, keys);
    let mut after = 0;
    loop {
        let page = audit.links(after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.link.seq;
        page.iter().for_each(|entry| verifier.take(entry.link, entry.found()));
    }
    Ok(verifier.end(audit.unlinked().await?))
}
