//! The audit chain as it stands in a journal, to be read and verified. It can be read while another process writes.
//!
//! The chain covers records. What tables say of remediations that have ended is held against the records of their ends.

use async_trait::async_trait;
use selfheal_core::audit::{Checkpoint, Finding, Forgot, Found, Head, Key, Link, Says, Verified, Verifier};
use selfheal_core::hash::ContentHash;
use selfheal_core::issue::{IssueId, Outcome};
use selfheal_core::plan::Plan;
use selfheal_core::remediation::RemediationId;

use super::fault::JournalFault;
use super::story::{EndFacts, Record};

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

/// A remediation that has ended by a record, and what tables say of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Ending {
    /// The number of the record.
    pub record: i64,
    /// The remediation.
    pub remediation: RemediationId,
    /// The facts of the record, if it has any that can be read.
    pub facts: Option<EndFacts>,
    /// What tables say.
    pub table: EndingTable,
}

/// What tables say of a remediation.
#[derive(Clone, Debug, PartialEq)]
pub enum EndingTable {
    /// All of it is there.
    Whole {
        /// How it ended, by name.
        outcome: Option<String>,
        /// The hash of its plan, as it is stored.
        plan_hash: String,
        /// The plan, as it is stored.
        plan: String,
        /// Who approved it.
        approved_by: Option<String>,
    },
    /// Its details were forgotten.
    Forgotten {
        /// How it ended, by name.
        outcome: Option<String>,
    },
    /// Nothing is there.
    Gone,
}

impl Ending {
    /// The facts of a record, as they are stored.
    pub fn facts_of(text: Option<&str>) -> Option<EndFacts> {
        serde_json::from_str(text?).ok()
    }

    /// What tables say otherwise than the record. Records of before that say too little are believed.
    fn finding(&self) -> Option<Finding> {
        let facts = self.facts.as_ref()?;
        let remediation = self.remediation.to_string();
        let is_other = |outcome: &Option<String>| outcome.as_deref() != Some(Outcome::name(facts.outcome));
        let what = match &self.table {
            EndingTable::Gone => return Some(Finding::RemediationRemoved { remediation }),
            EndingTable::Whole { outcome, .. } | EndingTable::Forgotten { outcome } if is_other(outcome) => {
                "outcome"
            }
            EndingTable::Forgotten { .. } => return None,
            EndingTable::Whole { approved_by, .. } if *approved_by != facts.approved_by => "approver",
            EndingTable::Whole { plan_hash, .. } if *plan_hash != facts.plan_hash.to_string() => "plan hash",
            EndingTable::Whole { plan, .. } => {
                let plan: Option<Plan> = serde_json::from_str(plan).ok();
                if plan.is_some_and(|plan| plan.hash() == facts.plan_hash) {
                    return None;
                }
                "plan"
            }
        };
        Some(Finding::Contradicted { remediation, what })
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
    /// What tables say of remediations that have ended by records after a number, in the order of the records.
    async fn endings(&self, after: i64, most: usize) -> Result<Vec<Ending>, JournalFault>;
    /// Issues that are not there and of which records tell.
    async fn missing_issues(&self, most: usize) -> Result<Vec<IssueId>, JournalFault>;
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
    let mut verified = verifier.end(audit.unlinked().await?);
    let mut after = i64::MIN;
    loop {
        let page = audit.endings(after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.record;
        page.iter().filter_map(Ending::finding).for_each(|finding| verified.find(finding));
    }
    for issue in audit.missing_issues(PAGE).await? {
        verified.find(Finding::IssueRemoved { issue: issue.to_string() });
    }
    Ok(verified)
}
