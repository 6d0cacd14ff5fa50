//! The audit chain, to be read. The links are written by a trigger of the schema, at the end of each transaction.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use selfheal_core::audit::{Head, Link, Stored};
use selfheal_core::hash::ContentHash;
use selfheal_core::issue::IssueId;
use selfheal_core::remediation::RemediationId;
use selfheal_runtime::ports::JournalFault;
use selfheal_runtime::ports::journal::{Audit, AuditEntry, Chain, Changed, EndFacts, Ending, EndingTable};
use tokio_postgres::Row;

use super::columns::Columns as _;
use super::connection::{Sql, sql};
use super::fault::Trouble;
use super::open::{self, PostgresFault, PostgresSettings};
use super::pool::Pool;
use super::{PostgresJournal, first, read, rows};

/// How long the auditor may take for one question: some go through all that there is, and nothing waits for their answers.
const QUESTION_LIMIT: Duration = Duration::from_secs(30 * 60);

/// Where the chain begins and ends.
pub(super) fn ask_chain() -> Sql<'static> {
    sql!("SELECT first, seq, hash FROM audit_head WHERE id = 1")
}

fn chain(row: &Row) -> Result<Chain, Trouble> {
    let first = row.value("first")?;
    let head = match row.value::<Option<&[u8]>>("hash")? {
        Some(bytes) => Head { seq: row.number("seq")?, hash: hash(bytes)? },
        None => Head::start(first),
    };
    Ok(Chain { first, head })
}

fn hash(bytes: &[u8]) -> Result<ContentHash, Trouble> {
    let bytes: [u8; 32] = bytes
        .try_into()
        .map_err(|_| Trouble::Value("a hash of the audit chain has not 32 bytes".to_owned()))?;
    Ok(bytes.into())
}

fn ask_links(after: u64, most: usize) -> Sql<'static> {
    sql!(
        "SELECT seq, record, audit.at AS linked_at, content, hash, id, issue, ordinal, records.at AS at, kind, actor,
             summary, facts
         FROM audit LEFT JOIN records ON id = record WHERE seq > $1 ORDER BY seq LIMIT $2",
        i64::try_from(after).unwrap_or(i64::MAX),
        i64::try_from(most).unwrap_or(i64::MAX)
    )
}

fn entry(row: &Row) -> Result<AuditEntry, Trouble> {
    let link = Link {
        seq: row.number("seq")?,
        record: row.value("record")?,
        at_micros: row.value("linked_at")?,
        content: hash(row.value("content")?)?,
        hash: hash(row.value("hash")?)?,
    };
    let Some(id) = row.value("id")? else { return Ok(AuditEntry { link, record: None }) };
    let stored = Stored {
        id,
        issue: row.value("issue")?,
        ordinal: row.value("ordinal")?,
        at_micros: row.value("at")?,
        kind: row.value("kind")?,
        actor: row.value("actor")?,
        summary: row.value("summary")?,
        facts: row.value("facts")?,
    };
    Ok(AuditEntry { link, record: Some((stored.content(), rows::record(row)?)) })
}

fn ask_changed(after: u64, most: usize) -> Sql<'static> {
    sql!(
        "SELECT seq, issue, ordinal FROM audit LEFT JOIN records ON id = record WHERE seq > $1 ORDER BY seq LIMIT $2",
        i64::try_from(after).unwrap_or(i64::MAX),
        i64::try_from(most).unwrap_or(i64::MAX)
    )
}

fn ask_unlinked() -> Sql<'static> {
    sql!(
        "SELECT count(*) AS unlinked FROM records
         WHERE id >= (SELECT first FROM audit_head) AND NOT EXISTS (SELECT FROM audit WHERE record = records.id)"
    )
}

fn ask_endings(after: i64, most: usize) -> Sql<'static> {
    sql!(
        "SELECT e.id, e.issue, e.ordinal, e.facts, r.issue IS NOT NULL AS whole, r.outcome, r.plan_hash, r.plan, r.approved_by,
             c.issue IS NOT NULL AS forgotten, c.outcome AS kept
         FROM records AS e LEFT JOIN remediations AS r ON r.issue = e.issue AND r.ordinal = e.ordinal
             LEFT JOIN courses AS c ON c.issue = e.issue AND c.ordinal = e.ordinal
         WHERE e.kind = $3 AND e.ordinal IS NOT NULL AND e.id > $1 ORDER BY e.id LIMIT $2",
        after,
        i64::try_from(most).unwrap_or(i64::MAX),
        EndFacts::KIND
    )
}

