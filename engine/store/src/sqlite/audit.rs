//! The audit chain: a link for every record, written with it; and the way to read it while another process has the
//! journal.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use rusqlite::{Connection, Row, params};
use selfheal_core::audit::{Head, Link, Stored};
use selfheal_core::hash::ContentHash;
use selfheal_core::issue::IssueId;
use selfheal_core::remediation::RemediationId;
use selfheal_runtime::ports::journal::{Audit, AuditEntry, Chain, Changed, EndFacts, Ending, EndingTable};
use selfheal_runtime::ports::{JournalFault, JournalFaultKind};

use super::fault::{Trouble, unavailable};
use super::open::{self, OpenFault};
use super::statements::Statements;
use super::writer::Work;
use super::{SqliteJournal, rows};

const HEAD: &str = "SELECT first, seq, hash FROM audit_head WHERE id = 1";

/// Adds the link of a record that was just written.
pub(super) fn link(statements: &Statements<'_>, stored: &Stored<'_>) -> Result<(), Trouble> {
    let head = read(statements)?.head;
    let Link { seq, record, at_micros, content, hash } =
        head.link(stored.id, stored.at_micros, stored.content());
    statements
        .get("INSERT INTO audit (seq, record, at, content, hash) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![seq.cast_signed(), record, at_micros, content.bytes(), hash.bytes()])?;
    statements
        .get("UPDATE audit_head SET seq = ?1, hash = ?2 WHERE id = 1")?
        .execute(params![seq.cast_signed(), hash.bytes()])?;
    Ok(())
}

/// Brings all that was written to the disk: a commit without any change would not.
struct Flush;

impl Work for Flush {
    type Answer = ();

    fn run(&self, statements: &Statements<'_>) -> Result<(), Trouble> {
        statements.get("UPDATE audit_head SET seq = seq WHERE id = 1")?.execute([])?;
        Ok(())
    }

    fn bytes(&self) -> usize {
        0
    }
}

/// Where the chain begins and ends.
pub(super) fn read(statements: &Statements<'_>) -> Result<Chain, Trouble> {
    Ok(statements.get(HEAD)?.query_row([], chain)?)
}

fn chain(row: &Row<'_>) -> rusqlite::Result<Chain> {
    let first = row.get("first")?;
    let hash: Option<[u8; 32]> = row.get("hash")?;
    let seq: i64 = row.get("seq")?;
    let head = match hash {
        Some(hash) => Head { seq: seq.cast_unsigned(), hash: ContentHash::from(hash) },
        None => Head::start(first),
    };
    Ok(Chain { first, head })
}

fn ask_chain(connection: &Connection) -> rusqlite::Result<Chain> {
    connection.prepare_cached(HEAD)?.query_row([], chain)
}

fn ask_links(connection: &Connection, after: u64, most: usize) -> rusqlite::Result<Vec<AuditEntry>> {
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut ask = connection.prepare_cached(
        "SELECT seq, record, audit.at AS linked_at, content, hash, id, issue, ordinal, records.at AS at, kind, actor,
             summary, facts
         FROM audit LEFT JOIN records ON id = record WHERE seq > ?1 ORDER BY seq LIMIT ?2",
    )?;
    ask.query_map([after, most], entry)?.collect()
}

fn entry(row: &Row<'_>) -> rusqlite::Result<AuditEntry> {
    let hash = |column| row.get::<_, [u8; 32]>(column).map(ContentHash::from);
    let link = Link {
        seq: row.get::<_, i64>("seq")?.cast_unsigned(),
        record: row.get("record")?,
        at_micros: row.get("linked_at")?,
        content: hash("content")?,
        hash: hash("hash")?,
    };
    let Some(id) = row.get("id")? else { return Ok(AuditEntry { link, record: None }) };
    let text = |column| row.get_ref(column)?.as_str().map_err(rusqlite::Error::from);
    let stored = Stored {
        id,
        issue: row.get("issue")?,
        ordinal: row.get("ordinal")?,
        at_micros: row.get("at")?,
        kind: text("kind")?,
        actor: text("actor")?,
        summary: text("summary")?,
        facts: row.get_ref("facts")?.as_str_or_null()?,
    };
    Ok(AuditEntry { link, record: Some((stored.content(), rows::record(row)?)) })
}

fn ask_changed(connection: &Connection, after: u64, most: usize) -> rusqlite::Result<Vec<Changed>> {
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut ask = connection.prepare_cached(
        "SELECT seq, issue, ordinal FROM audit LEFT JOIN records ON id = record WHERE seq > ?1 ORDER BY seq LIMIT ?2",
    )?;
    let changed = |row: &Row<'_>| {
        let seq: i64 = row.get("seq")?;
        Ok(Changed::new(seq.cast_unsigned(), row.get("issue")?, row.get("ordinal")?))
    };
    ask.query_map([after, most], changed)?.collect()
}

fn ask_unlinked(connection: &Connection) -> rusqlite::Result<u64> {
    let mut ask = connection.prepare_cached(
        "SELECT count(*) FROM records
         WHERE id >= (SELECT first FROM audit_head) AND id NOT IN (SELECT record FROM audit)",
    )?;
    ask.query_row([], |row| row.get::<_, i64>(0)).map(i64::cast_unsigned)
}

