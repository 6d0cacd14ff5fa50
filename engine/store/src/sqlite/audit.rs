//! The audit chain: a link for every record, written with it; and the way to read it while another process has the
//! journal.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use rusqlite::{Connection, Row, params};
use selfheal_core::audit::{Head, Link, Stored};
use selfheal_core::hash::ContentHash;
use selfheal_runtime::ports::journal::{Audit, AuditEntry, Chain, Changed};
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
}