fn ending(row: &Row) -> Result<Ending, Trouble> {
    let table = if row.value("whole")? {
        EndingTable::Whole {
            outcome: row.value("outcome")?,
            plan_hash: row.value("plan_hash")?,
            plan: row.value("plan")?,
            approved_by: row.value("approved_by")?,
        }
    } else if row.value("forgotten")? {
        EndingTable::Forgotten { outcome: row.value("kept")? }
    } else {
        EndingTable::Gone
    };
    Ok(Ending {
        record: row.value("id")?,
        remediation: RemediationId { issue: IssueId(row.value("issue")?), ordinal: row.number("ordinal")? },
        facts: Ending::facts_of(row.value("facts")?),
        table,
    })
}

fn ask_missing_issues(most: usize) -> Sql<'static> {
    sql!(
        "SELECT DISTINCT issue FROM records
         WHERE issue IS NOT NULL AND NOT EXISTS (SELECT FROM issues WHERE issues.id = records.issue)
         ORDER BY issue LIMIT $1",
        i64::try_from(most).unwrap_or(i64::MAX)
    )
}

/// The answer to [`ask_chain`].
pub(super) fn chain_of(rows: &[Row]) -> Result<Chain, Trouble> {
    let none = || Trouble::Value("the head of the audit chain was removed".to_owned());
    rows.first().map(chain).transpose()?.ok_or_else(none)
}

#[async_trait]
impl Audit for Pool {
    async fn chain(&self) -> Result<Chain, JournalFault> {
        chain_of(&self.ask(ask_chain()).await?).map_err(|trouble| trouble.fault())
    }

    async fn links(&self, after: u64, most: usize) -> Result<Vec<AuditEntry>, JournalFault> {
        read(&self.ask(ask_links(after, most)).await?, entry)
    }

    async fn changed(&self, after: u64, most: usize) -> Result<Vec<Changed>, JournalFault> {
        read(&self.ask(ask_changed(after, most)).await?, |row| {
            Ok(Changed::new(row.number("seq")?, row.value("issue")?, row.value("ordinal")?))
        })
    }

    async fn unlinked(&self) -> Result<u64, JournalFault> {
        let count = first(&self.ask(ask_unlinked()).await?, |row| row.number("unlinked"))?;
        Ok(count.unwrap_or_default())
    }

    async fn endings(&self, after: i64, most: usize) -> Result<Vec<Ending>, JournalFault> {
        read(&self.ask(ask_endings(after, most)).await?, ending)
    }

    async fn missing_issues(&self, most: usize) -> Result<Vec<IssueId>, JournalFault> {
        read(&self.ask(ask_missing_issues(most)).await?, |row| Ok(IssueId(row.value("issue")?)))
    }
}

#[async_trait]
impl Audit for PostgresJournal {
    async fn chain(&self) -> Result<Chain, JournalFault> {
        self.pool.chain().await
    }

    async fn links(&self, after: u64, most: usize) -> Result<Vec<AuditEntry>, JournalFault> {
        self.pool.links(after, most).await
    }

    async fn changed(&self, after: u64, most: usize) -> Result<Vec<Changed>, JournalFault> {
        self.pool.changed(after, most).await
    }

    async fn unlinked(&self) -> Result<u64, JournalFault> {
        self.pool.unlinked().await
    }

    async fn endings(&self, after: i64, most: usize) -> Result<Vec<Ending>, JournalFault> {
        self.pool.endings(after, most).await
    }

    async fn missing_issues(&self, most: usize) -> Result<Vec<IssueId>, JournalFault> {
        self.pool.missing_issues(most).await
    }
}

/// The audit chain of a journal on PostgreSQL, to be read only: the schema is left as it is.
pub struct PostgresAudit(Pool);

impl PostgresAudit {
    /// Connects when the first question is asked. Each may take half an hour, however long the settings let a statement take.
    ///
    /// # Errors
    /// The settings cannot be used.
    pub fn new(settings: &PostgresSettings) -> Result<Self, PostgresFault> {
        let mut connector = open::connector(settings)?;
        connector.limits.statement = QUESTION_LIMIT;
        Ok(Self(Pool::new(Arc::new(connector))))
    }
}

#[async_trait]
impl Audit for PostgresAudit {
    async fn chain(&self) -> Result<Chain, JournalFault> {
        self.0.chain().await
    }

    async fn links(&self, after: u64, most: usize) -> Result<Vec<AuditEntry>, JournalFault> {
        self.0.links(after, most).await
    }

    async fn changed(&self, after: u64, most: usize) -> Result<Vec<Changed>, JournalFault> {
        self.0.changed(after, most).await
    }

    async fn unlinked(&self) -> Result<u64, JournalFault> {
        self.0.unlinked().await
    }

    async fn endings(&self, after: i64, most: usize) -> Result<Vec<Ending>, JournalFault> {
        self.0.endings(after, most).await
    }

    async fn missing_issues(&self, most: usize) -> Result<Vec<IssueId>, JournalFault> {
        self.0.missing_issues(most).await
    }
}