fn ask_endings(connection: &Connection, after: i64, most: usize) -> rusqlite::Result<Vec<Ending>> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut ask = connection.prepare_cached(
        "SELECT e.id, e.issue, e.ordinal, e.facts, r.issue IS NOT NULL AS whole, r.outcome, r.plan_hash, r.plan, r.approved_by,
             c.issue IS NOT NULL AS forgotten, c.outcome AS kept
         FROM records AS e LEFT JOIN remediations AS r ON r.issue = e.issue AND r.ordinal = e.ordinal
             LEFT JOIN courses AS c ON c.issue = e.issue AND c.ordinal = e.ordinal
         WHERE e.kind = ?3 AND e.ordinal IS NOT NULL AND e.id > ?1 ORDER BY e.id LIMIT ?2",
    )?;
    ask.query_map(params![after, most, EndFacts::KIND], ending)?.collect()
}

fn ending(row: &Row<'_>) -> rusqlite::Result<Ending> {
    let table = if row.get("whole")? {
        EndingTable::Whole {
            outcome: row.get("outcome")?,
            plan_hash: row.get("plan_hash")?,
            plan: row.get("plan")?,
            approved_by: row.get("approved_by")?,
        }
    } else if row.get("forgotten")? {
        EndingTable::Forgotten { outcome: row.get("kept")? }
    } else {
        EndingTable::Gone
    };
    Ok(Ending {
        record: row.get("id")?,
        remediation: RemediationId { issue: IssueId(row.get("issue")?), ordinal: row.get("ordinal")? },
        facts: Ending::facts_of(row.get_ref("facts")?.as_str_or_null()?),
        table,
    })
}

fn ask_missing_issues(connection: &Connection, most: usize) -> rusqlite::Result<Vec<IssueId>> {
    let mut ask = connection.prepare_cached(
        "SELECT DISTINCT issue FROM records WHERE issue IS NOT NULL AND issue NOT IN (SELECT id FROM issues)
         ORDER BY issue LIMIT ?1",
    )?;
    ask.query_map([i64::try_from(most).unwrap_or(i64::MAX)], |row| row.get(0).map(IssueId))?.collect()
}

#[async_trait]
impl Audit for SqliteJournal {
    async fn chain(&self) -> Result<Chain, JournalFault> {
        // Whoever is told where the chain ends keeps that elsewhere; a loss of power must not take it back.
        if self.synced.behind() > 0 {
            self.submit(Flush).await?;
        }
        self.query(ask_chain).await
    }

    async fn links(&self, after: u64, most: usize) -> Result<Vec<AuditEntry>, JournalFault> {
        self.query(move |connection| ask_links(connection, after, most)).await
    }

    async fn changed(&self, after: u64, most: usize) -> Result<Vec<Changed>, JournalFault> {
        self.query(move |connection| ask_changed(connection, after, most)).await
    }

    async fn unlinked(&self) -> Result<u64, JournalFault> {
        self.query(ask_unlinked).await
    }

    async fn endings(&self, after: i64, most: usize) -> Result<Vec<Ending>, JournalFault> {
        self.query(move |connection| ask_endings(connection, after, most)).await
    }

    async fn missing_issues(&self, most: usize) -> Result<Vec<IssueId>, JournalFault> {
        self.query(move |connection| ask_missing_issues(connection, most)).await
    }
}

/// The audit chain of a journal in SQLite, to be read only, whether another process has the journal or none.
///
/// Each question sees one moment. Needs a Tokio runtime.
pub struct SqliteAudit {
    connection: Arc<Mutex<Connection>>,
    path: PathBuf,
}

impl SqliteAudit {
    /// Opens the journal at `path` without its lock. Nothing is written.
    ///
    /// # Errors
    /// When there is none, when it has no chain yet, is of a newer version, damaged, or cannot be read.
    pub fn open(path: &Path) -> Result<Self, OpenFault> {
        let connection = open::open_to_audit(path)?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)), path: path.to_owned() })
    }

    async fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, JournalFault> {
        let connection = Arc::clone(&self.connection);
        let asked = tokio::task::spawn_blocking(move || {
            // A connection that only reads has no state that a panic could leave in doubt.
            ask(&connection.lock().unwrap_or_else(PoisonError::into_inner))
        });
        match asked.await {
            Ok(answer) => answer.map_err(|error| unavailable(&error)),
            Err(error) => Err(JournalFault {
                kind: JournalFaultKind::Unavailable,
                what: format!("a question to {} failed: {error}", self.path.display()),
            }),
        }
    }
}

#[async_trait]
impl Audit for SqliteAudit {
    async fn chain(&self) -> Result<Chain, JournalFault> {
        self.ask(ask_chain).await
    }

    async fn links(&self, after: u64, most: usize) -> Result<Vec<AuditEntry>, JournalFault> {
        self.ask(move |connection| ask_links(connection, after, most)).await
    }

    async fn changed(&self, after: u64, most: usize) -> Result<Vec<Changed>, JournalFault> {
        self.ask(move |connection| ask_changed(connection, after, most)).await
    }

    async fn unlinked(&self) -> Result<u64, JournalFault> {
        self.ask(ask_unlinked).await
    }

    async fn endings(&self, after: i64, most: usize) -> Result<Vec<Ending>, JournalFault> {
        self.ask(move |connection| ask_endings(connection, after, most)).await
    }

    async fn missing_issues(&self, most: usize) -> Result<Vec<IssueId>, JournalFault> {
        self.ask(move |connection| ask_missing_issues(connection, most)).await
    }
}
