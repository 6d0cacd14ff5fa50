//! The audit chain as it stands in a journal, to be read and verified. It can be read while another process writes.

use async_trait::async_trait;
use selfheal_core::audit::{Checkpoint, Forgot, Found, Head, Key, Link, Says, Verified, Verifier};
use selfheal_core::hash::ContentHash;
use selfheal_core::issue::IssueId;
use selfheal_core::remediation::RemediationId;

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
        let facts = || record.facts.clone();
        let says = match record.kind.as_str() {
            Forgot::KIND => serde_json::from_value(facts()).ok().map(Says::Forgot),
            Checkpoint::KIND => serde_json::from_value(facts()).ok().map(Says::Checkpoint),
            _ => None,
        };
        Some(Found { content: *content, says })
    }
}

/// What a link's record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The number of the link.
    pub seq: u64,
    /// The issue, if its record is there and about one.
    pub issue: Option<IssueId>,
    /// The remediation, likewise.
    pub remediation: Option<RemediationId>,
}

impl Changed {
    /// By the columns of a record.
    pub fn new(seq: u64, issue: Option<i64>, ordinal: Option<i64>) -> Self {
        let issue = issue.map(IssueId);
        let ordinal = ordinal.and_then(|ordinal| u32::try_from(ordinal).ok());
        let remediation = issue.zip(ordinal).map(|(issue, ordinal)| RemediationId { issue, ordinal });
        Self { seq, issue, remediation }
    }
}

/// The chain in a journal.
#[async_trait]
pub trait Audit: Send + Sync {
    /// Where it begins and ends.
    async fn chain(&self) -> Result<Chain, JournalFault>;
    /// Links after a number, with their records, in the order of their numbers.
    async fn links(&self, after: u64, most: usize) -> Result<Vec<AuditEntry>, JournalFault>;
    /// What the links after a number are about, in the order of their numbers, which is that in which they became durable.
    async fn changed(&self, after: u64, most: usize) -> Result<Vec<Changed>, JournalFault>;
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
